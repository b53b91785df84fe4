//! What a live view draws from: a watcher of its own, or one that runs elsewhere. Owns the interface between them and
//! `oomph top`; draws nothing.

use crate::Watcher;
use bundle::Address;
use model::{Bytes, WATCH_SCHEMA, WatchStatus};
use signals::Column;
use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A series that a live view shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SeriesKind {
    /// Heap that the latest GC cycle found in use, bytes.
    LiveHeap,
    /// Heap size at which the running GC cycle is to end, bytes.
    HeapGoal,
    /// Resident size, bytes.
    Resident,
    /// What the control group is charged with, bytes.
    Usage,
    /// The limit that ends the process, bytes.
    Limit,
    /// Goroutines, a count.
    Goroutines,
}

impl SeriesKind {
    /// The column that holds it.
    const fn column(self) -> Column {
        match self {
            Self::LiveHeap => Column::HeapLive,
            Self::HeapGoal => Column::HeapGoal,
            Self::Resident => Column::Rss,
            Self::Usage => Column::Usage,
            Self::Limit => Column::Limit,
            Self::Goroutines => Column::Goroutines,
        }
    }
}

/// Where a live view takes what it shows from.
pub trait TopSource {
    /// All targets at this moment, the most urgent first.
    fn status(&self) -> WatchStatus;
    /// Recent values: seconds ago (0 or more) and the value, the oldest first. Empty where there are none.
    fn series(&self, target: &str, what: SeriesKind) -> Vec<(f64, f64)>;
    /// Why what is shown is out of date, if it is.
    fn error(&self) -> Option<String> {
        None
    }
}

impl TopSource for Watcher {
    fn status(&self) -> WatchStatus {
        Self::status(self)
    }

    fn series(&self, target: &str, what: SeriesKind) -> Vec<(f64, f64)> {
        self.recent(target, what.column())
    }
}

/// How often a running watch is asked.
const ASK: Duration = Duration::from_secs(1);
/// Longest time for one answer.
const TO_ANSWER: Duration = Duration::from_secs(5);
/// Most bytes of an answer.
const MOST_ANSWER: u64 = 16 << 20;
/// Most points kept of a series: half an hour of answers.
const MOST_POINTS: usize = 1800;

/// A watch that runs elsewhere and serves `/status`: what it knows, and a memory of what it said.
pub struct RemoteWatch {
    state: Arc<Mutex<Remote>>,
    stop: Arc<AtomicBool>,
}

/// When, and the numbers in the order of [`KINDS`].
type Point = (Instant, [Option<f64>; KINDS.len()]);

#[derive(Default)]
struct Remote {
    status: WatchStatus,
    points: BTreeMap<String, VecDeque<Point>>,
    error: Option<String>,
}

/// The series that a status gives a point of.
const KINDS: [SeriesKind; 6] = [
    SeriesKind::LiveHeap,
    SeriesKind::HeapGoal,
    SeriesKind::Resident,
    SeriesKind::Usage,
    SeriesKind::Limit,
    SeriesKind::Goroutines,
];

impl RemoteWatch {
    /// Asks a watch at `address` (`127.0.0.1:9177`, `http://host:9177`) once, and from then on every second.
    ///
    /// # Errors
    /// Why it does not answer as a watch does; the message names the address.
    pub fn connect(address: &str) -> Result<Self, String> {
        let address = Address::parse(address)?;
        let first = ask(&address)?;
        let state = Arc::new(Mutex::new(Remote::default()));
        let stop = Arc::new(AtomicBool::new(false));
        lock(&state).take_in(Ok(first), Instant::now());
        let (shared, stopped) = (Arc::clone(&state), Arc::clone(&stop));
        let work = move || {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::park_timeout(ASK);
                let answer = ask(&address);
                lock(&shared).take_in(answer, Instant::now());
            }
        };
        std::thread::Builder::new().name("ask-watch".into()).spawn(work).map_err(|e| e.to_string())?;
        Ok(Self { state, stop })
    }
}

impl Drop for RemoteWatch {
    fn drop(&mut self) {
        // Its thread ends after its next answer, or with the process.
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl TopSource for RemoteWatch {
    fn status(&self) -> WatchStatus {
        lock(&self.state).status.clone()
    }

    fn series(&self, target: &str, what: SeriesKind) -> Vec<(f64, f64)> {
        let Some(at) = KINDS.iter().position(|k| *k == what) else { return Vec::new() };
        let state = lock(&self.state);
        let Some(points) = state.points.get(target) else { return Vec::new() };
        let value = |(when, values): &Point| Some((when.elapsed().as_secs_f64(), values.get(at).copied().flatten()?));
        points.iter().filter_map(value).collect()
    }

    fn error(&self) -> Option<String> {
        lock(&self.state).error.clone()
    }
}

impl Remote {
    fn take_in(&mut self, answer: Result<WatchStatus, String>, now: Instant) {
        let status = match answer {
            Ok(status) => status,
            // What was known stays to be seen.
            Err(e) => {
                self.error = Some(e);
                return;
            }
        };
        self.error = None;
        self.points.retain(|name, _| status.targets.iter().any(|t| t.name == *name));
        for t in &status.targets {
            let size = |b: Option<Bytes>| b.map(|b| b.0 as f64);
            let goroutines = t.goroutines.map(|n| n as f64);
            let values =
                [size(t.live_heap), size(t.heap_goal), size(t.rss), size(t.unreclaimable), size(t.limit), goroutines];
            let points = self.points.entry(t.name.clone()).or_default();
            points.push_back((now, values));
            if points.len() > MOST_POINTS {
                points.pop_front();
            }
        }
        self.status = status;
    }
}

fn lock(state: &Mutex<Remote>) -> MutexGuard<'_, Remote> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `GET /status`.
fn ask(address: &Address) -> Result<WatchStatus, String> {
    let mut config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(TO_ANSWER))
        .max_response_header_size(16 << 10);
    if address.is_loopback() {
        // A proxy's loopback is another one.
        config = config.proxy(None);
    }
    let named = |e: &dyn std::fmt::Display| format!("{address}: {e}");
    let answer = config.build().new_agent().get(format!("{address}/status")).call().map_err(|e| named(&e))?;
    let code = answer.status().as_u16();
    if code != 200 {
        return Err(named(&format_args!("answered {code}; expected oomph watch --listen there")));
    }
    let mut body = Vec::new();
    let read = answer.into_body().into_reader().take(MOST_ANSWER).read_to_end(&mut body);
    read.map_err(|e| named(&e))?;
    let status: WatchStatus = serde_json::from_slice(&body)
        .map_err(|e| named(&format_args!("expected {WATCH_SCHEMA}, got something else: {e}")))?;
    if status.schema != WATCH_SCHEMA {
        return Err(named(&format_args!("expected {WATCH_SCHEMA}, got {:?}", status.schema)));
    }
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::AlertCounters;
    use crate::serve::Server;
    use model::TargetStatus;

    #[test]
    fn a_running_watch_is_seen_from_elsewhere() {
        let target = TargetStatus { name: "web".into(), rss: Some(Bytes(7)), ..TargetStatus::default() };
        let status = WatchStatus { schema: WATCH_SCHEMA.into(), targets: vec![target], ..WatchStatus::default() };
        let told = status.clone();
        let server = Server::start("127.0.0.1:0", Arc::new(move || (told.clone(), AlertCounters::default()))).unwrap();
        let remote = RemoteWatch::connect(&server.addr().to_string()).unwrap();
        assert_eq!(TopSource::status(&remote), status);
        let series = remote.series("web", SeriesKind::Resident);
        assert_eq!((series.len(), series[0].1), (1, 7.0));
        assert!(remote.series("web", SeriesKind::Limit).is_empty() && remote.error().is_none());
        let mut state = Remote::default();
        for _ in 0..2 * MOST_POINTS {
            state.take_in(Ok(status.clone()), Instant::now());
        }
        assert_eq!(state.points["web"].len(), MOST_POINTS);
        state.take_in(Err("gone".into()), Instant::now());
        assert_eq!((state.error.as_deref(), state.status.targets.len()), (Some("gone"), 1));
        state.take_in(Ok(WatchStatus::default()), Instant::now());
        assert!(state.points.is_empty());
    }

    #[test]
    fn what_is_no_watch_is_named() {
        let told = WatchStatus::default;
        let server = Server::start("127.0.0.1:0", Arc::new(move || (told(), AlertCounters::default()))).unwrap();
        let address = server.addr().to_string();
        let error = RemoteWatch::connect(&address).err().unwrap();
        assert!(error.contains(&address) && error.contains("oomph.watch/1"), "{error}");
        drop(server);
        assert!(RemoteWatch::connect(&address).err().unwrap().contains(&address));
    }
}
