//! The roots by kind: how many there are, what each kind holds alone, the largest of each. What several roots hold
//! together is told apart, so that the sums add up to all that is reachable.

use crate::graph::{GraphError, Rooted};
use crate::paths::Names;
use crate::program::HeapGraph;
use crate::roots::RootGroup;
use model::{HeapRoot, HeapRoots};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;

/// The kinds in the order in which they are told.
const KINDS: [&str; 6] = ["global", "goroutine", "finalizer", "cleanup", "weak", SHARED_KIND];
/// What several roots hold together.
const SHARED_KIND: &str = "shared";

/// Sums of one kind of roots.
#[derive(Default)]
struct Kind {
    count: u64,
    retained: u64,
    /// Count and retained bytes by name.
    named: FxHashMap<String, (u64, u64)>,
}

impl Kind {
    fn add(&mut self, name: String, retained: u64) {
        self.count += 1;
        self.retained = self.retained.saturating_add(retained);
        let of = self.named.entry(name).or_default();
        *of = (of.0 + 1, of.1.saturating_add(retained));
    }

    fn told(self, kind: &str, rows: usize) -> HeapRoots {
        let mut largest: Vec<HeapRoot> = self
            .named
            .into_iter()
            .map(|(name, (count, retained_bytes))| HeapRoot { name, count, retained_bytes })
            .collect();
        largest.sort_by(|a, b| (Reverse(a.retained_bytes), &a.name).cmp(&(Reverse(b.retained_bytes), &b.name)));
        largest.truncate(rows);
        HeapRoots { kind: kind.to_owned(), count: self.count, retained_bytes: self.retained, largest }
    }
}

impl HeapGraph<'_> {
    /// The roots by kind, the `rows` largest of each.
    ///
    /// # Errors
    /// [`GraphError`] when there are too many roots.
    pub fn roots_by_kind(&self, names: &dyn Names, rows: usize) -> Result<Vec<HeapRoots>, GraphError> {
        let graph = Rooted::new(&self.edges, &self.roots.roots)?;
        let mut kinds: Vec<Kind> = KINDS.iter().map(|_| Kind::default()).collect();
        let mut add = |kind: &str, name: String, retained: u64| {
            let place = KINDS.iter().position(|k| *k == kind);
            if let Some(of) = place.and_then(|p| kinds.get_mut(p)) {
                of.add(name, retained);
            }
        };
        for (i, &group) in self.roots.groups.iter().enumerate() {
            let Some(node) = graph.group_node(i) else { continue };
            let name = self.root_kind_name(group, names);
            let name = if matches!(group, RootGroup::Global { .. }) { variable_of(&name).to_owned() } else { name };
            add(group.kind(), name, self.tree.retained(node));
        }
        let mut shared: FxHashMap<u32, (u64, u64)> = FxHashMap::default();
        self.tree.for_each_child(&[graph.root()], |_, object, retained| {
            if object < graph.object_count() {
                let of = shared.entry(self.shapes.number(object)).or_default();
                *of = (of.0 + 1, of.1.saturating_add(retained));
            }
        });
        if let Some(of) = kinds.last_mut() {
            for (number, (count, retained)) in shared {
                let name = self.shapes.get(number).name(&self.runtime.types, |code| names.function(code));
                of.count += count;
                of.retained = of.retained.saturating_add(retained);
                let sum = of.named.entry(name).or_default();
                *sum = (sum.0 + count, sum.1.saturating_add(retained));
            }
        }
        Ok(kinds.into_iter().zip(KINDS).map(|(k, name)| k.told(name, rows)).collect())
    }
}

/// The variable of a word: `main.server` of `main.server.pages`, `main.server[]`, `main.server+0x8`. Places without a
/// name (`bss+0x10`) stand for themselves.
pub(super) fn variable_of(name: &str) -> &str {
    let from = name.rfind('/').map_or(0, |i| i + 1);
    let Some(dot) = name.get(from..).and_then(|n| n.find('.')) else { return name };
    let start = from + dot + 1;
    let end = name.get(start..).and_then(|n| n.find(['.', '[', '+']));
    end.and_then(|e| name.get(..start + e)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::variable_of;

    #[test]
    fn words_belong_to_variables() {
        let cases = [
            ("main.server", "main.server"),
            ("main.server.pages", "main.server"),
            ("main.tables[].x", "main.tables"),
            ("example.com/a/b.store+0x8", "example.com/a/b.store"),
            ("gopkg.in/yaml%2ev3.x.y", "gopkg.in/yaml%2ev3.x"),
            ("bss+0x10", "bss+0x10"),
        ];
        for (name, expected) in cases {
            assert_eq!(variable_of(name), expected);
        }
    }
}
