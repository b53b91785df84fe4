//! Owns the treemap as it stands in the page without a script: nested rectangles whose area is what a row of the
//! retained tree retains, laid out squarified (Bruls, Huizing, van Wijk, "Squarified Treemaps", 2000). `treemap.js` lays
//! out in the same way for the actual size of the window, and for the rectangle that was entered.

use super::tree::{self, Nodes};
use super::{heading, name};
use crate::clean;
use model::Bytes;
use std::fmt::Write as _;

/// What a colour says, by index; [`tree::kind`] gives the index.
pub(super) const KINDS: [&str; 9] = [
    "heap",
    "variables and goroutines",
    "maps",
    "arrays of slices",
    "text and bytes",
    "channels, closures",
    "type unknown",
    "others together",
    "structs and other values",
];

/// Size that the rectangles are laid out for, in pixels.
const WIDTH: f64 = 1132.0;
const HEIGHT: f64 = 560.0;
/// Height of a label, and what is left free on the other sides.
const HEAD: f64 = 19.0;
const EDGE: f64 = 2.0;
/// Smallest side of a rectangle that is drawn, of one with a label, of one with others inside.
const SMALLEST: f64 = 3.0;
const LABELLED: (f64, f64) = (34.0, 15.0);
const ENTERED: (f64, f64) = (56.0, 46.0);
/// Levels shown below the outermost.
const LEVELS: u32 = 4;
/// Longest label in characters.
const LABEL: usize = 80;

/// A rectangle in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rect {
    x: f64,
    y: f64,
    w: f64,
    h: f64,
}

pub(super) fn section(out: &mut String, nodes: &Nodes<'_>) {
    if nodes.all() == 0 {
        return;
    }
    heading(out, "heap-map", "Treemap of what is retained");
    out.push_str(
        "<p class=\"note\">Each area is what would be free without it; inside lies what it holds.</p>\n\
         <div class=\"treemap\" id=\"treemap\"><nav id=\"treemap-path\" class=\"crumbs\" aria-label=\"Way into the treemap\" hidden></nav>\n\
         <div class=\"tiles\" id=\"treemap-tiles\">",
    );
    let inside = Rect { x: 0.0, y: 0.0, w: WIDTH, h: HEIGHT };
    tiles(out, nodes, 0, inside, 0);
    out.push_str("</div>\n<p class=\"where\" id=\"treemap-where\" hidden></p>\n<div class=\"scale\">");
    for (i, label) in KINDS.iter().enumerate().skip(1) {
        let _ = write!(out, "<span><i class=\"k{i}\"></i>{label}</span>");
    }
    out.push_str("</div></div></section>\n");
}

/// The rectangles of the rows below one, in `inside`.
fn tiles(out: &mut String, nodes: &Nodes<'_>, of: u32, inside: Rect, level: u32) {
    let Some(row) = nodes.row(of) else { return };
    let below = nodes.below(of);
    let sizes: Vec<f64> =
        below.iter().map(|&i| nodes.row(i).map_or(0, |r| r.retained_bytes) as f64).filter(|&s| s > 0.0).collect();
    // What is not of rows below is of the row itself.
    let sum: f64 = sizes.iter().sum();
    let own = (row.retained_bytes as f64 - sum).max(0.0);
    let (w, h) = (inside.w, inside.h);
    for (&i, r) in below.iter().zip(squarify(&sizes, own, inside)) {
        let Some(row) = nodes.row(i).filter(|_| r.w >= SMALLEST && r.h >= SMALLEST) else { continue };
        let _ = write!(
            out,
            "<div class=\"tile k{}\" style=\"left:{:.2}%;top:{:.2}%;width:{:.2}%;height:{:.2}%\" title=\"{}\">",
            tree::kind(row),
            (r.x - inside.x) / w * 100.0,
            (r.y - inside.y) / h * 100.0,
            r.w / w * 100.0,
            r.h / h * 100.0,
            nodes.told(i),
        );
        if r.w >= LABELLED.0 && r.h >= LABELLED.1 {
            let cut = |text: &str| name(&clean::head(&clean::line(text), LABEL));
            let via = if row.via.is_empty() { String::new() } else { format!("<i>{}</i> ", cut(&row.via)) };
            let _ = write!(out, "<span>{via}{} <b>{}</b></span>", cut(&nodes.label(i)), Bytes(row.retained_bytes));
        }
        if level + 1 < LEVELS && r.w >= ENTERED.0 && r.h >= ENTERED.1 && !nodes.below(i).is_empty() {
            out.push_str("<div class=\"in\">");
            let inner = Rect { x: EDGE, y: HEAD, w: r.w - 2.0 * EDGE, h: r.h - HEAD - EDGE };
            tiles(out, nodes, i, inner, level + 1);
            out.push_str("</div>");
        }
        out.push_str("</div>\n");
    }
}

/// Rectangles for sizes, largest first, beside one another in `inside`, as near to squares as rows and columns allow;
/// an area for `own` is left free at the end.
fn squarify(sizes: &[f64], own: f64, inside: Rect) -> Vec<Rect> {
    let mut out = Vec::with_capacity(sizes.len());
    let sum: f64 = sizes.iter().sum::<f64>() + own;
    if sum <= 0.0 || inside.w <= 0.0 || inside.h <= 0.0 {
        return out;
    }
    let scale = inside.w * inside.h / sum;
    let mut free = inside;
    let mut rest = sizes;
    while !rest.is_empty() {
        let side = free.w.min(free.h);
        let mut taken = 1;
        let mut area = rest.first().copied().unwrap_or(0.0) * scale;
        let mut worst = ratio(area, area, area, side);
        while let (Some(first), Some(next)) = (rest.first(), rest.get(taken)) {
            let with = area + next * scale;
            let then = ratio(first * scale, next * scale, with, side);
            if then > worst {
                break;
            }
            (area, worst, taken) = (with, then, taken + 1);
        }
        let (row, others) = rest.split_at(taken);
        let thick = if side > 0.0 { area / side } else { 0.0 };
        let mut along = 0.0;
        for size in row {
            let long = if thick > 0.0 { size * scale / thick } else { 0.0 };
            out.push(if free.w >= free.h {
                Rect { x: free.x, y: free.y + along, w: thick, h: long }
            } else {
                Rect { x: free.x + along, y: free.y, w: long, h: thick }
            });
            along += long;
        }
        if free.w >= free.h {
            (free.x, free.w) = (free.x + thick, (free.w - thick).max(0.0));
        } else {
            (free.y, free.h) = (free.y + thick, (free.h - thick).max(0.0));
        }
        rest = others;
    }
    out
}

/// The larger ratio of sides in a row along `side` with this area, its largest and its smallest rectangle.
fn ratio(largest: f64, smallest: f64, area: f64, side: f64) -> f64 {
    let (s2, a2) = (side * side, area * area);
    if s2 <= 0.0 || a2 <= 0.0 || smallest <= 0.0 {
        return f64::INFINITY;
    }
    (s2 * largest / a2).max(a2 / (s2 * smallest))
}

#[cfg(test)]
mod tests {
    use super::{Rect, squarify};
    use proptest::prelude::*;

    /// The example of the paper: a rectangle of 6 x 4 for these sizes.
    #[test]
    fn lays_out_as_the_paper_does() {
        let sizes = [6.0, 6.0, 4.0, 3.0, 2.0, 2.0, 1.0];
        let got = squarify(&sizes, 0.0, Rect { x: 0.0, y: 0.0, w: 6.0, h: 4.0 });
        assert_eq!(got[0], Rect { x: 0.0, y: 0.0, w: 3.0, h: 2.0 });
        assert_eq!(got[1], Rect { x: 0.0, y: 2.0, w: 3.0, h: 2.0 });
        // 4 and 3 lie in a row above the rest.
        assert!((got[2].h - 7.0 / 3.0).abs() < 1e-9 && (got[3].h - 7.0 / 3.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn areas_are_sizes_and_nothing_overlaps(
            mut sizes in proptest::collection::vec(0.1f64..1e9, 1..40), own in 0.0f64..1e9, w in 20.0f64..2000.0, h in 20.0f64..2000.0
        ) {
            sizes.sort_by(|a, b| b.total_cmp(a));
            let all = squarify(&sizes, own, Rect { x: 5.0, y: 7.0, w, h });
            prop_assert_eq!(all.len(), sizes.len());
            let scale = w * h / (sizes.iter().sum::<f64>() + own);
            for (r, s) in all.iter().zip(&sizes) {
                prop_assert!((r.w * r.h - s * scale).abs() <= 1e-6 * w * h);
                prop_assert!(r.x >= 5.0 - 1e-6 && r.x + r.w <= 5.0 + w + 1e-6);
                prop_assert!(r.y >= 7.0 - 1e-6 && r.y + r.h <= 7.0 + h + 1e-6);
            }
            for (i, a) in all.iter().enumerate() {
                for b in &all[i + 1..] {
                    let across = (a.x + a.w).min(b.x + b.w) - a.x.max(b.x);
                    let down = (a.y + a.h).min(b.y + b.h) - a.y.max(b.y);
                    prop_assert!(across <= 1e-6 || down <= 1e-6, "{:?} {:?}", a, b);
                }
            }
        }
    }
}
