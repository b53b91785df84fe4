//! A specimen of growth that runs in its control group: its lines of truth, its end, and whether the kernel ended it
//! for want of memory. Refuses to judge whether that was planned.

use crate::process::Process;
use crate::{Client, LabError, MemoryCgroup, Running, Truth, TruthLine};
use std::process::{Command, ExitStatus};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant, SystemTime};

/// How often the count of kills is read: a kill is known to this, where the end of its stdout takes until its memory
/// is gone.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A specimen inside a control group. Both end when this value is dropped.
#[derive(Debug)]
pub struct Growing {
    running: Running,
    /// After `running`, so that it is dropped when nothing lives in it.
    cgroup: MemoryCgroup,
    /// When the control group's count of kills was first seen to be above zero.
    killed: Option<SystemTime>,
}

/// What came next of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// A second of truth.
    Line(TruthLine),
    /// Nothing within the time.
    Nothing,
    /// It has ended.
    Ended(End),
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// When the control group counted the kill, to 20 ms as long as [`Growing::next`] is called; else when it closed
    /// its stdout, which a killed process does when its memory is gone, up to 100 ms later.
    pub at: SystemTime,
    /// Its exit status.
    pub status: ExitStatus,
    /// It was killed and the control group counts a kill for want of memory.
    pub oom_killed: bool,
}

impl Growing {
    pub(crate) fn start(name: &str, command: Command, cgroup: MemoryCgroup) -> Result<Self, LabError> {
        let running = Running::listening(name, Process::spawn(name, command)?)?;
        Ok(Self { running, cgroup, killed: None })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.running.name()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Where it listens: pprof at `/debug/pprof/`, expvar at `/debug/vars`.
    #[must_use]
    pub fn url(&self) -> &str {
        self.running.url()
    }

    /// To ask its server, also by another thread.
    #[must_use]
    pub fn client(&self) -> Client {
        self.running.client().clone()
    }

    /// Its control group.
    #[must_use]
    pub const fn cgroup(&self) -> &MemoryCgroup {
        &self.cgroup
    }

    /// The end of what it wrote to stderr.
    #[must_use]
    pub fn stderr_end(&self) -> String {
        self.running.stderr_end()
    }

    /// Asks what it holds now.
    ///
    /// # Errors
    /// When it does not answer, or with something else.
    pub fn truth(&self) -> Result<Truth, LabError> {
        self.running.truth()
    }

    /// What it says next, within a time; lines that are no truth are passed over.
    ///
    /// # Errors
    /// When the system refuses to say how it ended.
    pub fn next(&mut self, within: Duration) -> Result<Told, LabError> {
        let begin = Instant::now();
        loop {
            let left = within.saturating_sub(begin.elapsed());
            let said = self.running.process().next_line(left.min(LOOK_EVERY));
            if self.killed.is_none() && self.cgroup.oom_kills()? > 0 {
                self.killed = Some(SystemTime::now());
            }
            match said {
                Ok(Some(line)) => {
                    if let Ok(line) = serde_json::from_str(&line) {
                        return Ok(Told::Line(line));
                    }
                }
                Ok(None) => return self.end().map(Told::Ended),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) if left.is_zero() => {
                    return Ok(Told::Nothing);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }

    fn end(&mut self) -> Result<End, LabError> {
        let waiting = LabError::io(format!("waiting for the end of {}", self.running.name()));
        let (status, closed) = self.running.process().ended().map_err(waiting)?;
        let oom_killed = killed(status) && self.cgroup.oom_kills()? > 0;
        let at = self.killed.filter(|_| oom_killed).map_or(closed, |at| at.min(closed));
        Ok(End { at, status, oom_killed })
    }

    /// Ends it: closes its stdin, waits, and kills it if it does not end by itself within 5 s.
    ///
    /// # Errors
    /// When the system refuses to wait for it.
    pub fn stop(self) -> Result<ExitStatus, LabError> {
        let Self { running, cgroup, killed: _ } = self;
        let status = running.stop();
        drop(cgroup);
        status
    }
}

fn killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    status.signal() == Some(9)
}
