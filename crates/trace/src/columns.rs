//! Timed events of one batch, decoded into columns: time, event, arguments.
//!
//! A [`Chunk`] holds a fixed number of events and stays in the processor's cache; a batch is decoded chunk by
//! chunk. Refuses: events without a time, numbers cut off at the end of a batch.
//!
//! Source: GOROOT/src/internal/trace/batchcursor.go (Go 1.27.3).

use crate::{
    error::Broken,
    leb,
    wire::{ARGS, MAX_ARGS, UNTIMED, Wire},
};

/// Events in a chunk.
pub(crate) const CHUNK: usize = 256;

/// A run of events of one M. Its columns are as long as the longest run so far, at most [`CHUNK`].
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    /// Nanoseconds.
    time: Vec<i64>,
    /// Numbers of timed events.
    kind: Vec<Wire>,
    /// Arguments, the time left out; what an event does not have is of no meaning.
    args: Vec<[u64; MAX_ARGS]>,
    /// How many of the rows hold events.
    pub(crate) len: usize,
    /// Offset and length of the batch it is of.
    pub(crate) batch: (u64, u32),
    /// Where it begins in the batch.
    pub(crate) start: usize,
}

impl Chunk {
    /// The events, column by column.
    #[inline(always)]
    pub(crate) fn rows(&self) -> Rows<'_> {
        let len = self.len.min(self.time.len()).min(self.kind.len()).min(self.args.len());
        Rows {
            time: self.time.get(..len).unwrap_or_default(),
            kind: self.kind.get(..len).unwrap_or_default(),
            args: self.args.get(..len).unwrap_or_default(),
        }
    }

    /// Makes room for the events that so many bytes can hold: a trace may have many threads with few bytes each.
    fn room(&mut self, bytes: usize, most: usize) {
        let rows = (bytes / SHORTEST + 1).min(most);
        if self.time.len() < rows {
            self.time.resize(rows, 0);
            self.kind.resize(rows, Wire::ProcStop);
            self.args.resize(rows, [0; MAX_ARGS]);
        }
    }
}

/// The columns of a chunk, all of the same length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    time: &'a [i64],
    kind: &'a [Wire],
    args: &'a [[u64; MAX_ARGS]],
}

impl<'a> Rows<'a> {
    /// Time of an event, if there is one of that number.
    #[inline(always)]
    pub(crate) fn time(&self, event: usize) -> Option<i64> {
        self.time.get(event).copied()
    }

    /// Number and arguments of an event.
    #[inline(always)]
    pub(crate) fn get(&self, event: usize) -> Option<(Wire, &'a [u64; MAX_ARGS])> {
        Some((*self.kind.get(event)?, self.args.get(event)?))
    }
}

/// Bytes of the shortest event: its number and its time.
const SHORTEST: usize = 2;

/// How far a batch is decoded.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// Bytes of the payload.
    pub(crate) pos: usize,
    /// Time of the last event, at first the batch's base.
    pub(crate) time: i64,
}

/// Nanoseconds per unit of time stamps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unit {
    factor: f64,
    /// The factor, if it is a small whole number; else 0.
    whole: i64,
}

impl Unit {
    pub(crate) fn new(factor: f64) -> Self {
        let whole = if factor.fract() == 0.0 && (1.0..1e6).contains(&factor) { factor as i64 } else { 0 };
        Self { factor, whole }
    }

    /// Nanoseconds per unit.
    pub(crate) fn factor(self) -> f64 {
        self.factor
    }

    /// What Go computes with floating-point numbers: whole numbers give the same while the product has at most 53 bits.
    #[inline(always)]
    pub(crate) fn nanoseconds(self, stamp: u64) -> i64 {
        if stamp < 1 << 32 && self.whole != 0 {
            stamp.cast_signed() * self.whole
        } else {
            (stamp as f64 * self.factor) as i64
        }
    }
}

/// Room in which any event fits: its number and five numbers of ten bytes.
const WINDOW: usize = 1 + 5 * 10;

/// Fills a chunk from where the batch was left. The chunk holds what came before an error.
pub(crate) fn decode(
    bytes: &[u8],
    at: &mut Progress,
    unit: Unit,
    chunk: &mut Chunk,
    most: usize,
    offset: u64,
) -> Result<(), Broken> {
    chunk.len = 0;
    let mut pos = at.pos;
    chunk.room(bytes.len().saturating_sub(pos), most);
    let mut time = at.time;
    let mut done = Ok(());
    let rows = chunk.time.iter_mut().zip(&mut chunk.kind).zip(&mut chunk.args);
    for ((time_out, kind_out), args_out) in rows {
        let Some((kind, dt, len)) = event_at(bytes, pos, args_out) else {
            if pos < bytes.len() {
                done = Err(why(bytes, pos, offset));
            }
            break;
        };
        pos += len;
        time = time.wrapping_add(unit.nanoseconds(dt));
        *time_out = time;
        *kind_out = kind;
        chunk.len += 1;
    }
    *at = Progress { pos, time };
    done
}

/// Number, time difference and length in bytes of the event at `pos`; `None` at the end and where there is none.
#[inline(always)]
fn event_at(bytes: &[u8], pos: usize, args: &mut [u64; MAX_ARGS]) -> Option<(Wire, u64, usize)> {
    let rest = bytes.get(pos..)?;
    match rest.first_chunk::<WINDOW>() {
        Some(window) => event(window, args),
        None => event(rest, args),
    }
}

/// An event whose number and time are read, its arguments not yet.
pub(crate) struct EventHead<'a> {
    pub(crate) wire: Wire,
    /// How many arguments it has.
    pub(crate) count: u8,
    /// Time since the event before, in units.
    pub(crate) dt: u64,
    bytes: &'a [u8],
    /// Where the arguments begin.
    pos: usize,
}

impl<'a> EventHead<'a> {
    /// The event at `pos`, if it is one and so far from the end that any event fits.
    #[inline(always)]
    pub(crate) fn of(bytes: &'a [u8], pos: usize) -> Option<Self> {
        Self::read(bytes.get(pos..)?.first_chunk::<WINDOW>()?)
    }

    #[inline(always)]
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let number = *bytes.first()?;
        let wire = Wire::from_number(number)?;
        let mut pos = 1;
        let dt = leb::read(bytes, &mut pos)?;
        Some(Self { wire, count: ARGS[usize::from(number)], dt, bytes, pos })
    }

    /// Reads so many arguments; length of the event in bytes.
    #[inline(always)]
    pub(crate) fn arguments(&self, count: u8, args: &mut [u64; MAX_ARGS]) -> Option<usize> {
        let mut pos = self.pos;
        let [a, b, c, d] = args;
        // Nearly all events have two arguments or more; a table of jumps by their number is foreseen less well.
        if count >= 2 {
            *a = leb::read(self.bytes, &mut pos)?;
            *b = leb::read(self.bytes, &mut pos)?;
            if count >= 3 {
                *c = leb::read(self.bytes, &mut pos)?;
                if count >= 4 {
                    *d = leb::read(self.bytes, &mut pos)?;
                }
            }
        } else if count == 1 {
            *a = leb::read(self.bytes, &mut pos)?;
        }
        Some(pos)
    }
}

/// Number, time difference and length in bytes of the event at the start of `bytes`.
#[inline(always)]
fn event(bytes: &[u8], args: &mut [u64; MAX_ARGS]) -> Option<(Wire, u64, usize)> {
    let head = EventHead::read(bytes)?;
    let len = head.arguments(head.count, args)?;
    Some((head.wire, head.dt, len))
}

#[cold]
fn why(bytes: &[u8], pos: usize, offset: u64) -> Broken {
    let kind = bytes.get(pos).copied().unwrap_or(0);
    let at = offset.saturating_add(pos as u64);
    if ARGS[usize::from(kind)] == UNTIMED {
        Broken::new(at, format!("expected a timed event, found event {kind}"))
    } else {
        Broken::new(at, format!("expected the numbers of event {kind}, found none before the end of the batch"))
    }
}

/// Length in bytes of the event at the start of `bytes`.
pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
    event(bytes, &mut [0; MAX_ARGS]).map(|(_, _, len)| len)
}
