//! Owns the flame graphs of the page: the data the script draws from, cut to a byte budget with the
//! cut stated, and a table of functions that stays when scripts are off.

use super::{heading, name, sentence};
use crate::flame::{Tree, short_name};
use crate::{Flame, clean, fmt};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Share of the total below which frames are folded at first.
const THRESHOLD: f64 = 0.0005;
/// Flame graphs shown.
const FLAMES: usize = 8;
/// Rows of the function table.
const ROWS: usize = 15;
/// Longest frame name kept, in characters.
const FRAME: usize = 240;

/// The section and what the script draws.
pub(super) struct Section {
    pub(super) markup: String,
    pub(super) data: Option<String>,
}

/// Renders the section in at most `budget` bytes.
pub(super) fn section(flames: &[Flame], budget: usize) -> Section {
    let trees: Vec<(&Flame, Tree)> =
        flames.iter().take(FLAMES).map(|f| (f, Tree::build(f))).filter(|(_, t)| t.total() > 0).collect();
    if trees.is_empty() {
        return Section { markup: String::new(), data: None };
    }
    let mut markup = String::new();
    heading(&mut markup, "flames", "Flame graphs");
    markup.push_str("<div id=\"flame-app\" hidden></div>\n");
    for (f, t) in &trees {
        table(&mut markup, f, t);
    }
    markup.push_str("</section>\n");
    let room = budget.saturating_sub(markup.len()) / trees.len();
    let parts: Vec<String> = trees.iter().map(|(f, t)| fitted(f, t, room)).collect();
    Section { markup, data: Some(format!("[{}]", parts.join(","))) }
}

/// One flame's data in at most `room` bytes: the threshold doubles until it fits.
fn fitted(f: &Flame, t: &Tree, room: usize) -> String {
    let total = t.total();
    let mut threshold = ((total as f64 * THRESHOLD).ceil() as u64).max(1);
    loop {
        let text = clean::json_in_script(&data(f, t, threshold).to_string());
        if text.len() <= room {
            return text;
        }
        if threshold > total {
            return json!({ "name": "", "empty": true }).to_string();
        }
        threshold = threshold.saturating_add(threshold / 2).saturating_add(1);
    }
}

fn data(f: &Flame, t: &Tree, threshold: u64) -> Value {
    let cut = t.cut(threshold);
    let mut ids = vec![u32::MAX; t.names.len()];
    let mut names: Vec<String> = Vec::new();
    let (mut depth, mut frame, mut weight, mut net) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for &(node, d) in &cut.rows {
        let n = &t.nodes[node as usize];
        let id = &mut ids[n.name as usize];
        if *id == u32::MAX {
            *id = names.len() as u32;
            names.push(clean::tail(&clean::line(&t.names[n.name as usize]), FRAME).into_owned());
        }
        depth.push(d);
        frame.push(*id);
        weight.push(n.weight);
        if t.signed {
            net.push(n.net);
        }
    }
    json!({
        "name": clean::tail(&clean::line(&f.name), 80), "unit": clean::tail(&clean::line(&f.unit), 20),
        "note": clean::head(&clean::line(&f.note), 400), "cut": cut_text(t, &f.unit, &cut),
        "signed": t.signed, "names": names, "d": depth, "f": frame, "v": weight, "n": net,
    })
}

/// `frames below 0.05 % are folded into their callers: 1.2 MiB (0.3 %) in 8,231 subtrees`.
fn cut_text(t: &Tree, unit: &str, cut: &crate::flame::Cut) -> String {
    let total = t.total();
    let mut out = format!("{} stacks, {}.", fmt::count(t.stacks), fmt::value(total as f64, unit));
    if cut.folded_nodes > 0 {
        let share = cut.threshold as f64 / total as f64;
        let _ = write!(
            out,
            " Frames below {} % are folded into their callers: {} ({}) in {} subtrees.",
            fmt::number((share * 1e4).round() / 100.0),
            fmt::value(cut.folded as f64, unit),
            fmt::percent(cut.folded as f64 / total as f64),
            fmt::count(cut.folded_nodes)
        );
    }
    if t.bad_lines > 0 {
        let _ = write!(out, " {} lines could not be read.", fmt::count(t.bad_lines));
    }
    out
}

fn table(out: &mut String, f: &Flame, t: &Tree) {
    let total = t.total() as f64;
    let _ = write!(
        out,
        "<details class=\"functions\"><summary>{}: functions by size, as a table</summary><p>{}</p><div class=\"scroll\"><table><thead><tr><th scope=\"col\" class=\"n\">Own</th><th scope=\"col\" class=\"n\">With callees</th><th scope=\"col\" class=\"n\">Share</th>{}<th scope=\"col\">Function</th></tr></thead><tbody>",
        name(&f.name),
        sentence(&f.note),
        if t.signed { "<th scope=\"col\" class=\"n\">Net change</th>" } else { "" }
    );
    for (function, own, cum, net) in t.top(ROWS) {
        let net = if t.signed {
            format!("<td class=\"n\">{}</td>", clean::html(&fmt::value_signed(net as f64, &f.unit)))
        } else {
            String::new()
        };
        let _ = write!(
            out,
            "<tr><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>{net}<td><code title=\"{}\">{}</code></td></tr>",
            clean::html(&fmt::value(own as f64, &f.unit)),
            clean::html(&fmt::value(cum as f64, &f.unit)),
            clean::html(&fmt::percent(cum as f64 / total)),
            name(function),
            name(&short_name(function))
        );
    }
    out.push_str("</tbody></table></div></details>\n");
}
