//! Owns the speedscope file (<https://www.speedscope.app/file-format-schema.json>), a `sampled`
//! profile with one sample per folded stack. Refuses negative weights, which speedscope cannot draw.

use super::{Flame, parse_line};
use crate::clean;
use rustc_hash::FxHashMap;
use serde_json::json;

/// The flame as a speedscope JSON file. Of a difference only what grew is written, and the profile's
/// name says so.
#[must_use]
pub fn speedscope(f: &Flame) -> String {
    let mut frames: Vec<serde_json::Value> = Vec::new();
    let mut ids: FxHashMap<&str, usize> = FxHashMap::default();
    let mut samples: Vec<Vec<usize>> = Vec::new();
    let mut weights: Vec<u64> = Vec::new();
    let mut shrank = 0u64;
    for (stack, n) in f.collapsed.lines().filter_map(parse_line) {
        let Ok(weight) = u64::try_from(n) else {
            shrank += 1;
            continue;
        };
        let sample = stack.split(';').filter(|s| !s.is_empty()).map(|name| {
            *ids.entry(name).or_insert_with(|| {
                frames.push(json!({ "name": clean::line(name) }));
                frames.len() - 1
            })
        });
        samples.push(sample.collect());
        weights.push(weight);
    }
    let total = weights.iter().fold(0u64, |a, b| a.saturating_add(*b));
    let name = if shrank > 0 { format!("{} (only what grew; {shrank} stacks shrank)", f.name) } else { f.name.clone() };
    let unit = if f.unit == "bytes" { "bytes" } else { "none" };
    let file = json!({
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "exporter": format!("oomph {}", env!("CARGO_PKG_VERSION")),
        "name": name,
        "activeProfileIndex": 0,
        "shared": { "frames": frames },
        "profiles": [{
            "type": "sampled", "name": name, "unit": unit,
            "startValue": 0, "endValue": total, "samples": samples, "weights": weights,
        }],
    });
    format!("{}\n", clean::json(&file.to_string()))
}
