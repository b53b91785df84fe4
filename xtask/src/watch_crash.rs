//! A watch is killed with SIGKILL at random moments, preferably while it captures, again and again on the same state
//! directory. After each kill: every incident opens and is intact, the series can be read and lacks nothing older than
//! one interval, no process is left over, and the watched services run on. Owns the killing and the looking; the
//! watch's own rules are not its concern.

use crate::Result;
use crate::growth::course::{self, millis};
use crate::specimens::{self, Runs};
use crate::watch_matrix::live::{Watch, pause};
use bundle::Bundle;
use lab::{Growing, Specimen};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

/// What is watched: one that grows for minutes, and is started anew when the kernel has killed it; one that jumps.
const WATCHED: [&str; 2] = ["linear-slow", "batch-jobs"];
/// Captures as often as can be: a rule of its own holds always, and nothing waits for anything to cool down.
const CONFIG: &str = r#"
[watch.capture]
min-level = "notice"
cool-down = "1s"
per-hour = 100000
max-total-bytes = 268435456

[watch.ring]
interval = "5s"

[[watch.rule]]
name = "always"
when = "process.rss > 0.0"
hold = "2s"
level = "notice"
capture = true
"#;
/// Half of the watches live for up to so long before a capture is waited for.
const LIVES: Duration = Duration::from_secs(12);
/// A watch that captures nothing for so long is killed all the same.
const WAITS: Duration = Duration::from_secs(8);
/// Capturing takes some hundred milliseconds: the kill comes within this after its beginning is seen.
const WITHIN_MICROS: u64 = 400_000;
/// Children of the dead are gone by then.
const GONE_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kills
    #[arg(long, default_value_t = 200)]
    times: u32,
    /// Begins the sequence of random moments
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Go version
    #[arg(long, default_value = "1.26.6")]
    go: String,
    /// Milliseconds between samples
    #[arg(long, default_value_t = 5000)]
    interval_ms: i64,
    /// Milliseconds that a machine under load may add to an interval
    #[arg(long, default_value_t = 1500)]
    slack_ms: i64,
    /// This program instead of one built now
    #[arg(long)]
    oomph: Option<PathBuf>,
}

/// What was seen over all kills.
#[derive(Debug, Default)]
struct Tally {
    kills: u32,
    /// While a process of the watch's worked on a capture.
    captures: u32,
    /// Incidents whose bundle says that it was cut off, and opens nevertheless.
    cut: u32,
    incidents: usize,
    samples: usize,
    restarts: u32,
    problems: Vec<String>,
    /// Incidents that were told of already: a damaged one stays damaged.
    damaged: BTreeSet<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let dir = specimens::directory("watch-crash")?;
    let built = args.oomph.clone().map_or_else(specimens::built, Ok)?;
    let _ = fs::remove_dir_all(dir.join("state"));
    fs::write(dir.join("crash.toml"), CONFIG)?;
    // A copy, so that its processes can be told from others.
    let oomph = dir.join("oomph-under-test");
    fs::copy(&built, &oomph)?;
    let wanted: Vec<Specimen> = WATCHED.iter().map(|n| Specimen::by_name(n)).collect::<std::result::Result<_, _>>()?;
    let work = Runs::once(&args.go).work(&wanted, &dir)?;
    let mut services = work.iter().map(|w| Service::start(w.clone())).collect::<Result<Vec<_>>>()?;
    let mut random = Random(args.seed);
    let mut tally = Tally::default();
    for i in 0..args.times {
        for service in &mut services {
            tally.restarts += u32::from(service.revive()?);
        }
        let problems = one(args, &oomph, &dir, &mut services, &mut random, &mut tally)?;
        for p in &problems {
            println!("kill {i}: {p}");
        }
        tally.problems.extend(problems.into_iter().map(|p| format!("kill {i}: {p}")));
        if i % 20 == 19 {
            println!("{} kills, {} of them during a capture, {} problems", i + 1, tally.captures, tally.problems.len());
        }
    }
    println!(
        "{} kills, {} of them during a capture; {} incidents, {} cut off; {} samples; {} services ended by the kernel and \
         started anew; {} problems",
        tally.kills,
        tally.captures,
        tally.incidents,
        tally.cut,
        tally.samples,
        tally.restarts,
        tally.problems.len()
    );
    if tally.problems.is_empty() { Ok(()) } else { Err(format!("{} problems", tally.problems.len()).into()) }
}

/// Starts a watch, kills it, looks.
fn one(
    args: &Args,
    oomph: &Path,
    dir: &Path,
    services: &mut [Service],
    random: &mut Random,
    tally: &mut Tally,
) -> Result<Vec<String>> {
    let started = millis(SystemTime::now());
    let targets: Vec<String> = services.iter().map(|s| s.growing.pid().to_string()).collect();
    let mut watch = Watch::start(oomph, dir, Some(&dir.join("crash.toml")), &targets)?;
    let begin = Instant::now();
    // Half of them are killed in their first capture, half live for a while and sample.
    if random.share() < 0.5 {
        pause(LIVES.mul_f64(random.share()));
    }
    let longest = begin.elapsed() + WAITS.mul_f64(0.25 + 0.75 * random.share());
    while begin.elapsed() < longest && !captures(watch.child.id()) {
        if let Some(status) = watch.child.try_wait()? {
            return Ok(vec![format!("the watch ended by itself: {status}")]);
        }
        pause(Duration::from_millis(3));
    }
    pause(Duration::from_micros((random.share() * WITHIN_MICROS as f64) as u64));
    let capturing = captures(watch.child.id());
    let killed = millis(SystemTime::now());
    watch.child.kill()?;
    watch.child.wait()?;
    tally.kills += 1;
    tally.captures += u32::from(capturing);
    let mut problems = Vec::new();
    incidents(oomph, &watch.state, tally, &mut problems);
    let mut dead = Vec::new();
    for service in services.iter() {
        if service.growing.cgroup().oom_kills()? > 0 {
            dead.push(format!("-{}", service.growing.pid()));
        }
    }
    series(args, oomph, &watch.state, (started, killed), &dead, tally, &mut problems)?;
    processes(oomph, services, &mut problems)?;
    for service in services {
        problems.extend(service.harmed()?);
    }
    Ok(problems)
}

/// Whether a process of the watch's works on a capture.
fn captures(watch: u32) -> bool {
    let tasks = fs::read_dir(format!("/proc/{watch}/task")).into_iter().flatten().flatten();
    let children = tasks.map(|t| fs::read_to_string(t.path().join("children")).unwrap_or_default());
    children.into_iter().any(|c| !c.trim().is_empty())
}

fn incidents(oomph: &Path, state: &Path, tally: &mut Tally, problems: &mut Vec<String>) {
    tally.incidents = 0;
    tally.cut = 0;
    for entry in fs::read_dir(state.join("incidents")).into_iter().flatten().flatten() {
        let path = entry.path();
        if !path.is_dir() || entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        tally.incidents += 1;
        let verified = Command::new(oomph).args(["bundle", "verify"]).arg(&path).output();
        match verified {
            Ok(out) if out.status.success() => {
                tally.cut += u32::from(Bundle::open(&path).is_ok_and(|b| b.manifest().finished.is_none()));
            }
            Ok(out) if tally.damaged.insert(path.clone()) => {
                let said = [out.stdout, out.stderr].concat();
                problems.push(format!("{}: {}", path.display(), String::from_utf8_lossy(&said).trim()));
            }
            Ok(_) => {}
            Err(e) => problems.push(format!("oomph bundle verify: {e}")),
        }
    }
}

/// The samples of each target between the start of the watch and its kill: none may be missing but those of the last
/// interval. `within`: Unix milliseconds. `dead`: endings of the names of those that the kernel killed meanwhile, of
/// which there are no samples up to the end.
fn series(
    args: &Args,
    oomph: &Path,
    state: &Path,
    within: (i64, i64),
    dead: &[String],
    tally: &mut Tally,
    problems: &mut Vec<String>,
) -> Result<()> {
    let out = Command::new(oomph).args(["watch", "--dump-series"]).arg(state).output()?;
    if !out.status.success() {
        problems.push(format!("the series cannot be read: {}", String::from_utf8_lossy(&out.stderr).trim()));
        return Ok(());
    }
    let mut by_target: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    tally.samples = 0;
    for line in String::from_utf8_lossy(&out.stdout).lines() {
        let Ok(sample) = serde_json::from_str::<serde_json::Value>(line) else {
            problems.push(format!("the series has a line that is no JSON: {line:.80}"));
            continue;
        };
        tally.samples += 1;
        let target = sample.get("target").and_then(|t| t.as_str()).unwrap_or_default().to_owned();
        by_target.entry(target).or_default().extend(sample.get("at").and_then(serde_json::Value::as_i64));
    }
    let longest = args.interval_ms + args.slack_ms;
    for (target, times) in &by_target {
        // Watched targets only: others have ended before.
        if !times.iter().any(|at| *at >= within.0) {
            continue;
        }
        let mut last = within.0;
        let lived = !dead.iter().any(|d| target.ends_with(d.as_str()));
        for at in times.iter().copied().filter(|at| *at >= within.0).chain(lived.then_some(within.1)) {
            if at - last > longest {
                problems.push(format!(
                    "{target}: no sample for {} ms, {} ms before the kill",
                    at - last,
                    within.1 - at
                ));
            }
            last = at;
        }
    }
    let begun = by_target.values().filter(|times| times.iter().any(|at| *at >= within.0)).count();
    if within.1 - within.0 > longest && begun < WATCHED.len() {
        problems.push(format!("samples of {begun} targets only, {} ms after the start", within.1 - within.0));
    }
    Ok(())
}

/// Processes left over: the watch's own executable, and copies of the services.
pub(crate) fn processes(oomph: &Path, services: &[Service], problems: &mut Vec<String>) -> Result<()> {
    let begin = Instant::now();
    loop {
        let mut left = Vec::new();
        for entry in fs::read_dir("/proc")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
            let Ok(exe) = fs::read_link(entry.path().join("exe")) else { continue };
            let service = services.iter().find(|s| s.work.binary == exe);
            if exe == oomph || service.is_some_and(|s| s.growing.pid() != pid) {
                left.push(format!("{} ({})", pid, exe.display()));
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        if begin.elapsed() > GONE_WITHIN {
            problems.push(format!("processes left over: {}", left.join(", ")));
            return Ok(());
        }
        pause(Duration::from_millis(20));
    }
}

/// A service that is watched.
pub(crate) struct Service {
    work: specimens::Work,
    growing: Growing,
    /// What it was asked last: its uptime, in seconds.
    uptime: f64,
}

impl Service {
    fn start(work: specimens::Work) -> Result<Self> {
        Ok(Self { growing: course::start(&work, 256 << 20, 36_000)?, work, uptime: 0.0 })
    }

    /// Starts it anew where the kernel has killed it for want of memory, which is its course; says whether it had to.
    fn revive(&mut self) -> Result<bool> {
        if self.growing.cgroup().oom_kills()? == 0 {
            return Ok(false);
        }
        *self = Self::start(self.work.clone())?;
        Ok(true)
    }

    /// What was done to it: it does not answer, was started anew, or a thread of it is stopped or traced.
    fn harmed(&mut self) -> Result<Vec<String>> {
        let (name, pid) = (self.growing.name().to_owned(), self.growing.pid());
        let mut out = Vec::new();
        let truth = self.growing.truth();
        if self.growing.cgroup().oom_kills()? > 0 {
            return Ok(out);
        }
        match truth {
            Ok(t) if t.pid != pid || t.uptime_seconds < self.uptime => out.push(format!("{name} was started anew")),
            Ok(t) => self.uptime = t.uptime_seconds,
            Err(e) => out.push(format!("{name} does not answer: {e}")),
        }
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            let stopped = |l: &str| l.starts_with("State:\tt") || l.starts_with("State:\tT");
            let traced = |l: &str| l.strip_prefix("TracerPid:").is_some_and(|p| p.trim() != "0");
            out.extend(status.lines().filter(|l| stopped(l) || traced(l)).map(|l| format!("{name}: a thread has {l}")));
        }
        Ok(out)
    }
}

/// Numbers that look random (xorshift).
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}
