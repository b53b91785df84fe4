//! The Prometheus text exposition (format 0.0.4) and OpenMetrics 1.0, read for the metrics of
//! `client_golang`'s Go collector (`go_*`) and process collector (`process_*`).
//!
//! Of other metrics only gauges are read (`gauges.rs`), as sums; their other lines are skipped. Labels, escapes, timestamps and exemplars are
//! understood; a line that is too long or malformed is skipped and counted in a gap. Where one name
//! comes with several label sets (a federated page shows many processes), the first is kept and a
//! gap says so.

use crate::MetricsError;
use crate::gauges::Gauges;
use crate::number::{memory_limit, percent, whole};
use model::{Bytes, Gap, GoVersion, MemStats, MemStatsSource};
use std::collections::BTreeMap;

/// Longest line looked at, bytes; `client_golang`'s own are below 1 KiB.
const MAX_LINE: usize = 64 << 10;
/// Names kept at most: those of both collectors are about a hundred.
const MAX_NAMES: usize = 4096;
/// Quantiles of `go_gc_duration_seconds` kept at most (`client_golang` prints five).
const MAX_QUANTILES: usize = 64;

/// What `/metrics` told of the Go runtime and the process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exposition {
    /// `go_memstats_*`; `None` when incomplete or absent. `gogc_percent`, `gomemlimit`, `num_gc`
    /// and `pause_total_ns` are filled from the metrics below.
    pub memstats: Option<MemStats>,
    /// `go_gc_gogc_percent`; `Some(-1)` is `off`.
    pub gogc_percent: Option<i64>,
    /// `go_gc_gomemlimit_bytes`; `None` also when unlimited.
    pub gomemlimit: Option<Bytes>,
    /// Whether `go_gc_gomemlimit_bytes` was published at all.
    pub gomemlimit_published: bool,
    /// `go_goroutines`.
    pub goroutines: Option<u64>,
    /// `go_info{version="..."}`.
    pub go_version: Option<GoVersion>,
    /// `process_resident_memory_bytes`.
    pub resident: Option<Bytes>,
    /// `process_cpu_seconds_total`.
    pub cpu_seconds: Option<f64>,
    /// `process_start_time_seconds`, seconds since 1970.
    pub start_time_seconds: Option<f64>,
    /// `go_gc_duration_seconds`: stop-the-world pauses since the start.
    pub pauses: Option<PauseSummary>,
    /// `go_gc_heap_live_bytes`, where the service opted in to all runtime metrics.
    pub heap_live: Option<Bytes>,
    /// The service's own gauges, each summed over its label sets; none of `go_*` and `process_*`.
    pub gauges: BTreeMap<String, f64>,
    /// What had to be left out.
    pub gaps: Vec<Gap>,
}

/// The summary `go_gc_duration_seconds`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PauseSummary {
    /// Quantiles as published, ascending; those that are `NaN` left out.
    pub quantiles: Vec<Quantile>,
    /// GC cycles.
    pub count: Option<u64>,
    /// Sum of all pauses, seconds.
    pub sum_seconds: Option<f64>,
}

/// One quantile of a summary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantile {
    /// 0 to 1.
    pub q: f64,
    /// Seconds.
    pub seconds: f64,
}

/// Reads a text exposition.
///
/// # Errors
/// When no line of the text is a sample (an HTML page, a JSON document, an empty answer).
pub fn read_exposition(text: &[u8]) -> Result<Exposition, MetricsError> {
    let mut s = Scan::default();
    let mut offset = 0_u64;
    for line in text.split(|&b| b == b'\n') {
        s.line(line, offset);
        offset = offset.saturating_add(line.len() as u64).saturating_add(1);
    }
    if s.samples == 0 && s.other_samples == 0 {
        return Err(MetricsError(
            "expected the Prometheus text format (lines `name{labels} value`), found none".into(),
        ));
    }
    Ok(s.finish())
}

#[derive(Default)]
struct Scan {
    values: BTreeMap<String, f64>,
    labels: BTreeMap<String, Vec<u8>>,
    several: BTreeMap<String, u32>,
    quantiles: Vec<Quantile>,
    go_version: Option<GoVersion>,
    gauges: Gauges,
    samples: u64,
    other_samples: u64,
    bad: u64,
    first_bad: Option<u64>,
}

impl Scan {
    fn line(&mut self, line: &[u8], offset: u64) {
        let line = line.trim_ascii();
        if line.starts_with(b"#") {
            if line.len() <= MAX_LINE {
                self.gauges.comment(line);
            }
            return;
        }
        if line.is_empty() {
            return;
        }
        let ours = line.starts_with(b"go_") || line.starts_with(b"process_");
        if !ours {
            // One sample is enough to tell an exposition from an HTML page or JSON.
            let wanted = self.other_samples == 0 || self.gauges.wants(line);
            if let Some(s) = (wanted && line.len() <= MAX_LINE).then(|| sample(line)).flatten() {
                self.other_samples = 1;
                self.gauges.sample(s.name, s.value);
            }
            return;
        }
        let parsed = (line.len() <= MAX_LINE).then(|| sample(line)).flatten();
        match parsed {
            Some(s) => self.take(&s),
            None => {
                self.bad += 1;
                self.first_bad.get_or_insert(offset);
            }
        }
    }

    fn take(&mut self, s: &Sample<'_>) {
        self.samples += 1;
        match s.name {
            "go_info" => {
                if self.go_version.is_none() {
                    self.go_version = s.label("version").as_deref().and_then(GoVersion::parse);
                }
            }
            "go_gc_duration_seconds" => {
                let q = s.label("quantile").and_then(|q| q.parse::<f64>().ok());
                if let Some(q) = q.filter(|q| (0.0..=1.0).contains(q))
                    && s.value.is_finite()
                    && self.quantiles.len() < MAX_QUANTILES
                {
                    self.quantiles.push(Quantile { q, seconds: s.value });
                }
            }
            name => match self.labels.get(name) {
                Some(l) if l.as_slice() != s.labels => {
                    let n = self.several.entry(name.to_owned()).or_insert(1);
                    *n = n.saturating_add(1);
                }
                Some(_) => {}
                None if self.values.len() < MAX_NAMES => {
                    self.values.insert(name.to_owned(), s.value);
                    self.labels.insert(name.to_owned(), s.labels.to_vec());
                }
                None => self.bad += 1,
            },
        }
    }

    fn get(&self, name: &str) -> Option<f64> {
        self.values.get(name).copied()
    }

    fn finish(mut self) -> Exposition {
        let mut gaps = Vec::new();
        if self.bad > 0 {
            let what = format!("{} lines of go_* or process_* metrics are malformed or too long: skipped", self.bad);
            gaps.push(Gap { offset: self.first_bad, what });
        }
        // Histograms have one series per bucket by design; only names that are read below matter.
        let many: Vec<_> = self
            .several
            .keys()
            .filter(|n| READ.contains(&n.as_str()) || n.starts_with("go_memstats_"))
            .cloned()
            .collect();
        if let Some(first) = many.first() {
            gaps.push(Gap::of(format!(
                "{first} comes with several label sets ({} names do): the first was kept; \
                 the page may show several processes",
                many.len()
            )));
        }
        self.quantiles.sort_by(|a, b| a.q.total_cmp(&b.q));
        let count = self.get("go_gc_duration_seconds_count").and_then(whole);
        let sum_seconds = self.get("go_gc_duration_seconds_sum").filter(|s| s.is_finite() && *s >= 0.0);
        let quantiles = std::mem::take(&mut self.quantiles);
        let pauses = (count.is_some() || sum_seconds.is_some() || !quantiles.is_empty()).then_some(PauseSummary {
            quantiles,
            count,
            sum_seconds,
        });
        let limit = self.get("go_gc_gomemlimit_bytes");
        let mut out = Exposition {
            memstats: None,
            gogc_percent: self.get("go_gc_gogc_percent").and_then(percent),
            gomemlimit: limit.and_then(memory_limit).map(Bytes),
            gomemlimit_published: limit.is_some(),
            goroutines: self.get("go_goroutines").and_then(whole),
            go_version: self.go_version.take(),
            resident: self.bytes("process_resident_memory_bytes"),
            cpu_seconds: self.get("process_cpu_seconds_total").filter(|s| s.is_finite() && *s >= 0.0),
            start_time_seconds: self.get("process_start_time_seconds").filter(|s| s.is_finite()),
            pauses,
            heap_live: self.bytes("go_gc_heap_live_bytes"),
            gauges: std::mem::take(&mut self.gauges).finish(),
            gaps,
        };
        self.memstats(&mut out);
        out
    }

    fn bytes(&self, name: &str) -> Option<Bytes> {
        self.get(name).and_then(whole).map(Bytes)
    }

    /// All of `go_memstats_*` or nothing: a ledger made of zeros would mislead.
    fn memstats(&self, out: &mut Exposition) {
        let mut missing = Vec::new();
        let mut n = |short: &'static str| {
            let v = self.get(&format!("go_memstats_{short}")).and_then(whole);
            if v.is_none() {
                missing.push(short);
            }
            v.unwrap_or(0)
        };
        let stats = MemStats {
            source: MemStatsSource::Prometheus,
            heap_alloc: Bytes(n("heap_alloc_bytes")),
            heap_sys: Bytes(n("heap_sys_bytes")),
            heap_idle: Bytes(n("heap_idle_bytes")),
            heap_inuse: Bytes(n("heap_inuse_bytes")),
            heap_released: Bytes(n("heap_released_bytes")),
            heap_objects: n("heap_objects"),
            total_alloc: Bytes(n("alloc_bytes_total")),
            sys: Bytes(n("sys_bytes")),
            mallocs: n("mallocs_total"),
            frees: n("frees_total"),
            stack_inuse: Bytes(n("stack_inuse_bytes")),
            stack_sys: Bytes(n("stack_sys_bytes")),
            mspan_inuse: Bytes(n("mspan_inuse_bytes")),
            mspan_sys: Bytes(n("mspan_sys_bytes")),
            mcache_inuse: Bytes(n("mcache_inuse_bytes")),
            mcache_sys: Bytes(n("mcache_sys_bytes")),
            buck_hash_sys: Bytes(n("buck_hash_sys_bytes")),
            gc_sys: Bytes(n("gc_sys_bytes")),
            other_sys: Bytes(n("other_sys_bytes")),
            next_gc: Bytes(n("next_gc_bytes")),
            num_gc: out.pauses.as_ref().and_then(|p| p.count).unwrap_or(0),
            num_forced_gc: None,
            // Removed from the default collector in client_golang 1.12; older services print it.
            gc_cpu_fraction: self.get("go_memstats_gc_cpu_fraction").filter(|f| (0.0..=1.0).contains(f)),
            pause_total_ns: out.pauses.as_ref().and_then(|p| p.sum_seconds).and_then(|s| whole(s * 1e9)),
            recent_pauses_ns: Vec::new(),
            recent_pause_ends_ns: Vec::new(),
            last_gc_ns: self.get("go_memstats_last_gc_time_seconds").and_then(|s| whole(s * 1e9)).unwrap_or(0),
            max_rss: None,
            gogc_percent: out.gogc_percent,
            gomemlimit: out.gomemlimit,
        };
        if missing.is_empty() {
            if out.pauses.as_ref().and_then(|p| p.count).is_none() {
                out.gaps.push(Gap::of("go_gc_duration_seconds_count is absent: the number of GC cycles is unknown"));
            }
            out.memstats = Some(stats);
        } else if missing.len() < 20 {
            out.gaps.push(Gap::of(format!(
                "go_memstats_{} and {} more are absent: counters not used",
                missing.first().copied().unwrap_or_default(),
                missing.len() - 1
            )));
        }
    }
}

/// Names outside `go_memstats_*` whose single value is used.
const READ: [&str; 9] = [
    "go_gc_gogc_percent",
    "go_gc_gomemlimit_bytes",
    "go_goroutines",
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
    "process_start_time_seconds",
    "go_gc_heap_live_bytes",
    "go_gc_duration_seconds_count",
    "go_gc_duration_seconds_sum",
];

/// One sample line.
struct Sample<'a> {
    name: &'a str,
    /// Between the braces, as written.
    labels: &'a [u8],
    value: f64,
}

impl Sample<'_> {
    /// The unescaped value of a label.
    fn label(&self, want: &str) -> Option<String> {
        let mut rest = self.labels;
        loop {
            let (name, after) = split_once(rest, b'=')?;
            let after = after.trim_ascii_start().strip_prefix(b"\"")?;
            let end = quoted_end(after)?;
            if name.trim_ascii() == want.as_bytes() {
                return Some(unescape(after.get(..end)?));
            }
            rest = after.get(end + 1..)?.trim_ascii_start();
            rest = rest.strip_prefix(b",").unwrap_or(rest);
        }
    }
}

/// `name{labels} value [timestamp] [# exemplar]`.
fn sample(line: &[u8]) -> Option<Sample<'_>> {
    let end = line.iter().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b':')))?;
    let name = std::str::from_utf8(line.get(..end)?).ok()?;
    if name.is_empty() || name.as_bytes().first()?.is_ascii_digit() {
        return None;
    }
    let rest = line.get(end..)?.trim_ascii_start();
    let (labels, rest): (&[u8], &[u8]) = match rest.strip_prefix(b"{") {
        Some(inner) => {
            let close = closing_brace(inner)?;
            (inner.get(..close)?, inner.get(close + 1..)?)
        }
        None => (&[], rest),
    };
    let value = rest.trim_ascii_start();
    let value = value.split(|b| b.is_ascii_whitespace()).next().and_then(|v| std::str::from_utf8(v).ok())?;
    Some(Sample { name, labels, value: number(value)? })
}

/// A Go float as `strconv.FormatFloat` prints it: `NaN`, `+Inf`, `-Inf`, decimal or exponent.
fn number(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        // Rust also reads "inf" and "nan" in any case; a sample value starts with a digit or sign.
        t if t.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) => t.parse().ok(),
        _ => None,
    }
}

/// Position of the `}` outside quotes.
fn closing_brace(s: &[u8]) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (i, &b) in s.iter().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'}' if !quoted => return Some(i),
            _ => {}
        }
    }
    None
}

/// Position of the closing quote.
fn quoted_end(s: &[u8]) -> Option<usize> {
    let mut escaped = false;
    for (i, &b) in s.iter().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(i),
            _ => {}
        }
    }
    None
}

fn unescape(s: &[u8]) -> String {
    let text = String::from_utf8_lossy(s);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some(other) => out.push(other),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

fn split_once(s: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let i = s.iter().position(|&b| b == at)?;
    Some((s.get(..i)?, s.get(i + 1..)?))
}

#[cfg(test)]
mod tests;
