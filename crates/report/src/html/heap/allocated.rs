//! Owns where memory was allocated, as the views of a heap show it: the innermost call beside what it allocated, the
//! whole stack once at the end of the page.

use super::{BUDGET, cut, fill, fmt, heading, name};
use crate::flame::short_name;
use model::{Bytes, Frame, HeapAllocated};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Stacks shown beside one holder.
const SHOWN: usize = 3;

/// The stacks of a heap, and which of them the page named so far.
pub(super) struct Stacks<'a> {
    all: &'a [Vec<Frame>],
    named: BTreeSet<u32>,
}

impl<'a> Stacks<'a> {
    pub(super) const fn new(all: &'a [Vec<Frame>]) -> Self {
        Self { all, named: BTreeSet::new() }
    }

    /// Where the largest parts were allocated; empty when that is not known.
    pub(super) fn lines(&mut self, allocated: &[HeapAllocated]) -> String {
        let mut out = String::new();
        for a in allocated.iter().take(SHOWN) {
            let Some(frame) = self.all.get(a.stack as usize).and_then(|s| s.first()) else { continue };
            self.named.insert(a.stack);
            let _ = write!(
                out,
                "<div class=\"at\">{} allocated by <a href=\"#stack-{}\">{}</a> <span class=\"dir\">{}</span>, {} sampled</div>",
                Bytes(a.bytes),
                a.stack,
                name(&short_name(&frame.function)),
                place(frame),
                fmt::count(a.sampled)
            );
        }
        out
    }

    /// The stacks that were named.
    pub(super) fn section(&self, out: &mut String) {
        if self.named.is_empty() {
            return;
        }
        heading(out, "heap-stacks", "Allocation stacks");
        let stacks: Vec<(u32, &Vec<Frame>)> =
            self.named.iter().filter_map(|&i| Some((i, self.all.get(i as usize)?))).collect();
        let left = fill(out, &stacks, BUDGET, |_, (i, frames)| {
            let first = frames.first().map_or_else(String::new, |f| name(&short_name(&f.function)));
            let mut text =
                format!("<details class=\"functions\" id=\"stack-{i}\"><summary><code>{first}</code></summary><ol>");
            for f in *frames {
                let _ = write!(
                    text,
                    "<li><code>{}</code> <span class=\"dir\">{}</span></li>",
                    name(&f.function),
                    name(&format!("{}:{}", f.file, f.line))
                );
            }
            text.push_str("</ol></details>\n");
            text
        });
        out.push_str(&cut(left, "stacks"));
        out.push_str("</section>\n");
    }
}

/// `cache.go:41`.
pub(super) fn place(f: &Frame) -> String {
    let file = f.file.rsplit(['/', '\\']).next().unwrap_or_default();
    if file.is_empty() { String::new() } else { name(&format!("{file}:{}", f.line)) }
}
