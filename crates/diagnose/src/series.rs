//! The measured series a reader wants to see as a chart.

use crate::context::{Context, live_heap};
use model::{Series, SeriesPoint};

/// At most this many allocation sites as series of their own.
const MOST_SITES: usize = 3;

pub(crate) fn series(cx: &Context<'_>) -> Vec<Series> {
    let mut out = Vec::new();
    let mut push = |name: &str, unit: &str, points: Vec<SeriesPoint>| {
        if points.len() > 1 {
            out.push(Series { name: name.to_owned(), unit: unit.to_owned(), points });
        }
    };
    let samples = &cx.facts.samples;
    push("RSS", "bytes", cx.rss().iter().map(|s| SeriesPoint { at: s.at, value: s.value.0 as f64 }).collect());
    push(
        "heap in use",
        "bytes",
        points(samples.iter().filter_map(|s| s.memstats.as_ref()), |m| m.value.heap_alloc.0 as f64, |m| m.at),
    );
    push(
        "live heap",
        "bytes",
        samples
            .iter()
            .filter_map(|s| Some(SeriesPoint { at: s.memstats_after_gc.as_ref()?.at, value: live_heap(s)?.0 as f64 }))
            .collect(),
    );
    push(
        "goroutines",
        "count",
        points(samples.iter().filter_map(|s| s.goroutine_count.as_ref()), |c| c.value as f64, |c| c.at),
    );
    for (name, values) in fastest_sites(cx) {
        push(&name, "bytes", values);
    }
    out.extend(cx.facts.watched.as_ref().map(crate::watched::series).unwrap_or_default());
    out
}

fn points<'a, T: 'a>(
    items: impl Iterator<Item = &'a T>,
    value: impl Fn(&T) -> f64,
    at: impl Fn(&T) -> model::UnixMillis,
) -> Vec<SeriesPoint> {
    items.map(|i| SeriesPoint { at: at(i), value: value(i) }).collect()
}

fn fastest_sites(cx: &Context<'_>) -> Vec<(String, Vec<SeriesPoint>)> {
    let table = &cx.sites;
    let mut sites: Vec<_> = table
        .sites
        .iter()
        .filter_map(|s| Some((s, table.growth(&s.values)?.delta)))
        .filter(|(_, d)| *d > 0.0)
        .collect();
    sites.sort_by(|a, b| b.1.total_cmp(&a.1));
    let at: Vec<_> = cx.facts.samples.iter().filter_map(|s| s.heap.as_ref()).map(|h| h.at).collect();
    sites
        .into_iter()
        .take(MOST_SITES)
        .map(|(s, _)| {
            let points =
                at.iter().zip(&s.values).map(|(at, v)| SeriesPoint { at: *at, value: v.inuse_bytes }).collect();
            (format!("{}", table.frame(s.frame)), points)
        })
        .collect()
}
