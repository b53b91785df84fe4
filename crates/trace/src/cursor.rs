//! One thread's stream of events in a generation: its batches, decoded a chunk at a time.
//!
//! Refuses: order across threads.

use crate::{
    columns::{Chunk, Progress, Unit, decode},
    error::{Broken, TraceError},
    index::BatchAt,
    source::{Source, fill, part},
};

/// A thread's next events.
#[derive(Debug)]
pub(crate) struct Cursor {
    /// Slot of the thread in the order.
    pub(crate) thread: u32,
    pub(crate) chunk: Box<Chunk>,
    /// Next event of the chunk.
    pub(crate) next: usize,
    batches: Vec<BatchAt>,
    /// Batch that the chunk is of, and the one after it.
    batch: Option<BatchAt>,
    following: usize,
    progress: Progress,
    /// Where the chunk begins in the batch.
    chunk_start: Progress,
    /// The payload, where the source is not in memory.
    buffer: Vec<u8>,
    /// Met behind the events of the chunk.
    trouble: Option<Broken>,
}

impl Cursor {
    pub(crate) fn new() -> Self {
        Self {
            thread: 0,
            chunk: Chunk::new(),
            next: 0,
            batches: Vec::new(),
            batch: None,
            following: 0,
            progress: Progress::default(),
            chunk_start: Progress::default(),
            buffer: Vec::new(),
            trouble: None,
        }
    }

    /// Begins with a thread's batches.
    pub(crate) fn start(&mut self, thread: u32, batches: Vec<BatchAt>) {
        self.thread = thread;
        self.batches = batches;
        self.batch = None;
        self.following = 0;
        self.chunk.len = 0;
        self.next = 0;
        self.trouble = None;
    }

    /// Time of the next event of the chunk.
    #[inline]
    pub(crate) fn time(&self) -> Option<i64> {
        if self.next < self.chunk.len { self.chunk.time.get(self.next).copied() } else { None }
    }

    /// Decodes the next chunk; false at the end of the stream. Trouble comes after the events before it.
    pub(crate) fn refill<S: Source + ?Sized>(
        &mut self,
        source: &S,
        unit: Unit,
    ) -> Result<Result<bool, Broken>, TraceError> {
        self.next = 0;
        self.chunk.len = 0;
        loop {
            if let Some(trouble) = self.trouble.take() {
                self.following = self.batches.len();
                self.batch = None;
                return Ok(Err(trouble));
            }
            if self.batch.is_none_or(|b| self.progress.pos >= b.len as usize) {
                let Some(&b) = self.batches.get(self.following) else { return Ok(Ok(false)) };
                self.following += 1;
                self.batch = Some(b);
                self.progress = Progress { pos: 0, time: unit.nanoseconds(b.time) };
                if source.memory().is_none() {
                    let io = |source| TraceError::Io { offset: b.payload, source };
                    fill(source, b.payload, b.len as usize, &mut self.buffer).map_err(io)?;
                }
            }
            let Some(b) = self.batch else { return Ok(Ok(false)) };
            let bytes = match source.memory() {
                Some(all) => part(all, b.payload, b.len as usize).unwrap_or_default(),
                None => &self.buffer,
            };
            self.chunk_start = self.progress;
            if let Err(trouble) = decode(bytes, &mut self.progress, unit, &mut self.chunk, b.payload) {
                self.trouble = Some(trouble);
            } else if self.chunk.len == 0 {
                // Cannot be for bytes that are left; but never stand still.
                self.progress.pos = b.len as usize;
            }
            if self.chunk.len > 0 {
                return Ok(Ok(true));
            }
        }
    }

    /// Offset in the file of an event of the chunk: found by decoding up to it again.
    #[cold]
    pub(crate) fn offset_of<S: Source + ?Sized>(&self, source: &S, event: usize) -> u64 {
        let Some(b) = self.batch else { return 0 };
        let bytes = match source.memory() {
            Some(all) => part(all, b.payload, b.len as usize).unwrap_or_default(),
            None => &self.buffer,
        };
        let mut pos = self.chunk_start.pos;
        for _ in 0..event {
            pos += bytes.get(pos..).and_then(crate::columns::length).unwrap_or(0);
        }
        b.payload.saturating_add(pos as u64)
    }
}
