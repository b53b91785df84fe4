//! Prometheus text (format 0.0.4) out of the table of metrics. Owns escaping and the bounds: a name that somebody
//! else chose can neither break a line nor, by being there twice, the scrape.

use super::table::{Kind, Metric, Scene, TABLE};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Most characters of a label's value.
const MOST_LABEL: usize = 200;
/// Most series of one metric.
const MOST_SERIES: usize = 10_000;

/// The series of one metric while they are written.
pub(super) struct Series<'a> {
    metric: &'a Metric,
    lines: String,
    seen: BTreeSet<String>,
}

impl Series<'_> {
    /// One value; its labels in the order of the table.
    pub(super) fn add(&mut self, labels: &[&str], value: f64) {
        if self.seen.len() >= MOST_SERIES {
            return;
        }
        let mut name = self.metric.name.to_owned();
        for (i, (label, value)) in self.metric.labels.iter().zip(labels).enumerate() {
            let before = if i == 0 { '{' } else { ',' };
            // Writing to a string cannot fail.
            let _ = write!(name, "{before}{label}=\"{}\"", escaped(value));
        }
        if !labels.is_empty() {
            name.push('}');
        }
        let number =
            if value.is_infinite() { if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned() } else { value.to_string() };
        if self.seen.insert(name.clone()) {
            let _ = writeln!(self.lines, "{name} {number}");
        }
    }

    /// One value, where there is one.
    pub(super) fn maybe(&mut self, labels: &[&str], value: Option<f64>) {
        if let Some(value) = value {
            self.add(labels, value);
        }
    }
}

/// Everything.
pub(super) fn write(scene: &Scene<'_>) -> String {
    let mut out = String::new();
    for metric in TABLE {
        let mut series = Series { metric, lines: String::new(), seen: BTreeSet::new() };
        (metric.emit)(scene, &mut series);
        if !series.lines.is_empty() {
            let kind = match metric.kind {
                Kind::Gauge => "gauge",
                Kind::Counter => "counter",
            };
            let _ = write!(out, "# HELP {0} {1}\n# TYPE {0} {kind}\n{2}", metric.name, help(metric.help), series.lines);
        }
    }
    out
}

fn help(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

/// A label's value: `\`, `"` and line ends escaped, cut to what anybody reads.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars().take(MOST_LABEL) {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::AlertCounters;
    use model::{TargetStatus, WatchStatus};
    use proptest::prelude::*;

    proptest! {
        /// Whatever targets are called, our own reader of the format reads the same back.
        #[test]
        fn any_name_survives_the_format(names in proptest::collection::btree_set("\\PC{1,60}|[\\\\\"\n a]{1,8}", 0..6)) {
            let target = |name: &String| TargetStatus { name: name.clone(), samples: 7, ..TargetStatus::default() };
            let status = WatchStatus { targets: names.iter().map(target).collect(), ..WatchStatus::default() };
            let text = write(&Scene { status: &status, alerts: &AlertCounters::default() });
            let lines: Vec<&str> = text.lines().filter(|l| l.starts_with("oomph_target_samples_total{")).collect();
            prop_assert_eq!(lines.len(), names.len());
            for (line, name) in lines.iter().zip(&names) {
                let value = line.strip_prefix("oomph_target_samples_total{target=\"").unwrap().strip_suffix("\"} 7").unwrap();
                let mut back = String::new();
                let mut chars = value.chars();
                while let Some(c) = chars.next() {
                    prop_assert!(c != '"');
                    back.push(if c == '\\' { match chars.next().unwrap() { 'n' => '\n', c => c } } else { c });
                }
                prop_assert_eq!(&back, name);
            }
        }
    }

    #[test]
    fn names_that_are_cut_to_the_same_do_not_break_the_scrape() {
        let target = |end: &str| TargetStatus { name: "x".repeat(MOST_LABEL) + end, ..TargetStatus::default() };
        let status = WatchStatus { targets: vec![target("a"), target("b")], ..WatchStatus::default() };
        let text = write(&Scene { status: &status, alerts: &AlertCounters::default() });
        assert_eq!(text.lines().filter(|l| l.starts_with("oomph_target_up{")).count(), 1);
    }
}
