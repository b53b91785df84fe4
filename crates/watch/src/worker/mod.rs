//! One target, one thread: sample, judge, tell, ask for evidence. Nothing here waits for a disk, a web server or
//! another target.

mod end;
mod events;
mod evidence;
mod gctrace;
mod judge;
pub(crate) mod oom;
mod runtime;
mod tell;
mod web;

use crate::capture::{Captures, IncidentHandle, earlier, file_name};
use crate::config::TargetConfig;
use crate::keeper::Keeper;
use crate::ring::{Ring, RingThread};
use crate::series::{Record, SeriesHead, read_series};
use crate::shared::{Settings, Shared, count, lock};
use bundle::sampling::{ProcessSampler, RuntimeSampler, SourceError};
use bundle::{Address, TargetRecord};
use events::KernelEvents;
use gctrace::GcTraceThread;
use judge::Judge;
use model::{SourceStatus, TargetState, WatchLevel};
use rustix::time::{ClockId, clock_gettime};
use signals::{Column, Sample};
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use web::WebThread;

/// What is watched.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// Unique name.
    pub name: String,
    pub pid: Option<u32>,
    pub url: Option<Address>,
    pub config: TargetConfig,
    pub key: u64,
}

/// What a worker works with.
#[derive(Clone)]
pub(crate) struct Tools {
    pub shared: Arc<Shared>,
    pub keeper: Keeper,
    pub rings: RingThread,
    pub captures: Arc<Captures>,
}

/// A running worker.
pub(crate) struct Worker {
    pub subject: Subject,
    stop: Arc<AtomicBool>,
    wake: Option<Arc<OwnedFd>>,
    pub done: Arc<AtomicBool>,
}

impl Worker {
    pub(crate) fn start(subject: Subject, tools: Tools) -> std::io::Result<Self> {
        let (stop, done): (Arc<AtomicBool>, Arc<AtomicBool>) = Default::default();
        let wake = events::wake();
        let own_wake = wake.clone();
        let (own_stop, own_done, own_subject) = (Arc::clone(&stop), Arc::clone(&done), subject.clone());
        std::thread::Builder::new().name("target".into()).stack_size(512 << 10).spawn(move || {
            Target::run(own_subject, tools, &own_stop, own_wake);
            own_done.store(true, Ordering::Relaxed);
        })?;
        Ok(Self { subject, stop, wake, done })
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(wake) = &self.wake {
            events::ring(wake);
        }
    }
}

/// Milliseconds of the clock of [`monotonic_s`].
pub(crate) fn monotonic_ms() -> i64 {
    (monotonic_s() * 1000.0) as i64
}

/// Seconds of the host's monotonic clock: of one boot, also across restarts of the watcher.
pub(crate) fn monotonic_s() -> f64 {
    let t = clock_gettime(ClockId::Monotonic);
    t.tv_sec as f64 + t.tv_nsec as f64 / 1e9
}

struct Target {
    subject: Subject,
    tools: Tools,
    process: Option<ProcessSampler>,
    runtime: Option<RuntimeSampler>,
    runtime_error: String,
    look_at: Instant,
    looked: u32,
    web: Option<WebThread>,
    gctrace: Option<GcTraceThread>,
    gctrace_at: Option<Instant>,
    events: KernelEvents,
    judge: Judge,
    ring: Option<Arc<Ring>>,
    ring_at: Option<Instant>,
    incident: Option<IncidentHandle>,
    asked: Option<Instant>,
    /// Rules that were told, with their level.
    told: BTreeMap<String, WatchLevel>,
    refreshed: Option<Instant>,
    oom_kills: Option<f64>,
    grown_for_s: f64,
    /// Charged to the control group beside the process's anonymous memory, bytes.
    beside: Option<f64>,
    record: TargetRecord,
    said: BTreeSet<String>,
    samples: u64,
    failed: u64,
    last: Option<Record>,
    pace: Duration,
    labels: BTreeMap<String, String>,
}

impl Target {
    fn run(subject: Subject, tools: Tools, stop: &AtomicBool, wake: Option<Arc<OwnedFd>>) {
        let shared = Arc::clone(&tools.shared);
        let settings = shared.settings();
        let Some(mut t) = Self::open(subject, tools, &settings, wake) else { return };
        let mut due = Instant::now();
        while !stop.load(Ordering::Relaxed) && !shared.stopped() {
            let settings = shared.settings();
            let late = Instant::now().saturating_duration_since(due);
            let Some(pace) = t.tick(&settings) else {
                t.end();
                return;
            };
            if late > pace / 2 && t.samples > 1 {
                count(&shared.counts.late);
            }
            // Woken before its time, the next sample is a whole pace from now.
            let now = Instant::now();
            due = (due.min(now) + pace).max(now);
            t.wait(due, stop);
        }
        t.leave();
    }

    fn open(subject: Subject, tools: Tools, settings: &Settings, wake: Option<Arc<OwnedFd>>) -> Option<Self> {
        let shared = &tools.shared;
        let process = match subject.pid.map(ProcessSampler::open) {
            Some(Ok(p)) => Some(p),
            Some(Err(e)) => {
                let text = e.to_string();
                shared.view(&subject.name, |v| {
                    v.status.state = TargetState::Unreachable;
                    v.status.sources = vec![SourceStatus { name: "proc".into(), ok: false, detail: text }];
                    v.ended = Some(Instant::now());
                });
                return None;
            }
            None => None,
        };
        let (group, version) = match process.as_ref().map(ProcessSampler::group) {
            Some(Ok((dir, version))) => (Some(dir), Some(version)),
            _ => (None, None),
        };
        let record = target_record(&subject, process.as_ref());
        let labels = tell::labels(&subject, &record);
        let ring =
            process.as_ref().filter(|_| settings.file.watch.memory && settings.file.watch.ring.enabled).map(|p| {
                let dir =
                    shared.state_dir.join("ring").join(format!("{}-{}", file_name(&subject.name), p.process().pid()));
                Arc::new(Ring::new(p.process().clone(), dir))
            });
        let mut t = Self {
            events: KernelEvents::open(group.as_deref(), version, wake),
            judge: Judge::new(settings),
            runtime: None,
            runtime_error: String::new(),
            look_at: Instant::now(),
            looked: 0,
            web: None,
            gctrace: None,
            gctrace_at: None,
            ring,
            ring_at: None,
            incident: None,
            asked: None,
            told: BTreeMap::new(),
            refreshed: None,
            oom_kills: None,
            grown_for_s: 0.0,
            beside: None,
            record,
            said: BTreeSet::new(),
            samples: 0,
            failed: 0,
            last: None,
            pace: settings.file.watch.interval.0,
            labels,
            process,
            subject,
            tools,
        };
        t.remember(settings);
        Some(t)
    }

    /// What an earlier run of the watcher knew of this process, and where its samples go on.
    fn remember(&mut self, settings: &Settings) {
        let shared = &self.tools.shared;
        let dir = shared.state_dir.join("series").join(file_name(&self.subject.name));
        let process = self.process.as_ref().map(ProcessSampler::process);
        let (pid, start_ticks) = (process.map(target::Process::pid), process.map(target::Process::start_ticks));
        if let Ok(series) = read_series(&dir)
            && let Some((head, records)) = series.processes.last()
            && (head.pid, head.start_ticks) == (pid, start_ticks)
        {
            let now = monotonic_s();
            for r in records.iter().filter(|r| r.sample.at_s < now).skip(records.len().saturating_sub(2000)) {
                self.judge.learn(&r.sample);
            }
        }
        let head = SeriesHead {
            schema: "oomph.series/1".into(),
            target: self.subject.name.clone(),
            pid,
            start_ticks,
            columns: Column::ALL.iter().map(|c| c.name().to_owned()).collect(),
        };
        self.tools.keeper.open(self.subject.key, dir, settings.file.watch.series_max_bytes, head);
        let incidents = earlier(self.tools.captures.dir(), &self.subject.name);
        let record = &self.record;
        shared.view(&self.subject.name, |v| {
            v.ended = None;
            v.status.pid = pid;
            v.status.program.clone_from(&record.program);
            v.status.go_version.clone_from(&record.go_version);
            v.status.url = self.subject.url.as_ref().map(ToString::to_string);
            v.status.state = TargetState::Waiting;
            v.status.incidents = incidents;
            v.recent.clear();
        });
    }

    /// One sample. `None` when the process has ended.
    fn tick(&mut self, settings: &Settings) -> Option<Duration> {
        let shared = Arc::clone(&self.tools.shared);
        let at = bundle::now();
        let mut s = Sample::new(monotonic_s());
        let mut sources = Vec::new();
        let urgent = self.pace <= settings.file.watch.interval_urgent.0;
        if let Some(p) = &mut self.process {
            match p.sample(&mut s, urgent) {
                Ok(()) => sources.push(SourceStatus { name: "proc".into(), ok: true, detail: String::new() }),
                Err(SourceError::Gone) => return None,
                Err(e) => sources.push(SourceStatus { name: "proc".into(), ok: false, detail: e.to_string() }),
            }
            let group = p.group().err().map(str::to_owned);
            sources.push(SourceStatus {
                name: "cgroup".into(),
                ok: group.is_none(),
                detail: group.unwrap_or_default(),
            });
        }
        self.without_copy(&mut s);
        if !self.of_runtime(&mut s, settings, urgent, &mut sources) && self.process.is_none() {
            self.failed += 1;
        }
        if let Some(ring) = &self.ring {
            s.put(Column::MapShare, *lock(&ring.map_share));
        }
        let j = self.judge.push(&s, at, settings);
        let record = Record { at, sample: s, forecast: j.reading.time_to_limit, level: j.level, shape: j.shape };
        self.samples += 1;
        self.grown_for_s = j.reading.grown_for_s;
        self.last = Some(record);
        self.oom_kills = s.get(Column::OomKills).or(self.oom_kills);
        self.tools.keeper.sample(self.subject.key, &record);
        count(&shared.counts.samples);
        shared.last_tick.store(monotonic_ms().unsigned_abs(), Ordering::Relaxed);
        self.rings(&j, settings);
        self.capture(&j, &s, settings);
        self.show(&record, &j, sources);
        self.tell(&j, &s);
        self.pace_web(&j, settings);
        self.pace = j.pace;
        Some(j.pace)
    }

    /// The watcher ends; the process lives on.
    fn leave(&mut self) {
        self.incident = None;
        self.tools.keeper.close(self.subject.key);
    }

    fn wait(&self, until: Instant, stop: &AtomicBool) {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || stop.load(Ordering::Relaxed) || self.tools.shared.stopped() {
                return;
            }
            // Told by the kernel: a sample at once.
            if self.events.wait(left) {
                return;
            }
        }
    }
}

fn target_record(subject: &Subject, process: Option<&ProcessSampler>) -> TargetRecord {
    let mut record = TargetRecord {
        name: subject.name.clone(),
        kind: if subject.pid.is_some() { "pid".into() } else { "url".into() },
        url: subject.url.as_ref().map(ToString::to_string),
        pid: subject.pid,
        ..TargetRecord::default()
    };
    if let Some(p) = process.map(ProcessSampler::process) {
        record.start_ticks = Some(p.start_ticks());
        record.started = p.started_at();
        record.exe = p.exe_path().ok();
        record.program = record.exe.as_deref().map(|e| procfs::path_without_deleted(e).to_owned());
    }
    record
}

/// Ended targets are shown for a while.
pub(crate) fn forget_ended(shared: &Shared, keep: Duration) {
    lock(&shared.views).retain(|_, v| v.ended.is_none_or(|t| t.elapsed() < keep));
}
