//! Flat and cumulative values by function, line, file or package: `go tool pprof -top`.
//!
//! Node identity, recursion and inlining follow pprof's `internal/graph`: a node counts once per
//! sample for cum, however often it is on the stack; flat goes to the innermost frame, inlined or
//! not; locations without symbols are one node per mapping file. By package is ours.

use crate::ProfileError;
use crate::columns::{Columns, NONE};
use crate::filter::Filter;
use crate::profile::Profile;
use crate::std_packages::package_of;
use hashbrown::{HashMap, HashSet};

/// What a row stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Granularity {
    /// A function by name (pprof's default).
    #[default]
    Function,
    /// A function, file and line (`-lines`).
    Line,
    /// A source file (`-files`).
    File,
    /// A Go package by import path.
    Package,
}

/// Order of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortBy {
    /// Largest flat value first.
    #[default]
    Flat,
    /// Largest cumulative value first.
    Cum,
}

/// What to add up, and how.
#[derive(Clone, Debug, Default)]
pub struct TopOptions {
    /// Sample type by name; empty for the profile's default.
    pub sample_type: String,
    /// What a row stands for.
    pub granularity: Granularity,
    /// Order of rows.
    pub sort: SortBy,
    /// Which samples and frames to look at.
    pub filter: Filter,
}

/// A table of nodes.
#[derive(Clone, Debug)]
pub struct Top {
    /// Sample type.
    pub sample_type: String,
    /// Its unit.
    pub unit: String,
    /// What percentages are of: the whole profile before filters.
    pub total: i64,
    /// In the order asked for.
    pub rows: Vec<TopRow>,
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopRow {
    /// As pprof prints it: function, `function file:line`, file or package; `[binary]` where only
    /// the mapping is known.
    pub name: String,
    /// Value of samples that end in it.
    pub flat: i64,
    /// Value of samples that pass through it.
    pub cum: i64,
    /// Whether callers reached it inlined: in all places, or some.
    pub inlined: Inlined,
}

/// Whether a node's callers have it inlined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inlined {
    /// Nowhere.
    #[default]
    No,
    /// In some places.
    Partly,
    /// Everywhere.
    Always,
}

impl Profile {
    /// Adds up one sample type by node.
    ///
    /// # Errors
    /// When there is no such sample type, or `drop_frames`/`keep_frames` do not compile.
    pub fn top(&self, options: &TopOptions) -> Result<Top, ProfileError> {
        let index = self.sample_index(&options.sample_type)?;
        let pruned = self.pruned()?;
        let filtered;
        let c: &Columns = if options.filter.is_empty() {
            &pruned
        } else {
            filtered = options.filter.apply(&pruned);
            &filtered
        };
        let mut graph = Graph::new(c, options.granularity);
        graph.add_samples(c, index);
        let t = c.sample_types.get(index).copied().unwrap_or_default();
        Ok(Top {
            sample_type: c.str(t.kind).to_owned(),
            unit: c.str(t.unit).to_owned(),
            total: total(&self.c, index),
            rows: graph.rows(c, options),
        })
    }
}

/// pprof's `computeTotal`.
pub(crate) fn total(c: &Columns, index: usize) -> i64 {
    let mut all = 0i64;
    let mut base = 0i64;
    for i in 0..c.samples() {
        let v = c.values_of(i).get(index).copied().unwrap_or(0).wrapping_abs();
        all = all.wrapping_add(v);
        let labels = c.labels_of(i);
        if !labels.is_empty()
            && labels
                .iter()
                .any(|l| l.text != 0 && c.bytes(l.key) == crate::merge::BASE_LABEL && c.bytes(l.text) == b"true")
        {
            base = base.wrapping_add(v);
        }
    }
    if base > 0 { base } else { all }
}

/// What makes a node.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
struct Key<'a> {
    name: &'a str,
    file: &'a str,
    line: i64,
    object: &'a str,
    start_line: i64,
}

#[derive(Clone, Copy, Default)]
struct Node {
    flat: i64,
    cum: i64,
    /// Sample (plus one) that counted last.
    seen: u32,
    called: bool,
    maybe_inline: bool,
}

struct Graph<'a> {
    keys: Vec<Key<'a>>,
    nodes: Vec<Node>,
    /// Node of each line; of each location without lines in `bare`.
    of_line: Vec<u32>,
    bare: Vec<u32>,
    /// (caller, callee) pairs met inside a location, and those of them also met across locations.
    inline: HashSet<(u32, u32)>,
    not_inline: HashSet<(u32, u32)>,
}

impl<'a> Graph<'a> {
    fn new(c: &'a Columns, granularity: Granularity) -> Self {
        let mut g = Self {
            keys: Vec::new(),
            nodes: Vec::new(),
            of_line: vec![NONE; c.lines.len()],
            bare: vec![NONE; c.locations.len()],
            inline: HashSet::new(),
            not_inline: HashSet::new(),
        };
        let mut ids: HashMap<Key<'a>, u32> = HashMap::with_capacity(c.functions.len());
        let mut of_function = vec![NONE; c.functions.len()];
        for (i, l) in c.locations.iter().enumerate() {
            let object = c.mappings.get(l.mapping as usize).map_or("", |m| c.str(m.file));
            if l.lines.0 == l.lines.1 {
                let key = Key { object, ..Key::default() };
                g.bare[i] = g.node(key, &mut ids);
                continue;
            }
            for at in l.lines.0..l.lines.1 {
                let Some(line) = c.lines.get(at as usize) else {
                    continue;
                };
                let f = c.function(line);
                // A named function is the same node wherever it is.
                let by_function = granularity != Granularity::Line && f.name != 0;
                let known = of_function.get(line.function as usize).copied();
                let node = match known {
                    Some(n) if by_function && n != NONE => n,
                    _ => {
                        let key = key(c, &f, line.line, object, granularity);
                        g.node(key, &mut ids)
                    }
                };
                if by_function && let Some(slot) = of_function.get_mut(line.function as usize) {
                    *slot = node;
                }
                g.of_line[at as usize] = node;
            }
        }
        g
    }

    fn node(&mut self, key: Key<'a>, ids: &mut HashMap<Key<'a>, u32>) -> u32 {
        *ids.entry(key).or_insert_with_key(|key| {
            self.keys.push(key.clone());
            self.nodes.push(Node::default());
            self.nodes.len() as u32 - 1
        })
    }

    fn add_samples(&mut self, c: &Columns, index: usize) {
        let mut used = vec![false; c.locations.len()];
        for i in 0..c.samples() {
            let w = c.values_of(i).get(index).copied().unwrap_or(0);
            if w == 0 {
                continue;
            }
            let stamp = i as u32 + 1;
            let mut parent = NONE;
            for l in c.stack_of(i).iter().rev() {
                let l = *l as usize;
                let (from, to) = c.locations[l].lines;
                if from == to {
                    parent = self.visit(self.bare[l], parent, w, stamp);
                    continue;
                }
                if to - from > 1 && !used[l] {
                    used[l] = true;
                    self.inline_pairs(from, to);
                }
                parent = self.visit(self.of_line[to as usize - 1], parent, w, stamp);
                for at in (from..to - 1).rev() {
                    let n = self.of_line[at as usize];
                    self.count(n, w, stamp);
                    parent = n;
                }
            }
            if let Some(leaf) = self.nodes.get_mut(parent as usize) {
                leaf.flat = leaf.flat.wrapping_add(w);
            }
        }
    }

    /// Counts a frame of its own (not inlined) called by `parent`.
    #[inline(always)]
    fn visit(&mut self, n: u32, parent: u32, w: i64, stamp: u32) -> u32 {
        self.count(n, w, stamp);
        if parent != NONE && parent != n {
            let node = &mut self.nodes[n as usize];
            node.called = true;
            if node.maybe_inline && self.inline.contains(&(parent, n)) {
                self.not_inline.insert((parent, n));
            }
        }
        n
    }

    #[inline(always)]
    fn count(&mut self, n: u32, w: i64, stamp: u32) {
        let node = &mut self.nodes[n as usize];
        // Without a branch: recursion makes it unpredictable.
        let fresh = i64::from(node.seen != stamp);
        node.seen = stamp;
        node.cum = node.cum.wrapping_add(w.wrapping_mul(fresh));
    }

    #[cold]
    fn inline_pairs(&mut self, from: u32, to: u32) {
        for at in from..to - 1 {
            let (callee, caller) = (self.of_line[at as usize], self.of_line[at as usize + 1]);
            if callee != caller {
                self.inline.insert((caller, callee));
                self.nodes[callee as usize].maybe_inline = true;
            }
        }
    }

    fn rows(&self, c: &Columns, options: &TopOptions) -> Vec<TopRow> {
        let mut inline = vec![false; self.nodes.len()];
        for pair in &self.inline {
            if !self.not_inline.contains(pair) {
                inline[pair.1 as usize] = true;
            }
        }
        let _ = c;
        let mut rows: Vec<TopRow> = (self.nodes.iter().enumerate())
            .filter(|(_, n)| n.cum != 0 || n.flat != 0)
            .map(|(i, n)| TopRow {
                name: printable(&self.keys[i]),
                flat: n.flat,
                cum: n.cum,
                inlined: match (inline[i], n.called) {
                    (false, _) => Inlined::No,
                    (true, true) => Inlined::Partly,
                    (true, false) => Inlined::Always,
                },
            })
            .collect();
        rows.sort_by(|a, b| {
            let flat = b.flat.unsigned_abs().cmp(&a.flat.unsigned_abs());
            let cum = b.cum.unsigned_abs().cmp(&a.cum.unsigned_abs());
            let name = a.name.cmp(&b.name);
            match options.sort {
                SortBy::Flat => flat.then(name).then(cum),
                SortBy::Cum => cum.then(name).then(flat),
            }
        });
        rows
    }
}

fn key<'a>(
    c: &'a Columns,
    f: &crate::columns::Function,
    line: i64,
    object: &'a str,
    granularity: Granularity,
) -> Key<'a> {
    let name = c.str(f.name);
    let file = c.str(f.file);
    let mut key = match granularity {
        Granularity::Function => Key { name, ..Key::default() },
        Granularity::Line => Key { name, file, line, ..Key::default() },
        Granularity::File => Key { file, ..Key::default() },
        Granularity::Package => Key {
            name: match package_of(name) {
                "" => name,
                p => p,
            },
            ..Key::default()
        },
    };
    if key.name.is_empty() {
        key.object = object;
        key.start_line = f.start_line;
    }
    key
}

fn printable(k: &Key<'_>) -> String {
    let mut out = k.name.to_owned();
    let mut push = |s: &str| {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(s);
    };
    if k.line != 0 {
        push(&format!("{}:{}", k.file, k.line));
    } else if !k.file.is_empty() {
        push(k.file);
    } else if !k.name.is_empty() {
    } else if !k.object.is_empty() {
        let base = k.object.rsplit('/').next().unwrap_or(k.object);
        push(&format!("[{base}]"));
    } else {
        push("<unknown>");
    }
    out
}
