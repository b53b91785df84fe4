//! One thread's batches in a generation, decoded a chunk at a time.
//!
//! Refuses: order across threads, and knowing who decodes: the caller's thread or one that works ahead.

use crate::{
    columns::{Chunk, Progress, Unit, decode},
    error::{Broken, TraceError},
    index::{BatchAt, ThreadBatches},
    source::{Source, fill, part},
    wire::{MAX_ARGS, Wire},
};

/// Events looked at together when stacks are looked for: the first of a generation have some.
const PEEK: usize = 12;

/// What is left of a thread's batches.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    batches: Vec<BatchAt>,
    /// Batch at hand, and the number of the one after it.
    batch: Option<BatchAt>,
    following: usize,
    progress: Progress,
    /// The payload, where the source is not in memory.
    buffer: Vec<u8>,
    /// Met behind the events of the last chunk.
    trouble: Option<Broken>,
}

/// How the filling of a chunk ended.
#[derive(Debug)]
pub(crate) enum Filled {
    /// The chunk holds events.
    Events,
    /// There are no more.
    Ended,
    /// There are more bytes, but not events.
    Broken(Broken),
    /// The source failed.
    Error(TraceError),
}

impl Stream {
    /// Begins with a thread's batches.
    pub(crate) fn start(&mut self, batches: Vec<BatchAt>) {
        self.batches = batches;
        self.batch = None;
        self.following = 0;
        self.trouble = None;
    }

    /// Nothing is left to decode.
    pub(crate) fn is_done(&self) -> bool {
        self.trouble.is_none()
            && self.following >= self.batches.len()
            && self.batch.is_none_or(|b| self.progress.pos >= b.len as usize)
    }

    /// The payload of the batch at hand, how far it is decoded, and its offset.
    pub(crate) fn here<'a, S: Source + ?Sized>(
        &'a mut self,
        source: &'a S,
    ) -> Option<(&'a [u8], &'a mut Progress, u64)> {
        let b = self.batch?;
        let bytes = match source.memory() {
            Some(all) => part(all, b.payload, b.len as usize)?,
            None => &self.buffer,
        };
        Some((bytes, &mut self.progress, b.payload))
    }

    /// Decodes the next chunk, of at most so many events. Trouble comes after the events before it.
    pub(crate) fn fill<S: Source + ?Sized>(
        &mut self,
        source: &S,
        unit: Unit,
        chunk: &mut Chunk,
        most: usize,
    ) -> Filled {
        chunk.len = 0;
        loop {
            if let Some(trouble) = self.trouble.take() {
                self.following = self.batches.len();
                self.batch = None;
                return Filled::Broken(trouble);
            }
            if self.batch.is_none_or(|b| self.progress.pos >= b.len as usize) {
                let Some(&b) = self.batches.get(self.following) else { return Filled::Ended };
                self.following += 1;
                self.batch = Some(b);
                self.progress = Progress { pos: 0, time: unit.nanoseconds(b.time) };
                if source.memory().is_none()
                    && let Err(source) = fill(source, b.payload, b.len as usize, &mut self.buffer)
                {
                    return Filled::Error(TraceError::Io { offset: b.payload, source });
                }
            }
            let Some(b) = self.batch else { return Filled::Ended };
            let bytes = match source.memory() {
                Some(all) => part(all, b.payload, b.len as usize).unwrap_or_default(),
                None => &self.buffer,
            };
            chunk.batch = (b.payload, b.len);
            chunk.start = self.progress.pos;
            if let Err(trouble) = decode(bytes, &mut self.progress, unit, chunk, most, b.payload) {
                self.trouble = Some(trouble);
            } else if chunk.len == 0 {
                // Cannot be for bytes that are left; but never stand still.
                self.progress.pos = b.len as usize;
            }
            if chunk.len > 0 {
                return Filled::Events;
            }
        }
    }
}

/// Whether any event of these batches has a stack.
pub(crate) fn names_stacks<S: Source + ?Sized>(source: &S, threads: &[ThreadBatches]) -> bool {
    let mut chunk = Chunk::default();
    threads.iter().any(|thread| {
        let mut stream = Stream::default();
        stream.start(thread.batches.clone());
        while matches!(stream.fill(source, Unit::new(0.0), &mut chunk, PEEK), Filled::Events) {
            let rows = chunk.rows();
            let stack = |(wire, args): (Wire, &[u64; MAX_ARGS])| {
                wire.stack_argument().and_then(|i| args.get(i)).is_some_and(|s| *s != 0)
            };
            if (0..chunk.len).any(|i| rows.get(i).is_some_and(stack)) {
                return true;
            }
        }
        false
    })
}
