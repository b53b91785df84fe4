//! A heap profile by distinct symbolic stack, each classified: what the diagnosis works on.
//! Owns the grouping and the sampling variance; mechanisms are [`crate::mechanism`]'s.

use crate::columns::{Columns, NONE};
use crate::mechanism::{MechanismHints, NoHints, classify_callee, classify_stack};
use crate::{Profile, ProfileError, ProfileKind, is_standard};
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use model::{Frame, Mechanism};
use std::hash::BuildHasher;

/// Frames of a stack that are looked at, from the leaf on; the runtime records at most 1024.
const MAX_DEPTH: usize = 8192;

/// All distinct stacks of a heap (or allocs) profile. Values are bytes and objects as published:
/// scaled by the sampling rate already.
#[derive(Clone, Debug, Default)]
pub struct HeapStacks {
    /// Interned frames.
    pub frames: Vec<Frame>,
    /// One row per distinct stack of frames (and mechanism, where hints tell one line's
    /// allocations apart).
    pub stacks: Vec<HeapStack>,
    /// MemProfileRate in bytes (`period`).
    pub rate: u64,
}

/// One distinct stack.
#[derive(Clone, Debug)]
pub struct HeapStack {
    /// Indexes into [`HeapStacks::frames`], leaf (the allocating function) first, inlined frames included.
    /// Leading runtime frames are kept.
    pub frames: Vec<u32>,
    /// How the allocation came about.
    pub mechanism: Mechanism,
    /// Position in `frames` of the first frame outside the Go standard library and runtime: the
    /// user's line that caused the allocation. `None` when the whole stack is standard library.
    pub user: Option<u32>,
    /// Objects allocated since the start.
    pub alloc_objects: i64,
    /// Bytes allocated since the start.
    pub alloc_bytes: i64,
    /// Objects in use.
    pub inuse_objects: i64,
    /// Bytes in use.
    pub inuse_bytes: i64,
    /// Variance (bytes squared) of `inuse_bytes` that the sampling alone causes: the sum over
    /// object sizes s of n*s^2*(1-p)/p with p = 1-exp(-s/rate).
    pub inuse_variance: f64,
    /// The same for `alloc_bytes`.
    pub alloc_variance: f64,
}

impl HeapStacks {
    /// From a heap or allocs profile.
    ///
    /// # Errors
    /// [`ProfileError::WrongKind`] for any other profile.
    pub fn of(profile: &Profile) -> Result<Self, ProfileError> {
        Self::with_hints(profile, &NoHints)
    }

    /// From a heap or allocs profile, with what is known of code addresses.
    ///
    /// # Errors
    /// [`ProfileError::WrongKind`] for any other profile.
    pub fn with_hints(profile: &Profile, hints: &dyn MechanismHints) -> Result<Self, ProfileError> {
        profile.expect_kind(ProfileKind::Heap)?;
        let c = &profile.c;
        let index = |name| profile.sample_index(name).ok();
        // Two-column profiles count what is in use.
        let columns = [
            index("alloc_objects"),
            index("alloc_space"),
            index("inuse_objects").or_else(|| index("objects")),
            index("inuse_space").or_else(|| index("space")),
        ];
        let mut out = Self { rate: u64::try_from(c.period).unwrap_or(0), ..Self::default() };
        let frames = FrameTable::new(c, &mut out.frames);
        let mut rows: HashTable<u32> = HashTable::new();
        let hasher = DefaultHashBuilder::default();
        let mut key = Vec::new();
        for i in 0..c.samples() {
            key.clear();
            frames.stack(c, i, &mut key);
            let mechanism = mechanism(c, i, &key, &out.frames, hints);
            let hash = hasher.hash_one((&key[..], mechanism));
            let stacks = &out.stacks;
            let same = |r: &u32| {
                let s = &stacks[*r as usize];
                s.frames == key && s.mechanism == mechanism
            };
            let row = match rows.find(hash, same) {
                Some(r) => *r,
                None => {
                    let r = out.stacks.len() as u32;
                    out.stacks.push(new_row(&key, mechanism, &out.frames));
                    let stacks = &out.stacks;
                    rows.insert_unique(hash, r, |r| {
                        let s = &stacks[*r as usize];
                        hasher.hash_one((&s.frames[..], s.mechanism))
                    });
                    r
                }
            };
            let value = |k: usize| {
                let v = columns[k].and_then(|i2| c.values_of(i).get(i2));
                v.copied().unwrap_or(0)
            };
            let values = [value(0), value(1), value(2), value(3)];
            add(&mut out.stacks[row as usize], values, size_label(c, i), out.rate);
        }
        Ok(out)
    }
}

fn new_row(key: &[u32], mechanism: Mechanism, frames: &[Frame]) -> HeapStack {
    let user = |f: &u32| frames.get(*f as usize).is_some_and(|f| !f.function.is_empty() && !is_standard(&f.function));
    HeapStack {
        frames: key.to_vec(),
        mechanism,
        user: key.iter().position(user).map(|i| i as u32),
        alloc_objects: 0,
        alloc_bytes: 0,
        inuse_objects: 0,
        inuse_bytes: 0,
        inuse_variance: 0.0,
        alloc_variance: 0.0,
    }
}

fn add(row: &mut HeapStack, v: [i64; 4], size: Option<i64>, rate: u64) {
    row.alloc_objects = row.alloc_objects.saturating_add(v[0]);
    row.alloc_bytes = row.alloc_bytes.saturating_add(v[1]);
    row.inuse_objects = row.inuse_objects.saturating_add(v[2]);
    row.inuse_bytes = row.inuse_bytes.saturating_add(v[3]);
    row.alloc_variance += variance(v[0], v[1], size, rate);
    row.inuse_variance += variance(v[2], v[3], size, rate);
}

/// Sampled allocations are a Bernoulli draw each: n objects of size s estimated with probability p
/// of sampling vary by n*s^2*(1-p)/p.
fn variance(objects: i64, bytes: i64, size: Option<i64>, rate: u64) -> f64 {
    if rate <= 1 || objects == 0 {
        return 0.0;
    }
    let n = objects.unsigned_abs() as f64;
    let s = match size {
        Some(s) if s > 0 => s as f64,
        _ => bytes.unsigned_abs() as f64 / n,
    };
    let q = (-s / rate as f64).exp();
    let p = 1.0 - q;
    if p > 0.0 { n * s * s * q / p } else { 0.0 }
}

/// The `bytes` label: the object size.
fn size_label(c: &Columns, i: usize) -> Option<i64> {
    c.labels_of(i).iter().find(|l| l.text == 0 && c.bytes(l.key) == b"bytes").map(|l| l.number)
}

fn mechanism(c: &Columns, i: usize, key: &[u32], frames: &[Frame], hints: &dyn MechanismHints) -> Mechanism {
    let stack = key.iter().filter_map(|f| frames.get(*f as usize));
    let by_frames = classify_stack(stack);
    if by_frames != Mechanism::Other {
        return by_frames;
    }
    // Leading addresses without names are the runtime's own (heap?debug=1): the outermost says most,
    // except that a map's growth inside an insert is growth.
    let mut found = None;
    for l in c.stack_of(i) {
        let Some(location) = c.locations.get(*l as usize) else {
            break;
        };
        let bare = c.lines_of(*l).is_empty();
        let name = if bare { hints.function(location.address) } else { hints.callee(location.address.wrapping_add(1)) };
        let m = name.and_then(classify_callee);
        if let Some(m) = m {
            let growth = found == Some(Mechanism::MapGrowth) && m == Mechanism::MapInsert;
            if (bare || found.is_none()) && !growth {
                found = Some(m);
            }
        }
        if !bare {
            break;
        }
    }
    found.unwrap_or(Mechanism::Other)
}

/// Frames by line row, and by location where there are no symbols.
struct FrameTable {
    of_line: Vec<u32>,
}

impl FrameTable {
    fn new(c: &Columns, frames: &mut Vec<Frame>) -> Self {
        let mut ids: HashMap<(&str, &str, u32), u32> = HashMap::with_capacity(c.lines.len());
        let of_line = (c.lines.iter())
            .map(|l| {
                let f = c.function(l);
                let line = u32::try_from(l.line).unwrap_or(0);
                let key = (c.str(f.name), c.str(f.file), line);
                *ids.entry(key).or_insert_with(|| {
                    frames.push(Frame { function: key.0.to_owned(), file: key.1.to_owned(), line });
                    frames.len() as u32 - 1
                })
            })
            .collect();
        Self { of_line }
    }

    /// Frames of a sample, leaf first. Locations without symbols are left out: they carry no name
    /// that another sample or run would share.
    fn stack(&self, c: &Columns, i: usize, out: &mut Vec<u32>) {
        for l in c.stack_of(i) {
            if out.len() >= MAX_DEPTH {
                break;
            }
            let Some(l) = c.locations.get(*l as usize) else {
                continue;
            };
            let lines = self.of_line.get(l.lines.0 as usize..l.lines.1 as usize);
            out.extend(lines.unwrap_or_default().iter().filter(|f| **f != NONE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::variance;

    /// SplitMix64: the same draws each time.
    fn draw(state: &mut u64) -> f64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// What the Go runtime does (malloc.go, mprof.go, pprof/protomem.go: scaleHeapSample): the bytes
    /// to the next sample are exponential with the rate as mean, whatever the objects' sizes; an
    /// object that reaches the point is counted; counts are divided by p = 1-exp(-s/rate).
    fn estimate(n: u32, size: f64, rate: f64, state: &mut u64) -> f64 {
        let mut next = -(1.0 - draw(state)).ln() * rate;
        let mut sampled = 0.0;
        for _ in 0..n {
            if size < next {
                next -= size;
            } else {
                sampled += 1.0;
                next = -(1.0 - draw(state)).ln() * rate;
            }
        }
        sampled * size / (1.0 - (-size / rate).exp())
    }

    #[test]
    fn variance_is_that_of_repeated_sampling() {
        let rate = 512.0 * 1024.0;
        let mut state = 1;
        for (n, size) in [(20_000, 1024.0), (2_000, 65_536.0), (300, 1_048_576.0)] {
            let runs = 2_000;
            let truth = f64::from(n) * size;
            let estimates: Vec<f64> = (0..runs).map(|_| estimate(n, size, rate, &mut state)).collect();
            let mean = estimates.iter().sum::<f64>() / f64::from(runs);
            let empirical = estimates.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / f64::from(runs - 1);
            let p = 1.0 - (-size / rate).exp();
            let formula = f64::from(n) * size * size * (1.0 - p) / p;
            let ours = variance(i64::from(n), truth as i64, Some(size as i64), rate as u64);
            assert!((ours / formula - 1.0).abs() < 1e-9, "{ours} {formula}");
            // The standard error of a variance of normal draws is sqrt(2/runs), 3 %; of a mean
            // sqrt(variance/runs).
            assert!((empirical / ours - 1.0).abs() < 5.0 * (2.0 / f64::from(runs)).sqrt(), "{empirical} {ours}");
            assert!((mean - truth).abs() < 5.0 * (ours / f64::from(runs)).sqrt(), "{mean} {truth}");
            // Without the size label the mean size serves; the same here.
            assert_eq!(variance(i64::from(n), truth as i64, None, rate as u64), ours);
        }
        // All allocations recorded: nothing varies.
        assert_eq!(variance(10, 1000, None, 1), 0.0);
        assert_eq!(variance(0, 1000, None, 1024), 0.0);
        // Huge values stay numbers.
        assert!(variance(i64::MAX, i64::MAX, None, u64::MAX).is_finite());
        assert!(variance(1, i64::MIN, Some(i64::MAX), 2).is_finite());
    }
}
