//! Owns the rows of the retained tree as the page has them: which are shown, their labels and colours, the tree that
//! opens row by row, and the data of the treemap's script.

use super::{amount, clean, cut, fmt, heading, name, share, short};
use model::{Bytes, HeapTree, HeapTreeRow};
use serde_json::json;
use std::collections::HashMap;
use std::fmt::Write as _;

/// Most rows that are shown, and most bytes that they take in the page.
const MOST_ROWS: usize = 2_000;
const BUDGET: usize = 480_000;
/// Bytes of a row besides its names, in the tree, the treemap and the data.
const ROW: usize = 330;
/// Longest name in characters.
const NAME: usize = 240;
/// A root is told together with what it leads to, if that retains this part of it.
const LEADS: f64 = 0.8;
/// Rows below this many others are left out.
const DEEP: u32 = 60;
/// A row is open at first if it retains this part of the heap and is not too deep.
const OPEN: f64 = 0.15;
const OPEN_DEEP: u32 = 8;

/// The rows that are shown, with those below each.
pub(super) struct Nodes<'a> {
    rows: Vec<&'a HeapTreeRow>,
    /// Bytes that shares are of.
    all: u64,
    below: Vec<Vec<u32>>,
    depth: Vec<u32>,
    left_out: usize,
}

impl<'a> Nodes<'a> {
    /// The first rows of a tree: they are the ones that say most. Shares are of `all` bytes.
    pub(super) fn of(tree: &'a HeapTree, all: u64) -> Self {
        let mut nodes = Nodes { rows: Vec::new(), all, below: Vec::new(), depth: Vec::new(), left_out: 0 };
        let mut used = 0_usize;
        for (i, row) in tree.rows.iter().enumerate() {
            // A name stands in the row, its tip, the treemap, the data, and perhaps in the row above.
            let bytes = |text: &str| name(&clean::tail(text, NAME)).len();
            used = used.saturating_add(ROW + 5 * bytes(&row.name) + 3 * bytes(&row.via));
            let parent = row.parent as usize;
            let depth = nodes.depth.get(parent).map_or(0, |d| d + 1);
            // A row that does not come after the one above it belongs nowhere.
            let stray = i > 0 && parent >= i;
            if i >= MOST_ROWS || used > BUDGET || stray || depth > DEEP {
                nodes.left_out = tree.rows.len() - i;
                break;
            }
            if i > 0
                && let Some(below) = nodes.below.get_mut(parent)
            {
                below.push(i as u32);
            }
            nodes.rows.push(row);
            nodes.below.push(Vec::new());
            nodes.depth.push(depth);
        }
        let retained = |i: &u32| nodes.rows.get(*i as usize).map_or(0, |r| r.retained_bytes);
        for below in &mut nodes.below {
            below.sort_by_key(|i| (std::cmp::Reverse(retained(i)), *i));
        }
        nodes
    }

    pub(super) fn row(&self, i: u32) -> Option<&'a HeapTreeRow> {
        self.rows.get(i as usize).copied()
    }

    /// The rows below one, most bytes first.
    pub(super) fn below(&self, i: u32) -> &[u32] {
        self.below.get(i as usize).map_or(&[], Vec::as_slice)
    }

    /// Whether nothing is shown.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes that shares are of: those of the heap, at least what the first row retains.
    pub(super) fn all(&self) -> u64 {
        self.all.max(self.rows.first().map_or(0, |r| r.retained_bytes))
    }

    /// What a row is called, in full. A root's address or number says little: what it leads to goes with it.
    fn full(&self, i: u32) -> String {
        let Some(row) = self.row(i) else { return String::new() };
        let own = match row.kind.as_str() {
            "heap" => return "reachable".to_owned(),
            "rest" => return "others".to_owned(),
            "object" => return row.name.clone(),
            "goroutine" if row.count > 1 => format!("goroutines {}", row.name),
            _ => row.name.clone(),
        };
        let first = self.below(i).first().and_then(|&i| self.row(i));
        match first.filter(|f| f.retained_bytes as f64 >= LEADS * row.retained_bytes as f64 && f.kind == "object") {
            Some(f) => format!("{own} → {}", f.name),
            None => own,
        }
    }

    /// The same, shortened.
    pub(super) fn label(&self, i: u32) -> String {
        short(&self.full(i))
    }

    /// What a row retains, in words.
    pub(super) fn told(&self, i: u32) -> String {
        let Some(row) = self.row(i) else { return String::new() };
        let number = number(row);
        let label = name(&clean::tail(&self.full(i), NAME));
        let sep = if number.is_empty() { "" } else { " " };
        format!("{label}{sep}{number}: {}", amount(row.retained_bytes, self.all()))
    }

    /// What the script of the treemap draws.
    pub(super) fn data(&self) -> String {
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut names: Vec<String> = Vec::new();
        let mut shorts: Vec<String> = Vec::new();
        let mut add = |full: &str, shown: String| {
            let full = clean::tail(&clean::line(full), NAME).into_owned();
            *numbers.entry(full.clone()).or_insert_with(|| {
                names.push(full);
                shorts.push(shown);
                names.len() - 1
            })
        };
        let column = |f: &dyn Fn(&HeapTreeRow) -> u64| -> Vec<u64> { self.rows.iter().map(|r| f(r)).collect() };
        let name_of: Vec<usize> = (0..self.rows.len() as u32).map(|i| add(&self.full(i), self.label(i))).collect();
        let via_of: Vec<usize> = self.rows.iter().map(|r| add(&r.via, r.via.clone())).collect();
        let value = json!({
            "all": self.all(),
            "names": names,
            // Only where it differs.
            "shorts": names.iter().zip(&shorts).map(|(n, s)| {
                let s = clean::tail(&clean::line(s), NAME).into_owned();
                if *n == s { String::new() } else { s }
            }).collect::<Vec<_>>(),
            "name": name_of,
            "via": via_of,
            "parent": column(&|r| u64::from(r.parent)),
            "kind": self.rows.iter().map(|r| kind(r)).collect::<Vec<_>>(),
            "count": column(&|r| r.count),
            "inner": column(&|r| r.inner),
            "own": column(&|r| r.own_bytes),
            "retained": column(&|r| r.retained_bytes),
            "address": self.rows.iter().map(|r| clean::head(&clean::line(r.address.as_deref().unwrap_or("")), 24).into_owned()).collect::<Vec<_>>(),
        });
        clean::json_in_script(&value.to_string())
    }
}

/// What a row is, for its colour: an index into [`super::treemap::KINDS`].
pub(super) fn kind(r: &HeapTreeRow) -> usize {
    match (r.kind.as_str(), r.name.as_str()) {
        ("heap", _) => 0,
        ("rest", _) => 7,
        ("object", n) if n.starts_with("untyped") => 6,
        ("object", n) if n.starts_with("map[") => 2,
        ("object", "string bytes" | "[]uint8") => 4,
        ("object", n) if n.starts_with("[]") => 3,
        ("object", n) if n.starts_with("chan ") || n.starts_with("closure ") || n == "runtime.g" => 5,
        ("object", _) => 8,
        _ => 1,
    }
}

/// `× 1,204, with 3,000 below`; empty for a single object.
pub(super) fn number(r: &HeapTreeRow) -> String {
    let mut text = String::new();
    if r.count > 1 {
        let _ = write!(text, "× {}", fmt::count(r.count));
    }
    if r.inner > 0 {
        let what = if r.name.starts_with("map[") { "parts" } else { "linked" };
        let _ = write!(text, "{}+ {} {what}", if text.is_empty() { "" } else { " " }, fmt::count(r.inner));
    }
    text
}

/// The tree: every row opens to those below it.
pub(super) fn section(out: &mut String, nodes: &Nodes<'_>) {
    if nodes.is_empty() {
        return;
    }
    heading(out, "heap-tree", "What retains what");
    out.push_str(
        "<p class=\"note\">Everything below a row would be free without it (dominator tree). Objects of one type held by the \
         same row stand in one row.</p>\n<div class=\"tools\" id=\"tree-tools\" hidden></div>\n\
         <div class=\"rt-head\" aria-hidden=\"true\"><span>Retained</span><span>Share</span><span>Own</span><span>What</span></div>\n\
         <ul class=\"rt\" id=\"retained\">",
    );
    branch(out, nodes, 0, 0);
    out.push_str("</ul>\n");
    out.push_str(&cut(nodes.left_out, "rows"));
    out.push_str("</section>\n");
}

fn branch(out: &mut String, nodes: &Nodes<'_>, i: u32, depth: u32) {
    let Some(row) = nodes.row(i) else { return };
    let below = nodes.below(i);
    let line = line(nodes, i, row, depth);
    if below.is_empty() {
        let _ = write!(out, "<li id=\"r{i}\"><div class=\"row\" tabindex=\"-1\">{line}</div></li>");
        return;
    }
    let part = row.retained_bytes as f64 / nodes.all().max(1) as f64;
    let open = if depth == 0 || (part >= OPEN && depth < OPEN_DEEP) { " open" } else { "" };
    let _ = write!(out, "<li id=\"r{i}\"><details{open}><summary class=\"row\">{line}</summary><ul>");
    for &child in below {
        branch(out, nodes, child, depth + 1);
    }
    out.push_str("</ul></details></li>\n");
}

fn line(nodes: &Nodes<'_>, i: u32, r: &HeapTreeRow, depth: u32) -> String {
    let total = nodes.all();
    let part = (r.retained_bytes as f64 / total.max(1) as f64 * 100.0).min(100.0);
    let own = if r.own_bytes > 0 { Bytes(r.own_bytes).to_string() } else { "-".to_owned() };
    let mut out = format!(
        "<span>{}</span><span class=\"pc\"><i style=\"width:{part:.1}%\"></i>{}</span><span>{own}</span><span class=\"what\" style=\"--d:{depth}\">",
        Bytes(r.retained_bytes),
        share(r.retained_bytes, total),
    );
    if !r.via.is_empty() {
        let _ = write!(out, "<b>{}</b> ", name(&clean::tail(&r.via, NAME)));
    }
    let (full, label) = (nodes.full(i), nodes.label(i));
    let title = if label == full { String::new() } else { format!(" title=\"{}\"", name(&clean::tail(&full, NAME))) };
    let tag = match r.kind.as_str() {
        "object" | "heap" | "rest" => String::new(),
        _ if full.starts_with(&r.kind) => String::new(),
        other => format!("<em>{}</em> ", name(other)),
    };
    let _ = write!(out, "{tag}<code{title}>{}</code>", name(&clean::tail(&label, NAME)));
    let number = number(r);
    if !number.is_empty() {
        let _ = write!(out, " <small>{number}</small>");
    }
    out.push_str("</span>");
    out
}
