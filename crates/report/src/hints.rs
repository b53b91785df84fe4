//! Owns the `next` lines: commands a reader can paste, made from what the report holds. Refuses to
//! print a command whose words could act on a shell or a terminal.

use crate::clean;
use model::{Report, Verdict};

/// One command and what it is good for.
pub(crate) struct Hint {
    /// Words of the command, already quoted for a POSIX shell.
    pub(crate) words: Vec<String>,
    /// A short phrase.
    pub(crate) why: &'static str,
}

impl Hint {
    fn new(words: &[&str], why: &'static str) -> Self {
        Self { words: words.iter().map(|w| quote(w)).collect(), why }
    }

    /// The command on one line.
    pub(crate) fn command(&self) -> String {
        self.words.join(" ")
    }
}

/// Quotes a word for a POSIX shell; a word with characters that act on terminals becomes `TARGET`.
fn quote(word: &str) -> String {
    if word.chars().any(clean::is_unsafe) {
        return "TARGET".to_owned();
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// What a reader may run next.
pub(crate) fn next(report: &Report) -> Vec<Hint> {
    let mut out = Vec::new();
    let target = match report.target.name.as_str() {
        // Of a process that has ended there is the bundle only, wherever it lies.
        _ if report.watched.as_ref().is_some_and(|w| w.end.is_some()) => "BUNDLE",
        "" => "TARGET",
        name => name,
    };
    let worth = |f: &&model::Finding| report.verdict != Verdict::Healthy || f.severity <= model::Severity::Medium;
    if let Some(f) = report.findings.iter().find(worth) {
        out.push(Hint::new(&["oomph", "explain", &f.rule], "how the rule decides, and the fix"));
    }
    let html = ["oomph", "diagnose", target, "--format", "html", "-o", "report.html"];
    out.push(Hint::new(&html, "with flame graphs"));
    let heaps: Vec<&str> =
        report.evidence.iter().filter(|a| a.kind.contains("heap-profile")).map(|a| a.path.as_str()).collect();
    if let (Some(first), Some(last)) = (heaps.first(), heaps.last())
        && heaps.len() > 1
        && report.target.kind == "bundle"
    {
        let at = |p: &str| format!("{}/{p}", target.trim_end_matches('/'));
        out.push(Hint::new(&["oomph", "pprof", "diff", &at(first), &at(last)], "what grew, line by line"));
    }
    if report.verdict == Verdict::InsufficientEvidence && ["url", "pid"].contains(&report.target.kind.as_str()) {
        out.insert(0, Hint::new(&["oomph", "diagnose", target, "--for", "5m"], "more samples, further apart"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_for_a_shell() {
        assert_eq!(quote("http://localhost:6060"), "http://localhost:6060");
        assert_eq!(quote("a b;rm -rf '/'"), r"'a b;rm -rf '\''/'\'''");
        assert_eq!(quote("x\x1b[2J"), "TARGET");
        assert_eq!(quote("$(id)"), "'$(id)'");
    }
}
