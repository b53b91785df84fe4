//! Samples as JSON lines, for people and scripts.

use crate::series::{Record, read_series};
use signals::Column;
use std::io;
use std::path::Path;

/// One sample: `at` (milliseconds since 1970), the columns that are there, the forecast in seconds, level and shape.
#[must_use]
pub fn line(r: &Record) -> String {
    let mut map = serde_json::Map::new();
    map.insert("at".into(), r.at.0.into());
    map.insert("monotonic_s".into(), r.sample.at_s.into());
    for c in Column::ALL {
        if let Some(v) = r.sample.get(*c) {
            // Whole numbers as such: bytes and counts.
            let value = if c.scale() == 1.0 { serde_json::Value::from(v as i64) } else { v.into() };
            map.insert(c.name().into(), value);
        }
    }
    if let Some(t) = r.forecast {
        for (name, q) in [("p10", t.p10), ("p50", t.p50), ("p90", t.p90)] {
            map.insert(name.into(), q.into());
        }
    }
    map.insert("level".into(), r.level.as_str().into());
    map.insert("shape".into(), r.shape.as_str().into());
    serde_json::Value::Object(map).to_string()
}

/// Writes the stored samples of a state directory, of one target or of all, as JSON lines.
///
/// # Errors
/// When there are none, or the output cannot be written.
pub fn dump(state_dir: &Path, target: Option<&str>, to: &mut dyn io::Write) -> io::Result<()> {
    let all = state_dir.join("series");
    let mut dirs: Vec<_> = std::fs::read_dir(&all)
        .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", all.display())))?
        .flatten()
        .map(|e| e.path())
        .collect();
    dirs.sort();
    let wanted = target.map(crate::capture::file_name);
    for dir in dirs {
        if wanted.as_ref().is_some_and(|w| dir.file_name().is_none_or(|n| n.to_string_lossy() != w.as_str())) {
            continue;
        }
        for (head, records) in read_series(&dir)?.processes {
            for r in &records {
                let text = line(r);
                let rest = text.get(1..).unwrap_or_default();
                let pid = head.pid.map_or_else(String::new, |p| format!("\"pid\":{p},"));
                let name = serde_json::Value::from(head.target.as_str());
                writeln!(to, "{{\"target\":{name},{pid}{rest}")?;
            }
        }
    }
    Ok(())
}
