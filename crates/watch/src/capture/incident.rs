//! One incident: from the first alarm to the end of the danger, or of the process. A thread of its own, a bundle of
//! its own, one writer at a time.

use super::child::{self, Ended};
use super::disk::Room;
use super::{disk, place};
use crate::ring::{Entry, Ring};
use crate::series::Record;
use crate::shared::{Shared, count, say};
use crate::worker::monotonic_ms;
use bundle::{
    ArtifactKind, ArtifactMeta, BundleError, BundleWriter, Manifest, OptionsRecord, SampleRecord, TargetRecord,
};
use model::{Bytes, IncidentStatus, ProcessEnd, UnixMillis, WatchLevel};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Where bundles begin, below the state directory.
pub(crate) const STAGING: &str = "staging";
/// Moments of the ring that go into a bundle.
const MOST_MOMENTS: usize = 8;
const LEAST_MOMENTS: usize = 2;
/// Evidence is brought up to date at most this often, and this many times.
const AGAIN: Duration = Duration::from_secs(15);
const MOST_AGAIN: u32 = 8;
/// An incident without news for this long is over.
const QUIET: Duration = Duration::from_secs(900);

/// What a capture is asked for.
pub(crate) struct CaptureRequest {
    pub target: String,
    pub record: TargetRecord,
    pub pid: Option<u32>,
    pub url: Option<String>,
    pub ring: Option<Arc<Ring>>,
    /// The executable, held open by the watcher: `/proc/OWN/fd/N`.
    pub executable: Option<PathBuf>,
    pub cause: String,
    pub level: WatchLevel,
    /// Seconds are left.
    pub urgent: bool,
    /// The collector is suspected: a trace tells.
    pub trace: bool,
    /// Whether a copy-on-write snapshot fits under the limit.
    pub snapshot: bool,
    /// For how long memory has grown.
    pub grown_for_s: f64,
    /// Only what is at hand, until a rule asks for more.
    pub light: bool,
    pub samples: Vec<Record>,
    /// How the process ended, where it is dead already.
    pub end: Option<ProcessEnd>,
}

/// What a running incident is told.
pub(crate) enum Order {
    /// Trouble goes on: newer evidence is wanted.
    More { cause: String, level: WatchLevel, urgent: bool, snapshot: bool, samples: Vec<Record> },
    /// The process has ended.
    Died { end: ProcessEnd, samples: Vec<Record> },
    /// The danger is over.
    Over,
}

/// A running incident.
pub(crate) struct IncidentHandle {
    orders: Sender<Order>,
    copying: Arc<AtomicBool>,
}

impl IncidentHandle {
    /// Gives an order; `false` when the incident has ended.
    pub(crate) fn tell(&self, order: Order) -> bool {
        self.orders.send(order).is_ok()
    }

    /// Whether a copy-on-write snapshot of the process may be there.
    pub(crate) fn copying(&self) -> bool {
        self.copying.load(Ordering::Relaxed)
    }
}

/// `incident.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct IncidentFile {
    schema: String,
    id: String,
    target: String,
    cause: String,
    level: WatchLevel,
    at: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<UnixMillis>,
    oom_killed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    killed_at: Option<UnixMillis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    culprit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
    finished: bool,
}

impl IncidentFile {
    /// The process has ended.
    fn ended(&mut self, end: &ProcessEnd) {
        self.oom_killed = end.oom_killed;
        self.killed_at = end.oom_killed.then_some(end.at);
    }

    /// As views show the incident in `dir`.
    fn status(&self, dir: &Path, finished: bool) -> IncidentStatus {
        IncidentStatus {
            id: self.id.clone(),
            at: self.at,
            bundle: dir.display().to_string(),
            cause: self.cause.clone(),
            level: self.level,
            bytes: Bytes(disk::total(dir)),
            finished,
            culprit: self.culprit.clone(),
            container: self.container.clone(),
            advice: self.advice.clone(),
            summary: self.summary.clone(),
            oom_killed: self.oom_killed,
        }
    }
}

struct Incident {
    shared: Arc<Shared>,
    dir: PathBuf,
    room: Arc<Room>,
    file: IncidentFile,
    /// When it began by the clock that never jumps, milliseconds since boot.
    begun_ms: i64,
    /// The newest moment of the ring that is in the bundle, by that clock.
    last_moment_ms: Option<i64>,
    request: CaptureRequest,
    updates: u32,
    /// More than what was at hand was taken.
    deep: bool,
    copying: Arc<AtomicBool>,
    parallel: usize,
    running: Arc<AtomicUsize>,
}

/// Starts an incident's thread.
pub(super) fn start(
    shared: &Arc<Shared>,
    room: &Arc<Room>,
    request: CaptureRequest,
    (running, parallel): (&Arc<AtomicUsize>, usize),
    failed: impl FnOnce() + Send + 'static,
) -> std::io::Result<IncidentHandle> {
    let (orders, receive) = channel();
    let copying: Arc<AtomicBool> = Arc::default();
    let own = Arc::clone(&copying);
    let at = bundle::now();
    let id = format!("{}-{}", stamp(at), file_name(&request.target));
    let mut incident = Incident {
        shared: Arc::clone(shared),
        dir: room.dir().join(&id),
        room: Arc::clone(room),
        begun_ms: monotonic_ms(),
        last_moment_ms: None,
        file: IncidentFile {
            schema: "oomph.incident/1".into(),
            id,
            target: request.target.clone(),
            cause: request.cause.clone(),
            level: request.level,
            at,
            ..IncidentFile::default()
        },
        request,
        updates: 0,
        deep: false,
        copying,
        parallel,
        running: Arc::clone(running),
    };
    if let Some(end) = &incident.request.end {
        incident.file.ended(end);
    }
    std::thread::Builder::new().name("capture".into()).spawn(move || {
        incident.room.begin(&incident.dir);
        let result = incident.run(&receive);
        incident.room.end(&incident.dir);
        if let Err(e) = result {
            count(&incident.shared.counts.failed_captures);
            failed();
            say(&format!("{}: {e}", incident.dir.display()));
        }
    })?;
    Ok(IncidentHandle { orders, copying: own })
}

/// 20261122T013000.123, which sorts by time.
fn stamp(at: UnixMillis) -> String {
    let time = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    let text = time.strftime("%Y%m%dT%H%M%S").to_string();
    format!("{text}.{:03}", at.0.rem_euclid(1000))
}

/// A target's name as part of a file name.
pub(crate) fn file_name(target: &str) -> String {
    let mut out: String = target
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' })
        .collect();
    out.truncate(80);
    if out.trim_matches('.').is_empty() { "target".into() } else { out }
}

impl Incident {
    fn run(&mut self, orders: &Receiver<Order>) -> Result<(), BundleError> {
        self.begin()?;
        self.write_file();
        if let Some(end) = self.request.end.clone() {
            self.deep = true;
            self.ended(end)?;
            self.dead();
            return self.finish();
        }
        if !self.request.light {
            self.first();
        }
        let mut last = Instant::now();
        loop {
            match orders.recv_timeout(QUIET) {
                Ok(Order::More { cause, level, urgent, snapshot, samples }) => {
                    self.file.level = self.file.level.max(level);
                    let asked = level >= self.shared.settings().file.watch.capture.min_level || cause != "early";
                    if !self.deep && asked {
                        self.file.cause.clone_from(&cause);
                        self.request.trace = cause.starts_with("gc-");
                        (self.request.urgent, self.request.snapshot) = (urgent, snapshot);
                        self.request.cause = cause;
                        self.update(&samples)?;
                        self.first();
                    } else if last.elapsed() < AGAIN || self.updates >= MOST_AGAIN {
                        continue;
                    } else {
                        self.update(&samples)?;
                        if self.deep {
                            self.deepen(urgent, false);
                        }
                    }
                    last = Instant::now();
                }
                Ok(Order::Died { end, samples }) => {
                    self.file.ended(&end);
                    self.deep |= end.oom_killed;
                    self.update(&samples)?;
                    self.ended(end)?;
                    self.dead();
                    break;
                }
                Ok(Order::Over) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
            if self.shared.stopped() {
                break;
            }
        }
        if self.deep || self.shared.stopped() {
            return self.finish();
        }
        self.forget();
        Ok(())
    }

    /// The first time that another process takes what takes time.
    fn first(&mut self) {
        self.deep = true;
        // How goroutines grow shows in two dumps: the first at once.
        if self.request.cause.starts_with("goroutine") && !self.request.urgent {
            self.deepen(true, false);
        }
        self.deepen(self.request.urgent, true);
    }

    /// Nothing came of it: what was put aside is let go.
    fn forget(&self) {
        let id = self.file.id.clone();
        self.shared.view(&self.file.target, |v| v.status.incidents.retain(|i| i.id != id));
        if let Err(e) = fs::remove_dir_all(&self.dir) {
            say(&format!("{}: {e}", self.dir.display()));
        }
    }

    /// All that is at hand, the most telling first.
    fn begin(&mut self) -> Result<(), BundleError> {
        let options = OptionsRecord { duration_ms: 0, samples: 0, gc: "never".into() };
        let manifest = Manifest::new(self.request.record.clone(), options);
        // Under its own name from the moment it is a bundle: a watch killed before leaves none.
        let staging = self.shared.state_dir.join(STAGING).join(&self.file.id);
        let placed = BundleWriter::create(&staging, manifest).and_then(|w| w.finish(false)).and_then(|_| {
            let all = self.room.dir();
            fs::create_dir_all(all).map_err(|e| BundleError::io(all, e))?;
            fs::rename(&staging, &self.dir).map_err(|e| BundleError::io(&self.dir, e))
        });
        if placed.is_err() {
            // Its bytes may be the ones that are missing.
            let _ = fs::remove_dir_all(&staging);
        }
        placed?;
        let mut writer = BundleWriter::resume(&self.dir)?;
        if let Some(ring) = self.request.ring.clone() {
            let settings = self.shared.settings();
            if self.request.end.is_none() {
                ring.take(settings.file.watch.ring.keep);
            }
            self.moments(&mut writer, &ring)?;
        }
        if let Some(pid) = self.request.pid.filter(|_| self.request.end.is_none())
            && let Ok(maps) = fs::read(format!("/proc/{pid}/maps"))
        {
            let meta = ArtifactMeta::new(ArtifactKind::ProcMaps, None, format!("/proc/{pid}/maps"));
            writer.add("watch/maps.txt", &maps, meta)?;
        }
        let samples = std::mem::take(&mut self.request.samples);
        store_samples(&mut writer, &samples, self.updates)?;
        writer.finish(false)?;
        Ok(())
    }

    /// Moments of the ring that are not in the bundle yet.
    fn moments(&mut self, writer: &mut BundleWriter, ring: &Ring) -> Result<(), BundleError> {
        let entries = ring.entries();
        // Samples are in the order of time: what lies between those that are there comes too late. The time of day may be
        // set meanwhile: within a bundle all times go by the clock that never jumps.
        let last = self.last_moment_ms;
        let new: Vec<Entry> = entries.into_iter().filter(|e| last.is_none_or(|l| e.monotonic_ms > l)).collect();
        let mut skip = new.len().saturating_sub(MOST_MOMENTS);
        if last.is_none() {
            // Of the time before the rise one moment is enough: more would make the rise look like a phase.
            let since = monotonic_ms() - (1400.0 * self.request.grown_for_s) as i64 - 3000;
            let before = new.iter().filter(|e| e.monotonic_ms < since).count().saturating_sub(1);
            skip = skip.max(before.min(new.len().saturating_sub(LEAST_MOMENTS)));
        }
        for entry in new.iter().skip(skip) {
            let index = writer.manifest().samples.iter().map(|s| s.index).max().unwrap_or(0) + 1;
            // The ring may have thinned it meanwhile.
            let Ok(profile) = fs::read(entry.stem.with_extension("pb.gz")) else { continue };
            let at = self.at(entry.monotonic_ms);
            self.last_moment_ms = Some(entry.monotonic_ms);
            writer.update(|m| {
                m.samples.push(SampleRecord { index, at, forced_gcs_before: 0 });
            })?;
            let pid = self.request.pid.unwrap_or(0);
            let mut meta = ArtifactMeta::new(ArtifactKind::HeapProfile, Some(index), format!("memory of pid {pid}"));
            meta.taken_at = Some(at);
            meta.notes.clone_from(&entry.notes);
            writer.add(&format!("profiles/heap-{index}.pb.gz"), &profile, meta)?;
            for (ending, kind, path) in [
                ("status", ArtifactKind::ProcStatus, format!("proc/status-{index}.txt")),
                ("stat", ArtifactKind::ProcStat, format!("proc/stat-{index}.txt")),
                ("cgroup", ArtifactKind::CgroupFile, format!("cgroup/memory-{index}.txt")),
            ] {
                if let Ok(bytes) = fs::read(entry.stem.with_extension(ending)) {
                    let mut meta = ArtifactMeta::new(kind, Some(index), format!("/proc/{pid}/{ending}"));
                    meta.taken_at = Some(at);
                    writer.add(&path, &bytes, meta)?;
                }
            }
        }
        Ok(())
    }

    /// The time of day of an instant, as if the clock had not been set since the incident began.
    fn at(&self, monotonic_ms: i64) -> UnixMillis {
        UnixMillis(self.file.at.0.saturating_add(monotonic_ms.saturating_sub(self.begun_ms)))
    }

    /// Newer moments and samples.
    fn update(&mut self, samples: &[Record]) -> Result<(), BundleError> {
        self.updates += 1;
        let mut writer = BundleWriter::resume(&self.dir)?;
        if let Some(ring) = self.request.ring.clone() {
            if self.file.killed_at.is_none() {
                ring.take(self.shared.settings().file.watch.ring.keep);
            }
            self.moments(&mut writer, &ring)?;
        }
        store_samples(&mut writer, samples, self.updates)?;
        writer.finish(false)?;
        Ok(())
    }

    /// The bundle says how the process ended: who reads it later need not ask.
    fn ended(&self, end: ProcessEnd) -> Result<(), BundleError> {
        let mut writer = BundleWriter::resume(&self.dir)?;
        writer.update(|m| m.ended = Some(end))?;
        writer.finish(false)?;
        Ok(())
    }

    /// What takes time, by another process; then the diagnosis.
    fn deepen(&mut self, urgent: bool, first: bool) {
        let shared = Arc::clone(&self.shared);
        place(&self.running, self.parallel, urgent, &|| shared.stopped());
        let settings = self.shared.settings();
        let c = &settings.file.watch.capture;
        let mut args: Vec<OsString> = vec!["watch-capture".into(), "--dir".into(), self.dir.clone().into()];
        if let Some(pid) = self.request.pid {
            args.extend(["--pid".into(), pid.to_string().into()]);
        }
        if let Some(url) = &self.request.url {
            args.extend(["--url".into(), url.into()]);
        }
        let most = self.room.of_one(&self.dir, c.max_bytes, c.max_total_bytes);
        args.extend(["--max-bytes".into(), most.to_string().into()]);
        args.extend(["--at".into(), self.at(monotonic_ms()).0.to_string().into()]);
        if urgent {
            args.push("--urgent".into());
        } else if first {
            if self.request.trace && !c.trace.0.is_zero() {
                args.extend(["--trace".into(), c.trace.to_string().into()]);
            }
            if self.request.snapshot && c.snapshot {
                args.push("--graph".into());
            }
        }
        // Moments from before the child's sample come too late afterwards.
        self.last_moment_ms = self.last_moment_ms.max(Some(monotonic_ms()));
        let copies = args.iter().any(|a| a == "--graph");
        self.copying.store(copies, Ordering::Relaxed);
        self.child(args, c.max_time.0);
        self.copying.store(false, Ordering::Relaxed);
        self.running.fetch_sub(1, Ordering::Relaxed);
        self.diagnose();
        self.write_file();
    }

    /// The process is dead: what its executable still tells, and the verdict over all that was taken before.
    fn dead(&mut self) {
        if let Some(exe) = self.request.executable.clone() {
            let args: Vec<OsString> = vec![
                "watch-capture".into(),
                "--dir".into(),
                self.dir.clone().into(),
                "--executable".into(),
                exe.into(),
            ];
            self.child(args, Duration::from_secs(30));
        }
        self.diagnose();
        self.write_file();
    }

    fn child(&self, mut args: Vec<OsString>, longest: Duration) {
        args.extend(["--parent".into(), std::process::id().to_string().into()]);
        let shared = Arc::clone(&self.shared);
        let problem = match child::run(&self.shared.oomph, &args, longest, &mut || shared.stopped()) {
            Ended::Done(_) => return,
            Ended::Failed(why) => why,
            Ended::Late => format!("ended after {} s", longest.as_secs()),
        };
        count(&self.shared.counts.failed_captures);
        let noted = BundleWriter::resume(&self.dir).and_then(|mut w| {
            w.fail(bundle::Failure {
                source: "watch-capture".into(),
                sample: None,
                reason: problem,
                hides: "part of the evidence".into(),
            })?;
            w.finish(false)
        });
        if let Err(e) = noted {
            say(&format!("{}: {e}", self.dir.display()));
        }
    }

    fn diagnose(&mut self) {
        let settings = self.shared.settings();
        if !settings.file.watch.capture.diagnose {
            return;
        }
        let mut args: Vec<OsString> =
            vec!["watch-capture".into(), "--dir".into(), self.dir.clone().into(), "--diagnose".into()];
        args.extend(["--parent".into(), std::process::id().to_string().into()]);
        let shared = Arc::clone(&self.shared);
        match child::run(&self.shared.oomph, &args, settings.file.watch.capture.max_time.0, &mut || shared.stopped()) {
            Ended::Done(json) => {
                let part = self.dir.join("report.json.part");
                if fs::write(&part, &json).is_ok() {
                    let _ = fs::rename(&part, self.dir.join("report.json"));
                }
                self.conclude(&json);
            }
            Ended::Failed(why) => say(&format!("{}: no diagnosis: {why}", self.dir.display())),
            Ended::Late => say(&format!("{}: no diagnosis in time", self.dir.display())),
        }
    }

    /// The culprit: the site and the container of the first finding that matters.
    fn conclude(&mut self, json: &[u8]) {
        let Ok(report) = serde_json::from_slice::<model::Report>(json) else { return };
        self.file.summary = Some(report.summary.clone());
        let Some(finding) = report.findings.first() else { return };
        if let Some(site) = finding.sites.first() {
            let line = if site.line > 0 { format!(":{}", site.line) } else { String::new() };
            let place = if site.file.is_empty() { String::new() } else { format!(" ({}{line})", site.file) };
            self.file.culprit = Some(format!("{}{place}", site.function));
        }
        self.file.container = finding.subject.type_.clone();
        self.file.advice = Some(finding.fix.summary.clone());
    }

    fn finish(&mut self) -> Result<(), BundleError> {
        self.file.finished = true;
        self.file.ended_at = Some(bundle::now());
        self.write_file();
        let settings = self.shared.settings();
        self.room.end(&self.dir);
        let stored = self.room.enforce(settings.file.watch.capture.max_total_bytes);
        self.shared.counts.stored.store(stored, Ordering::Relaxed);
        Ok(())
    }

    /// Writes `incident.json` and what the views show.
    fn write_file(&self) {
        let part = self.dir.join("incident.json.part");
        let written = serde_json::to_vec_pretty(&self.file)
            .map_err(std::io::Error::other)
            .and_then(|json| fs::write(&part, json))
            .and_then(|()| fs::rename(&part, self.dir.join("incident.json")));
        if let Err(e) = written {
            say(&format!("{}: {e}", part.display()));
        }
        let status = self.file.status(&self.dir, self.file.finished);
        self.shared.view(&self.file.target, |v| {
            let list = &mut v.status.incidents;
            match list.iter_mut().find(|i| i.id == status.id) {
                Some(known) => *known = status,
                None => list.insert(0, status),
            }
            list.truncate(20);
        });
    }
}

/// Samples as JSON lines, each with its time and what was forecast.
fn store_samples(writer: &mut BundleWriter, samples: &[Record], update: u32) -> Result<(), BundleError> {
    if samples.is_empty() {
        return Ok(());
    }
    let mut text = Vec::new();
    for r in samples {
        text.extend_from_slice(crate::dump::line(r).as_bytes());
        text.push(b'\n');
    }
    let path = format!("watch/samples-{}.jsonl", update + 1);
    writer.add(&path, &text, ArtifactMeta::new(ArtifactKind::WatchSamples, None, "oomph watch"))
}

/// What is known of incidents of earlier runs of the watcher, the newest first.
pub(crate) fn earlier(all: &Path, target: &str) -> Vec<IncidentStatus> {
    let mut out = Vec::new();
    let suffix = format!("-{}", file_name(target));
    for entry in fs::read_dir(all).into_iter().flatten().flatten() {
        let dir = entry.path();
        if !dir.file_name().is_some_and(|n| n.to_string_lossy().ends_with(&suffix)) {
            continue;
        }
        let Ok(json) = fs::read(dir.join("incident.json")) else { continue };
        let Ok(f) = serde_json::from_slice::<IncidentFile>(&json) else { continue };
        if f.target != target {
            continue;
        }
        // The watcher that wrote it has ended: whatever it says, nothing is added any more.
        out.push(f.status(&dir, true));
    }
    out.sort_by_key(|i| std::cmp::Reverse(i.at));
    out.truncate(20);
    out
}
