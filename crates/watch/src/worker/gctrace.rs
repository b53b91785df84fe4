//! Following a log with gctrace lines, on a thread of its own: a disk that hangs holds up no sample, and a pipe is
//! emptied when something is in it, not when a sample is due.

use super::Target;
use crate::shared::{Settings, lock};
use bundle::sampling::{GcTraceSampler, ProcessSampler};
use model::SourceStatus;
use signals::{Column, Sample};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Time between two looks at a file.
const PACE: Duration = Duration::from_secs(1);
/// Shortest time between two looks at a pipe: its writer may write each word by itself.
const PIPE_PACE: Duration = Duration::from_millis(10);
/// A process's environment and standard error are looked at this often.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// What came last.
#[derive(Debug, Default)]
struct Latest {
    sample: Option<Sample>,
    /// The longest stop since a sample took it, seconds.
    longest_pause: Option<f64>,
    /// Why the log is not read, or what is odd about it.
    detail: String,
    failed: bool,
}

/// Follows a log until dropped.
#[derive(Debug)]
pub(super) struct GcTraceThread {
    latest: Arc<Mutex<Latest>>,
    stop: Arc<AtomicBool>,
    /// Found by itself, not named by the configuration.
    found: bool,
}

impl GcTraceThread {
    fn start(mut log: GcTraceSampler, found: bool) -> Self {
        let out = Self { latest: Arc::default(), stop: Arc::default(), found };
        let (latest, stop) = (Arc::clone(&out.latest), Arc::clone(&out.stop));
        let _ = std::thread::Builder::new().name("gctrace".into()).stack_size(256 << 10).spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let read = log.read();
                let mut s = Sample::new(0.0);
                let told = log.fill(&mut s);
                let pipe = log.is_pipe() && read.is_ok();
                lock(&latest).take(s, told, read);
                if pipe {
                    std::thread::park_timeout(PIPE_PACE);
                    log.wait(PACE / 2);
                } else {
                    std::thread::park_timeout(PACE);
                }
            }
        });
        out
    }

    /// Whether a line was read.
    pub(super) fn tells(&self) -> bool {
        lock(&self.latest).sample.is_some()
    }

    /// Adds what nothing else has told to a sample; how the log is.
    fn fill(&self, s: &mut Sample) -> SourceStatus {
        let mut l = lock(&self.latest);
        let status = |ok, detail: &str| SourceStatus { name: "gctrace".into(), ok, detail: detail.to_owned() };
        let Some(mut lines) = l.sample else {
            return status(false, if l.detail.is_empty() { "no line yet" } else { &l.detail });
        };
        lines.set(Column::GcPauseMax, l.longest_pause.replace(0.0).unwrap_or(f64::NAN));
        s.fill_missing(&lines);
        status(!l.failed, &l.detail)
    }
}

impl Latest {
    fn take(&mut self, s: Sample, told: bool, read: Result<&'static str, String>) {
        if told {
            if let Some(pause) = s.get(Column::GcPauseMax) {
                self.longest_pause = Some(self.longest_pause.unwrap_or(0.0).max(pause));
            }
            self.sample = Some(s);
        }
        self.failed = read.is_err();
        self.detail = read.map_or_else(|e| e, str::to_owned);
    }
}

impl Drop for GcTraceThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Target {
    /// What the collector's own lines tell and nothing else has told: of a log that the configuration names, else of
    /// the file that the process prints them to, where its memory is not read. Whether there was a line.
    pub(super) fn of_gctrace(
        &mut self,
        s: &mut Sample,
        settings: &Settings,
        by_memory: bool,
        sources: &mut Vec<SourceStatus>,
    ) -> bool {
        let process = self.process.as_ref().map(ProcessSampler::process);
        if self.gctrace.is_none() {
            if let Some(path) = &self.subject.config.gctrace {
                self.gctrace = Some(GcTraceThread::start(GcTraceSampler::new(path, process), false));
            } else if (self.looked > 2 || !settings.file.watch.memory)
                && !by_memory
                && self.gctrace_at.is_none_or(|t| t.elapsed() >= LOOK_AGAIN)
            {
                self.gctrace_at = Some(Instant::now());
                let log = process.and_then(GcTraceSampler::of_process);
                self.gctrace = log.map(|log| GcTraceThread::start(log, true));
            }
        }
        // Where memory is read the lines tell nothing more.
        if by_memory && self.gctrace.as_ref().is_some_and(|g| g.found) {
            self.gctrace = None;
        }
        let Some(g) = &self.gctrace else { return false };
        let status = g.fill(s);
        sources.push(status);
        g.tells()
    }
}
