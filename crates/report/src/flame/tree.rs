//! Owns the aggregated call tree of a flame graph: built from folded stacks, cut at a threshold
//! with the cut counted, written as compact columns for the HTML page. Refuses recursion: depth is
//! the profile's to choose.

use super::{Flame, parse_line};
use rustc_hash::FxHashMap;

/// Frames of one stack kept; the rest is folded into the last. Go itself stops at 1024.
const MAX_DEPTH: usize = 512;

/// One call path.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Index into [`Tree::names`].
    pub(crate) name: u32,
    /// Parent's index; the root's is its own.
    pub(crate) parent: u32,
    /// Absolute values below here: the width.
    pub(crate) weight: u64,
    /// Signed values below here; equal to `weight` unless the flame is a difference.
    pub(crate) net: i64,
    /// Absolute values of stacks that end here.
    pub(crate) own: u64,
}

/// An aggregated flame graph. Parents come before their children.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub(crate) names: Vec<String>,
    pub(crate) nodes: Vec<Node>,
    /// Whether any value was below zero.
    pub(crate) signed: bool,
    /// Distinct lines read.
    pub(crate) stacks: u64,
    /// Lines that were no folded stack.
    pub(crate) bad_lines: u64,
    children: Children,
}

impl Tree {
    /// Builds the tree. Values saturate.
    pub(crate) fn build(flame: &Flame) -> Self {
        let mut b = Builder::default();
        b.nodes.push(Node { name: 0, parent: 0, weight: 0, net: 0, own: 0 });
        b.names.push("all".to_owned());
        let mut t = (false, 0u64, 0u64);
        for line in flame.collapsed.lines().filter(|l| !l.trim().is_empty()) {
            match parse_line(line) {
                Some((stack, n)) => {
                    b.add(stack, n);
                    t.0 |= n < 0;
                    t.1 += 1;
                }
                None => t.2 += 1,
            }
        }
        let mut nodes = b.nodes;
        for i in (1..nodes.len()).rev() {
            let (w, net, parent) = (nodes[i].weight, nodes[i].net, nodes[i].parent as usize);
            nodes[parent].weight = nodes[parent].weight.saturating_add(w);
            nodes[parent].net = nodes[parent].net.saturating_add(net);
        }
        let children = Children::of_nodes(&nodes);
        Self { names: b.names, nodes, signed: t.0, stacks: t.1, bad_lines: t.2, children }
    }

    /// Sum of absolute values.
    pub(crate) fn total(&self) -> u64 {
        self.nodes.first().map_or(0, |n| n.weight)
    }

    /// Functions by cumulative value: (name, own, cumulative, signed cumulative), the largest first.
    /// A function that recurs on a path counts once.
    pub(crate) fn top(&self, n: usize) -> Vec<(&str, u64, u64, i64)> {
        let mut sums: FxHashMap<u32, (u64, u64, i64)> = FxHashMap::default();
        let outermost = self.outermost();
        for (i, node) in self.nodes.iter().enumerate().skip(1) {
            let s = sums.entry(node.name).or_default();
            s.0 = s.0.saturating_add(node.own);
            if outermost[i] {
                s.1 = s.1.saturating_add(node.weight);
                s.2 = s.2.saturating_add(node.net);
            }
        }
        let mut rows: Vec<_> =
            sums.into_iter().map(|(name, s)| (self.names[name as usize].as_str(), s.0, s.1, s.2)).collect();
        rows.sort_by(|a, b| b.2.cmp(&a.2).then(b.1.cmp(&a.1)).then(a.0.cmp(b.0)));
        rows.truncate(n);
        rows
    }

    /// Per node, whether no ancestor has the same name. Walks in depth-first order with a counter
    /// per name.
    fn outermost(&self) -> Vec<bool> {
        let mut out = vec![false; self.nodes.len()];
        let mut open = vec![0u32; self.names.len()];
        let mut work = vec![(0u32, false)];
        while let Some((i, leave)) = work.pop() {
            let count = &mut open[self.nodes[i as usize].name as usize];
            if leave {
                *count -= 1;
                continue;
            }
            out[i as usize] = *count == 0;
            *count += 1;
            work.push((i, true));
            work.extend(self.children.of(i).iter().map(|c| (*c, false)));
        }
        out
    }

    /// Nodes in depth-first order whose weight is at least `threshold`, the heaviest child first.
    pub(crate) fn cut(&self, threshold: u64) -> Cut {
        let mut cut = Cut { threshold, rows: Vec::new(), folded_nodes: 0, folded: 0 };
        let mut work = vec![(0u32, 0u32)];
        let mut kept = Vec::new();
        while let Some((i, depth)) = work.pop() {
            cut.rows.push((i, depth));
            kept.clear();
            for c in self.children.of(i) {
                if self.nodes[*c as usize].weight >= threshold.max(1) {
                    kept.push(*c);
                } else {
                    cut.folded_nodes += 1;
                    cut.folded = cut.folded.saturating_add(self.nodes[*c as usize].weight);
                }
            }
            kept.sort_by_key(|c| self.nodes[*c as usize].weight);
            work.extend(kept.iter().map(|c| (*c, depth + 1)));
        }
        cut
    }
}

/// Children of each node, in one array.
#[derive(Clone, Debug)]
struct Children {
    start: Vec<u32>,
    list: Vec<u32>,
}

impl Children {
    fn of_nodes(nodes: &[Node]) -> Self {
        let mut start = vec![0u32; nodes.len() + 1];
        for n in nodes.iter().skip(1) {
            start[n.parent as usize + 1] += 1;
        }
        for i in 1..start.len() {
            start[i] += start[i - 1];
        }
        let mut at = start.clone();
        let mut list = vec![0u32; nodes.len().saturating_sub(1)];
        for (i, n) in nodes.iter().enumerate().skip(1) {
            let slot = &mut at[n.parent as usize];
            list[*slot as usize] = i as u32;
            *slot += 1;
        }
        Self { start, list }
    }

    fn of(&self, i: u32) -> &[u32] {
        &self.list[self.start[i as usize] as usize..self.start[i as usize + 1] as usize]
    }
}

/// What is left of a tree above a threshold.
pub(crate) struct Cut {
    /// Nodes lighter than this are folded into their callers.
    pub(crate) threshold: u64,
    /// (node, depth) in depth-first order, the root first.
    pub(crate) rows: Vec<(u32, u32)>,
    /// Subtrees folded.
    pub(crate) folded_nodes: u64,
    /// Their weight.
    pub(crate) folded: u64,
}

#[derive(Default)]
struct Builder {
    names: Vec<String>,
    ids: FxHashMap<String, u32>,
    nodes: Vec<Node>,
    edges: FxHashMap<(u32, u32), u32>,
}

impl Builder {
    fn add(&mut self, stack: &str, n: i64) {
        let mut at = 0u32;
        for frame in stack.split(';').filter(|f| !f.is_empty()).take(MAX_DEPTH) {
            let name = self.intern(frame);
            at = match self.edges.get(&(at, name)) {
                Some(&child) => child,
                None => {
                    let Ok(child) = u32::try_from(self.nodes.len()) else { break };
                    self.nodes.push(Node { name, parent: at, weight: 0, net: 0, own: 0 });
                    self.edges.insert((at, name), child);
                    child
                }
            };
        }
        let node = &mut self.nodes[at as usize];
        node.weight = node.weight.saturating_add(n.unsigned_abs());
        node.own = node.own.saturating_add(n.unsigned_abs());
        node.net = node.net.saturating_add(n);
    }

    fn intern(&mut self, frame: &str) -> u32 {
        if let Some(&id) = self.ids.get(frame) {
            return id;
        }
        let id = self.names.len() as u32;
        self.names.push(frame.to_owned());
        self.ids.insert(frame.to_owned(), id);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flame(collapsed: &str) -> Flame {
        Flame { name: "t".into(), unit: "bytes".into(), collapsed: collapsed.into(), note: String::new() }
    }

    #[test]
    fn adds_up_and_counts_recursion_once() {
        let t = Tree::build(&flame("main;f;f 10\nmain;f 5\nmain;g 1\nnot a stack\n\n"));
        assert_eq!((t.total(), t.nodes[0].net, t.stacks, t.bad_lines, t.signed), (16, 16, 3, 1, false));
        assert_eq!(t.top(3), [("main", 0, 16, 16), ("f", 15, 15, 15), ("g", 1, 1, 1)]);
    }

    #[test]
    fn differences_keep_their_sign() {
        let t = Tree::build(&flame("main;grew 100\nmain;shrank -40\n"));
        assert_eq!((t.total(), t.nodes[0].net, t.signed), (140, 60, true));
    }

    #[test]
    fn a_cut_states_what_it_folded() {
        let t = Tree::build(&flame("a;big 1000\na;small 3\na;tiny;leaf 2\n"));
        let cut = t.cut(10);
        assert_eq!((cut.rows.len(), cut.folded_nodes, cut.folded), (3, 2, 5));
        assert_eq!(cut.rows.iter().map(|r| r.1).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn hostile_values_and_depths_hold() {
        let deep = format!("{} 1\n", vec!["f"; 5000].join(";"));
        let t = Tree::build(&flame(&format!("{deep}a {}\na {}\nb {}\n;;; 4\n", i64::MAX, i64::MAX, i64::MIN)));
        assert_eq!(t.total(), u64::MAX);
        assert_eq!(t.nodes.len(), 1 + MAX_DEPTH + 2);
        let _ = (t.top(5), t.cut(1));
    }
}
