//! Owns the growth charts: one inline SVG per unit, with axes, a legend that does not need colour,
//! and every value readable by pointing at it. Refuses points that are no numbers.

use super::{heading, name};
use crate::{clean, fmt};
use model::{Report, Series, SeriesPoint, format_iec};
use std::fmt::Write as _;

const W: f64 = 1000.0;
const H: f64 = 280.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 34.0;
/// Series in one chart; line styles tell as many apart.
const SERIES: usize = 6;
/// Points drawn of one series.
const POINTS: usize = 240;

pub(super) fn section(out: &mut String, r: &Report) {
    let drawable = |s: &&Series| s.points.iter().filter(|p| p.value.is_finite()).count() >= 2;
    let series: Vec<&Series> = r.series.iter().filter(drawable).collect();
    if series.is_empty() {
        return;
    }
    heading(out, "growth", "Growth");
    let limit = r.findings.iter().filter_map(|f| f.forecast.as_ref()).map(|f| f.limit_bytes as f64).next();
    for (unit, caption) in [("bytes", "Memory"), ("count", "Counts")] {
        let of: Vec<&Series> = series.iter().copied().filter(|s| (s.unit == "bytes") == (unit == "bytes")).collect();
        if !of.is_empty() {
            chart(out, caption, unit, &of, limit.filter(|_| unit == "bytes"));
        }
    }
    out.push_str("</section>\n");
}

/// Scales of one chart.
struct Axes {
    from: f64,
    seconds: f64,
    top: f64,
}

impl Axes {
    fn x(&self, p: &SeriesPoint) -> f64 {
        LEFT + (p.at.0 as f64 / 1000.0 - self.from) / self.seconds * (W - LEFT - RIGHT)
    }

    fn y(&self, v: f64) -> f64 {
        TOP + (1.0 - (v / self.top).clamp(0.0, 1.0)) * (H - TOP - BOTTOM)
    }
}

fn chart(out: &mut String, caption: &str, unit: &str, all: &[&Series], limit: Option<f64>) {
    let shown = &all[..all.len().min(SERIES)];
    let points = || shown.iter().flat_map(|s| &s.points).filter(|p| p.value.is_finite());
    let seconds = |p: &SeriesPoint| p.at.0 as f64 / 1000.0;
    let from = points().map(seconds).fold(f64::INFINITY, f64::min);
    let to = points().map(seconds).fold(f64::NEG_INFINITY, f64::max);
    let most = points().map(|p| p.value).fold(0.0, f64::max);
    // A limit far above the lines would flatten them; it then stands in the caption alone.
    let drawn_limit = limit.filter(|l| *l <= most * 2.2);
    let most_drawn = most.max(drawn_limit.unwrap_or(0.0)) * 1.02;
    let step = step(most_drawn, unit == "bytes");
    let top = (most_drawn / step).ceil().max(1.0) * step;
    let a = Axes { from, seconds: (to - from).max(0.001), top };
    let _ = writeln!(out, "<figure class=\"chart\"><figcaption>{caption}");
    for (i, s) in shown.iter().enumerate() {
        let last = s.points.iter().rev().find(|p| p.value.is_finite()).map_or(0.0, |p| p.value);
        let _ = write!(
            out,
            " <span class=\"key\"><svg width=\"34\" height=\"10\" aria-hidden=\"true\"><line x1=\"1\" y1=\"5\" x2=\"33\" y2=\"5\" class=\"line l{i}\"/></svg> {} <b>{}</b></span>",
            name(&s.name),
            value(last, &s.unit)
        );
    }
    if let Some(l) = limit {
        let _ = write!(out, " <span class=\"key\">limit <b>{}</b></span>", format_iec(l));
    }
    let _ = write!(
        out,
        "</figcaption><div class=\"scroll\"><svg viewBox=\"0 0 {W} {H}\" role=\"img\" aria-label=\"{caption} over {}\">",
        fmt::duration(a.seconds)
    );
    grid(out, &a, unit, step);
    if let Some(l) = drawn_limit {
        let y = a.y(l);
        let _ = write!(
            out,
            "<line class=\"limit\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text class=\"limit\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">limit {}</text>",
            W - RIGHT,
            W - RIGHT,
            y - 5.0,
            format_iec(l)
        );
    }
    for (i, s) in shown.iter().enumerate() {
        line(out, &a, i, s);
    }
    out.push_str("</svg></div></figure>\n");
    out.push_str(&super::cut(all.len() - shown.len(), "series"));
}

fn value(v: f64, unit: &str) -> String {
    clean::html(&if unit == "bytes" { format_iec(v) } else { fmt::number(v) })
}

/// A round step that divides `most` into two to five parts: for bytes a power of two, otherwise 1, 2
/// or 5 times a power of ten.
fn step(most: f64, bytes: bool) -> f64 {
    let raw = (most / 5.0).max(f64::MIN_POSITIVE);
    if bytes {
        return 2f64.powi(raw.log2().ceil() as i32).max(1.0);
    }
    let decade = 10f64.powf(raw.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|m| m * decade).find(|s| *s >= raw).unwrap_or(10.0 * decade)
}

fn grid(out: &mut String, a: &Axes, unit: &str, step: f64) {
    for i in 0..=(a.top / step).round().min(12.0) as u32 {
        let v = f64::from(i) * step;
        let y = a.y(v);
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            W - RIGHT,
            LEFT - 8.0,
            y + 4.0,
            value(v, unit)
        );
    }
    let (scale, sign) = match a.seconds {
        s if s < 180.0 => (1.0, "s"),
        s if s < 10_800.0 => (60.0, "min"),
        s if s < 259_200.0 => (3600.0, "h"),
        _ => (86_400.0, "days"),
    };
    let x_step = self::step(a.seconds / scale, false);
    for i in 0..=((a.seconds / scale / x_step) + 1e-9).floor().min(20.0) as u32 {
        let t = f64::from(i) * x_step;
        let x = LEFT + t * scale / a.seconds * (W - LEFT - RIGHT);
        let sign = if i == 0 { String::new() } else { format!(" {sign}") };
        let _ = write!(
            out,
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}{sign}</text>",
            H - 12.0,
            fmt::number(t)
        );
    }
}

fn line(out: &mut String, a: &Axes, i: usize, s: &Series) {
    let points: Vec<&SeriesPoint> = s.points.iter().filter(|p| p.value.is_finite()).collect();
    let stride = points.len().div_ceil(POINTS).max(1);
    let last = points.len().saturating_sub(1);
    let points: Vec<&SeriesPoint> =
        points.into_iter().enumerate().filter(|(n, _)| n % stride == 0 || *n == last).map(|(_, p)| p).collect();
    let _ = write!(out, "<g class=\"series\"><polyline class=\"line l{i}\" points=\"");
    for p in &points {
        let _ = write!(out, "{:.1},{:.1} ", a.x(p), a.y(p.value));
    }
    out.push_str("\"/>");
    let label: String = name(&clean::tail(&s.name, 60));
    for p in &points {
        let after = fmt::duration((p.at.0 as f64 / 1000.0 - a.from).max(0.0));
        let _ = write!(
            out,
            "<circle class=\"dot l{i}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"><title>{label}: {} after {after}</title></circle>",
            a.x(p),
            a.y(p.value),
            value(p.value, &s.unit)
        );
    }
    out.push_str("</g>");
}
