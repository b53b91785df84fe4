//! Plain text of a [`Top`] in the columns of `go tool pprof -top`. Owns the layout; the numbers are
//! the table's.

use crate::profile::Profile;
use crate::top::{Inlined, Top};
use crate::units::{percentage, scale, scaled_label};
use std::fmt::Write;

/// The table with at most `rows` rows (0: all). `unit` is a unit to print in (`bytes`, `MB`, `s`),
/// or empty for pprof's choice: one unit for all, by the smallest value shown.
#[must_use]
pub fn render_top(profile: &Profile, top: &Top, rows: usize, unit: &str) -> String {
    let shown = &top.rows[..match rows {
        0 => top.rows.len(),
        n => n.min(top.rows.len()),
    }];
    let chosen;
    let unit = if unit.is_empty() {
        chosen = minimum_unit(top, shown);
        &chosen
    } else {
        unit
    };
    let label = |v| scaled_label(v, &top.unit, unit);
    let mut out = String::new();
    header(&mut out, profile, top);
    let sum = shown.iter().fold(0i64, |s, r| s.wrapping_add(r.flat));
    let _ = writeln!(
        out,
        "Showing nodes accounting for {}, {} of {} total",
        label(sum),
        percentage(sum, top.total).trim(),
        label(top.total)
    );
    if shown.len() < top.rows.len() {
        let _ = writeln!(out, "Showing top {} nodes out of {}", shown.len(), top.rows.len());
    }
    out.push_str("      flat  flat%   sum%        cum   cum%\n");
    let mut sum = 0i64;
    for r in shown {
        sum = sum.wrapping_add(r.flat);
        let _ = writeln!(
            out,
            "{:>10} {} {} {:>10} {}  {}{}",
            label(r.flat),
            percentage(r.flat, top.total),
            percentage(sum, top.total),
            label(r.cum),
            percentage(r.cum, top.total),
            r.name,
            match r.inlined {
                Inlined::No => "",
                Inlined::Partly => " (partial-inline)",
                Inlined::Always => " (inline)",
            }
        );
    }
    out
}

fn header(out: &mut String, profile: &Profile, top: &Top) {
    if let Some(m) = profile.mappings().next() {
        if !m.file.is_empty() {
            let base = m.file.rsplit('/').next().unwrap_or(m.file);
            let _ = writeln!(out, "File: {base}");
        }
        if !m.build_id.is_empty() {
            let _ = writeln!(out, "Build ID: {}", m.build_id);
        }
    }
    for c in profile.comments().filter(|c| !c.starts_with('#')) {
        let _ = writeln!(out, "{c}");
    }
    let _ = writeln!(out, "Type: {}", top.sample_type);
    if !profile.doc_url().is_empty() {
        let _ = writeln!(out, "Doc: {}", profile.doc_url());
    }
    if profile.duration_nanos() != 0 {
        let _ = writeln!(
            out,
            "Duration: {}, Total samples = {}",
            scaled_label(profile.duration_nanos(), "nanoseconds", "auto"),
            scaled_label(top.total, &top.unit, "auto")
        );
    }
}

/// pprof's `selectOutputUnit`.
fn minimum_unit(top: &Top, shown: &[crate::top::TopRow]) -> String {
    let smallest = shown
        .iter()
        .map(|r| match r.flat.wrapping_abs() {
            0 => r.cum.wrapping_abs(),
            v => v,
        })
        .filter(|v| *v > 0)
        .min()
        .unwrap_or(top.total);
    let (_, min_unit) = scale(smallest, &top.unit, "minimum");
    let (_, max_unit) = scale(top.total, &top.unit, "minimum");
    let mut unit = min_unit.clone();
    if min_unit != max_unit && smallest.saturating_mul(100) < top.total {
        unit = scale(smallest.saturating_mul(100), &top.unit, "minimum").1;
    }
    if unit.is_empty() { top.unit.clone() } else { unit }
}
