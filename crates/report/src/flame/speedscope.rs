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
    speedscope_of(&f.name, std::slice::from_ref(f))
}

/// Several flames as profiles of one speedscope JSON file, which lets the reader choose. As for [`speedscope`],
/// only what grew is written.
#[must_use]
pub fn speedscope_of(name: &str, flames: &[Flame]) -> String {
    let mut frames: Vec<serde_json::Value> = Vec::new();
    let mut ids: FxHashMap<&str, usize> = FxHashMap::default();
    let profiles: Vec<_> = flames.iter().map(|f| profile(f, &mut frames, &mut ids)).collect();
    // A file of one profile has the profile's name, which may say more.
    let name = profiles.first().filter(|_| profiles.len() == 1).map_or_else(|| json!(name), |p| p["name"].clone());
    let file = json!({
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "exporter": format!("oomph {}", env!("CARGO_PKG_VERSION")),
        "name": name,
        "activeProfileIndex": 0,
        "shared": { "frames": frames },
        "profiles": profiles,
    });
    format!("{}\n", clean::json(&file.to_string()))
}

/// One profile of the file, its frames among those of all.
fn profile<'a>(
    f: &'a Flame,
    frames: &mut Vec<serde_json::Value>,
    ids: &mut FxHashMap<&'a str, usize>,
) -> serde_json::Value {
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
    let unit = match &f.unit[..] {
        "bytes" => "bytes",
        "nanoseconds" => "nanoseconds",
        _ => "none",
    };
    json!({
        "type": "sampled", "name": name, "unit": unit,
        "startValue": 0, "endValue": total, "samples": samples, "weights": weights,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flames_share_their_frames() {
        let flame = |name: &str, unit: &str, collapsed: &str| Flame {
            name: name.into(),
            unit: unit.into(),
            collapsed: collapsed.into(),
            note: String::new(),
        };
        let two = [flame("cpu", "nanoseconds", "main;a 10\n"), flame("waits", "count", "main;b 4\nmain 1\n")];
        let file: serde_json::Value = serde_json::from_str(&speedscope_of("trace", &two)).unwrap();
        assert_eq!(file["name"], "trace");
        assert_eq!(file["shared"]["frames"], json!([{"name": "main"}, {"name": "a"}, {"name": "b"}]));
        let profiles = file["profiles"].as_array().unwrap();
        assert_eq!((&profiles[0]["unit"], &profiles[1]["unit"]), (&json!("nanoseconds"), &json!("none")));
        assert_eq!(profiles[1]["samples"], json!([[0, 2], [0]]));
        assert_eq!((&profiles[1]["weights"], &profiles[1]["endValue"]), (&json!([4, 1]), &json!(5)));
    }
}
