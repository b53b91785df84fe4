//! Which code allocated what an object retains: the objects that the runtime's heap profile sampled
//! carry their allocation stack (`specialprofile` of `src/runtime/mheap.go`), and the dominator tree says
//! whose they are. Owns joining the two; estimates bytes from what was sampled.

use crate::paths::Names;
use crate::program::HeapGraph;
use goruntime::{Bucket, Says};
use model::{Frame, HeapAllocated};
use rustc_hash::FxHashMap;

/// Stacks that are told of one holder.
const MOST_STACKS: usize = 6;
/// Frames that are kept of a stack.
const MOST_FRAMES: usize = 32;
/// `runtime.MemProfileRate` unless the program sets it (`src/runtime/mprof.go`).
const DEFAULT_RATE: f64 = 512.0 * 1024.0;
/// Largest sampling rate that is believed, in bytes.
const MOST_RATE: f64 = (1_u64 << 34) as f64;
/// Of the nodes passed on the way up, one in so many is remembered.
const REMEMBERED: u32 = 64;

/// The sampled objects of a heap, by what retains them.
pub(crate) struct Sampled<'g, 'r> {
    graph: &'g HeapGraph<'r>,
    /// Sampled objects with the index of their bucket.
    objects: Vec<(u32, u32)>,
    /// Average bytes between two samples.
    rate: f64,
    /// Index into the stacks that are told, by bucket.
    told: FxHashMap<u32, u32>,
    stacks: Vec<Vec<Frame>>,
}

/// Objects sampled, and bytes of all such objects.
#[derive(Clone, Copy, Default)]
struct Sum {
    sampled: u64,
    bytes: f64,
}

impl<'g, 'r> Sampled<'g, 'r> {
    /// Collects the sampled objects.
    pub(crate) fn of(graph: &'g HeapGraph<'r>) -> Self {
        let buckets = graph.runtime.buckets.list();
        let by_address: FxHashMap<u64, u32> = (0..).zip(buckets).map(|(i, b)| (b.address, i)).collect();
        let objects: Vec<(u32, u32)> = graph
            .specials
            .list
            .iter()
            .filter_map(|s| match s.says {
                Says::Sampled { bucket } => Some((s.object, *by_address.get(&bucket)?)),
                _ => None,
            })
            .filter(|(object, _)| graph.tree.is_reachable(*object))
            .collect();
        let sizes = |b: &u32| buckets.get(*b as usize).map_or(0, |b| b.object_size) as f64;
        let sizes: Vec<f64> = objects.iter().map(|(_, b)| sizes(b)).collect();
        let rate = rate_of(&sizes, graph.tree.total() as f64);
        Self { graph, objects, rate, told: FxHashMap::default(), stacks: Vec::new() }
    }

    /// The stacks that allocated what each of `nodes` retains, most bytes first. What lies below several of
    /// them counts for each.
    pub(crate) fn below(&mut self, nodes: &[u32], names: &dyn Names) -> Vec<Vec<HeapAllocated>> {
        let groups: Vec<Vec<u32>> = nodes.iter().map(|&n| vec![n]).collect();
        self.below_groups(&groups, names)
    }

    /// The same of nodes taken together.
    pub(crate) fn below_groups(&mut self, groups: &[Vec<u32>], names: &dyn Names) -> Vec<Vec<HeapAllocated>> {
        let nodes: Vec<u32> = groups.iter().flatten().copied().collect();
        let mut sums: Vec<FxHashMap<u32, Sum>> = vec![FxHashMap::default(); nodes.len()];
        let marked: FxHashMap<u32, u32> = nodes.iter().zip(0_u32..).map(|(&n, i)| (n, i)).collect();
        let mut nearest = Nearest { graph: self.graph, marked: &marked, known: FxHashMap::default() };
        // One above the other: each ends at the next one up.
        let above: Vec<Option<u32>> = nodes.iter().map(|&n| nearest.above(n)).collect();
        for &(object, bucket) in &self.objects {
            let size = self.bucket(bucket).map_or(0.0, |b| b.object_size as f64);
            let mut at = marked.get(&object).copied().or_else(|| nearest.above(object));
            let mut steps = 0;
            while let Some(i) = at {
                if let Some(sum) = sums.get_mut(i as usize).map(|s| s.entry(bucket).or_default()) {
                    sum.sampled += 1;
                    sum.bytes += scaled(size, self.rate);
                }
                steps += 1;
                at = above.get(i as usize).copied().flatten().filter(|_| steps <= nodes.len());
            }
        }
        // Nodes that are named twice share what is theirs.
        let of = |n: &u32| marked.get(n).and_then(|&i| sums.get(i as usize));
        let joined: Vec<FxHashMap<u32, Sum>> = groups.iter().map(|g| join(g.iter().filter_map(of))).collect();
        joined.into_iter().map(|sums| self.tell(sums, names)).collect()
    }

    /// The stacks told so far.
    pub(crate) fn into_stacks(self) -> Vec<Vec<Frame>> {
        self.stacks
    }

    fn bucket(&self, index: u32) -> Option<&'g Bucket> {
        self.graph.runtime.buckets.list().get(index as usize)
    }

    fn tell(&mut self, sums: FxHashMap<u32, Sum>, names: &dyn Names) -> Vec<HeapAllocated> {
        // Buckets of one stack differ by the size of their objects.
        let mut by_stack: FxHashMap<&[u64], (u32, Sum)> = FxHashMap::default();
        for (bucket, sum) in sums {
            let Some(b) = self.bucket(bucket) else { continue };
            let of = by_stack.entry(self.graph.runtime.buckets.stack(b)).or_insert((bucket, Sum::default()));
            of.0 = of.0.min(bucket);
            of.1.sampled += sum.sampled;
            of.1.bytes += sum.bytes;
        }
        let mut list: Vec<(u32, Sum)> = by_stack.into_values().collect();
        list.sort_by(|a, b| b.1.bytes.total_cmp(&a.1.bytes).then(a.0.cmp(&b.0)));
        list.truncate(MOST_STACKS);
        let told = list.into_iter().map(|(bucket, sum)| HeapAllocated {
            stack: self.stack(bucket, names),
            sampled: sum.sampled,
            bytes: sum.bytes as u64,
        });
        told.collect()
    }

    fn stack(&mut self, bucket: u32, names: &dyn Names) -> u32 {
        if let Some(&known) = self.told.get(&bucket) {
            return known;
        }
        let pcs = self.bucket(bucket).map(|b| self.graph.runtime.buckets.stack(b)).unwrap_or_default();
        let mut frames = names.stack(pcs);
        // The runtime's own frames at the head say how, not who.
        let own = frames.iter().position(|f| !is_runtime(&f.function));
        frames.drain(..own.unwrap_or(0));
        frames.retain(|f| f.function != "runtime.goexit" && f.function != "runtime.main");
        frames.truncate(MOST_FRAMES);
        let index = match self.stacks.iter().position(|s| *s == frames) {
            Some(same) => same,
            None => {
                self.stacks.push(frames);
                self.stacks.len() - 1
            }
        };
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        self.told.insert(bucket, index);
        index
    }
}

fn join<'s>(all: impl Iterator<Item = &'s FxHashMap<u32, Sum>>) -> FxHashMap<u32, Sum> {
    let mut joined: FxHashMap<u32, Sum> = FxHashMap::default();
    for (&bucket, sum) in all.flatten() {
        let to = joined.entry(bucket).or_default();
        to.sampled += sum.sampled;
        to.bytes += sum.bytes;
    }
    joined
}

fn is_runtime(function: &str) -> bool {
    function.starts_with("runtime.") || function.starts_with("internal/runtime/")
}

/// The marked node next above in the dominator tree.
struct Nearest<'a, 'r> {
    graph: &'a HeapGraph<'r>,
    marked: &'a FxHashMap<u32, u32>,
    /// Answers of some of the nodes passed, so that long chains are climbed once.
    known: FxHashMap<u32, Option<u32>>,
}

impl Nearest<'_, '_> {
    fn above(&mut self, node: u32) -> Option<u32> {
        let mut passed = Vec::new();
        let mut found = None;
        for up in self.graph.tree.path_to_root(node).skip(1) {
            if let Some(&i) = self.marked.get(&up) {
                found = Some(i);
                break;
            }
            if up % REMEMBERED == 0 {
                if let Some(&known) = self.known.get(&up) {
                    found = known;
                    break;
                }
                passed.push(up);
            }
        }
        self.known.extend(passed.into_iter().map(|p| (p, found)));
        found
    }
}

/// Bytes that one sampled object of a size stands for (`runtime/pprof`, `scaleHeapSample`).
fn scaled(size: f64, rate: f64) -> f64 {
    if size <= 0.0 { 0.0 } else { size / -(-size / rate).exp_m1() }
}

/// The sampling rate at which the samples stand for `total` bytes: where `runtime.MemProfileRate` lies is not known
/// in stripped programs, but what it must have been is.
fn rate_of(sizes: &[f64], total: f64) -> f64 {
    let stands_for = |rate: f64| sizes.iter().map(|&s| scaled(s, rate)).sum::<f64>();
    if sizes.len() < 100 || stands_for(1.0) > total || stands_for(MOST_RATE) < total {
        return DEFAULT_RATE;
    }
    let (mut low, mut high) = (1.0, MOST_RATE);
    for _ in 0..60 {
        let middle = f64::sqrt(low * high);
        if stands_for(middle) < total { low = middle } else { high = middle }
    }
    let rate = f64::sqrt(low * high);
    // Sampling is noisy: the usual rate is more probable than one near it.
    if (rate / DEFAULT_RATE).ln().abs() < 0.4 { DEFAULT_RATE } else { rate }
}

#[cfg(test)]
mod tests {
    use super::{DEFAULT_RATE, rate_of, scaled};

    #[test]
    fn finds_the_rate_that_explains_the_heap() {
        for rate in [4096.0, DEFAULT_RATE, 8.0 * DEFAULT_RATE] {
            let sizes: Vec<f64> = (0..400).map(|i| f64::from(16 + 40 * (i % 7))).collect();
            let total = sizes.iter().map(|&s| scaled(s, rate)).sum();
            let found = rate_of(&sizes, total);
            assert!((found / rate - 1.0).abs() < 1e-6, "{found} for {rate}");
        }
        assert_eq!(rate_of(&[16.0; 10], 1e9), DEFAULT_RATE);
    }
}
