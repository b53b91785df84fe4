//! Recorded courses, replayed to the monitor and judged by the same rules as a run under watch: in a second instead of
//! an hour. Those of `cargo xtask watch-matrix` are the watch's own samples. Those of `cargo xtask growth` are taken at
//! the pace a watch would sample at, and what they lack (the live heap as the runtime knows it, pressure) is computed
//! or absent. For calibrating, not for showing.

use super::judge::{Forecasts, forecasts};
use super::left;
use crate::{Result, root};
use serde_json::Value;
use signals::{Column, Level, Monitor, MonitorSettings, Sample, alarms};
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Recordings: of `growth` or of `watch-matrix`
    #[arg(long)]
    from: Option<PathBuf>,
    /// Only recordings whose name contains one of these
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Print every sample
    #[arg(long)]
    samples: bool,
}

/// What a recording comes to.
struct Outcome {
    name: String,
    /// From the onset to the kill, seconds; `None` for one that lives.
    took: Option<f64>,
    /// From the first warning to the kill, or from the start to it where there is no kill.
    warned: Option<f64>,
    rule: &'static str,
    forecasts: Forecasts,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let from = args.from.clone().unwrap_or_else(|| root().join("target/growth"));
    let mut outcomes = Vec::new();
    let mut files: Vec<PathBuf> = fs::read_dir(&from)?.flatten().map(|e| e.path()).collect();
    files.sort();
    for file in &files {
        let csv = file.extension().is_some_and(|e| e == "csv");
        let name = if csv { file.file_stem() } else { file.file_name() };
        let name = name.unwrap_or_default().to_string_lossy().into_owned();
        if !args.only.is_empty() && !args.only.iter().any(|o| name.contains(o.as_str())) {
            continue;
        }
        let (samples, end) = if csv {
            (file.clone(), file.with_extension("json"))
        } else {
            (file.join("series.jsonl"), file.join("result.json"))
        };
        // A recording without its end is one that is being made.
        let (Ok(samples), Ok(end)) = (fs::read_to_string(samples), fs::read_to_string(end)) else { continue };
        let recorded = if csv { of_csv(&samples) } else { of_series(&samples) };
        outcomes.push(replay(&name, &recorded, &serde_json::from_str(&end)?, csv, args.samples));
    }
    for o in &outcomes {
        println!("{}", line(o));
    }
    println!("{}", together(&outcomes));
    Ok(())
}

/// Samples by their time, Unix milliseconds.
type Recorded = Vec<(i64, Sample)>;

fn of_csv(text: &str) -> Recorded {
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let row = |line: &str| {
        let row: HashMap<&str, &str> = columns.iter().copied().zip(line.split(',')).collect();
        let at = row.get("at_ms")?.parse::<i64>().ok()?;
        Some((at, sample(at, |key| row.get(key)?.parse().ok())))
    };
    lines.filter_map(row).collect()
}

fn of_series(text: &str) -> Recorded {
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).ok()?;
        let mut s = Sample::new(row.get("monotonic_s")?.as_f64()?);
        for column in Column::ALL {
            s.put(*column, row.get(column.name()).and_then(Value::as_f64));
        }
        Some((row.get("at")?.as_i64()?, s))
    };
    text.lines().filter_map(row).collect()
}

/// Replays samples; `thin` leaves out those that a watch would not have taken.
fn replay(name: &str, recorded: &Recorded, end: &Value, thin: bool, print: bool) -> Outcome {
    let (onset, killed) = (end["onset_ms"].as_i64().unwrap_or_default(), end["killed_ms"].as_i64());
    let settings = MonitorSettings::default();
    let mut monitor = Monitor::new(settings.clone());
    let (mut next, mut warned, mut samples) = (0, None, Vec::new());
    for (at, sample) in recorded {
        // A recorded sample a little early will do.
        if thin && at + 100 < next {
            continue;
        }
        let at = *at;
        let reading = monitor.push(sample);
        let time = reading.time_to_limit;
        let early = time.map_or(f64::INFINITY, |t| t.p10);
        let urgent = early < settings.pace_urgent_seconds;
        next = at
            + if urgent {
                250
            } else if early < settings.pace_fast_seconds {
                1000
            } else {
                5000
            };
        let alarm = alarms(sample, &reading, &settings).into_iter().find(|a| a.level > Level::Notice);
        if let Some(alarm) = alarm {
            warned.get_or_insert((at, alarm.rule));
        }
        if print {
            let left = killed.map_or(f64::INFINITY, |k| (k - at) as f64 / 1000.0);
            println!("{name} {left:.1} s left: {time:?} {:?} {alarm:?}", reading.driver);
        }
        samples.push(left::Sample { at, p10: time.map(|t| t.p10), p50: time.map(|t| t.p50), p90: time.map(|t| t.p90) });
    }
    let started = end["started_ms"].as_i64().unwrap_or_default();
    Outcome {
        name: name.to_owned(),
        took: killed.map(|k| (k - onset) as f64 / 1000.0),
        warned: warned.map(|(at, _)| killed.map_or(at - started, |k| k - at) as f64 / 1000.0),
        rule: warned.map_or("", |(_, rule)| rule),
        forecasts: killed.map(|k| forecasts(&samples, onset, k)).unwrap_or_default(),
    }
}

/// A recorded line as the watch would have sampled it.
fn sample(at_ms: i64, number: impl Fn(&str) -> Option<f64>) -> Sample {
    let mut s = Sample::new(at_ms as f64 / 1000.0);
    let same = [
        (Column::HeapAlloc, "HeapAlloc"),
        (Column::HeapGoal, "NextGC"),
        (Column::HeapInuse, "HeapInuse"),
        (Column::HeapReleased, "HeapReleased"),
        (Column::TotalAlloc, "TotalAlloc"),
        (Column::Stacks, "StackInuse"),
        (Column::GcCycles, "NumGC"),
        (Column::GcCpuFraction, "GCCPUFraction"),
        (Column::Goroutines, "goroutines"),
        (Column::Rss, "VmRSS"),
        (Column::Anon, "RssAnon"),
        (Column::Threads, "Threads"),
        (Column::Usage, "usage"),
        (Column::Reclaimable, "cache"),
        (Column::Limit, "limit"),
    ];
    for (column, key) in same {
        s.put(column, number(key));
    }
    let released = number("HeapReleased");
    s.put(Column::HeapIdle, number("HeapIdle").zip(released).map(|(idle, released)| idle - released));
    s.put(Column::Mapped, number("Sys").zip(released).map(|(sys, released)| sys - released));
    s.set(Column::Gogc, 100.0);
    // The goal is twice the live heap and once the stacks (and globals, which are small here).
    let live = number("NextGC").zip(number("StackInuse")).map(|(goal, stacks)| (goal - stacks) / 2.0);
    s.put(Column::HeapLive, live);
    s
}

fn line(o: &Outcome) -> String {
    let seconds = |s: Option<f64>| s.map_or_else(|| "-".to_owned(), |s| format!("{s:.1} s"));
    let held = o.forecasts.share().map_or_else(|| "-".to_owned(), |s| format!("{:.0} %", s * 100.0));
    let errors =
        o.forecasts.errors.map(|e| e.map_or_else(|| "-".to_owned(), |e| format!("{:.0} %", e * 100.0))).join(" ");
    format!(
        "{:<34} kill {:>8}  warned {:>8} {:<17} held {held:>5} of {:<3} errors {errors}",
        o.name,
        seconds(o.took),
        seconds(o.warned),
        o.rule,
        o.forecasts.made
    )
}

fn together(outcomes: &[Outcome]) -> String {
    let slow: Vec<_> = outcomes.iter().filter(|o| o.took.is_some_and(|t| t >= 60.0)).collect();
    let warned = slow.iter().filter(|o| o.warned.is_some_and(|w| w >= 30.0)).count();
    let healthy: Vec<_> = outcomes.iter().filter(|o| o.took.is_none()).collect();
    let quiet = healthy.iter().filter(|o| o.warned.is_none()).count();
    let sum = |of: fn(&Forecasts) -> u32| outcomes.iter().map(|o| of(&o.forecasts)).sum::<u32>();
    let made = sum(|f| f.made);
    let percent = |n: u32| 100.0 * f64::from(n) / f64::from(made.max(1));
    let mut errors: Vec<f64> = outcomes.iter().filter_map(|o| o.forecasts.errors[0]).collect();
    errors.sort_by(f64::total_cmp);
    format!(
        "warned 30 s before: {warned} of {}; healthy and quiet: {quiet} of {}; {:.0} % of {made} forecasts hold ({:.0} % sooner, {:.0} % later, \
         {} samples without); median error at 60 s {:.0} % of {}",
        slow.len(),
        healthy.len(),
        percent(sum(|f| f.inside)),
        percent(sum(|f| f.sooner)),
        percent(sum(|f| f.later)),
        sum(|f| f.samples) - made,
        errors.get(errors.len() / 2).copied().unwrap_or(f64::NAN) * 100.0,
        errors.len()
    )
}
