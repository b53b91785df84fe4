//! The graph algorithms on a synthetic heap: trees of 10,000 objects, fan-out 4 and depth about 20, three
//! quarters leaves, and an extra edge for every fifth node, to a random node. Object numbers are in random
//! order, so that nearly every step misses the caches; a real heap is kinder.
//!
//! `OOMPH_NODES` sets the number of objects (10 million unless told). Prints, before the table, CPU seconds
//! of each phase run once and the peak resident memory that it adds, per object.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
use divan::Bencher;
use heap::graph::{Array, Bits, DominatorTree, Edges, Rooted, Roots, Successors, depths, linear_chains, reachable};
use std::hint::black_box;
use std::sync::{Arc, OnceLock};

/// Extra edges: one for every so many nodes.
const EXTRA: u32 = 5;
const KINDS: u32 = 1000;

struct Heap {
    edges: Arc<Edges>,
    roots: Arc<Roots>,
    sizes: Arc<Array<u32>>,
}

impl Heap {
    fn graph(&self) -> Rooted<'_, Arc<Edges>> {
        Rooted::new(&self.edges, &self.roots).expect("within bounds")
    }
    fn size(&self, node: u32) -> u64 {
        self.sizes.get(node as usize).map_or(0, |s| u64::from(*s))
    }
    fn kind(&self, node: u32) -> u32 {
        self.sizes.get(node as usize).map_or(u32::MAX, |s| (s / 16) % KINDS)
    }
    fn tree(&self) -> DominatorTree {
        let sizes = Arc::clone(&self.sizes);
        let size = Arc::new(move |v: u32| sizes.get(v as usize).map_or(0, |s| u64::from(*s)));
        DominatorTree::new(Arc::clone(&self.edges), Arc::clone(&self.roots), size).expect("within bounds")
    }
}

fn objects() -> u32 {
    std::env::var("OOMPH_NODES").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000_000)
}

fn random(i: u64) -> u64 {
    let mut x = i.wrapping_add(0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^= x >> 30;
    x = x.wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Node `place` of the forest, before numbers are shuffled: its parent, if it has one.
fn parent(place: u32) -> Option<u32> {
    // Siblings come in fours. At the top of its tree every node has children, further down one of four siblings.
    const WIDTH: u32 = 150;
    let (tree, at) = (place / 10_000, place % 10_000);
    let fours = at.checked_sub(1)? / 4;
    let up = fours.checked_sub(WIDTH).map_or(fours, |f| 4 * f + 1);
    Some(tree * 10_000 + up)
}

/// Shuffled lists of successors, as given to [`Edges::copy_of`].
struct Generated {
    starts: Vec<u32>,
    targets: Vec<u32>,
}

impl Successors for Generated {
    fn node_count(&self) -> u32 {
        self.starts.len() as u32 - 1
    }
    fn for_each(&self, node: u32, f: &mut impl FnMut(u32)) {
        let (a, b) = (self.starts[node as usize], self.starts[node as usize + 1]);
        self.targets[a as usize..b as usize].iter().copied().for_each(f);
    }
}

fn generate(n: u32) -> (Generated, Roots) {
    let mut number: Vec<u32> = (0..n).collect();
    for i in (1..n as usize).rev() {
        number.swap(i, (random(i as u64) % (i as u64 + 1)) as usize);
    }
    let at = |i: u32| number[i as usize];
    let mut list: Vec<(u32, u32)> = (0..n).filter_map(|i| Some((at(parent(i)?), at(i)))).collect();
    list.extend((0..n / EXTRA).map(|i| {
        let r = random(u64::from(i) << 32);
        ((r as u32) % n, ((r >> 32) as u32) % n)
    }));
    list.sort_unstable();
    let mut starts = vec![0u32; n as usize + 1];
    for (v, _) in &list {
        starts[*v as usize + 1] += 1;
    }
    for i in 0..n as usize {
        starts[i + 1] += starts[i];
    }
    let mut roots = Roots::new();
    (0..n).filter(|i| parent(*i).is_none()).for_each(|i| roots.push([at(i)]));
    (Generated { starts, targets: list.into_iter().map(|e| e.1).collect() }, roots)
}

fn heap() -> &'static Heap {
    static HEAP: OnceLock<Heap> = OnceLock::new();
    HEAP.get_or_init(|| {
        let n = objects();
        let (generated, roots) = generate(n);
        let edges = phase("copy edges", || Edges::copy_of(&generated, &roots).expect("within bounds"));
        drop(generated);
        let mut sizes = Array::zeroed(n as usize);
        let of = |i| 16 + (random(i) % 12) as u32 * 16;
        sizes.iter_mut().zip(0..).for_each(|(size, i)| *size = of(i));
        Heap { edges: Arc::new(edges), roots: Arc::new(roots), sizes: Arc::new(sizes) }
    })
}

fn status(field: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix(field)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(f64::NAN) * 1024.0
}

/// User and system time of this process, of all threads.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(')').next().unwrap_or_default();
    let ticks: f64 = fields.split_whitespace().skip(11).take(2).filter_map(|f| f.parse::<f64>().ok()).sum();
    ticks / 100.0
}

fn phase<T>(name: &str, f: impl FnOnce() -> T) -> T {
    // Sets the peak back to what is resident now.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let (memory, cpu) = (status("VmRSS"), cpu_seconds());
    let out = f();
    let (spent, peak) = (cpu_seconds() - cpu, status("VmHWM") - memory);
    let n = f64::from(objects());
    println!("{name:<28} {spent:6.2} CPU s {:7.1} ns/object  peak {:5.1} B/object", spent * 1e9 / n, peak / n);
    out
}

fn once() {
    let h = heap();
    println!("{} objects, {} extra edges", objects(), objects() / EXTRA);
    let tree = phase("dominators and retained", || h.tree());
    println!("{} reached, {} bytes", tree.reached(), tree.total());
    phase("reachability", || reachable(&h.graph()));
    phase("depths and heat map", || {
        depths(&h.edges, &h.roots, KINDS as usize, |_| (), |v| (h.size(v), h.kind(v))).expect("within bounds")
    });
    phase("retained by kind", || tree.retained_by_kind(KINDS as usize, |_| (), |v| h.kind(v)));
    phase("children index", || black_box(tree.children_index()));
    phase("100 largest", || tree.largest(100, |_| true));
    phase("children of the root", || tree.children(h.graph().root()));
    let last = tree.nodes().last().unwrap_or(0);
    phase("shortest path", || tree.shortest_paths(&[last]));
    phase("linear chains", || linear_chains(&h.edges, None, 8, |v| h.kind(v), |v| h.size(v)).len());
    let set: Bits = (0..objects()).filter(|v| h.kind(*v) == 3).collect();
    phase("retained by a set, exact", || tree.retained_exactly(&h.graph(), &set, |v| h.size(v)));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn dominators_and_retained(bencher: Bencher<'_, '_>) {
    let h = heap();
    bencher.bench(|| h.tree());
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn reachability(bencher: Bencher<'_, '_>) {
    let h = heap();
    bencher.bench(|| reachable(&h.graph()));
}

fn main() {
    once();
    if std::env::var_os("OOMPH_ONCE").is_none() {
        divan::main();
    }
}
