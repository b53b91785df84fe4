//! One run: a specimen in its control group, and beside it a watch of its own as a user starts it, until the kill or
//! for the planned time. Owns starting and ending both; refuses to judge.

use crate::Result;
use crate::growth::course::{self, Course, millis};
use crate::specimens::Work;
use crate::watch_matrix::left::{self, Left};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant, SystemTime};

/// A watch has so long to close the incident after the kill, and then to end when it is asked to.
const CLOSES_WITHIN: Duration = Duration::from_secs(20);
const ENDS_WITHIN: Duration = Duration::from_secs(15);

/// What a run gave.
pub(crate) struct Run {
    pub(crate) course: Course,
    pub(crate) left: Left,
    /// What the watch itself took: seconds of a processor, and resident bytes at most.
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_rss: u64,
    pub(crate) seconds: f64,
}

/// Makes a run in a directory of its own, which is emptied first.
pub(crate) fn run(oomph: &Path, work: &Work, limit: u64, seconds: u32, dir: &Path) -> Result<Run> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    fs::create_dir_all(dir)?;
    let mut specimen = course::start(work, limit, seconds)?;
    let mut watch = Watch::start(oomph, dir, None, &[specimen.pid().to_string()])?;
    let begin = Instant::now();
    let mut ended_early = None;
    let course = course::follow(&mut specimen, seconds, |_, _| {
        if ended_early.is_none() {
            ended_early = watch.child.try_wait()?.map(|status| status.to_string());
        }
        Ok(())
    })?;
    let lines = course.lines.iter().map(serde_json::to_string).collect::<std::result::Result<Vec<_>, _>>()?;
    fs::write(dir.join("truth.jsonl"), lines.join("\n") + "\n")?;
    if course.killed().is_some() {
        watch.wait_for_closed_incident()?;
    }
    let seconds = begin.elapsed().as_secs_f64();
    let (cpu_seconds, peak_rss) = watch.cost();
    let state = watch.state.clone();
    let stopped = watch.stop()?;
    drop(specimen);
    let mut left = Left::read(oomph, &state, &dir.join("watch.stderr"), &dir.join("series.jsonl"))?;
    left.problems.extend(ended_early.map(|status| format!("the watch ended by itself: {status}")));
    left.problems.extend(stopped);
    Ok(Run { course, left, cpu_seconds, peak_rss, seconds })
}

/// A watch that runs. It is killed when this value is dropped.
pub(crate) struct Watch {
    pub(crate) child: Child,
    pub(crate) state: PathBuf,
}

impl Watch {
    /// Starts one with a configuration, or its defaults, its state in `dir/state` and its output in `dir/watch.stdout` and `.stderr`,
    /// to which it adds; lines of the latter begin with the time of their arrival in Unix milliseconds.
    pub(crate) fn start(oomph: &Path, dir: &Path, config: Option<&Path>, targets: &[String]) -> Result<Self> {
        Self::start_with(Command::new(oomph), dir, config, targets)
    }

    /// The same by a command, whose environment may be set.
    pub(crate) fn start_with(
        mut command: Command,
        dir: &Path,
        config: Option<&Path>,
        targets: &[String],
    ) -> Result<Self> {
        let (defaults, state) = (dir.join("oomph.toml"), dir.join("state"));
        fs::write(&defaults, "")?;
        let output = |name: &str| File::options().create(true).append(true).open(dir.join(name));
        command
            .arg("watch")
            .arg("--config")
            .arg(config.unwrap_or(&defaults))
            .arg("--state-dir")
            .arg(&state)
            .args(targets);
        command.stdin(Stdio::null()).stdout(output("watch.stdout")?).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (stderr, mut log) = (child.stderr.take().ok_or("no stderr")?, output("watch.stderr")?);
        // As whoever collects logs does: each line with the time of its arrival.
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(std::result::Result::ok) {
                let _ = writeln!(log, "{} {line}", millis(SystemTime::now()));
            }
        });
        Ok(Self { child, state })
    }

    /// Waits until an incident says that the target was killed, or there is no more to be expected.
    fn wait_for_closed_incident(&mut self) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < CLOSES_WITHIN && self.child.try_wait()?.is_none() {
            for incident in left::incident_directories(&self.state)? {
                let text = fs::read_to_string(incident.join("incident.json")).unwrap_or_default();
                let told: left::Told = serde_json::from_str(&text).unwrap_or_default();
                if told.oom_killed {
                    return Ok(());
                }
            }
            pause(Duration::from_millis(200));
        }
        Ok(())
    }

    /// Seconds of processor time so far, and the most resident bytes; zero where it has ended.
    pub(crate) fn cost(&self) -> (f64, u64) {
        let read = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", self.child.id())).unwrap_or_default();
        let stat = read("stat");
        // Fields 14 and 15, after the name in parentheses: ticks of a hundredth of a second.
        let after = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let ticks: u64 = after.split(' ').skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
        let status = read("status");
        let peak =
            status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        (ticks as f64 / 100.0, peak.unwrap_or_default() << 10)
    }

    /// Asks it to end, as a service manager does; says what was wrong with that.
    pub(crate) fn stop(mut self) -> Result<Option<String>> {
        if self.child.try_wait()?.is_some() {
            return Ok(None);
        }
        crate::tools::run(Command::new("kill").arg(self.child.id().to_string()))?;
        let begin = Instant::now();
        while begin.elapsed() < ENDS_WITHIN {
            if let Some(status) = self.child.try_wait()? {
                return Ok((!status.success()).then(|| format!("the watch ended with {status}")));
            }
            pause(Duration::from_millis(50));
        }
        Ok(Some(format!("the watch did not end within {} s", ENDS_WITHIN.as_secs())))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A pace for asking; nothing depends on it.
pub(crate) fn pause(time: Duration) {
    let (_keep, never) = sync_channel::<()>(0);
    let _ = never.recv_timeout(time);
}
