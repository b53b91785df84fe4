//! The bytes of a record: frame `A7 kind len(u16) crc32(u32)`, then a set of numbers as differences to those of the
//! record before (kind 2) or whole (kind 1), or JSON that says whose samples follow (kind 0).

use model::{GrowthShape, UnixMillis, WatchLevel};
use serde::{Deserialize, Serialize};
use signals::{COLUMNS, Column, Sample, TimeToLimit};

pub(super) const MAGIC: u8 = 0xA7;
pub(super) const FRAME: usize = 8;
pub(super) const HEAD: u8 = 0;
pub(super) const WHOLE: u8 = 1;
pub(super) const DIFFERENCE: u8 = 2;
/// Longest payload.
pub(super) const MOST: usize = 4096;
/// Numbers of a record: the columns, then two times, three quantiles, level and shape.
const NUMBERS: usize = COLUMNS + 7;
const WALL: usize = COLUMNS;
const MONOTONIC: usize = COLUMNS + 1;
const P10: usize = COLUMNS + 2;
const LEVEL: usize = COLUMNS + 5;
const SHAPE: usize = COLUMNS + 6;
const _: () = assert!(NUMBERS <= 64, "one word says which numbers are there");

/// Whose samples follow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesHead {
    /// Always `oomph.series/1`.
    pub schema: String,
    /// Name of the target.
    pub target: String,
    /// Its process.
    pub pid: Option<u32>,
    /// Start of the process in clock ticks after boot.
    pub start_ticks: Option<u64>,
    /// Columns in the order of their bits.
    pub columns: Vec<String>,
}

/// A sample with what was thought of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record {
    /// The wall clock.
    pub at: UnixMillis,
    /// The numbers; its time is that of the monotonic clock of the host.
    pub sample: Sample,
    /// When the limit was said to be met.
    pub forecast: Option<TimeToLimit>,
    /// How near trouble was said to be.
    pub level: WatchLevel,
    /// What the memory was said to do.
    pub shape: GrowthShape,
}

/// The numbers of a record as integers, and which there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) mask: u64,
    values: [i64; 64],
}

impl Default for Numbers {
    fn default() -> Self {
        Self { mask: 0, values: [0; 64] }
    }
}

const LEVELS: [WatchLevel; 4] = [WatchLevel::Quiet, WatchLevel::Notice, WatchLevel::Warning, WatchLevel::Critical];
const SHAPES: [GrowthShape; 12] = [
    GrowthShape::Unknown,
    GrowthShape::Steady,
    GrowthShape::WarmUp,
    GrowthShape::SlowLeak,
    GrowthShape::FastLeak,
    GrowthShape::Exponential,
    GrowthShape::Step,
    GrowthShape::Surge,
    GrowthShape::RiseAndFall,
    GrowthShape::OffHeap,
    GrowthShape::Goroutines,
    GrowthShape::GcSpiral,
];

impl Numbers {
    fn set(&mut self, at: usize, value: f64) {
        if let Some(place) = self.values.get_mut(at) {
            // Saturates; not a number becomes zero, and is not marked as there.
            *place = value.round() as i64;
            self.mask |= 1 << at;
        }
    }

    fn get(&self, at: usize) -> Option<i64> {
        (self.mask >> at & 1 == 1).then(|| self.values.get(at).copied())?
    }

    pub(super) fn of(r: &Record) -> Self {
        let mut n = Self::default();
        for c in Column::ALL {
            if let Some(v) = r.sample.get(*c) {
                n.set(*c as usize, v * c.scale());
            }
        }
        if let Some(place) = n.values.get_mut(WALL) {
            *place = r.at.0;
            n.mask |= 1 << WALL;
        }
        n.set(MONOTONIC, r.sample.at_s * 1e6);
        if let Some(t) = r.forecast {
            for (i, q) in [t.p10, t.p50, t.p90].into_iter().enumerate() {
                n.set(P10 + i, q * 1e3);
            }
        }
        n.set(LEVEL, LEVELS.iter().position(|l| *l == r.level).unwrap_or(0) as f64);
        n.set(SHAPE, SHAPES.iter().position(|s| *s == r.shape).unwrap_or(0) as f64);
        n
    }

    pub(super) fn record(&self) -> Option<Record> {
        let mut sample = Sample::new(self.get(MONOTONIC)? as f64 / 1e6);
        for c in Column::ALL {
            sample.put(*c, self.get(*c as usize).map(|v| v as f64 / c.scale()));
        }
        let quantile = |i: usize| self.get(P10 + i).map(|v| v as f64 / 1e3);
        let forecast = match (quantile(0), quantile(1), quantile(2)) {
            (Some(p10), Some(p50), Some(p90)) => Some(TimeToLimit { p10, p50, p90 }),
            _ => None,
        };
        let pick = |at: usize| usize::try_from(self.get(at).unwrap_or(0)).unwrap_or(0);
        Some(Record {
            at: UnixMillis(self.get(WALL)?),
            sample,
            forecast,
            level: LEVELS.get(pick(LEVEL)).copied().unwrap_or_default(),
            shape: SHAPES.get(pick(SHAPE)).copied().unwrap_or_default(),
        })
    }

    /// The payload: which numbers, then each less that of `before`.
    pub(super) fn encode(&self, before: &Self, out: &mut Vec<u8>) {
        varint(self.mask, out);
        for (i, (value, old)) in self.values.iter().zip(&before.values).enumerate() {
            if self.mask >> i & 1 == 1 {
                let d = value.wrapping_sub(*old);
                varint((d << 1 ^ d >> 63).cast_unsigned(), out);
            }
        }
    }

    /// These numbers, and those of `before` that are absent here: what a reader knows after this record.
    pub(super) fn over(&self, before: &Self) -> Self {
        let mut out = *self;
        for (i, (place, old)) in out.values.iter_mut().zip(&before.values).enumerate() {
            if self.mask >> i & 1 == 0 {
                *place = *old;
            }
        }
        out
    }

    /// What [`Numbers::encode`] wrote; `None` when the payload is none.
    pub(super) fn decode(payload: &[u8], before: &Self) -> Option<Self> {
        let mut rest = payload;
        let mut out = *before;
        out.mask = read_varint(&mut rest)?;
        if out.mask >> NUMBERS != 0 && NUMBERS < 64 {
            return None;
        }
        for (i, place) in out.values.iter_mut().enumerate() {
            if out.mask >> i & 1 == 1 {
                let z = read_varint(&mut rest)?;
                let d = (z >> 1).cast_signed() ^ -((z & 1).cast_signed());
                *place = place.wrapping_add(d);
            }
        }
        rest.is_empty().then_some(out)
    }
}

/// A whole frame.
pub(super) fn frame(kind: u8, payload: &[u8], out: &mut Vec<u8>) {
    let len = u16::try_from(payload.len()).unwrap_or(0);
    out.push(MAGIC);
    out.push(kind);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&checksum(kind, payload).to_le_bytes());
    out.extend_from_slice(payload);
}

pub(super) fn checksum(kind: u8, payload: &[u8]) -> u32 {
    let mut h = crc32fast::Hasher::new();
    h.update(&[kind]);
    h.update(payload);
    h.finalize()
}

fn varint(mut v: u64, out: &mut Vec<u8>) {
    while v >= 0x80 {
        out.push((v & 0x7f) as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut v = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&b, rest) = bytes.split_first()?;
        *bytes = rest;
        v |= u64::from(b & 0x7f) << shift;
        if b < 0x80 {
            return Some(v);
        }
    }
    None
}
