//! Owns the last minutes of a watched process on a terminal: a table with as many columns as fit.

use super::page::{Page, Style};
use crate::watched::{COLUMNS, before_what, cells};
use crate::wrap;
use model::Watched;

/// Columns by what they tell, the most telling first, with their widths.
const BY_WORTH: [(usize, usize); 8] = [(0, 7), (1, 10), (2, 10), (3, 10), (7, 8), (5, 10), (4, 10), (6, 10)];

pub(super) fn print(p: &mut Page, w: &Watched) {
    if w.moments.is_empty() {
        return;
    }
    p.blank();
    p.line(0, &format!("As watched, before {}", before_what(w)), Style::Plain);
    let mut room = p.width().saturating_sub(2);
    let mut shown: Vec<(usize, usize)> = BY_WORTH
        .iter()
        .copied()
        .take_while(|(_, width)| {
            let fits = *width <= room;
            room = room.saturating_sub(*width);
            fits
        })
        .collect();
    shown.sort_unstable();
    let row = |cells: [&str; 8]| {
        let mut line = String::new();
        for (i, width) in &shown {
            let cell = cells.get(*i).copied().unwrap_or_default();
            // Words to the left, numbers to the right.
            line.push_str(&if *i == 1 {
                format!("  {}", wrap::pad(cell, width - 2))
            } else {
                format!("{cell:>width$}")
            });
        }
        line
    };
    p.line(2, &row(COLUMNS.map(|c| if c == "before" { "" } else { c })), Style::Dim);
    for m in &w.moments {
        let cells = cells(w, m);
        p.line(2, &row(cells.each_ref().map(String::as_str)), Style::Plain);
    }
}
