//! Batch headers, and the index of a generation: which batches belong to it and where their payloads are.
//!
//! Refuses: payloads longer than the format allows or than the file is. Payloads are not read here.
//!
//! Source: GOROOT/src/internal/trace/batch.go and generation.go (Go 1.27.3).

use crate::{
    error::{Broken, TraceError},
    leb,
    source::Source,
    wire::{MAX_BATCH, structural},
};

/// Longest header: a byte, the experiment, four numbers of ten bytes. One byte more tells the kind of the payload.
const MAX_HEADER: usize = 2 + 4 * 10 + 1;

/// What a batch holds, told by the first byte of its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Nothing.
    Nothing,
    /// Timed events of one M.
    Events,
    /// Structure: strings, stacks, CPU samples, frequency, sync; the first byte.
    Structure(u8),
    /// A batch of an experiment, by its number.
    Experiment(u8),
    /// Not a batch: the end of the generation.
    EndOfGeneration,
}

/// Header of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    /// Offset of the header in the file.
    pub(crate) offset: u64,
    /// Offset of the payload.
    pub(crate) payload: u64,
    /// Bytes of payload, at most 64 KiB and inside the file.
    pub(crate) len: u32,
    pub(crate) generation: u64,
    /// M that wrote it; -1 for none.
    pub(crate) thread: i64,
    /// Base time stamp, in units of the trace clock.
    pub(crate) time: u64,
    pub(crate) holds: Holds,
}

impl Header {
    /// Offset behind the payload.
    pub(crate) fn end(&self) -> u64 {
        self.payload.saturating_add(u64::from(self.len))
    }
}

/// Reads the header at `offset`. `Ok(Ok(None))` at the very end of the file.
pub(crate) fn read_header<S: Source + ?Sized>(
    source: &S,
    offset: u64,
) -> Result<Result<Option<Header>, Broken>, TraceError> {
    if offset >= source.size() {
        return Ok(Ok(None));
    }
    let mut buffer = [0; MAX_HEADER];
    let len = source.read_at(offset, &mut buffer).map_err(|source| TraceError::Io { offset, source })?;
    match buffer.get(..len) {
        None | Some([]) => Ok(Ok(None)),
        Some(bytes) => Ok(parse_header(bytes, offset, source.size()).map(Some)),
    }
}

fn parse_header(bytes: &[u8], offset: u64, size: u64) -> Result<Header, Broken> {
    let mut pos = 1;
    let experiment = match bytes.first().copied() {
        Some(structural::END_OF_GENERATION) => {
            return Ok(Header {
                offset,
                payload: offset.saturating_add(1),
                len: 0,
                generation: 0,
                thread: -1,
                time: 0,
                holds: Holds::EndOfGeneration,
            });
        }
        Some(structural::EVENT_BATCH) => None,
        Some(structural::EXPERIMENTAL_BATCH) => {
            pos = 2;
            let Some(&e) = bytes.get(1) else {
                return Err(Broken::new(offset, "expected the experiment of a batch, found the end of the file"));
            };
            Some(e)
        }
        other => {
            return Err(Broken::new(
                offset,
                format!("expected a batch (event 1 or 49), found event {}", other.unwrap_or(0)),
            ));
        }
    };
    let mut number = |what: &str| {
        let at = offset.saturating_add(pos as u64);
        leb::read(bytes, &mut pos)
            .ok_or_else(|| Broken::new(at, format!("expected the {what} of a batch, found no number")))
    };
    let generation = number("generation")?;
    let thread = number("thread")?.cast_signed();
    let time = number("time stamp")?;
    let len = number("size")?;
    if len > MAX_BATCH {
        return Err(Broken::new(
            offset,
            format!("expected a batch of at most {MAX_BATCH} bytes, found a size of {len}"),
        ));
    }
    let payload = offset.saturating_add(pos as u64);
    let there = size.saturating_sub(payload);
    if len > there {
        return Err(Broken::new(
            offset,
            format!("expected {len} bytes of batch, found {there} to the end of the file"),
        ));
    }
    let holds = match (experiment, bytes.get(pos)) {
        // Experiment 0 is no experiment (`NoExperiment`).
        (Some(e), _) if e != 0 => Holds::Experiment(e),
        _ if len == 0 => Holds::Nothing,
        (_, Some(&first)) => match first {
            structural::STACKS
            | structural::STRINGS
            | structural::CPU_SAMPLES
            | structural::FREQUENCY
            | structural::SYNC => Holds::Structure(first),
            _ => Holds::Events,
        },
        (_, None) => Holds::Nothing,
    };
    Ok(Header { offset, payload, len: len as u32, generation, thread, time, holds })
}
