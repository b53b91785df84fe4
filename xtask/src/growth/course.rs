//! The course of a specimen of growth in its control group: its lines of truth, what the kernel charges, its end.
//! Owns driving it until then; refuses to judge.

use crate::Result;
use crate::specimens::Work;
use lab::{End, Growing, Growth, GrowthPhase, MemoryCgroup, Told, TruthLine};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often the control group is read.
pub(crate) const PACE: Duration = Duration::from_millis(500);

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Course {
    /// When it listened, Unix milliseconds.
    pub(crate) started: i64,
    pub(crate) lines: Vec<TruthLine>,
    /// The most anonymous memory that was charged, bytes.
    pub(crate) peak: u64,
    /// The most anonymous memory that was charged beside the process's own, bytes: copies of it that others made.
    pub(crate) beside: u64,
    /// The most that was charged, page cache included, bytes.
    pub(crate) peak_usage: u64,
    pub(crate) end: Option<End>,
}

impl Course {
    /// When growth began, Unix milliseconds: with its first line in which it grows, or with itself.
    pub(crate) fn onset(&self) -> i64 {
        match self.lines.iter().position(|l| l.phase == GrowthPhase::Growing) {
            Some(i) if i > 0 => self.lines[i].at_ms,
            _ => self.started,
        }
    }

    /// When the kernel killed it for want of memory, Unix milliseconds.
    pub(crate) fn killed(&self) -> Option<i64> {
        self.end.as_ref().filter(|e| e.oom_killed).map(|e| millis(e.at))
    }

    /// From the onset to the kill, seconds.
    pub(crate) fn seconds_to_limit(&self) -> Option<f64> {
        self.killed().map(|at| (at - self.onset()) as f64 / 1000.0)
    }

    /// What is not as `truth.json` plans it.
    pub(crate) fn problems(&self, plan: &Growth, limit: u64) -> Vec<String> {
        let share = self.peak as f64 / limit as f64;
        match (plan.seconds_to_limit, self.seconds_to_limit()) {
            (Some((low, high)), Some(s)) if s < f64::from(low) || s > f64::from(high) => {
                vec![format!("killed after {s:.1} s instead of {low} to {high}")]
            }
            (Some(_), Some(_)) => vec![],
            (Some(_), None) => vec![format!("not killed: {}", self.ended())],
            (None, _) if self.end.is_some() => vec![format!("did not live: {}", self.ended())],
            (None, _) if share > 0.85 => vec![format!("healthy, but takes {:.0} % of its limit", share * 100.0)],
            (None, _) => vec![],
        }
    }

    fn ended(&self) -> String {
        self.end.as_ref().map_or_else(|| "it lived to the end".to_owned(), |e| format!("it ended, {}", e.status))
    }
}

/// Unix milliseconds.
pub(crate) fn millis(at: SystemTime) -> i64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

/// Starts a specimen with the run's number as its seed, in a control group with a limit in bytes.
pub(crate) fn start(work: &Work, limit: u64, seconds: u32) -> Result<Growing> {
    let cgroup = MemoryCgroup::create(work.specimen.name(), limit)?;
    let (seed, longest) = (work.run.to_string(), (seconds + 60).to_string());
    Ok(work.specimen.start_in(cgroup, &work.binary, &["-seed", &seed, "-max-seconds", &longest])?)
}

/// The plan of a specimen of growth.
pub(crate) fn plan(work: &Work) -> Result<&Growth> {
    Ok(work.specimen.truth().growth.as_ref().ok_or("not a specimen of growth")?)
}

/// Follows it until it ends or so many seconds have passed; `sample` is called at each [`PACE`] with the last line.
pub(crate) fn follow(
    growing: &mut Growing,
    seconds: u32,
    mut sample: impl FnMut(&Growing, Option<&TruthLine>) -> Result<()>,
) -> Result<Course> {
    let mut course = Course { started: millis(SystemTime::now()), ..Course::default() };
    let begin = Instant::now();
    let mut next = PACE;
    while begin.elapsed() < Duration::from_secs(seconds.into()) {
        match growing.next(next.saturating_sub(begin.elapsed()))? {
            Told::Line(line) => course.lines.push(line),
            Told::Ended(end) => {
                course.end = Some(end);
                break;
            }
            Told::Nothing => {}
        }
        if begin.elapsed() >= next {
            next = begin.elapsed().max(next + PACE);
            let own = anonymous(growing.pid());
            let charged = growing.cgroup().anonymous()?;
            course.peak = course.peak.max(charged);
            course.beside = course.beside.max(own.map_or(0, |own| charged.saturating_sub(own)));
            course.peak_usage = course.peak_usage.max(growing.cgroup().usage()?);
            sample(growing, course.lines.last())?;
        }
    }
    Ok(course)
}

/// Anonymous memory of a process, bytes.
fn anonymous(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib = status.lines().find_map(|l| l.strip_prefix("RssAnon:"))?.trim().strip_suffix(" kB")?;
    kib.parse::<u64>().ok()?.checked_mul(1024)
}
