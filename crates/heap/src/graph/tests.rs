//! The algorithms against their definitions on small random graphs, and on large graphs of known shape.

use super::*;
use proptest::prelude::*;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Successors as lists: the plainest graph there is.
#[derive(Debug, Clone)]
struct Lists(Vec<Vec<u32>>);

impl Successors for Lists {
    fn node_count(&self) -> u32 {
        self.0.len() as u32
    }
    fn for_each(&self, node: u32, f: &mut impl FnMut(u32)) {
        self.0[node as usize].iter().copied().for_each(f);
    }
}

/// Successors by a rule: large graphs without memory.
struct Rule<F>(u32, F);

impl<F: Fn(u32, &mut dyn FnMut(u32))> Successors for Rule<F> {
    fn node_count(&self) -> u32 {
        self.0
    }
    fn for_each(&self, node: u32, mut f: &mut impl FnMut(u32)) {
        (self.1)(node, &mut f);
    }
}

fn rule<F: Fn(u32, &mut dyn FnMut(u32))>(nodes: u32, successors: F) -> Rule<F> {
    Rule(nodes, successors)
}

#[derive(Debug, Clone)]
struct Case {
    objects: Lists,
    roots: Roots,
    sizes: Vec<u64>,
    kinds: Vec<u32>,
}

impl Case {
    fn graph(&self) -> Rooted<'_, Lists> {
        Rooted::new(&self.objects, &self.roots).expect("a small graph")
    }

    fn edges(&self) -> Arc<Edges> {
        Arc::new(Edges::copy_of(&self.objects, &self.roots).expect("a small graph"))
    }

    fn tree(&self) -> DominatorTree {
        let case = self.clone();
        DominatorTree::new(self.edges(), Arc::new(self.roots.clone()), Arc::new(move |v| case.size(v)))
            .expect("a small graph")
    }

    fn size(&self, node: u32) -> u64 {
        self.sizes.get(node as usize).copied().unwrap_or(3)
    }

    fn kind(&self, node: u32) -> u32 {
        self.kinds.get(node as usize).copied().unwrap_or(NONE)
    }

    /// Distance from the root without some nodes, by relaxing every edge until nothing changes.
    fn distances(&self, without: &[u32]) -> Vec<Option<u32>> {
        let graph = self.graph();
        let mut found = vec![None; graph.node_count() as usize];
        if without.contains(&graph.root()) {
            return found;
        }
        found[graph.root() as usize] = Some(0);
        loop {
            let before = found.clone();
            for v in 0..graph.node_count() {
                let Some(d) = found[v as usize] else { continue };
                graph.for_each(v, &mut |w| {
                    if w < graph.node_count() && !without.contains(&w) {
                        let old: &mut Option<u32> = &mut found[w as usize];
                        *old = Some(old.map_or(d + 1, |o| o.min(d + 1)));
                    }
                });
            }
            if found == before {
                return found;
            }
        }
    }

    /// Bytes unreachable without some nodes, as far as they are reachable with them.
    fn lost(&self, without: &[u32]) -> u64 {
        let (with, rest) = (self.distances(&[]), self.distances(without));
        let root = self.graph().root();
        let lost = |v: &u32| with[*v as usize].is_some() && rest[*v as usize].is_none() && *v != root;
        (0..self.graph().node_count()).filter(lost).map(|v| self.size(v)).sum()
    }
}

/// Up to 60 objects with cycles, loops, parallel edges, edges and roots out of range; sizes small or above
/// 4 GiB in sum.
fn cases() -> impl Strategy<Value = Case> {
    (1u32..60, 0usize..4, any::<bool>()).prop_flat_map(|(n, degree, large)| {
        let node = 0..n + 2;
        let most = if large { 1u64 << 36 } else { 200 };
        (
            prop::collection::vec(prop::collection::vec(node.clone(), 0..=degree + 1), n as usize),
            prop::collection::vec(prop::collection::vec(node, 0..4), 0..5),
            prop::collection::vec(0..most, n as usize),
            prop::collection::vec(0u32..3, n as usize),
        )
            .prop_map(|(lists, groups, sizes, kinds)| {
                let mut roots = Roots::new();
                groups.into_iter().for_each(|g| roots.push(g));
                Case { objects: Lists(lists), roots, sizes, kinds }
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// What is reached without the uncertain groups has dominators and retained sizes as if they were empty; the rest has
    /// those of the whole graph.
    #[test]
    fn uncertain_groups_share_nothing(case in cases(), uncertain in 0usize..4) {
        let groups: Vec<Vec<u32>> = (0..case.roots.len()).map(|g| case.roots.members(g).to_vec()).collect();
        let (mut roots, mut certain) = (Roots::new(), Roots::new());
        for (i, group) in groups.into_iter().enumerate() {
            if i < uncertain {
                certain.push([]);
                roots.push_uncertain(group);
            } else {
                certain.push(group.clone());
                roots.push(group);
            }
        }
        prop_assert_eq!(roots.uncertain(), uncertain.min(roots.len()));
        let with = |roots: Roots| Case { objects: Lists(case.objects.0.clone()), roots, sizes: case.sizes.clone(), kinds: Vec::new() };
        let (whole, certain) = (case.tree(), with(certain).tree());
        let tree = with(roots).tree();
        for v in 0..case.graph().object_count() {
            prop_assert_eq!(tree.is_reachable(v), whole.is_reachable(v));
            let like = if certain.is_reachable(v) { &certain } else { &whole };
            prop_assert_eq!(tree.dominator(v), like.dominator(v), "dominator of {}", v);
            prop_assert_eq!(tree.retained(v), like.retained(v), "retained by {}", v);
        }
        prop_assert_eq!(tree.total(), whole.total());
    }

    #[test]
    fn dominators_are_what_cuts_a_node_off(case in cases()) {
        let graph = case.graph();
        let tree = case.tree();
        let reach = case.distances(&[]);
        let n = graph.node_count();
        let cut: Vec<Vec<Option<u32>>> = (0..n).map(|d| case.distances(&[d])).collect();
        for v in 0..n {
            let reached = reach[v as usize].is_some();
            prop_assert_eq!(tree.is_reachable(v), reached);
            // All dominators of v, and of these the immediate one: the one that all others dominate.
            let above: Vec<u32> =
                (0..n).filter(|d| *d != v && reached && cut[*d as usize][v as usize].is_none()).collect();
            let nearest = above.iter().copied().find(|d| {
                above.iter().all(|o| o == d || cut[*o as usize][*d as usize].is_none())
            });
            prop_assert_eq!(tree.dominator(v), nearest, "dominator of {}", v);
            let mut path: Vec<u32> = tree.path_to_root(v).collect();
            if reached {
                prop_assert_eq!(path.remove(0), v);
                path.sort_unstable();
                prop_assert_eq!(path, above);
            }
        }
        let objects = graph.object_count();
        let lost = (0..objects).filter(|v| reach[*v as usize].is_none()).count() as u32;
        prop_assert_eq!(tree.unreachable_objects(), lost);
        prop_assert_eq!(reachable(&graph).count(), tree.reached());
    }

    #[test]
    fn retained_is_what_a_node_takes_along(case in cases()) {
        let graph = case.graph();
        let tree = case.tree();
        let (index, ways) = (tree.children_index(), tree.largest_children());
        for v in 0..graph.node_count() {
            prop_assert_eq!(tree.retained(v), case.lost(&[v]), "node {}", v);
            let children = tree.children(v);
            prop_assert_eq!(index.of(v), children.clone());
            prop_assert_eq!(index.count(v), children.len());
            prop_assert_eq!(ways.of(v), children.first().copied());
            let dominated = (0..graph.node_count()).filter(|w| tree.dominator(*w) == Some(v)).count();
            prop_assert_eq!(children.len(), dominated);
            let sizes: Vec<u64> = children.iter().map(|c| tree.retained(*c)).collect();
            prop_assert!(sizes.is_sorted_by(|a, b| a >= b));
        }
        let parents: Vec<u32> = (0..graph.node_count()).step_by(2).collect();
        let mut told = vec![Vec::new(); parents.len()];
        tree.for_each_child(&parents, |i, child, retained| told[i].push((std::cmp::Reverse(retained), child)));
        for (parent, mut told) in parents.into_iter().zip(told) {
            told.sort_unstable();
            prop_assert_eq!(told.into_iter().map(|c| c.1).collect::<Vec<u32>>(), tree.children(parent));
        }
        let mut all: Vec<u32> = tree.nodes().filter(|v| *v < graph.object_count()).collect();
        all.sort_by_key(|v| (std::cmp::Reverse(tree.retained(*v)), *v));
        all.truncate(7);
        prop_assert_eq!(tree.largest(7, |v| v < graph.object_count()), all);
    }

    #[test]
    fn sets_retain_what_goes_with_them(case in cases(), chosen in prop::collection::vec(0u32..62, 0..6)) {
        let graph = case.graph();
        let tree = case.tree();
        let chosen: Vec<u32> = chosen.into_iter().filter(|v| *v < graph.object_count()).collect();
        let set: Bits = chosen.iter().copied().collect();
        let exact = tree.retained_exactly(&graph, &set, |v| case.size(v));
        prop_assert_eq!(exact, case.lost(&chosen));
        let quick = tree.retained_by(&set);
        prop_assert!(quick <= exact);
        if chosen.len() == 1 {
            prop_assert_eq!(quick, exact);
        }
        let kinds = tree.retained_by_kind(3, |_| (), |v| case.kind(v));
        for (k, sum) in kinds.into_iter().enumerate() {
            let members: Bits = (0..graph.object_count()).filter(|v| case.kind(*v) == k as u32).collect();
            prop_assert_eq!(sum, tree.retained_by(&members));
        }
    }

    #[test]
    fn paths_by_rank_begin_at_the_lowest_that_reaches(
        case in cases(),
        targets in prop::collection::vec(0u32..66, 0..5),
        ranks in prop::collection::vec(0u8..3, 0..6),
    ) {
        let graph = case.graph();
        let rank = |group: usize| ranks.get(group).copied().unwrap_or(0);
        let from_rank = |r: u8| {
            let others: Vec<u32> =
                (0..case.roots.len()).filter(|g| rank(*g) != r).filter_map(|g| graph.group_node(g)).collect();
            case.distances(&others)
        };
        let reach: Vec<Vec<Option<u32>>> = (0..3).map(from_rank).collect();
        for (target, path) in targets.iter().zip(case.tree().shortest_paths_by_rank(&targets, &ranks)) {
            let distance = reach.iter().find_map(|r| r.get(*target as usize).copied().flatten());
            prop_assert_eq!(path.len() as u32, distance.map_or(0, |d| d + 1));
            for edge in path.windows(2) {
                let mut there = false;
                graph.for_each(edge[0], &mut |w| there |= w == edge[1]);
                prop_assert!(there);
            }
            prop_assert!(path.is_empty() || (path[0], path[path.len() - 1]) == (graph.root(), *target));
        }
    }

    #[test]
    fn paths_are_shortest(case in cases(), targets in prop::collection::vec(0u32..66, 0..5)) {
        let graph = case.graph();
        let reach = case.distances(&[]);
        for (target, path) in targets.iter().zip(case.tree().shortest_paths(&targets)) {
            let Some(distance) = reach.get(*target as usize).copied().flatten() else {
                prop_assert!(path.is_empty());
                continue;
            };
            prop_assert_eq!(path.len() as u32, distance + 1);
            prop_assert_eq!((path[0], path[path.len() - 1]), (graph.root(), *target));
            for edge in path.windows(2) {
                let mut there = false;
                graph.for_each(edge[0], &mut |w| there |= w == edge[1]);
                prop_assert!(there);
            }
        }
        let depths = depths(&case.edges(), &case.roots, 3, |_| (), |v| (case.size(v), case.kind(v))).expect("within bounds");
        let objects = || (0..graph.object_count()).filter_map(|v| Some((v, reach[v as usize]?.checked_sub(1)?)));
        for (depth, level) in (1..).zip(&depths.levels) {
            let nodes: Vec<u32> = objects().filter(|(_, d)| *d == depth).map(|(v, _)| v).collect();
            prop_assert_eq!(*level, (nodes.len() as u32, nodes.iter().map(|v| case.size(*v)).sum::<u64>()));
        }
        prop_assert_eq!(depths.levels.len() as u32, objects().map(|(_, d)| d).max().unwrap_or(0));
        for kind in 0..3 {
            let of_kind = || objects().filter(|(v, _)| case.kind(*v) == kind);
            prop_assert_eq!(depths.deepest[kind as usize], of_kind().map(|(_, d)| d).max().unwrap_or(0));
            for (cell, bytes) in depths.bytes[kind as usize].iter().enumerate() {
                let there = of_kind().filter(|(_, d)| Depths::cell(*d) == cell).map(|(v, _)| case.size(v));
                prop_assert_eq!(*bytes, there.sum::<u64>());
            }
        }
    }

    #[test]
    fn stored_edges_are_the_edges(case in cases()) {
        let edges = case.edges();
        for v in 0..case.objects.node_count() {
            let (mut stored, mut given) = (Vec::new(), case.objects.0[v as usize].clone());
            edges.for_each(v, &mut |w| stored.push(w));
            given.retain(|w| *w < case.objects.node_count());
            prop_assert_eq!(stored, given);
        }
        edges.for_each(u32::MAX, &mut |_| panic!("no such node"));
    }

    #[test]
    fn chains_hold_each_node_once(case in cases()) {
        let chains = linear_chains(&case.objects, None, 2, |v| case.kind(v), |v| case.size(v));
        let nodes: u64 = chains.iter().map(|c| u64::from(c.length)).sum();
        prop_assert!(nodes <= u64::from(case.objects.node_count()));
        for c in chains {
            prop_assert!(c.length >= 2 && c.kind == case.kind(c.start));
        }
    }
}

fn tree(
    objects: &(impl Successors + Sync),
    roots: &Roots,
    size: impl Fn(u32) -> u64 + Send + Sync + 'static,
) -> DominatorTree {
    let edges = Edges::copy_of(objects, roots).expect("within bounds");
    DominatorTree::new(Arc::new(edges), Arc::new(roots.clone()), Arc::new(size)).expect("within bounds")
}

fn roots_at(objects: &[u32]) -> Roots {
    let mut roots = Roots::new();
    roots.push(objects.iter().copied());
    roots
}

const MILLION: u32 = 1_000_000;

#[test]
fn a_chain_of_a_million() {
    // Each node also points back, and to the first.
    let objects = rule(MILLION, |v, f| {
        if v + 1 < MILLION {
            f(v + 1);
        }
        f(v.saturating_sub(1));
        f(0);
    });
    let roots = roots_at(&[0]);
    let graph = Rooted::new(&objects, &roots).expect("within bounds");
    let tree = tree(&objects, &roots, |v| u64::from(v < MILLION) * 16);
    assert_eq!(tree.retained(0), 16_000_000);
    assert_eq!(tree.retained(MILLION - 1), 16);
    assert_eq!(tree.path_to_root(MILLION - 1).count(), MILLION as usize + 2);
    assert_eq!(tree.shortest_paths(&[MILLION - 1])[0].len(), MILLION as usize + 2);
    assert_eq!(tree.largest_children().accumulation_path(graph.root(), 0.7).len(), MILLION as usize);
    let edges = Edges::copy_of(&objects, &roots).expect("within bounds");
    let found = depths(&edges, &roots, 1, |_| (), |_| (16, 0)).expect("within bounds");
    assert_eq!(found.deepest, [MILLION]);
    assert_eq!(tree.retained_by_kind(1, |_| (), |v| v / MILLION), [16_000_000]);
}

#[test]
fn an_array_of_a_million() {
    let objects = rule(MILLION + 1, |v, f| {
        if v == MILLION {
            (0..MILLION).for_each(f);
        }
    });
    let roots = roots_at(&[MILLION]);
    let graph = Rooted::new(&objects, &roots).expect("within bounds");
    let tree = tree(&objects, &roots, |_| 1);
    assert_eq!((tree.retained(MILLION), tree.retained(5)), (u64::from(MILLION) + 1, 1));
    let index = tree.children_index();
    assert_eq!(index.count(MILLION), MILLION as usize);
    assert_eq!(tree.largest_children().accumulation_path(graph.root(), 0.7), [graph.root(), MILLION + 1, MILLION]);
    assert_eq!(index.suspects(0.2, |v| v <= MILLION), [MILLION]);
}

#[test]
fn a_list_whose_values_an_index_holds_too() {
    // Nodes 0..m are the list, m..2m its values, 2m an array of the values. Visited first, the list makes every
    // value a join far down whose dominator is at the top.
    let m = MILLION;
    for list_first in [false, true] {
        let objects = rule(2 * m + 1, |v, f| {
            if v == 2 * m {
                (m..2 * m).for_each(f);
            } else if v < m {
                f(v + m);
                if v + 1 < m {
                    f(v + 1);
                }
            }
        });
        let roots = roots_at(&if list_first { [2 * m, 0] } else { [0, 2 * m] });
        let graph = Rooted::new(&objects, &roots).expect("within bounds");
        let tree = tree(&objects, &roots, move |v| u64::from(v <= 2 * m) * 8);
        assert_eq!(tree.retained(0), u64::from(m) * 8);
        assert_eq!(tree.retained(2 * m), 8);
        assert_eq!(tree.dominator(2 * m - 1), graph.group_node(0));
    }
}

#[test]
fn a_ladder_of_a_million() {
    // 3i points to 3i+1 and 3i+3, 3i+1 to 3i+3: every third node is a join dominated by another join. Each
    // also points to a leaf 3i+2 that the root holds.
    let n = 3 * (MILLION / 3);
    let objects = rule(n, |v, f| match v % 3 {
        0 => {
            f(v + 2);
            f(v + 3);
            f(v + 1);
        }
        1 => f(v + 2),
        _ => {}
    });
    let mut roots = Roots::new();
    roots.push((0..n).filter(|v| v % 3 == 2));
    roots.push([0]);
    let graph = Rooted::new(&objects, &roots).expect("within bounds");
    let tree = tree(&objects, &roots, |_| 1);
    for i in 1..n / 3 {
        assert_eq!(tree.dominator(3 * i), Some(3 * i - 3));
        assert_eq!(tree.dominator(3 * i + 2), Some(graph.root()));
    }
}

#[test]
fn a_binary_tree_with_parent_pointers() {
    let n = (1 << 20) - 1;
    let objects = rule(n, |v, f| {
        f(v.saturating_sub(1) / 2);
        f(2 * v + 1);
        f(2 * v + 2);
    });
    let roots = roots_at(&[0]);
    let tree = tree(&objects, &roots, move |v| u64::from(v < n));
    for v in 1..n {
        assert_eq!(tree.dominator(v), Some((v - 1) / 2));
    }
    assert_eq!(tree.retained(1), u64::from(n / 2));
    let edges = Edges::copy_of(&objects, &roots).expect("within bounds");
    assert_eq!(depths(&edges, &roots, 0, |_| (), |_| (1, 0)).expect("within bounds").levels.len(), 20);
    assert!(linear_chains(&objects, None, 3, |_| 0, |_| 1).is_empty());
}

#[test]
fn a_dense_graph_keeps_the_stack_small() {
    // 2,000 nodes each pointing to all others: 4 million edges, all but 2,000 of them outside the tree.
    let objects = rule(2000, |v, f| (1..2000).for_each(|i| f((v + i) % 2000)));
    let roots = roots_at(&[7]);
    let tree = tree(&objects, &roots, |_| 1);
    assert!((0..2000).all(|v| v == 7 || tree.dominator(v) == Some(7)));
}

#[test]
fn lists_are_chains() {
    // 0..100 a list; 100..200 a doubly linked one with a header 200 of another kind at both ends; 201..210 a ring;
    // 210..220 a doubly linked ring; 220..230 and 230..240 lists that share the tail 240..250.
    let mut lists = vec![Vec::new(); 251];
    for v in 0..99 {
        lists[v as usize] = vec![v + 1, 200];
    }
    for v in 100u32..200 {
        let (before, after) = (if v == 100 { 200 } else { v - 1 }, v + 1);
        lists[v as usize] = vec![after, before, 200];
    }
    lists[200] = vec![100, 199];
    (201..210).for_each(|v| lists[v as usize] = vec![if v == 209 { 201 } else { v + 1 }, v]);
    (210..220).for_each(|v| lists[v as usize] = vec![210 + (v + 1) % 10, 210 + (v - 210 + 9) % 10]);
    (220..249).for_each(|v| lists[v as usize] = vec![if v == 229 { 240 } else { v + 1 }]);
    let kind = |v: u32| u32::from(v == 200);
    let chains = linear_chains(&Lists(lists), None, 2, kind, |_| 16);
    let expect =
        |start, length, shape, closed| Chain { start, kind: 0, length, bytes: u64::from(length) * 16, shape, closed };
    let (single, double) = (ChainShape::Single, ChainShape::Double);
    assert_eq!(
        chains,
        [
            expect(0, 100, single, false),
            expect(100, 100, double, false),
            expect(210, 10, double, true),
            expect(220, 10, single, false),
            expect(230, 10, single, false),
            expect(240, 10, single, false),
            expect(201, 9, single, true),
        ]
    );
}

#[test]
fn a_search_can_stop_early() {
    let objects = rule(MILLION, |v, f| f(v + 1));
    let mut depth = 0;
    breadth_first(&objects, &[0], None, |d, nodes| {
        assert_eq!(nodes, [d]);
        depth = d;
        if d == 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(depth, 10);
}

#[test]
fn no_roots_reach_nothing() {
    let objects = Lists(vec![vec![0], vec![]]);
    let roots = Roots::new();
    let graph = Rooted::new(&objects, &roots).expect("within bounds");
    let tree = tree(&objects, &roots, |_| 8);
    assert_eq!((tree.total(), tree.reached(), tree.unreachable_objects()), (0, 1, 2));
    assert_eq!(tree.largest(3, |_| true), [graph.root()]);
    assert!(tree.children(0).is_empty() && tree.dominator(0).is_none());
    let nothing = Lists(Vec::new());
    assert_eq!(self::tree(&nothing, &roots, |_| 8).reached(), 1);
}
