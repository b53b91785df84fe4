//! The last minutes of a watched service, as few rows as tell their course: what the level changed at, and moments
//! that lie closer together the nearer the end is.

use model::{Series, SeriesPoint, UnixMillis, WatchMoment, Watched};

/// Rows are wanted so many seconds before the end.
const BEFORE_END_S: [f64; 12] = [0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0];
/// Most points of a series.
const MOST_POINTS: usize = 400;

/// The moments worth a row, in time order. The end is that of the process, else the last sample.
pub(crate) fn outline(all: &Watched) -> Watched {
    let Some(last) = all.moments.last() else { return all.clone() };
    let end = all.end.as_ref().map_or(last.at, |e| e.at);
    let mut wanted: Vec<usize> = vec![0];
    for s in BEFORE_END_S {
        let at = UnixMillis(end.0 - (s * 1000.0) as i64);
        // The last that was there at the time.
        let next = all.moments.partition_point(|m| m.at <= at);
        wanted.extend(next.checked_sub(1));
    }
    let mut worst = all.moments.first().map(|m| m.level).unwrap_or_default();
    for (i, m) in all.moments.iter().enumerate() {
        if m.level > worst {
            worst = m.level;
            wanted.push(i);
        }
    }
    wanted.sort_unstable();
    wanted.dedup();
    Watched { end: all.end.clone(), moments: wanted.iter().filter_map(|i| all.moments.get(*i)).copied().collect() }
}

/// What was used and what lived, for the chart.
pub(crate) fn series(all: &Watched) -> Vec<Series> {
    let step = all.moments.len().div_ceil(MOST_POINTS).max(1);
    let of = |name: &str, value: fn(&WatchMoment) -> Option<model::Bytes>| {
        let points: Vec<_> = all
            .moments
            .iter()
            .rev()
            .step_by(step)
            .filter_map(|m| Some(SeriesPoint { at: m.at, value: value(m)?.0 as f64 }))
            .collect();
        let points = points.into_iter().rev().collect();
        Series { name: name.to_owned(), unit: "bytes".to_owned(), points }
    };
    let mut out = vec![of("used, as watched", |m| m.used), of("live heap, as watched", |m| m.live_heap)];
    out.retain(|s| s.points.len() > 1);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Bytes, ProcessEnd, WatchLevel};

    #[test]
    fn few_rows_tell_the_course_and_none_lies_after_the_end() {
        let level = |s: i64| match s {
            0..=700 => WatchLevel::Quiet,
            701..=940 => WatchLevel::Notice,
            941..=990 => WatchLevel::Warning,
            _ => WatchLevel::Critical,
        };
        let moments: Vec<_> = (0..1000)
            .map(|s| WatchMoment {
                at: UnixMillis(s * 1000),
                level: level(s),
                used: Some(Bytes(s as u64)),
                ..WatchMoment::default()
            })
            .collect();
        let end = Some(ProcessEnd { at: UnixMillis(1_000_000), oom_killed: true, told_by: None });
        let all = Watched { end, moments };
        let few = outline(&all);
        let before: Vec<i64> = few.moments.iter().map(|m| 1000 - m.at.0 / 1000).collect();
        assert_eq!(before, [1000, 900, 300, 299, 120, 60, 59, 30, 20, 10, 9, 5, 2, 1]);
        assert_eq!(few.warned_before_s(), Some(59.0));
        assert_eq!(outline(&few), few, "an outline is its own outline");
        let series = series(&all);
        assert_eq!(series.len(), 1);
        assert!(series[0].points.len() <= MOST_POINTS);
        assert_eq!(series[0].points.last().map(|p| p.value), Some(999.0));
        assert_eq!(outline(&Watched::default()), Watched::default());
    }
}
