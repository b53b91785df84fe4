//! The batches of one generation, by thread, and its tables: what a first pass over the headers finds.
//!
//! Refuses: batches of other generations; where one stands, the generation ends. Payloads of events are not read.
//!
//! Source: GOROOT/src/internal/trace/generation.go, `readGeneration` and `readGenerationWithSpill` (Go 1.27.3).

use hashbrown::HashMap;

use crate::{
    allocfree,
    batch::{Header, Holds, read_header},
    error::{Broken, Gap, TraceError},
    header::Version,
    source::{Source, payload},
    tables::Generation,
};

/// Most threads of a generation. Go lets a program have 10,000 unless it asks for more; the work of an event that has to
/// wait grows with them.
const MAX_THREADS: usize = 1 << 14;

/// Where a batch of events is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchAt {
    pub(crate) payload: u64,
    /// Base time stamp, in units.
    pub(crate) time: u64,
    pub(crate) len: u32,
}

/// The batches of events of one thread, in file order.
#[derive(Debug)]
pub(crate) struct ThreadBatches {
    pub(crate) thread: i64,
    pub(crate) batches: Vec<BatchAt>,
}

/// The batches of a generation. Threads stand in the order in which their first batches do.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) threads: Vec<ThreadBatches>,
    of_thread: HashMap<i64, u32>,
}

/// How a generation ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The next one begins at this offset.
    Next(u64),
    /// With the file.
    File,
    /// Something stands where a batch should.
    Broken(Broken),
}

/// What the first pass over a generation found.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) end: End,
    /// Trouble inside a batch of structure: the generation's events cannot be told.
    pub(crate) fault: Option<Gap>,
    /// Trouble inside a batch of the experiment alloc/free: its events are told without types.
    pub(crate) experiment: Option<Gap>,
    /// Any batch was found.
    pub(crate) any: bool,
}

impl Index {
    fn add(&mut self, h: &Header) {
        let next = self.threads.len() as u32;
        let slot = *self.of_thread.entry(h.thread).or_insert(next);
        if slot == next {
            self.threads.push(ThreadBatches { thread: h.thread, batches: Vec::new() });
        }
        if h.len > 0
            && let Some(t) = self.threads.get_mut(slot as usize)
        {
            t.batches.push(BatchAt { payload: h.payload, time: h.time, len: h.len });
        }
    }

    /// Passes over the batches from `offset` to the end of their generation.
    pub(crate) fn scan<S: Source + ?Sized>(
        &mut self,
        source: &S,
        version: Version,
        offset: u64,
        generation: &mut Generation,
    ) -> Result<Scanned, TraceError> {
        self.threads.clear();
        self.of_thread.clear();
        generation.clear(0);
        let mut found = Scanned { end: End::File, fault: None, experiment: None, any: false };
        let mut buffer = Vec::new();
        let mut at = offset;
        loop {
            let h = match read_header(source, at)? {
                Ok(Some(h)) => h,
                Ok(None) => {
                    if version >= Version::Go126 && found.any {
                        found.end = End::Broken(Broken::new(
                            at,
                            "expected the end of the generation, found the end of the file",
                        ));
                    }
                    return Ok(found);
                }
                Err(broken) => {
                    found.end = End::Broken(broken);
                    return Ok(found);
                }
            };
            if version >= Version::Go126 && h.holds == Holds::EndOfGeneration {
                found.end = End::Next(h.end());
                return Ok(found);
            }
            if let Some(end) = self.belongs(version, &h, generation) {
                found.end = end;
                return Ok(found);
            }
            found.any = true;
            generation.min_time = match generation.min_time {
                Some(t) if t != 0 => Some(t.min(h.time)),
                _ => Some(h.time),
            };
            match h.holds {
                Holds::Events | Holds::Nothing => {
                    self.add(&h);
                    if self.threads.len() > MAX_THREADS {
                        let what = format!("expected at most {MAX_THREADS} threads in a generation, found more");
                        found.end = End::Broken(Broken::new(h.offset, what));
                        return Ok(found);
                    }
                }
                Holds::Structure(kind) => {
                    let bytes = payload(source, h.payload, h.len as usize, &mut buffer)
                        .map_err(|source| TraceError::Io { offset: h.payload, source })?;
                    if let Err(broken) = generation.add(version, kind, h.time, bytes, h.payload)
                        && found.fault.is_none()
                    {
                        found.fault = Some(broken.in_generation(generation.number));
                    }
                }
                Holds::Experiment(allocfree::EXPERIMENT) => {
                    let bytes = payload(source, h.payload, h.len as usize, &mut buffer)
                        .map_err(|source| TraceError::Io { offset: h.payload, source })?;
                    // An experiment that is not understood spoils nothing else.
                    if let Err(broken) = generation.alloc_free.add(bytes, h.payload) {
                        found.experiment = Some(broken.in_generation(generation.number));
                    }
                }
                Holds::Experiment(_) | Holds::EndOfGeneration => {}
            }
            at = h.end();
        }
    }

    /// `None` if the batch is of this generation; otherwise how the generation ends.
    fn belongs(&self, version: Version, h: &Header, generation: &mut Generation) -> Option<End> {
        let broken = |text: String| Some(End::Broken(Broken::new(h.offset, text)));
        if h.holds == Holds::EndOfGeneration {
            return broken("expected a batch (event 1 or 49), found event 52".to_owned());
        }
        if h.generation == 0 {
            return broken("expected the number of a generation, found 0".to_owned());
        }
        if generation.number == 0 {
            generation.number = h.generation;
        }
        if h.generation == generation.number {
            return None;
        }
        if version < Version::Go126 && h.generation == generation.number.wrapping_add(1) {
            return Some(End::Next(h.offset));
        }
        broken(format!("expected a batch of generation {}, found one of {}", generation.number, h.generation))
    }
}
