//! One thread's next events in a generation, decoded here or ahead.
//!
//! Refuses: order across threads.

use std::collections::VecDeque;

use crate::{
    ahead::{Ahead, Job},
    columns::{CHUNK, Chunk, Progress, Unit, length},
    error::{Broken, TraceError},
    index::BatchAt,
    source::{Source, payload},
    stream::{Filled, Stream},
};

/// Events in a chunk where nobody decodes ahead: enough for a short run; in a long one, events are decoded one by one
/// as they are taken ([`Cursor::here`]).
const PEEK: usize = 12;

/// A thread's next events.
#[derive(Debug)]
pub(crate) struct Cursor {
    /// Slot of the thread in the order.
    pub(crate) thread: u32,
    pub(crate) chunk: Chunk,
    /// Next event of the chunk.
    pub(crate) next: usize,
    /// `None` while it is lent.
    stream: Option<Stream>,
    /// Chunks after this one.
    ready: VecDeque<Chunk>,
    spare: Vec<Chunk>,
    /// What comes after them.
    then: Option<Filled>,
}

impl Cursor {
    pub(crate) fn new() -> Self {
        Self {
            thread: 0,
            chunk: Chunk::default(),
            next: 0,
            stream: None,
            ready: VecDeque::new(),
            spare: Vec::new(),
            then: None,
        }
    }

    /// Begins with a thread's batches.
    pub(crate) fn start(&mut self, thread: u32, batches: Vec<BatchAt>) {
        self.thread = thread;
        self.chunk.len = 0;
        self.next = 0;
        self.spare.extend(self.ready.drain(..));
        self.then = None;
        self.stream.get_or_insert_default().start(batches);
    }

    /// Time of the next event of the chunk.
    #[inline(always)]
    pub(crate) fn time(&self) -> Option<i64> {
        self.chunk.rows().time(self.next)
    }

    /// The batch behind the chunk, if it is decoded here: payload, progress and offset.
    pub(crate) fn here<'a, S: Source + ?Sized>(
        &'a mut self,
        source: &'a S,
    ) -> Option<(&'a [u8], &'a mut Progress, u64)> {
        self.stream.as_mut()?.here(source)
    }

    /// Goes to the next chunk; false at the end of the stream. Trouble comes after the events before it.
    pub(crate) fn refill<S: Source + ?Sized>(
        &mut self,
        number: usize,
        source: &S,
        unit: Unit,
        ahead: Option<&mut Ahead>,
    ) -> Result<Result<bool, Broken>, TraceError> {
        self.next = 0;
        let filled = match ahead {
            Some(ahead) => self.take_ahead(number, source, unit, ahead),
            None => self.stream.get_or_insert_default().fill(source, unit, &mut self.chunk, PEEK),
        };
        match filled {
            Filled::Events => Ok(Ok(true)),
            Filled::Ended => {
                self.chunk.len = 0;
                Ok(Ok(false))
            }
            Filled::Broken(broken) => Ok(Err(broken)),
            Filled::Error(error) => Err(error),
        }
    }

    fn take_ahead<S: Source + ?Sized>(&mut self, number: usize, source: &S, unit: Unit, ahead: &mut Ahead) -> Filled {
        if self.ready.is_empty() {
            if let Some(then) = self.then.take() {
                self.then = Some(Filled::Ended);
                return then;
            }
            if let Some(stream) = &mut self.stream {
                // The first chunk of a generation is wanted at once.
                let filled = stream.fill(source, unit, &mut self.chunk, CHUNK);
                self.lend(number, unit, ahead);
                return filled;
            }
            let Some(done) = ahead.wait(number) else {
                return Filled::Error(TraceError::Io { offset: 0, source: std::io::ErrorKind::BrokenPipe.into() });
            };
            let mut chunks = done.job.chunks;
            self.spare.extend(chunks.drain(done.filled.min(chunks.len())..));
            self.ready.extend(chunks);
            self.stream = Some(done.job.stream);
            match done.then {
                Filled::Events => self.lend(number, unit, ahead),
                then => self.then = Some(then),
            }
        }
        match self.ready.pop_front() {
            Some(next) => {
                self.spare.push(std::mem::replace(&mut self.chunk, next));
                Filled::Events
            }
            None => self.then.replace(Filled::Ended).unwrap_or(Filled::Ended),
        }
    }

    /// Has the next chunks decoded, if there can be any.
    fn lend(&mut self, number: usize, unit: Unit, ahead: &mut Ahead) {
        if self.stream.as_ref().is_none_or(Stream::is_done) {
            self.then = Some(Filled::Ended);
            return;
        }
        let Some(stream) = self.stream.take() else { return };
        let keep = self.spare.len().saturating_sub(ahead.group);
        let mut chunks = self.spare.split_off(keep);
        chunks.resize_with(ahead.group, Chunk::default);
        ahead.submit(Job { cursor: number, stream, unit, chunks });
    }

    /// Offset in the file of an event of the chunk: found by decoding up to it again.
    #[cold]
    pub(crate) fn offset_of<S: Source + ?Sized>(&self, source: &S, event: usize) -> u64 {
        let (at, len) = self.chunk.batch;
        let mut buffer = Vec::new();
        let bytes = payload(source, at, len as usize, &mut buffer).unwrap_or_default();
        let mut pos = self.chunk.start;
        for _ in 0..event {
            pos += bytes.get(pos..).and_then(length).unwrap_or(0);
        }
        at.saturating_add(pos as u64)
    }
}
