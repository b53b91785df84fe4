//! The watcher: finds the targets, starts and ends their workers, follows its configuration.

use crate::alert::{AlertCounters, AlertOptions, Alerts};
use crate::capture::Captures;
use crate::config::WatchFile;
use crate::find::{Finder, Found};
use crate::keeper::Keeper;
use crate::ring::RingThread;
use crate::shared::{Counts, Settings, Shared, count, lock, say};
use crate::target_spec::{TargetSpec, WatchTarget};
use crate::worker::{Subject, Tools, Worker, forget_ended};
use model::{Bytes, TargetState, TargetStatus, WATCH_SCHEMA, WatchStatus, WatcherStatus};
use signals::Column;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant, SystemTime};

/// How often the configuration is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How long undelivered alerts are tried at the end.
const LAST_ALERTS: Duration = Duration::from_secs(3);

/// How a watcher is started.
#[derive(Clone, Debug, Default)]
pub struct WatchOptions {
    /// The configuration, followed while the watcher runs.
    pub config: Option<PathBuf>,
    /// Where samples, evidence and alerts are kept.
    pub state_dir: PathBuf,
    /// Targets of the command line.
    pub targets: Vec<WatchTarget>,
    /// Only looks: no evidence, no alerts.
    pub quiet: bool,
    /// The program itself.
    pub oomph: PathBuf,
}

/// A running watcher.
pub struct Watcher {
    shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Where status and counters come from.
pub type StatusSource = Arc<dyn Fn() -> (WatchStatus, AlertCounters) + Send + Sync>;

impl Watcher {
    /// Starts watching.
    ///
    /// # Errors
    /// A configuration that is wrong, or a state directory that cannot be made.
    pub fn start(options: WatchOptions, stop: Arc<AtomicBool>) -> Result<Self, String> {
        let file = match &options.config {
            Some(path) => WatchFile::read(path)?,
            None => WatchFile::default(),
        };
        let state = &options.state_dir;
        writable(state)?;
        let alerts = (!options.quiet).then(|| {
            let launcher = vec![options.oomph.clone().into(), "watch-launch".into()];
            Alerts::start_with(&file.alerts, state, AlertOptions { launcher, ..AlertOptions::default() })
        });
        let shared = Arc::new(Shared {
            settings: RwLock::new(Arc::new(Settings::new(file, 1)?)),
            views: Mutex::default(),
            counts: Counts::default(),
            unwritten_why: Mutex::default(),
            stop,
            state_dir: state.clone(),
            started: bundle::now(),
            alerts,
            oomph: options.oomph.clone(),
            last_tick: AtomicU64::new(0),
            oom: crate::worker::oom::HostKills::default(),
        });
        // More targets need more files than the usual soft limit allows.
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let _ = rustix::process::setrlimit(
            rustix::process::Resource::Nofile,
            rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum },
        );
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("watch".into())
            .spawn(move || Manager::new(own, options).run())
            .map_err(|e| e.to_string())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// All targets at this moment, the most urgent first.
    #[must_use]
    pub fn status(&self) -> WatchStatus {
        status(&self.shared)
    }

    /// For a server: status and counters whenever it asks.
    #[must_use]
    pub fn source(&self) -> StatusSource {
        let shared = Arc::clone(&self.shared);
        Arc::new(move || (status(&shared), shared.alerts.as_ref().map(Alerts::counters).unwrap_or_default()))
    }

    /// The address to serve at, as configured.
    #[must_use]
    pub fn listen(&self) -> Option<String> {
        self.shared.settings().file.watch.listen.clone()
    }

    /// Recent values of a column: seconds before now, and the value.
    #[must_use]
    pub fn recent(&self, target: &str, column: Column) -> Vec<(f64, f64)> {
        let now = crate::worker::monotonic_s();
        let views = lock(&self.shared.views);
        let Some(view) = views.get(target) else { return Vec::new() };
        view.recent.iter().filter_map(|r| Some((now - r.sample.at_s, r.sample.get(column)?))).collect()
    }

    /// Waits until the watcher has ended: its stop flag was raised.
    pub fn join(mut self) {
        if let Some(t) = self.thread.take() {
            let _ = t.join();
        }
        let grace = Instant::now();
        // Workers hold the shared state until they have seen the flag.
        let mut shared = self.shared;
        loop {
            match Arc::try_unwrap(shared) {
                Ok(s) => {
                    if let Some(alerts) = s.alerts {
                        alerts.stop(LAST_ALERTS);
                    }
                    return;
                }
                Err(s) => shared = s,
            }
            if grace.elapsed() > Duration::from_secs(3) {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

/// A watch without its directory would keep nothing: that is said at the start, while a person looks. A disk that is full
/// may have room again.
fn writable(state: &Path) -> Result<(), String> {
    let probe = state.join(format!(".probe-{}", std::process::id()));
    let tried = std::fs::create_dir_all(state).and_then(|()| std::fs::write(&probe, b""));
    let _ = std::fs::remove_file(&probe);
    match tried {
        Err(e) if !matches!(e.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded) => {
            Err(format!(
                "the state directory {} cannot be written: {e}; make it writable, or name another one with --state-dir",
                state.display()
            ))
        }
        _ => Ok(()),
    }
}

fn status(shared: &Shared) -> WatchStatus {
    let c = &shared.counts;
    let get = |a: &AtomicU64| a.load(Ordering::Relaxed);
    let mut watcher = WatcherStatus {
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").into(),
        started_at: shared.started,
        samples: get(&c.samples),
        late_samples: get(&c.late),
        captures: get(&c.captures),
        failed_captures: get(&c.failed_captures),
        skipped_captures: get(&c.skipped_captures),
        stored: Bytes(get(&c.stored)),
        unwritten_samples: get(&c.unwritten),
        unwritten_why: lock(&shared.unwritten_why).clone(),
        config_reloads: get(&c.reloads),
        config_refused: get(&c.refused),
        ..WatcherStatus::default()
    };
    if let Ok(own) = target::Process::open(watcher.pid) {
        if let Some(stat) = own.read(target::ProcFile::Stat).ok().and_then(|b| procfs::stat(&b).ok()) {
            watcher.cpu_seconds = stat.cpu_seconds();
        }
        if let Ok(text) = own.read(target::ProcFile::Status) {
            watcher.rss = procfs::status(&text).0.vm_rss;
        }
    }
    let mut targets: Vec<TargetStatus> = lock(&shared.views).values().map(|v| v.status.clone()).collect();
    let urgency = |t: &TargetStatus| t.seconds_to_limit.map_or(f64::INFINITY, |s| s.p50);
    targets.sort_by(|a, b| {
        b.level.cmp(&a.level).then_with(|| urgency(a).total_cmp(&urgency(b))).then_with(|| a.name.cmp(&b.name))
    });
    let interval = shared.settings().file.watch.interval.0;
    watcher.interval_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
    // Without a target that runs there is nothing to sample, and nothing late.
    if targets.iter().any(|t| t.state == TargetState::Running) {
        let now_ms = crate::worker::monotonic_ms().unsigned_abs();
        watcher.tick_age_ms = now_ms.saturating_sub(get(&shared.last_tick));
    }
    WatchStatus { schema: WATCH_SCHEMA.into(), at: bundle::now(), watcher, targets }
}

/// The thread that manages the workers.
struct Manager {
    shared: Arc<Shared>,
    options: WatchOptions,
    tools: Tools,
    workers: BTreeMap<String, Worker>,
    finder: Finder,
    next_key: u64,
    config_seen: Option<(SystemTime, u64)>,
    full: bool,
}

impl Manager {
    fn new(shared: Arc<Shared>, options: WatchOptions) -> Self {
        let tools = Tools {
            keeper: Keeper::start(Arc::clone(&shared)),
            rings: RingThread::start(&shared),
            captures: Arc::new(Captures::new(&shared)),
            shared: Arc::clone(&shared),
        };
        let config_seen = options.config.as_deref().and_then(seen);
        Self {
            shared,
            options,
            tools,
            workers: BTreeMap::new(),
            finder: Finder::default(),
            next_key: 0,
            config_seen,
            full: false,
        }
    }

    fn run(&mut self) {
        // What rings of an earlier run left is of processes whose addresses are not known any more.
        let _ = std::fs::remove_dir_all(self.shared.state_dir.join("ring"));
        let mut find_at = Instant::now();
        while !self.shared.stopped() {
            self.follow_config();
            self.shared.oom.look();
            if Instant::now() >= find_at {
                let settings = self.shared.settings();
                self.find(&settings);
                forget_ended(&self.shared, settings.file.watch.keep_ended.0);
                find_at = Instant::now() + settings.file.watch.discover_interval.0;
            }
            std::thread::park_timeout(LOOK);
        }
        for w in self.workers.values() {
            w.stop();
        }
    }

    /// Reads the configuration anew when its file has changed.
    fn follow_config(&mut self) {
        let Some(path) = self.options.config.clone() else { return };
        let now = seen(&path);
        if now == self.config_seen || now.is_none() {
            return;
        }
        self.config_seen = now;
        let generation = self.shared.settings().generation + 1;
        match WatchFile::read(&path).and_then(|file| Settings::new(file, generation)) {
            Ok(new) => {
                if let Some(alerts) = &self.shared.alerts {
                    alerts.set_config(new.file.alerts.clone());
                }
                *self.shared.settings.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(new);
                count(&self.shared.counts.reloads);
                say("the configuration was read anew");
            }
            Err(e) => {
                count(&self.shared.counts.refused);
                say(&format!("the new configuration is refused, the old one stays: {e}"));
            }
        }
    }

    fn wanted(&self, settings: &Settings) -> Vec<WatchTarget> {
        let mut out = self.options.targets.clone();
        out.extend(settings.file.watch.target.iter().filter_map(|t| WatchTarget::of_config(t).ok()));
        if settings.file.watch.discover || out.is_empty() {
            out.push(WatchTarget { spec: TargetSpec::Auto, config: crate::config::TargetConfig::default() });
        }
        out
    }

    fn find(&mut self, settings: &Settings) {
        self.workers.retain(|_, w| !w.done.load(Ordering::Relaxed));
        let found = self.finder.find(&self.wanted(settings), settings);
        let wanted: BTreeMap<String, Found> = found.into_iter().map(|f| (f.name.clone(), f)).collect();
        for (name, w) in &self.workers {
            let same = wanted.get(name).is_some_and(|f| f.pid == w.subject.pid);
            // A process that ended is told by its worker; one that is no longer wanted is let go.
            if !same && !wanted.contains_key(name) {
                w.stop();
                if w.subject.pid.is_none_or(|p| target::Process::open(p).is_ok()) {
                    lock(&self.shared.views).remove(name);
                }
            }
        }
        for (name, f) in wanted {
            if self.workers.contains_key(&name) {
                continue;
            }
            if self.workers.len() >= settings.file.watch.max_targets {
                if !self.full {
                    self.full = true;
                    say(&format!("more than {} targets: the others are not watched", settings.file.watch.max_targets));
                }
                break;
            }
            self.next_key += 1;
            let subject = Subject { name: name.clone(), pid: f.pid, url: f.url, config: f.config, key: self.next_key };
            match Worker::start(subject, self.tools.clone()) {
                Ok(w) => {
                    self.workers.insert(name, w);
                }
                Err(e) => say(&format!("{name}: no thread: {e}")),
            }
        }
        for missing in self.finder.missing() {
            self.shared.view(missing, |v| v.status.state = TargetState::Waiting);
        }
    }
}

fn seen(path: &Path) -> Option<(SystemTime, u64)> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}
