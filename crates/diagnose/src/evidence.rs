//! Building findings: evidence adds up to confidence, and nothing else does.

use model::{Evidence, Finding, Fix, Severity, Size, Subject, format_count};

/// Confidence of a sum of log-odds: the logistic function, rounded to two digits so that text and
/// JSON show the same number, and kept off 0 and 1.
pub(crate) fn confidence(evidence: &[Evidence]) -> f64 {
    let sum: f64 = evidence.iter().map(|e| e.weight).sum();
    let p = 1.0 / (1.0 + (-sum).exp());
    ((p * 100.0).round() / 100.0).clamp(0.01, 0.99)
}

/// Collects the evidence of one finding.
#[derive(Debug, Default)]
pub(crate) struct Case {
    evidence: Vec<Evidence>,
}

impl Case {
    /// Adds a statement with the number in it.
    pub(crate) fn number(&mut self, weight: f64, artifact: &str, value: f64, unit: &str, statement: String) {
        self.evidence.push(Evidence {
            artifact: artifact.to_owned(),
            statement,
            value: Some(round3(value)),
            unit: Some(unit.to_owned()),
            weight: (weight * 100.0).round() / 100.0,
        });
    }

    /// Adds a doubt that no other evidence of this case can lift: it weighs as much as brings the sum
    /// down to `most`. Not added, which the result tells, when the sum is below.
    pub(crate) fn at_most(&mut self, most: f64, artifact: &str, value: f64, unit: &str, statement: String) -> bool {
        let sum: f64 = self.evidence.iter().map(|e| e.weight).sum();
        if sum > most {
            self.number(most - sum, artifact, value, unit, statement);
        }
        sum > most
    }

    /// Sum of the weights so far.
    pub(crate) fn confidence(&self) -> f64 {
        confidence(&self.evidence)
    }

    /// The finding. Evidence is ordered by how much it says.
    pub(crate) fn finding(mut self, rule: &str, title: String, severity: Severity, subject: Subject) -> Finding {
        self.evidence.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()));
        Finding {
            rule: rule.to_owned(),
            title,
            severity,
            confidence: self.confidence(),
            subject,
            size: Size::default(),
            sites: Vec::new(),
            evidence: self.evidence,
            chain: Vec::new(),
            forecast: None,
            fix: Fix { summary: String::new(), recipe: String::new(), expected_saving_bytes: None },
        }
    }
}

/// Adds a statement to a finding that is already made; its confidence follows.
pub(crate) fn add(f: &mut Finding, artifact: &str, weight: f64, statement: String) {
    f.evidence.push(Evidence { artifact: artifact.to_owned(), statement, value: None, unit: None, weight });
    f.confidence = confidence(&f.evidence);
}

/// Three digits after the point: enough for every unit used, and stable in JSON.
pub(crate) fn round3(v: f64) -> f64 {
    if v.is_finite() { (v * 1000.0).round() / 1000.0 } else { 0.0 }
}

/// `"1 goroutine"`, `"3 goroutines"`.
pub(crate) fn plural(n: u64, one: &str) -> String {
    match (n, one.strip_suffix('y')) {
        (1, _) => format!("1 {one}"),
        (_, Some(stem)) => format!("{} {stem}ies", format_count(n)),
        (_, None) => format!("{} {one}s", format_count(n)),
    }
}

/// `22.4 MiB/s`, or per minute below 1 MiB/s.
pub(crate) fn rate(bytes_per_s: f64) -> String {
    if bytes_per_s.abs() >= 1024.0 * 1024.0 {
        format!("{}/s", model::format_iec(bytes_per_s))
    } else {
        format!("{}/min", model::format_iec(bytes_per_s * 60.0))
    }
}

/// `45 s`, `12 min`, `3 h`, `5 days`.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}

/// `84 %`.
pub(crate) fn percent(fraction: f64) -> String {
    let p = fraction * 100.0;
    if p != 0.0 && p.abs() < 10.0 { format!("{p:.1} %") } else { format!("{p:.0} %") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up_to_the_confidence() {
        let mut case = Case::default();
        assert_eq!(case.confidence(), 0.5);
        case.number(2.0, "a", 1.0, "x", "for".into());
        case.number(-1.0, "a", 1.0, "x", "against".into());
        let f = case.finding("r", "t".into(), Severity::Low, Subject::of(model::SubjectKind::Site));
        let sum: f64 = f.evidence.iter().map(|e| e.weight).sum();
        assert_eq!(f.confidence, ((1.0 / (1.0 + (-sum).exp())) * 100.0_f64).round() / 100.0);
        assert_eq!(f.confidence, 0.73);
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(plural(1, "goroutine"), "1 goroutine");
        assert_eq!(plural(2, "entry"), "2 entries");
        assert_eq!(rate(22.4 * 1048576.0), "22.4 MiB/s");
        assert_eq!(rate(1024.0 * 1024.0 / 2.0), "30.0 MiB/min");
        assert_eq!(percent(0.034), "3.4 %");
        assert_eq!(percent(0.84), "84 %");
    }
}
