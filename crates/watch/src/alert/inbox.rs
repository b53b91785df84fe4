//! What happens to alerting: alerts raised and resolved, answers of sinks, new settings, the end. Owns the
//! bound of what waits; putting something in never waits for anything but a lock that is held for moments.

use super::config::AlertConfig;
use super::record::Kept;
use super::types::{Alert, AlertKey};
use model::{UnixMillis, WatchLevel};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most alerts that wait to be looked at.
const MOST: usize = 1024;

/// From the watcher.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    Raise(Box<Alert>),
    Resolve(AlertKey, UnixMillis),
}

impl Event {
    fn key(&self) -> &AlertKey {
        match self {
            Self::Raise(alert) => &alert.key,
            Self::Resolve(key, _) => key,
        }
    }

    /// What is dropped first. An alert whose end is lost would stay for ever, so ends go last.
    fn rank(&self) -> u8 {
        match self {
            Self::Raise(alert) if alert.level <= WatchLevel::Notice => 0,
            Self::Raise(alert) if alert.level == WatchLevel::Warning => 1,
            Self::Raise(_) => 2,
            Self::Resolve(..) => 3,
        }
    }
}

/// Messages that a sink took, or that were given up.
#[derive(Debug)]
pub(crate) struct Done {
    pub sink: String,
    pub members: Vec<(AlertKey, u64)>,
}

/// What came since the last look.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    pub events: VecDeque<Event>,
    pub done: Vec<Done>,
    pub config: Option<Box<AlertConfig>>,
    /// What an earlier run left.
    pub restored: Option<Vec<Kept>>,
    /// The outbox wants to be made anew.
    pub snapshot: bool,
    /// To end, within so long.
    pub stop: Option<Duration>,
    /// Alerts dropped so far.
    pub dropped: u64,
}

impl Arrived {
    fn any(&self) -> bool {
        let inside = !self.events.is_empty() || !self.done.is_empty() || self.config.is_some();
        inside || self.restored.is_some() || self.snapshot || self.stop.is_some()
    }
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    state: Mutex<Arrived>,
    changed: Condvar,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Arrived> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what waits and wakes who waits for it.
    pub(crate) fn with(&self, change: impl FnOnce(&mut Arrived)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    pub(crate) fn event(&self, event: Event) {
        self.with(|state| {
            // What the same alert said before and nobody has looked at yet is out of date.
            let same = state.events.iter_mut().rev().find(|e| e.key() == event.key());
            if let (Some(last @ Event::Raise(_)), Event::Raise(_)) = (same, &event) {
                *last = event;
                return;
            }
            state.events.push_back(event);
            if state.events.len() > MOST {
                let ranks = state.events.iter().map(Event::rank);
                let least = ranks.enumerate().min_by_key(|(i, rank)| (*rank, *i)).map(|(i, _)| i);
                state.events.remove(least.unwrap_or(0));
                state.dropped += 1;
            }
        });
    }

    pub(crate) fn done(&self, done: Done) {
        if !done.members.is_empty() {
            self.with(|state| state.done.push(done));
        }
    }

    /// What came since the last call; waits for something until `until`.
    pub(crate) fn wait(&self, until: Option<Instant>) -> Arrived {
        let mut state = self.lock();
        while !state.any() {
            let left = until.map(|at| at.saturating_duration_since(Instant::now()));
            state = match left {
                Some(left) if left.is_zero() => break,
                Some(left) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        let dropped = state.dropped;
        std::mem::replace(&mut *state, Arrived { dropped, ..Arrived::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::types::tests::alert;
    use super::*;

    #[test]
    fn drops_the_oldest_notice_and_keeps_what_matters() {
        let inbox = Inbox::default();
        let raise = |t: &str, level| inbox.event(Event::Raise(Box::new(alert(t, "r", None, level))));
        raise("first", WatchLevel::Notice);
        raise("grave", WatchLevel::Critical);
        inbox.event(Event::Resolve(alert("over", "r", None, WatchLevel::Notice).key, UnixMillis(1)));
        for i in 0..MOST * 2 {
            raise(&format!("n{i}"), WatchLevel::Notice);
        }
        raise("grave", WatchLevel::Warning);
        let arrived = inbox.wait(None);
        assert_eq!(arrived.events.len(), MOST);
        assert_eq!(arrived.dropped, MOST as u64 + 3);
        let targets: Vec<&str> = arrived.events.iter().map(|e| e.key().target.as_str()).collect();
        // The critical one was replaced by its own later state, in place.
        assert_eq!(&targets[..2], ["grave", "over"]);
        assert!(!targets.contains(&"first") && targets.last().unwrap().starts_with('n'));
        for i in 0..MOST * 2 {
            raise(&format!("c{i}"), WatchLevel::Critical);
        }
        assert_eq!(inbox.wait(None).events.len(), MOST);
        assert!(!inbox.wait(Some(Instant::now())).any());
    }
}
