//! The realtime clock of the watch alone jumps: forward by a day, back by an hour, to 1970. The monotonic clock and
//! those of all others stay. A shared object replaces `clock_gettime` for it.

use super::scene::{Go, Sample, Scene, Served, damage, gap_row, series, unreadable};
use super::table::Row;
use crate::Result;
use crate::growth::course::{self, millis};
use crate::specimens::Runs;
use crate::watch_matrix::left;
use crate::watch_matrix::live::pause;
use lab::Specimen;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

const SHIM: &str = include_str!("clock.c");
const CONFIG: &str = r#"
[watch]
listen = "127.0.0.1:0"
interval = "1s"
discover-interval = "500ms"

[watch.ring]
interval = "2s"

[watch.capture]
cool-down = "1s"
per-hour = 100000
max-total-bytes = 262144
parallel = 4

[[watch.rule]]
name = "always"
when = "process.rss > 0.0"
level = "warning"
capture = true

[watch.field]

[alerts]
group-wait = "0s"
retry-first = "1s"
retry-longest = "4s"

[[alerts.webhook]]
name = "dead"
url = "http://127.0.0.1:9/"

[[watch.target]]
name = "mortal"
target = "mortal-go"
"#;
/// Between jumps.
const EPOCH: Duration = Duration::from_secs(25);
/// A jump shows within this.
const AROUND_S: f64 = 6.0;

pub(crate) fn run(scene: &Scene) -> Result<Vec<Row>> {
    let Some(shim) = shim(scene) else {
        return Ok(vec![Row::skipped("all", "there is no C compiler to build the clock with")]);
    };
    let healthy = scene.start(&["steady", &scene.host])?;
    let mortal = scene.named("mortal-go")?;
    let work = Runs::once(&scene.go).work(&[Specimen::by_name("linear-slow")?], &scene.dir)?;
    // A limit that it does not meet within the case.
    let growing = course::start(work.first().ok_or("no specimen")?, 2 << 30, 600)?;
    let path = scene.config(&format!(
        "{}\n[[watch.target]]\nname = \"healthy\"\ntarget = \"{}\"\n\n[[watch.target]]\nname = \"growing\"\ntarget = \
         \"{}\"\n",
        CONFIG.replace("[watch.field]\n", ""),
        healthy.pid(),
        growing.pid()
    ))?;
    let file = scene.dir.join("clock");
    let now = millis(SystemTime::now()) / 1000;
    let moves = [0, 86_400, -3600, 1000 - now];
    fs::write(&file, "0")?;
    let set = [("LD_PRELOAD", shim.as_path()), ("OOMPH_CLOCK_FILE", file.as_path())];
    let served = Served::start(scene, &path, &[], &set)?;
    let state = served.watch.state.clone();
    let mut seen = Seen::default();
    for offset in moves {
        let new = scene.dir.join("clock.new");
        fs::write(&new, offset.to_string())?;
        fs::rename(&new, &file)?;
        seen.jumps.push(monotonic()?);
        let before = served.metric("oomph_watch_notifications_retried_total")?;
        // Its death closes the incident; the next one is another.
        let life = Go::start(&mortal, &["steady", &scene.host])?;
        let begin = Instant::now();
        while begin.elapsed() < EPOCH {
            seen.look(&state)?;
            pause(Duration::from_millis(100));
        }
        drop(life);
        served.until(Duration::from_secs(15), |s| {
            let looked = seen.look(&state).is_ok();
            looked
                && s.status().is_ok_and(|s| {
                    s.targets
                        .iter()
                        .filter(|t| t.name == "mortal")
                        .all(|t| t.incidents.first().is_some_and(|i| i.finished))
                })
        });
        seen.retried.push(served.metric("oomph_watch_notifications_retried_total")? - before);
        seen.look(&state)?;
        seen.closed.push(newest(&served)?);
    }
    let stderr = scene.stderr();
    let (_, wrong) = served.stop()?;
    let mut rows = rows(scene, &state, &seen, &stderr)?;
    rows.push(Row::none("what is wrong with its end", 1, &wrong.into_iter().collect::<Vec<_>>()));
    rows.push(Row::none("processes left over", 1, &scene.orphans()?));
    Ok(rows)
}

#[derive(Default)]
struct Seen {
    /// When the clock was moved, by the clock that was not, seconds.
    jumps: Vec<f64>,
    /// Attempts at the dead receiver in each epoch.
    retried: Vec<f64>,
    /// The directories of the incidents that were there at the last look, and when the kernel made them: its clock was
    /// not moved.
    there: BTreeMap<PathBuf, SystemTime>,
    /// Those that were removed while none was newer.
    newest_gone: Vec<String>,
    looks: usize,
    /// The incident that was closed last in each epoch.
    closed: Vec<Option<PathBuf>>,
}

impl Seen {
    /// Looks which incidents are there.
    fn look(&mut self, state: &Path) -> Result<()> {
        let mut now = BTreeMap::new();
        for path in left::incident_directories(state)? {
            // It may be removed at this instant.
            if let Ok(made) = path.metadata().and_then(|m| m.created()) {
                now.insert(path, made);
            }
        }
        self.looks += 1;
        for (path, made) in self.there.iter().filter(|(p, _)| !now.contains_key(*p)) {
            let newer = self.there.values().chain(now.values()).any(|other| other > made);
            // What was put aside of the growing one, and was not needed, is let go whatever its age.
            if !newer && !path.to_string_lossy().ends_with("-growing") {
                self.newest_gone.push(path.display().to_string());
            }
        }
        self.there = now;
        Ok(())
    }
}

/// The directory of the latest incident of the target that ended.
fn newest(served: &Served) -> Result<Option<PathBuf>> {
    let status = served.status()?;
    let mortal = status.targets.iter().find(|t| t.name == "mortal");
    Ok(mortal.and_then(|t| t.incidents.first()).map(|i| PathBuf::from(&i.bundle)))
}

fn shim(scene: &Scene) -> Option<PathBuf> {
    let (source, out) = (scene.dir.join("clock.c"), scene.dir.join("clock.so"));
    fs::write(&source, SHIM).ok()?;
    let built = |cc: &str| {
        let status = Command::new(cc).args(["-shared", "-fPIC", "-O2", "-o"]).arg(&out).arg(&source).status();
        status.is_ok_and(|s| s.success())
    };
    (built("cc") || built("gcc")).then_some(out)
}

/// Seconds since boot, as the samples have them: neither clock stops while this host runs.
fn monotonic() -> Result<f64> {
    let text = fs::read_to_string("/proc/uptime")?;
    Ok(text.split(' ').next().unwrap_or_default().parse()?)
}

fn rows(scene: &Scene, state: &Path, seen: &Seen, stderr: &str) -> Result<Vec<Row>> {
    let series = series(scene, state)?;
    let none = Vec::new();
    let healthy = series.get("healthy").unwrap_or(&none);
    let steps: Vec<f64> = healthy
        .windows(2)
        .map(|w| (w[1].at - w[0].at) as f64 / 1000.0 - (w[1].monotonic_s - w[0].monotonic_s))
        .filter(|s| s.abs() > 60.0)
        .collect();
    let mut rows = vec![Row::new(
        "the jumps are there in the samples' times of day",
        steps.iter().map(|s| format!("{s:+.0} s")).collect::<Vec<_>>().join(", "),
        steps.len() == 3,
    )];
    rows.push(gap_row("no sample of the healthy one is lost", &series, "healthy", 1.5));
    let disorder = series.values().flat_map(|s| s.windows(2)).filter(|w| w[1].monotonic_s < w[0].monotonic_s).count();
    let (damaged, _) = damage(state)?;
    rows.push(Row::new(
        "samples are read in the order of the monotonic clock",
        format!("{disorder} out of order, {damaged} damaged bytes"),
        disorder == 0 && damaged == 0,
    ));
    rows.push(alerts(stderr));
    rows.push(forecasts(series.get("growing").unwrap_or(&none), &seen.jumps));
    rows.push(Row::new(
        "a dead receiver is tried again in each epoch of 25 s, and not in a storm (pauses of 1 to 4 s)",
        seen.retried.iter().map(|n| format!("{n}")).collect::<Vec<_>>().join(", "),
        seen.retried.iter().skip(1).all(|n| (3.0..=60.0).contains(n)),
    ));
    rows.extend(incidents(scene, state, seen)?);
    Ok(rows)
}

/// The healthy target's rule fires at the start, once; nothing is over.
fn alerts(stderr: &str) -> Row {
    let all = stderr.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l.split_once(' ')?.1).ok());
    let text = |a: &serde_json::Value, key: &str| a.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    let of_healthy: Vec<String> = all
        .filter(|a| text(a, "target") == "healthy")
        .map(|a| format!("{} {}", text(&a, "rule"), text(&a, "status")))
        .collect();
    Row::new(
        "no alert of the healthy one is raised or over because of a jump",
        of_healthy.join(", "),
        of_healthy.iter().all(|a| a == "always firing") && (1..=2).contains(&of_healthy.len()),
    )
}

/// The largest change of p50 from one sample to the next around a jump, against those elsewhere.
fn forecasts(samples: &[Sample], jumps: &[f64]) -> Row {
    const GOAL: &str = "forecasts change no more at a jump than elsewhere";
    let steps: Vec<(f64, f64)> = samples
        .windows(2)
        .filter_map(|w| {
            let (before, after) = (w[0].p50?, w[1].p50?);
            let passed = w[1].monotonic_s - w[0].monotonic_s;
            Some((w[1].monotonic_s, ((after + passed) / before.max(1.0)).ln().abs()))
        })
        .collect();
    let near = |t: f64| jumps.iter().skip(1).any(|j| (t - j).abs() < AROUND_S);
    let most = |at_jump: bool| steps.iter().filter(|s| near(s.0) == at_jump).map(|s| s.1).fold(0.0, f64::max);
    let count = steps.iter().filter(|s| near(s.0)).count();
    let (there, elsewhere) = (most(true), most(false));
    Row::new(
        GOAL,
        format!("factor {:.2} in {count} steps around jumps, {:.2} elsewhere", there.exp(), elsewhere.exp()),
        count > 10 && there <= elsewhere.max(0.05),
    )
}

/// Each epoch has its incident; with room for one or two the newest is always there, and whole.
fn incidents(scene: &Scene, state: &Path, seen: &Seen) -> Result<Vec<Row>> {
    let begun = seen.closed.iter().flatten().collect::<std::collections::BTreeSet<_>>().len();
    let thinned = seen.closed.iter().flatten().filter(|c| !c.is_dir()).count();
    let (problems, count) = unreadable(scene, state)?;
    Ok(vec![
        Row::new(
            "an incident in each epoch: cool-down and budget do not wait for the clock",
            format!("{begun} of 4"),
            begun == 4,
        ),
        Row::none("newest incidents that were removed, in looks ten times a second", seen.looks, &seen.newest_gone),
        Row::new(
            "older ones make room, whatever their time of day",
            format!("{thinned} of {begun} incidents removed, {count} left"),
            thinned >= 1,
        ),
        Row::none("incidents that do not open or are not intact", count, &problems),
    ])
}
