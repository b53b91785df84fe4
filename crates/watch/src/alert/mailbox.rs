//! The queue of one sink and the thread that empties it. Owns retrying (exponential pauses with jitter, up to a
//! cap), giving up, and the bound of the queue; a sink that is dead or slow holds up nobody but itself.

use super::book::Job;
use super::counters::SinkCounters;
use super::http::SendError;
use super::inbox::{Done, Inbox};
use super::types::Notification;
use model::WatchLevel;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most groups that wait for one sink.
const MOST_WAITING: usize = 4096;
/// How often a message is sent that the receiver refuses: its settings may be mended meanwhile.
const REFUSALS: u32 = 3;

/// Sends notifications somewhere.
pub(crate) trait Sender: Send {
    /// Sends them all or fails; takes a bounded time.
    fn send(&mut self, notifications: &[Arc<Notification>]) -> Result<(), SendError>;
}

/// Pauses between attempts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Retry {
    pub first: Duration,
    pub longest: Duration,
    pub give_up_after: Duration,
}

impl Retry {
    /// The pause after so many failures in a row: doubled each time, then somewhere in its upper half, so that
    /// watchers that failed together do not come back together.
    fn pause(&self, failures: u32) -> Duration {
        let doubled = self.first.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        doubled.min(self.longest).mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

/// A message with its history.
struct Waiting {
    job: Job,
    since: Instant,
    not_before: Instant,
    refusals: u32,
}

#[derive(Default)]
struct State {
    jobs: BTreeMap<String, Waiting>,
    on_their_way: usize,
    failures: u32,
    paused_until: Option<Instant>,
    /// No more attempts after this instant; the queue is emptied as far as possible before.
    stop_at: Option<Instant>,
    counters: SinkCounters,
}

/// The queue.
pub(crate) struct Mailbox {
    name: String,
    retry: Retry,
    /// Messages that are sent at once.
    batch: usize,
    state: Mutex<State>,
    changed: Condvar,
}

impl Mailbox {
    pub(crate) fn new(name: &str, retry: Retry, batch: usize, counters: SinkCounters) -> Self {
        let counters = SinkCounters { sink: name.to_owned(), pending: 0, ..counters };
        let state = Mutex::new(State { counters, ..State::default() });
        Self { name: name.to_owned(), retry, batch, state, changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panicked left numbers behind, which are still numbers.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message in; a waiting one of the same group is out of date. Gives back what had to be dropped.
    pub(crate) fn put(&self, job: Job, now: Instant) -> Option<Job> {
        let mut state = self.lock();
        let critical = job.level == WatchLevel::Critical;
        let old = state.jobs.remove(&job.group);
        let since = old.as_ref().map_or(now, |w| w.since);
        let group = job.group.clone();
        let new_trouble = critical && old.is_none_or(|w| w.job.level < WatchLevel::Critical);
        state.jobs.insert(group, Waiting { job, since, not_before: now, refusals: 0 });
        if new_trouble {
            // Worth an attempt although the last one failed.
            let soon = now + self.retry.first;
            state.paused_until = state.paused_until.map(|at| at.min(soon));
        }
        let dropped = (state.jobs.len() > MOST_WAITING).then(|| {
            let least = state.jobs.iter().min_by_key(|(_, w)| (w.job.level, w.since)).map(|(g, _)| g.clone())?;
            state.counters.dropped += 1;
            state.jobs.remove(&least)
        });
        drop(state);
        self.changed.notify_all();
        dropped.flatten().map(|w| w.job)
    }

    /// What to send next, the most urgent first; waits for it. `None` when the sink is to end.
    fn take(&self) -> Option<Vec<Waiting>> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let stopping = state.stop_at.is_some();
            if state.stop_at.is_some_and(|at| now >= at || state.jobs.is_empty()) {
                return None;
            }
            let pause = state.paused_until.filter(|at| !stopping && *at > now);
            let mut ready: Vec<(WatchLevel, Instant, &String, bool)> = Vec::new();
            let mut next = pause;
            if pause.is_none() {
                for (group, w) in &state.jobs {
                    if w.not_before <= now || stopping {
                        ready.push((w.job.level, w.since, group, w.refusals > 0));
                    } else {
                        next = Some(next.map_or(w.not_before, |n: Instant| n.min(w.not_before)));
                    }
                }
            }
            if !ready.is_empty() {
                ready.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
                // What was refused is sent alone, so that it spoils nothing else.
                let alone = ready.first().is_some_and(|r| r.3);
                let most = if alone { 1 } else { self.batch };
                let groups: Vec<String> =
                    ready.into_iter().filter(|r| alone || !r.3).take(most).map(|r| r.2.clone()).collect();
                let taken: Vec<Waiting> = groups.iter().filter_map(|g| state.jobs.remove(g)).collect();
                state.on_their_way += taken.len();
                return Some(taken);
            }
            let until = [next, state.stop_at].into_iter().flatten().min();
            state = match until {
                Some(at) => {
                    let wait = at.saturating_duration_since(now);
                    self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Books the end of an attempt; gives back what is settled, one way or the other.
    fn settle(&self, taken: Vec<Waiting>, result: &Result<(), SendError>, now: Instant) -> Vec<Job> {
        let mut state = self.lock();
        state.on_their_way = state.on_their_way.saturating_sub(taken.len());
        let error = match result {
            Ok(()) => {
                state.failures = 0;
                state.paused_until = None;
                state.counters.last_error.clear();
                state.counters.sent += taken.len() as u64;
                return taken.into_iter().map(|w| w.job).collect();
            }
            Err(e) => e,
        };
        state.counters.last_error = error.message().to_owned();
        let refused = matches!(error, SendError::Refused(_));
        if !refused {
            state.failures = state.failures.saturating_add(1);
            state.paused_until = Some(now + self.retry.pause(state.failures));
        }
        let alone = taken.len() == 1;
        let mut settled = Vec::new();
        for mut w in taken {
            w.refusals += u32::from(refused);
            let old = now.saturating_duration_since(w.since) >= self.retry.give_up_after;
            if old || (refused && alone && w.refusals >= REFUSALS) {
                state.counters.failed += 1;
                settled.push(w.job);
                continue;
            }
            state.counters.retried += 1;
            if refused && alone {
                w.not_before = now + self.retry.pause(w.refusals);
            }
            // A newer message of the same group has come meanwhile: it says more.
            match state.jobs.get_mut(&w.job.group) {
                Some(newer) => newer.since = newer.since.min(w.since),
                None => drop(state.jobs.insert(w.job.group.clone(), w)),
            }
        }
        settled
    }

    /// Lets the sink's thread end: at once when nothing waits, at `at` in any case.
    pub(crate) fn stop(&self, at: Instant) {
        self.lock().stop_at = Some(at);
        self.changed.notify_all();
    }

    /// Whether everything was sent.
    pub(crate) fn idle(&self) -> bool {
        let state = self.lock();
        state.jobs.is_empty() && state.on_their_way == 0
    }

    pub(crate) fn counters(&self) -> SinkCounters {
        let state = self.lock();
        let pending = (state.jobs.len() + state.on_their_way) as u64;
        SinkCounters { pending, ..state.counters.clone() }
    }

    /// Sends until told to stop; what was settled is told to the inbox.
    pub(crate) fn work(&self, mut sender: Box<dyn Sender>, inbox: &Inbox) {
        while let Some(taken) = self.take() {
            let bodies: Vec<Arc<Notification>> = taken.iter().map(|w| Arc::clone(&w.job.body)).collect();
            let result = sender.send(&bodies);
            let settled = self.settle(taken, &result, Instant::now());
            let members = settled.into_iter().flat_map(|job| job.members).collect();
            inbox.done(Done { sink: self.name.clone(), members });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::types::{ALERT_SCHEMA, AlertDocument, AlertState, tests::alert};
    use super::*;

    fn job(group: &str, level: WatchLevel) -> Job {
        let alert = alert(group, "r", None, level);
        let key = alert.key.clone();
        let schema = ALERT_SCHEMA.to_owned();
        let doc = AlertDocument { schema, status: AlertState::Firing, peak: level, resolved_at: None, alert };
        let body = Arc::new(Notification::of(vec![doc], false).unwrap());
        Job { group: group.to_owned(), level, members: vec![(key, 1)], body }
    }

    fn mailbox(batch: usize) -> Mailbox {
        let retry = Retry {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(60),
            give_up_after: Duration::from_secs(3600),
        };
        Mailbox::new("s", retry, batch, SinkCounters::default())
    }

    fn groups(taken: &[Waiting]) -> Vec<&str> {
        taken.iter().map(|w| w.job.group.as_str()).collect()
    }

    #[test]
    fn the_most_urgent_goes_first_and_never_falls_before_a_notice() {
        let m = mailbox(2);
        let now = Instant::now();
        m.put(job("a", WatchLevel::Notice), now);
        m.put(job("b", WatchLevel::Critical), now);
        m.put(job("c", WatchLevel::Warning), now);
        assert_eq!(groups(&m.take().unwrap()), ["b", "c"]);
        for i in 0..MOST_WAITING {
            m.put(job(&format!("n{i}"), WatchLevel::Critical), now);
        }
        // The notice that still waits is what makes room.
        assert_eq!(m.counters().dropped, 1);
        assert!(!m.lock().jobs.contains_key("a"));
        assert_eq!(m.put(job("z", WatchLevel::Notice), now).unwrap().group, "z");
    }

    #[test]
    fn pauses_double_with_jitter_up_to_the_cap() {
        let retry = mailbox(1).retry;
        for (failures, full) in [(1, 1.0), (2, 2.0), (3, 4.0), (7, 60.0), (40, 60.0), (u32::MAX, 60.0)] {
            for _ in 0..50 {
                let pause = retry.pause(failures).as_secs_f64();
                assert!(pause >= full / 2.0 && pause <= full, "{failures}: {pause}");
            }
        }
    }

    #[test]
    fn failures_are_retried_and_given_up_at_last() {
        let m = mailbox(10);
        let now = Instant::now();
        m.put(job("a", WatchLevel::Warning), now);
        let taken = m.take().unwrap();
        assert!(m.settle(taken, &Err(SendError::Again("dead".into())), now).is_empty());
        let c = m.counters();
        assert_eq!((c.retried, c.failed, c.pending, c.last_error.as_str()), (1, 0, 1, "dead"));
        assert!(m.lock().paused_until.is_some());
        // A critical alert shortens the pause to the first one.
        m.lock().paused_until = Some(now + Duration::from_secs(50));
        m.put(job("b", WatchLevel::Critical), now);
        assert_eq!(m.lock().paused_until, Some(now + Duration::from_secs(1)));
        m.lock().paused_until = None;
        let taken = m.take().unwrap();
        assert_eq!(groups(&taken), ["b", "a"]);
        let late = now + Duration::from_secs(3600);
        assert_eq!(m.settle(taken, &Err(SendError::Again("dead".into())), late).len(), 2);
        assert_eq!((m.counters().failed, m.counters().pending), (2, 0));
    }

    #[test]
    fn a_refused_message_spoils_no_other() {
        let m = mailbox(10);
        let now = Instant::now();
        m.put(job("a", WatchLevel::Warning), now);
        m.put(job("b", WatchLevel::Warning), now);
        let refused = Err(SendError::Refused("400".into()));
        let taken = m.take().unwrap();
        assert!(m.settle(taken, &refused, now).is_empty());
        let first = m.take().unwrap();
        let second = m.take().unwrap();
        assert_eq!((first.len(), second.len()), (1, 1));
        assert_eq!(m.settle(second, &Ok(()), now).len(), 1);
        assert!(m.settle(first, &refused, now).is_empty());
        m.lock().jobs.values_mut().for_each(|w| w.not_before = now);
        let last = m.take().unwrap();
        assert_eq!(m.settle(last, &refused, now).len(), 1);
        assert_eq!((m.counters().sent, m.counters().failed), (1, 1));
    }

    #[test]
    fn a_newer_message_replaces_one_that_failed() {
        let m = mailbox(1);
        let now = Instant::now();
        m.put(job("a", WatchLevel::Warning), now);
        let taken = m.take().unwrap();
        m.put(job("a", WatchLevel::Critical), now);
        m.settle(taken, &Err(SendError::Again("dead".into())), now);
        assert_eq!(m.counters().pending, 1);
        assert_eq!(m.lock().jobs["a"].job.level, WatchLevel::Critical);
        m.stop(now);
        assert!(m.take().is_none());
    }
}
