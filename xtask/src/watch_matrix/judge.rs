//! What a watch left, held against what is known of the run: was there a warning in time, evidence before the kill, a
//! forecast that held, and was the culprit named. Pure; refuses to read or run anything.

use crate::growth::course::Course;
use crate::specimens::wrong_sites;
use crate::watch_matrix::left::{Alert, Incident, Left, Sample};
use lab::Specimen;
use model::{Finding, Report};

/// From so many seconds of growth on a warning is owed, this long before the kill.
const WARNED_FROM: f64 = 60.0;
const WARNED_BEFORE: f64 = 30.0;
/// From so many seconds on evidence is owed; from so many on, the culprit.
const EVIDENCE_FROM: f64 = 10.0;
const CULPRIT_FROM: f64 = 5.0;
/// Error of the forecast is looked at so many seconds before the kill, in the nearest sample within `NEAR` seconds.
pub(crate) const BEFORE: [f64; 3] = [60.0, 30.0, 15.0];
const NEAR: f64 = 3.0;
/// Profiles of the heap, as the manifest spells their kinds.
const HEAP_PROFILES: [&str; 3] = ["heap-profile", "heap-text", "heap-text-after-gc"];

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    pub(crate) seconds_to_limit: Option<f64>,
    /// From the first warning to the kill, seconds.
    pub(crate) warned_before: Option<f64>,
    /// Alerts above notice.
    pub(crate) alarms: Vec<String>,
    /// A bundle with a heap profile and samples was taken before the kill: seconds before it.
    pub(crate) evidence_before: Option<f64>,
    pub(crate) forecasts: Forecasts,
    /// The finding that names the culprit, or why there is none.
    pub(crate) culprit: Option<Result<String, String>>,
    pub(crate) problems: Vec<String>,
}

/// How forecasts held, from half-way to the kill on.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Forecasts {
    /// Samples, those with a forecast, and of these those with the kill within p10..p90.
    pub(crate) samples: u32,
    pub(crate) made: u32,
    pub(crate) inside: u32,
    /// Of those that are not inside: the kill came sooner than p10; later than p90.
    pub(crate) sooner: u32,
    pub(crate) later: u32,
    /// Relative error of p50 at each of [`BEFORE`] seconds before the kill.
    pub(crate) errors: [Option<f64>; BEFORE.len()],
}

impl Forecasts {
    /// Share of the forecasts that held.
    pub(crate) fn share(&self) -> Option<f64> {
        (self.made > 0).then(|| f64::from(self.inside) / f64::from(self.made))
    }
}

/// Judges a run.
pub(crate) fn judge(specimen: &Specimen, course: &Course, left: &Left) -> crate::Result<Judgement> {
    let healthy = specimen.truth().growth.as_ref().is_some_and(|g| g.healthy);
    let told = |a: &Alert| format!("{} {}: {}", a.level, a.rule, a.title);
    let mut out = Judgement {
        alarms: left.alerts.iter().filter(|a| a.alarms()).map(told).collect(),
        problems: left.problems.clone(),
        ..Judgement::default()
    };
    if left.samples.is_empty() {
        out.problems.push("no samples".to_owned());
    }
    let Some(killed) = course.killed() else {
        if !healthy {
            out.problems.push("it was not killed".to_owned());
        } else if let Some(first) = out.alarms.first() {
            out.problems.push(format!("{} false alarms: {first}", out.alarms.len()));
        }
        return Ok(out);
    };
    let took = (killed - course.onset()) as f64 / 1000.0;
    out.seconds_to_limit = Some(took);
    let first = left.alerts.iter().filter(|a| a.alarms() && a.at < killed).map(|a| a.at).min();
    out.warned_before = first.map(|at| seconds(at, killed));
    out.evidence_before =
        left.incidents.iter().filter_map(|i| evidence(i, killed)).map(|at| seconds(at, killed)).reduce(f64::max);
    out.forecasts = forecasts(&left.samples, course.onset(), killed);
    out.culprit = Some(culprit(specimen, &left.incidents, killed)?);
    out.problems.extend(owed(&out, took));
    Ok(out)
}

/// What was owed and is not there.
fn owed(j: &Judgement, took: f64) -> Vec<String> {
    let mut out = Vec::new();
    if took >= WARNED_FROM {
        match j.warned_before {
            Some(s) if s >= WARNED_BEFORE => {}
            Some(s) => out.push(format!("warned {s:.1} s before the kill")),
            None => out.push("no warning".to_owned()),
        }
    } else if took >= EVIDENCE_FROM && j.evidence_before.is_none() {
        out.push("no heap profile with samples from before the kill".to_owned());
    }
    if took >= CULPRIT_FROM
        && let Some(Err(why)) = &j.culprit
    {
        out.push(why.clone());
    }
    out
}

fn seconds(from: i64, to: i64) -> f64 {
    (to - from) as f64 / 1000.0
}

/// When the last heap profile before the kill was taken, in a bundle that has samples from before it too.
fn evidence(incident: &Incident, killed: i64) -> Option<i64> {
    let whole = |p: &&super::left::Piece| p.at < killed && p.bytes > 0 && !p.cut;
    let before = || incident.pieces.iter().filter(whole);
    let profile = before().filter(|p| HEAP_PROFILES.contains(&p.kind.as_str())).map(|p| p.at).max()?;
    let sampled = incident.samples.iter().any(|at| *at < killed) || before().any(|p| p.kind == "series");
    sampled.then_some(profile)
}

/// How the forecasts held.
pub(crate) fn forecasts(samples: &[Sample], onset: i64, killed: i64) -> Forecasts {
    let mut out = Forecasts::default();
    let half = onset + (killed - onset) / 2;
    for s in samples.iter().filter(|s| s.at >= half && s.at < killed) {
        out.samples += 1;
        let Some(p10) = s.p10 else { continue };
        out.made += 1;
        let truth = seconds(s.at, killed);
        // Without a p90 a tenth of futures never meets the limit.
        let p90 = s.p90.unwrap_or(f64::INFINITY);
        if truth < p10 {
            out.sooner += 1;
        } else if truth > p90 {
            out.later += 1;
        } else {
            out.inside += 1;
        }
    }
    out.errors = BEFORE.map(|before| error(samples, onset, killed, before));
    out
}

/// Relative error of p50 so many seconds before the kill; none where growth had not begun, or nothing was forecast.
fn error(samples: &[Sample], onset: i64, killed: i64, before: f64) -> Option<f64> {
    let off = |s: &Sample| (seconds(s.at, killed) - before).abs();
    let near = samples.iter().filter(|s| s.at >= onset && off(s) <= NEAR);
    let nearest = near.min_by(|a, b| off(a).total_cmp(&off(b)))?;
    let truth = seconds(nearest.at, killed);
    Some((nearest.p50? - truth).abs() / truth)
}

/// The finding that names the culprit in a bundle with evidence from before the kill.
fn culprit(specimen: &Specimen, incidents: &[Incident], killed: i64) -> crate::Result<Result<String, String>> {
    let mut seen = Vec::new();
    // The bundle that was closed by the kill first, then the youngest.
    let mut order: Vec<&Incident> = incidents.iter().rev().collect();
    order.sort_by_key(|i| !i.told.oom_killed);
    for incident in order {
        let Some(report) = &incident.report else { continue };
        if !incident.pieces.iter().any(|p| p.at < killed) {
            continue;
        }
        if incident.told.oom_killed && !report.watched.as_ref().is_some_and(model::Watched::oom_killed) {
            return Ok(Err(format!("{}: the report does not say that the kernel killed it", incident.told.id)));
        }
        if let Some(finding) = named(specimen, report)? {
            return Ok(Ok(format!("{}: {}", incident.told.cause, finding.rule)));
        }
        seen.extend(report.findings.iter().map(|f| f.rule.clone()));
    }
    if incidents.is_empty() {
        return Ok(Err("no incident".to_owned()));
    }
    if !incidents.iter().any(|i| i.told.oom_killed) {
        seen.push("none of them closed by the kill".to_owned());
    }
    let ids = incidents.iter().map(|i| i.told.id.as_str()).collect::<Vec<_>>().join(", ");
    Ok(Err(format!("the culprit is not named in {ids}: {}", seen.join(", "))))
}

/// The finding that names a line of the fault, or the container; where nothing of the program's is to blame, the rule.
fn named<'a>(specimen: &Specimen, report: &'a Report) -> crate::Result<Option<&'a Finding>> {
    let truth = specimen.truth();
    for finding in &report.findings {
        let container = truth.growth.as_ref().and_then(|g| g.container.as_deref());
        let of_type = container.is_some() && finding.subject.type_.as_deref() == container;
        let of_rule = truth.culprit.is_none() && truth.rule.as_ref() == Some(&finding.rule);
        let of_line = truth.culprit.is_some() && wrong_sites(specimen, finding)?.is_none();
        if of_type || of_rule || of_line {
            return Ok(Some(finding));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lab::{End, GrowthPhase, TruthLine};
    use std::os::unix::process::ExitStatusExt as _;
    use std::path::Path;
    use std::process::ExitStatus;
    use std::time::{Duration, UNIX_EPOCH};

    const START: i64 = 1_800_000_000_000;

    /// A course from `START` on, killed after so many seconds.
    fn course(killed_after: Option<u64>) -> Course {
        let at = |s: u64| UNIX_EPOCH + Duration::from_millis(START as u64 + s * 1000);
        let end = |s| End { at: at(s), status: ExitStatus::from_raw(9), oom_killed: true };
        Course { started: START, end: killed_after.map(end), ..Course::default() }
    }

    fn specimen(name: &str) -> Specimen {
        Specimen::by_name(name).unwrap()
    }

    fn sample(at: i64, p10: f64, p50: f64, p90: Option<f64>) -> Sample {
        Sample { at: START + at * 1000, p10: Some(p10), p50: Some(p50), p90 }
    }

    fn alert(at: i64, level: &str) -> Alert {
        let text = format!(
            r#"{{"schema":"oomph.alert/1","status":"firing","level":"{level}","target":"x","rule":"r","title":"t"}}"#
        );
        let stderr = format!("1 a line for people\n{} {text}\n", START + at * 1000);
        super::super::left::alerts(&stderr).remove(0)
    }

    /// A state directory as a watch leaves it, with a report of one finding.
    fn incident(left: &mut Left, taken_at: i64, function: &str, line: u32) {
        let dir = tempfile::tempdir().unwrap();
        let made = dir.path().join("incidents/1-critical");
        std::fs::create_dir_all(&made).unwrap();
        let incident = r#"{"id":"1","target":"x","cause":"surge","level":"critical","at":1,"oom_killed":true}"#;
        std::fs::write(made.join("incident.json"), incident).unwrap();
        std::fs::write(made.join("heap.pb.gz"), b"profile").unwrap();
        let manifest = serde_json::json!({
            "schema": bundle::BUNDLE_SCHEMA, "oomph": "0", "created": START, "finished": START,
            "target": {"name": "x", "kind": "pid"},
            "options": {"duration_ms": 0, "samples": 1, "gc": "never"},
            "samples": [{"index": 0, "at": START}],
            "artifacts": [{
                "path": "heap.pb.gz", "kind": "heap-profile", "sample": 0, "taken_at": START + taken_at * 1000,
                "bytes": 7, "sha256": "00", "source": "test",
            }],
        });
        std::fs::write(made.join("manifest.json"), manifest.to_string()).unwrap();
        let directories = super::super::left::incident_directories(dir.path()).unwrap();
        assert_eq!(directories.len(), 1);
        let report = report(function, line);
        left.add_incident(&directories[0], |_: &Path| Ok(report.clone()));
    }

    fn report(function: &str, line: u32) -> Report {
        let finding = serde_json::json!({
            "id": "1", "rule": "growing-allocation-site", "severity": "high", "confidence": 0.9, "title": "t",
            "subject": {"kind": "site"}, "size": {}, "evidence": [], "fix": {"summary": "", "recipe": ""},
            "sites": [{"role": "allocates", "function": function, "file": "/x/watch/linear-fast/audit/trail.go", "line": line}],
        });
        serde_json::from_value(serde_json::json!({
            "schema": "oomph.report/1", "oomph": "0", "target": {"name": "x", "kind": "bundle", "samples": 1}, "verdict": "leak",
            "summary": "s", "watched": {"end": {"at": START, "oom_killed": true}, "moments": []}, "findings": [finding], "series": [], "checked": [], "evidence": [], "limits": [],
        }))
        .unwrap()
    }

    #[test]
    fn a_run_as_it_should_be() {
        let specimen = specimen("linear-fast");
        let (site, line) = specimen.site_lines().unwrap().remove(0);
        let mut left = Left { alerts: vec![alert(40, "warning")], ..Left::default() };
        left.samples = vec![sample(40, 25.0, 45.0, Some(60.0)), sample(60, 10.0, 22.0, None)];
        incident(&mut left, 41, &site.function, line);
        let j = judge(&specimen, &course(Some(80)), &left).unwrap();
        assert_eq!(j.problems, Vec::<String>::new());
        assert_eq!(j.warned_before, Some(40.0));
        assert_eq!(j.evidence_before, Some(39.0));
        assert_eq!((j.forecasts.made, j.forecasts.inside), (2, 2));
        assert_eq!(j.culprit, Some(Ok("surge: growing-allocation-site".to_owned())));
    }

    #[test]
    fn late_warnings_and_wrong_culprits_are_told() {
        let specimen = specimen("linear-fast");
        let mut left = Left { alerts: vec![alert(10, "notice"), alert(60, "critical")], ..Left::default() };
        left.samples = vec![sample(60, 25.0, 45.0, Some(60.0)), sample(70, 1.0, 4.0, Some(5.0))];
        incident(&mut left, 81, "main.other", 3);
        let j = judge(&specimen, &course(Some(80)), &left).unwrap();
        let problems = j.problems.join("\n");
        assert!(problems.contains("warned 20.0 s before the kill"), "{problems}");
        assert!(problems.contains("the culprit is not named in 1"), "{problems}");
        assert_eq!(j.evidence_before, None);
        assert_eq!((j.forecasts.sooner, j.forecasts.later, j.forecasts.inside), (1, 1, 0));
    }

    #[test]
    fn evidence_is_owed_of_a_quick_death() {
        let specimen = specimen("linear-burst");
        let mut left = Left { samples: vec![sample(1, 1.0, 2.0, None)], ..Left::default() };
        let j = judge(&specimen, &course(Some(30)), &left).unwrap();
        assert_eq!(j.problems, ["no heap profile with samples from before the kill", "no incident"]);
        incident(&mut left, 31, "main.other", 3);
        let j = judge(&specimen, &course(Some(30)), &left).unwrap();
        assert!(j.evidence_before.is_none(), "taken after the kill");
        incident(&mut left, 29, "main.other", 3);
        let j = judge(&specimen, &course(Some(30)), &left).unwrap();
        assert_eq!(j.evidence_before, Some(1.0));
    }

    #[test]
    fn a_healthy_run_may_have_notices_only() {
        let specimen = specimen("sawtooth");
        let mut left = Left { alerts: vec![alert(10, "notice")], ..Left::default() };
        left.samples = vec![sample(1, 100.0, 200.0, None)];
        assert!(judge(&specimen, &course(None), &left).unwrap().problems.is_empty());
        left.alerts.push(alert(11, "warning"));
        let j = judge(&specimen, &course(None), &left).unwrap();
        assert_eq!(j.problems, ["1 false alarms: warning r: t"]);
    }

    #[test]
    fn growth_that_begins_late_counts_from_there() {
        let mut late = course(Some(38));
        let line = |at: i64, phase| TruthLine {
            at_ms: START + at * 1000,
            phase,
            held_bytes: 0,
            culprit_bytes: 0,
            off_heap_bytes: 0,
            entries: 0,
            goroutines: 0,
        };
        late.lines = vec![line(1, GrowthPhase::Calm), line(30, GrowthPhase::Growing)];
        assert_eq!(late.seconds_to_limit(), Some(8.0));
        let f = forecasts(
            &[sample(33, 1.0, 6.0, Some(9.0)), sample(35, 2.0, 2.5, Some(9.0))],
            late.onset(),
            late.killed().unwrap(),
        );
        assert_eq!((f.samples, f.inside, f.errors), (1, 1, [None; 3]));
    }

    #[test]
    fn errors_are_those_of_the_nearest_sample() {
        let samples: Vec<Sample> = (0..100).map(|t| sample(t, 0.0, 2.0 * (100 - t) as f64, None)).collect();
        let f = forecasts(&samples, START, START + 100_000);
        assert_eq!(f.errors, [Some(1.0); 3]);
        assert_eq!(forecasts(&samples[..50], START, START + 100_000).errors, [Some(1.0), None, None]);
    }
}
