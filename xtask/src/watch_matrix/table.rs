//! The table of the watch's runs, and what they come to together. Refuses to judge a run.

use crate::specimens::{cell, result_cell};
use crate::watch_matrix::Row;
use crate::watch_matrix::judge::BEFORE;
use std::fmt::Write as _;

pub(crate) fn table(rows: &[Row], limit_mib: u64) -> String {
    let mut out = format!(
        "# Growth under watch\n\nEach specimen of `lab/watch/` was run with several seeds (sizes, rates, phases and noise \
         differ), in a control group of its own with a limit of {limit_mib} MiB and no swap, and watched by an `oomph watch` \
         of its own with its defaults until the kernel's OOM killer ended it, or for its planned time. To the kill: from the \
         onset of growth. Warned: the first alert above notice, before the kill. Evidence: the last heap profile before \
         the kill. Held: the kill lay within p10..p90 of the forecasts from half-way on. Errors: of p50 so long before \
         the kill. Culprit: the finding of `oomph diagnose` on the incident's bundle that names it. Copies: anonymous memory charged to the control group beside the \
         service's own. Written by \
         `cargo xtask watch-matrix --output docs/watch-matrix.md`.\n\n"
    );
    let _ = writeln!(out, "{}", summary(rows));
    out.push_str(
        "| specimen | shape | Go | seed | to the kill | warned | evidence | held | errors 60/30/15 s | culprit | copies | CPU, peak RSS | result |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for r in rows {
        let j = &r.judgement;
        let to_kill = j.seconds_to_limit.map_or_else(|| format!("lives {:.0} s", r.seconds), |s| format!("{s:.1} s"));
        let seconds = |s: Option<f64>| s.map_or_else(|| "-".to_owned(), |s| format!("{s:.1} s"));
        let warned = if r.healthy { format!("{} alarms", j.alarms.len()) } else { seconds(j.warned_before) };
        let f = &j.forecasts;
        let held = f.share().map_or_else(|| "-".to_owned(), |s| format!("{:.0} % of {}", s * 100.0, f.made));
        let errors = f.errors.map(|e| e.map_or_else(|| "-".to_owned(), |e| format!("{:.0} %", e * 100.0))).join(" / ");
        let culprit = match &j.culprit {
            Some(Ok(named)) => cell(named),
            Some(Err(_)) => "no".to_owned(),
            None => "-".to_owned(),
        };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {to_kill} | {warned} | {} | {held} | {} | {culprit} | {:.1} MiB | {:.2} %, {:.1} MiB | {} |",
            r.specimen,
            r.shape,
            r.go,
            r.seed,
            seconds(j.evidence_before),
            if r.healthy { "-".to_owned() } else { errors },
            r.beside as f64 / f64::from(1 << 20),
            r.cpu * 100.0,
            r.peak_rss as f64 / f64::from(1 << 20),
            result_cell(&j.problems)
        );
    }
    out
}

/// What the runs come to together.
pub(crate) fn summary(rows: &[Row]) -> String {
    let killed = || rows.iter().filter_map(|r| Some((r, r.judgement.seconds_to_limit?)));
    let mut out = String::new();
    let slow: Vec<f64> =
        killed().filter(|(_, s)| *s >= 60.0).map(|(r, _)| r.judgement.warned_before.unwrap_or(0.0)).collect();
    let warned = slow.iter().filter(|s| **s >= 30.0).count();
    let _ = writeln!(
        out,
        "- 60 s or more to the limit: warned at least 30 s before the kill in {warned} of {} runs.",
        slow.len()
    );
    let quick: Vec<&Row> = killed().filter(|(_, s)| (10.0..60.0).contains(s)).map(|(r, _)| r).collect();
    let evident = quick.iter().filter(|r| r.judgement.evidence_before.is_some()).count();
    let _ = writeln!(out, "- 10 to 60 s: evidence complete before the kill in {evident} of {} runs.", quick.len());
    let healthy: Vec<&Row> = rows.iter().filter(|r| r.healthy).collect();
    let quiet = healthy.iter().filter(|r| r.judgement.alarms.is_empty()).count();
    let hours = healthy.iter().fold(0.0, |sum, r| sum + r.seconds) / 3600.0;
    let _ = writeln!(
        out,
        "- Healthy: no alert above notice in {quiet} of {} runs, {hours:.2} hours together.",
        healthy.len()
    );
    let named: Vec<bool> =
        killed().filter(|(_, s)| *s >= 5.0).filter_map(|(r, _)| Some(r.judgement.culprit.as_ref()?.is_ok())).collect();
    let _ = writeln!(
        out,
        "- 5 s or more: the culprit is named in {} of {} runs.",
        named.iter().filter(|n| **n).count(),
        named.len()
    );
    forecasts(rows, &mut out);
    out
}

fn forecasts(rows: &[Row], out: &mut String) {
    let with: Vec<_> =
        rows.iter().filter(|r| r.judgement.seconds_to_limit.is_some()).map(|r| &r.judgement.forecasts).collect();
    let sum = |of: fn(&super::judge::Forecasts) -> u32| with.iter().map(|f| of(f)).sum::<u32>();
    let (made, samples) = (sum(|f| f.made), sum(|f| f.samples));
    let percent = |n: u32| 100.0 * f64::from(n) / f64::from(made.max(1));
    let _ = writeln!(
        out,
        "- Forecasts from half-way on: {:.0} % of {made} hold the kill within p10..p90; it came sooner than p10 in {:.0} %, later \
         than p90 in {:.0} %. {} samples had none.",
        percent(sum(|f| f.inside)),
        percent(sum(|f| f.sooner)),
        percent(sum(|f| f.later)),
        samples - made
    );
    let shares: Vec<f64> = with.iter().filter_map(|f| f.share()).collect();
    let _ = writeln!(
        out,
        "- Of a run's forecasts, {} hold (mean of {} runs).",
        mean(&shares).map_or_else(|| "-".to_owned(), |m| format!("{:.0} %", m * 100.0)),
        shares.len()
    );
    for (i, before) in BEFORE.iter().enumerate() {
        let mut errors: Vec<f64> = with.iter().filter_map(|f| f.errors.get(i).copied().flatten()).collect();
        errors.sort_by(f64::total_cmp);
        let median = errors.get(errors.len() / 2).map_or_else(|| "-".to_owned(), |e| format!("{:.0} %", e * 100.0));
        let _ = writeln!(out, "- Median error of p50 {before:.0} s before the kill: {median} ({} runs).", errors.len());
    }
}

fn mean(of: &[f64]) -> Option<f64> {
    (!of.is_empty()).then(|| of.iter().sum::<f64>() / of.len() as f64)
}
