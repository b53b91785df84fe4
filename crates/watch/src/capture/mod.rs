//! Taking evidence: when, how much, in which order, and what remains on disk.
//!
//! What the watcher has (the ring of profiles, samples, the files of `/proc`) is written at once, each piece flushed
//! as it comes. What takes time or memory is done by another process (`oomph watch-capture`, `oomph diagnose`),
//! bounded, and ended with the watcher.

mod child;
mod disk;
mod incident;

pub(crate) use incident::{CaptureRequest, IncidentHandle, Order, earlier, file_name};

use crate::shared::{Shared, count, lock, say};
use disk::Room;
use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Evidence that is only put aside is taken at most this often.
const LIGHT_AGAIN: Duration = Duration::from_secs(20);
/// After a capture that could not be written the next one is tried.
const AGAIN_AFTER_FAILURE: Duration = Duration::from_secs(30);
/// Targets whose captures are remembered before those without any in the last hour are forgotten.
const MOST_PASTS: usize = 1000;
/// An hour.
const HOUR: Duration = Duration::from_secs(3600);

/// Starts captures within their budget.
pub(crate) struct Captures {
    shared: Arc<Shared>,
    room: Arc<Room>,
    running: Arc<AtomicUsize>,
    past: Arc<Mutex<HashMap<String, Past>>>,
}

#[derive(Default)]
struct Past {
    by_rule: HashMap<String, Instant>,
    hour: VecDeque<Instant>,
    /// When a capture failed.
    failed: Option<Instant>,
}

impl Captures {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let _ = std::fs::remove_dir_all(shared.state_dir.join(incident::STAGING));
        let dir = shared.state_dir.join("incidents");
        let stored = disk::total(&dir);
        shared.counts.stored.store(stored, Ordering::Relaxed);
        Self {
            shared: Arc::clone(shared),
            room: Arc::new(Room::new(dir)),
            running: Arc::default(),
            past: Arc::default(),
        }
    }

    /// The directory of all incidents.
    pub(crate) fn dir(&self) -> &Path {
        self.room.dir()
    }

    /// Begins a capture, if there is a budget for it. Never waits.
    pub(crate) fn begin(&self, request: CaptureRequest) -> Option<IncidentHandle> {
        let settings = self.shared.settings();
        let c = &settings.file.watch.capture;
        if !c.enabled {
            return None;
        }
        let now = Instant::now();
        {
            let mut past = lock(&self.past);
            if past.len() > MOST_PASTS {
                past.retain(|_, p| p.hour.back().is_some_and(|t| now.duration_since(*t) <= HOUR));
            }
            let p = past.entry(request.target.clone()).or_default();
            while p.hour.front().is_some_and(|t| now.duration_since(*t) > HOUR) {
                p.hour.pop_front();
            }
            // Nothing came of the last one, as on a full disk: no reason to wait for a whole cool-down, nor to try at once.
            if let Some(failed) = p.failed {
                if now.duration_since(failed) < AGAIN_AFTER_FAILURE && request.end.is_none() {
                    return None;
                }
                p.failed = None;
                p.by_rule.remove(&request.cause);
                p.hour.pop_back();
            }
            // What costs next to nothing has no share in the budget.
            if request.light {
                if p.by_rule.get(&request.cause).is_some_and(|t| now.duration_since(*t) < LIGHT_AGAIN) {
                    return None;
                }
                p.by_rule.insert(request.cause.clone(), now);
                drop(past);
                return self.start(request, c.parallel);
            }
            let resting = p.by_rule.get(&request.cause).is_some_and(|t| now.duration_since(*t) < c.cool_down.0);
            // The end of a process is told whatever the budget.
            if (resting || p.hour.len() >= c.per_hour as usize) && request.end.is_none() {
                // Counted once a cool-down, not at each sample.
                if p.by_rule
                    .insert(format!("{} skipped", request.cause), now)
                    .is_none_or(|t| now.duration_since(t) >= c.cool_down.0)
                {
                    count(&self.shared.counts.skipped_captures);
                }
                return None;
            }
            p.hour.push_back(now);
            p.by_rule.insert(request.cause.clone(), now);
        }
        self.start(request, c.parallel)
    }

    fn start(&self, request: CaptureRequest, parallel: usize) -> Option<IncidentHandle> {
        let (target, past) = (request.target.clone(), Arc::clone(&self.past));
        let failed = move || {
            if let Some(p) = lock(&past).get_mut(&target) {
                p.failed = Some(Instant::now());
            }
        };
        match incident::start(&self.shared, &self.room, request, (&self.running, parallel), failed) {
            Ok(handle) => {
                count(&self.shared.counts.captures);
                Some(handle)
            }
            Err(e) => {
                count(&self.shared.counts.failed_captures);
                say(&format!("no evidence can be taken: {e}"));
                None
            }
        }
    }
}

/// Waits for a place among those that run at the same time; an urgent one does not wait.
fn place(running: &AtomicUsize, parallel: usize, urgent: bool, stop: &dyn Fn() -> bool) {
    while !urgent && running.load(Ordering::Relaxed) >= parallel && !stop() {
        std::thread::park_timeout(Duration::from_millis(100));
    }
    running.fetch_add(1, Ordering::Relaxed);
}
