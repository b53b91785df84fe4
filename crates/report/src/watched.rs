//! The last minutes of a watched process as rows of text: one sentence about the end, one table. The forms share them;
//! each lays them out itself.

use crate::fmt;
use model::{Bytes, UnixMillis, WatchMoment, Watched};

/// Head of the table.
pub(crate) const COLUMNS: [&str; 8] = ["before", "level", "used", "live heap", "heap", "goal", "off-heap", "left"];

/// What happened, one sentence without a full stop; `None` of a process that lives.
pub(crate) fn sentence(w: &Watched) -> Option<String> {
    let end = w.end.as_ref()?;
    let at = fmt::instant(end.at);
    if !end.oom_killed {
        return Some(format!("the process ended at {at}, not by the OOM killer as far as can be seen"));
    }
    let by = end.told_by.as_deref().map_or_else(String::new, |by| format!(" (by the {by})"));
    let last = w.moments.last();
    let used = last.and_then(|m| Some(format!(", {} of {} used", m.used?, m.limit?))).unwrap_or_default();
    let warned = w.warned_before_s().map_or_else(
        || ", without a warning before".to_owned(),
        |s| format!(", first warned {} before", fmt::short_duration(s)),
    );
    Some(format!("killed by the OOM killer at {at}{by}{used}{warned}"))
}

/// The cells of a moment, in the order of [`COLUMNS`].
pub(crate) fn cells(w: &Watched, m: &WatchMoment) -> [String; 8] {
    let size = |b: Option<Bytes>| b.map_or_else(|| "-".to_owned(), |b| b.to_string());
    let left = m.left.map_or_else(|| "-".to_owned(), |l| span(l.p50));
    [
        span(end(w).seconds_since(m.at).max(0.0)),
        m.level.as_str().to_owned(),
        size(m.used),
        size(m.live_heap),
        size(m.heap),
        size(m.goal),
        size(m.off_heap),
        left,
    ]
}

/// Before what the rows lie: `the end` or `the last sample`.
pub(crate) fn before_what(w: &Watched) -> &'static str {
    if w.end.is_some() { "the end" } else { "the last sample" }
}

/// Tenths of a second are the least that samples tell.
fn span(seconds: f64) -> String {
    if seconds < 0.05 { "0 s".to_owned() } else { fmt::short_duration(seconds) }
}

fn end(w: &Watched) -> UnixMillis {
    w.end.as_ref().map(|e| e.at).or_else(|| w.moments.last().map(|m| m.at)).unwrap_or_default()
}
