//! From findings to one answer: what explains what, what comes first, and the word on top.

use crate::context::Context;
use crate::evidence::add;
use model::{Checked, Finding, Outcome, Severity, SiteRole, Verdict};

/// Findings that say of the object graph what another one says with more evidence are left out.
pub(crate) fn absorb(findings: &mut Vec<(Verdict, Finding)>) {
    let told: Vec<(String, Option<String>, u64, Vec<String>)> = findings
        .iter()
        .filter(|(_, f)| f.rule != "memory-accumulation")
        .map(|(_, f)| {
            let sites = f.sites.iter().filter(|s| s.role == SiteRole::Creates).map(|s| s.function.clone()).collect();
            (f.rule.clone(), f.subject.address.clone(), f.size.retained_bytes.unwrap_or(0), sites)
        })
        .collect();
    let growing = |address: &Option<String>| {
        address.is_some() && told.iter().any(|(r, a, ..)| r == "growing-allocation-site" && a == address)
    };
    let leaking = |f: &Finding| {
        let creates = |s: &model::SiteRef| s.role == SiteRole::Creates;
        let same = |sites: &[String]| f.sites.iter().filter(|s| creates(s)).any(|s| sites.contains(&s.function));
        told.iter().any(|(rule, _, _, sites)| rule == "goroutine-leak" && same(sites))
    };
    // What others name need not add up exactly: two of them may share it.
    let named: u64 = told.iter().map(|t| t.2).fold(0, u64::saturating_add);
    findings.retain(|(_, f)| match f.rule.as_str() {
        "unbounded-container" => !growing(&f.subject.address),
        "goroutine-held-memory" => !leaking(f),
        "memory-accumulation" => f.size.retained_bytes.unwrap_or(0) / 2 > named,
        _ => true,
    });
}

/// Findings that are consequences of another one are kept, but below it and with the reason shown.
pub(crate) fn relate(findings: &mut [(Verdict, Finding)]) {
    let goroutines: Vec<(String, Vec<String>)> = findings
        .iter()
        .filter(|(v, f)| *v == Verdict::Leak && f.rule == "goroutine-leak")
        .map(|(_, f)| (f.title.clone(), f.sites.iter().map(|s| s.function.clone()).collect()))
        .collect();
    let bodies: Vec<String> = findings
        .iter()
        .filter(|(_, f)| f.rule == "whole-body-read" && f.severity <= Severity::Medium)
        .flat_map(|(_, f)| f.sites.iter().map(|s| s.function.clone()))
        .collect();
    let garbage: Vec<String> = findings
        .iter()
        .filter(|(_, f)| EXPLAIN_ASSISTS.contains(&f.rule.as_str()) && f.severity <= Severity::Medium)
        .flat_map(|(_, f)| f.sites.iter().filter(|s| makes(s.role)).map(|s| s.function.clone()))
        .collect();
    let limited = findings.iter().any(|(_, f)| f.rule == "memory-limit-pressure" && f.severity <= Severity::Medium);
    let spiral = findings.iter().any(|(_, f)| f.rule == "memory-limit-spiral" && f.severity <= Severity::Medium);
    let pointers = findings.iter().any(|(_, f)| f.rule == "pointer-heavy-heap" && f.severity <= Severity::Medium);
    let churning = findings.iter().any(|(_, f)| f.rule == "allocation-churn" && f.severity <= Severity::Medium);
    for (verdict, f) in findings.iter_mut() {
        let allocates = |names: &[String]| {
            f.sites.iter().any(|s| s.role != SiteRole::Calls && names.iter().any(|n| related(n, &s.function)))
        };
        let why = match f.rule.as_str() {
            "growing-allocation-site" if goroutines.iter().any(|g| allocates(&g.1)) => {
                "the goroutines of the leak above were given this memory: it goes when they end"
            }
            "allocation-churn" if allocates(&garbage) => "this is the garbage of the finding above",
            "assist-tax" if f.sites.iter().any(|s| makes(s.role) && garbage.contains(&s.function)) => {
                "the assists are for the garbage of the finding above"
            }
            "assist-tax" if pointers => "the pointers of the finding above make marking dear",
            "pointer-heavy-heap" | "assist-tax" if spiral => "the spiral above makes the collector run all the time",
            "allocation-churn" if allocates(&bodies) => "this is the reading of whole bodies above",
            "gc-pressure" if limited => "the memory limit above forces these collections",
            "gc-pressure" if churning => "the garbage of the churn finding drives these collections",
            _ => continue,
        };
        demote(verdict, f, why);
    }
}

/// Rules that name garbage for which others assist.
const EXPLAIN_ASSISTS: [&str; 3] = ["map-growth-stall", "allocating-traversal", "gc-storm"];

/// Whether a line makes what is allocated.
const fn makes(role: SiteRole) -> bool {
    matches!(role, SiteRole::Allocates | SiteRole::Inserts)
}

/// Whether two functions are the same or one is a closure of the other (`pkg.f` and `pkg.f.func1`).
fn related(a: &str, b: &str) -> bool {
    let closure = |x: &str, y: &str| {
        x.strip_prefix(y).is_some_and(|rest| rest.starts_with(".func") || rest.starts_with(".gowrap"))
    };
    a == b || closure(a, b) || closure(b, a)
}

fn demote(verdict: &mut Verdict, f: &mut Finding, why: &str) {
    *verdict = Verdict::Risk;
    f.severity = Severity::Low;
    let artifact = f.evidence.first().map_or_else(String::new, |e| e.artifact.clone());
    // Weight 0: what was measured stays true; only its standing as a cause of its own is gone.
    add(f, &artifact, 0.0, why.to_owned());
}

/// The most important first: by severity, then leak before risk before churn, then by rate, then by what is
/// wasted or kept.
pub(crate) fn rank(findings: &mut [(Verdict, Finding)]) {
    let class = |v: Verdict| match v {
        Verdict::Leak => 0,
        Verdict::Risk => 1,
        Verdict::Churn => 2,
        Verdict::Healthy | Verdict::InsufficientEvidence => 3,
    };
    let weight = |f: &Finding| {
        let s = &f.size;
        s.growth_bytes_per_s.or(s.alloc_bytes_per_s).unwrap_or(0.0)
    };
    let bytes = |f: &Finding| f.size.wasted_bytes.or(f.size.retained_bytes).unwrap_or(0);
    findings.sort_by(|(va, a), (vb, b)| {
        let class = (a.severity, class(*va)).cmp(&(b.severity, class(*vb)));
        class.then_with(|| weight(b).total_cmp(&weight(a))).then_with(|| bytes(b).cmp(&bytes(a)))
    });
}

/// The word on top: that of the first finding above `low`; else healthy, if enough was looked at.
pub(crate) fn verdict(cx: &Context<'_>, findings: &[(Verdict, Finding)], checked: &[Checked]) -> Verdict {
    let carries = |f: &Finding| f.severity <= Severity::Medium && f.confidence >= cx.thresholds.verdict_confidence;
    let leak = findings.iter().any(|(v, f)| *v == Verdict::Leak && carries(f));
    if leak {
        return Verdict::Leak;
    }
    if let Some((v, _)) = findings.iter().find(|(_, f)| f.severity <= Severity::Medium) {
        return *v;
    }
    let looked = |rule: &str| checked.iter().any(|c| c.rule == rule && c.outcome != Outcome::NoEvidence);
    // A process that died for want of memory was not healthy, whatever was not found.
    let killed = cx.oom_killed();
    if !killed
        && cx.seconds() >= cx.thresholds.healthy_seconds
        && looked("growing-allocation-site")
        && looked("goroutine-leak")
    {
        Verdict::Healthy
    } else {
        Verdict::InsufficientEvidence
    }
}

/// One sentence.
pub(crate) fn summary(cx: &Context<'_>, verdict: Verdict, findings: &[Finding], checked: &[Checked]) -> String {
    let first = findings.first().filter(|f| f.severity <= Severity::Medium).map(|f| f.title.clone());
    let looked = checked.iter().filter(|c| c.outcome != Outcome::NoEvidence).count();
    match (verdict, first) {
        (Verdict::Healthy, _) => format!("nothing grows and nothing is wasted beyond the limits of {looked} checks"),
        (Verdict::InsufficientEvidence, _) if cx.oom_killed() => {
            "killed by the OOM killer; what was recorded before does not prove what held the memory".to_owned()
        }
        (Verdict::InsufficientEvidence, _) if looked == checked.len() => format!(
            "too little evidence for a verdict: nothing was found in {:.0} s, which is too short to call it healthy",
            cx.seconds()
        ),
        (Verdict::InsufficientEvidence, _) => {
            let missing: Vec<&str> = checked
                .iter()
                .filter(|c| c.outcome == Outcome::NoEvidence)
                .take(2)
                .map(|c| c.detail.as_str())
                .collect();
            format!("too little evidence for a verdict: {}", missing.join("; "))
        }
        (_, Some(title)) => title,
        (_, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::related;

    #[test]
    fn closures_belong_to_their_function() {
        assert!(related("main.handle", "main.handle.func1"));
        assert!(related("main.(*S).Do.func2.1", "main.(*S).Do"));
        assert!(!related("main.handleAll", "main.handle"));
    }
}
