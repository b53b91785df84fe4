//! Which containers grew between the first and the last object graph. One container is the same as another
//! when it lies at the same address in the same process (Go's collector moves nothing), or, where its main
//! part moves (arrays that are appended to, heads of lists) or the graphs are of two processes, when it is
//! the only one of its kind and type that is held by the same way.

use super::way;
use crate::context::Context;
use model::{HeapContainer, HeapOverview};
use rustc_hash::FxHashMap;

/// A container of the last graph with what it was in the first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grown<'a> {
    /// As it is now.
    pub(crate) now: &'a HeapContainer,
    /// As it was; `None` when it was not there or too small to be listed.
    pub(crate) before: Option<&'a HeapContainer>,
    /// Seconds between the two.
    pub(crate) seconds: f64,
    /// Entries gained.
    pub(crate) entries: f64,
    /// Bytes that it retains more.
    pub(crate) bytes: f64,
}

impl Grown<'_> {
    /// Bytes per second.
    pub(crate) fn bytes_per_s(&self) -> f64 {
        self.bytes / self.seconds
    }
}

type Key<'a> = (&'a str, &'a str, String);

/// The containers of the last graph that retain more than in the first one, those that grew most first.
/// Empty unless two graphs were taken a second or more apart.
pub(crate) fn grown<'a>(cx: &'a Context<'_>) -> Vec<Grown<'a>> {
    let mut graphs = cx.facts.samples.iter().filter_map(|s| s.graph.as_ref());
    let (Some(first), Some(last)) = (graphs.next(), graphs.next_back()) else { return Vec::new() };
    let seconds = last.at.seconds_since(first.at);
    let (Some(_), Some(_)) = (&first.value.containers, &last.value.containers) else { return Vec::new() };
    if seconds < 1.0 {
        return Vec::new();
    }
    let same_process = first.value.target == last.value.target && first.value.taken_at.is_some();
    let earlier = Earlier::of(&first.value, same_process);
    let unique = unique(list(&last.value));
    let mut out: Vec<Grown<'a>> = list(&last.value)
        .iter()
        .filter_map(|now| {
            let before = earlier.of_container(now, unique.get(&key(now)).is_some_and(|n| n.1));
            if before.is_none() && earlier.is_cut(&now.kind) {
                return None;
            }
            let was = |f: fn(&HeapContainer) -> u64| before.map_or(0.0, |b| f(b) as f64);
            Some(Grown {
                now,
                before,
                seconds,
                entries: now.entries as f64 - was(|c| c.entries),
                bytes: now.retained_bytes as f64 - was(|c| c.retained_bytes),
            })
        })
        .filter(|g| g.bytes > 0.0 && g.entries > 0.0)
        .collect();
    out.sort_by(|a, b| b.bytes.total_cmp(&a.bytes));
    out
}

fn list(overview: &HeapOverview) -> &[HeapContainer] {
    overview.containers.as_ref().map(|c| c.list.as_slice()).unwrap_or_default()
}

/// Kind, type and way, indices left out: the place of an element may change.
fn key(c: &HeapContainer) -> Key<'_> {
    let mut text = String::new();
    for step in way(&c.holder) {
        let mut inside = false;
        for ch in step.chars() {
            match ch {
                '[' => inside = true,
                ']' => inside = false,
                _ if inside => continue,
                _ => {}
            }
            text.push(ch);
        }
        text.push('/');
    }
    (&c.kind, &c.type_name, text)
}

/// The containers by key, and whether each is the only one of its key.
fn unique(list: &[HeapContainer]) -> FxHashMap<Key<'_>, (&HeapContainer, bool)> {
    let mut out: FxHashMap<Key<'_>, (&HeapContainer, bool)> = FxHashMap::default();
    for c in list {
        out.entry(key(c)).and_modify(|e| e.1 = false).or_insert((c, true));
    }
    out
}

/// The first graph's containers.
struct Earlier<'a> {
    by_address: FxHashMap<(&'a str, &'a str, &'a str), &'a HeapContainer>,
    by_way: FxHashMap<Key<'a>, (&'a HeapContainer, bool)>,
    counts: FxHashMap<&'a str, usize>,
}

impl<'a> Earlier<'a> {
    /// Fewest containers of a kind at which the list may have been cut.
    const CUT: usize = 256;

    fn of(overview: &'a HeapOverview, same_process: bool) -> Self {
        let list = list(overview);
        let mut counts = FxHashMap::default();
        for c in list {
            *counts.entry(c.kind.as_str()).or_default() += 1;
        }
        let address = |c: &'a HeapContainer| ((c.kind.as_str(), c.type_name.as_str(), c.address.as_str()), c);
        let by_address = list.iter().filter(|_| same_process).map(address).collect();
        Self { by_address, by_way: unique(list), counts }
    }

    fn of_container(&self, now: &HeapContainer, unique: bool) -> Option<&'a HeapContainer> {
        let by_address = self.by_address.get(&(now.kind.as_str(), now.type_name.as_str(), now.address.as_str()));
        by_address.copied().or_else(|| {
            let (c, only) = self.by_way.get(&key(now))?;
            (*only && unique).then_some(*c)
        })
    }

    /// Whether small containers of a kind were left out.
    fn is_cut(&self, kind: &str) -> bool {
        self.counts.get(kind).is_some_and(|&n| n >= Self::CUT)
    }
}
