//! Owns the last minutes of a watched process on the page: how it ended, and a table.

use super::{clean, fill, heading};
use crate::watched::{COLUMNS, before_what, cells, sentence};
use model::Watched;
use std::fmt::Write as _;

/// Bytes the rows may take.
const BUDGET: usize = 60_000;

pub(super) fn section(out: &mut String, w: &Watched) {
    heading(out, "watched", &format!("As watched, before {}", before_what(w)));
    if let Some(end) = sentence(w) {
        let _ = writeln!(out, "<p>{}</p>", clean::html(&end));
    }
    out.push_str("<div class=\"scroll\"><table><thead><tr>");
    for (i, name) in COLUMNS.iter().enumerate() {
        let _ = write!(out, "<th scope=\"col\"{}>{name}</th>", class(i));
    }
    out.push_str("</tr></thead><tbody>");
    let left = fill(out, &w.moments, BUDGET, |_, m| {
        let mut row = String::from("<tr>");
        for (i, cell) in cells(w, m).iter().enumerate() {
            let _ = write!(row, "<td{}>{}</td>", class(i), clean::html(cell));
        }
        row.push_str("</tr>\n");
        row
    });
    out.push_str("</tbody></table></div>");
    out.push_str(&super::cut(left, "moments"));
    out.push_str("</section>\n");
}

/// Numbers stand to the right; the second column is a word.
const fn class(column: usize) -> &'static str {
    if column == 1 { "" } else { " class=\"n\"" }
}
