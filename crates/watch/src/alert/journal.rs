//! The thread that writes the outbox. Owns that a disk that is slow, full or gone holds up nothing: records wait
//! in a bounded queue, and when they would be too many, or writing failed, the file is later made anew from all
//! that is known.

use super::inbox::Inbox;
use super::outbox::Outbox;
use super::record::{Kept, Record};
use crate::shared::say;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most records that wait for the disk.
const MOST: usize = 10_000;
/// How often a broken outbox is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(30);

/// What is known of the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileState {
    pub error: Option<String>,
    pub bytes: u64,
    pub damaged: u64,
}

#[derive(Debug, Default)]
struct State {
    records: Vec<Record>,
    /// Records were lost: only a snapshot makes the file true again.
    lost: bool,
    snapshot: Option<Vec<Kept>>,
    most: Option<u64>,
    stop: bool,
    ended: bool,
    file: FileState,
}

/// The queue to the disk.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    state: Mutex<State>,
    changed: Condvar,
    try_again: Option<Duration>,
}

impl Journal {
    /// With another pause between attempts than half a minute.
    pub(crate) fn new(try_again: Option<Duration>) -> Self {
        Self { try_again, ..Self::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn put(&self, records: Vec<Record>) {
        if records.is_empty() {
            return;
        }
        let mut state = self.lock();
        state.records.extend(records);
        if state.records.len() > MOST {
            state.records.clear();
            state.lost = true;
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Everything as it is now: what waits is part of it.
    pub(crate) fn snapshot(&self, kept: Vec<Kept>) {
        let mut state = self.lock();
        state.records.clear();
        state.snapshot = Some(kept);
        drop(state);
        self.changed.notify_all();
    }

    pub(crate) fn set_most(&self, most: u64) {
        self.lock().most = Some(most);
    }

    pub(crate) fn file(&self) -> FileState {
        self.lock().file.clone()
    }

    /// Ends the thread when everything is written; waits for it until `deadline`.
    pub(crate) fn stop(&self, deadline: Instant) {
        let mut state = self.lock();
        state.stop = true;
        self.changed.notify_all();
        while !state.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Reads what an earlier run left, gives it to `inbox`, then writes until stopped.
    pub(crate) fn work(&self, dir: &Path, most: u64, inbox: &Arc<Inbox>) {
        let (mut outbox, found) = Outbox::open(dir, most);
        self.publish(&outbox, Some(found.damaged));
        inbox.with(|a| a.restored = Some(found.kept));
        let mut tried = Instant::now();
        let pause = self.try_again.unwrap_or(TRY_AGAIN);
        loop {
            let mut state = self.lock();
            let due = tried + pause;
            while state.records.is_empty() && state.snapshot.is_none() && !state.stop {
                state = if outbox.broken().is_some() {
                    let left = due.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                } else {
                    self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
                };
            }
            let records = std::mem::take(&mut state.records);
            let snapshot = state.snapshot.take();
            let lost = std::mem::take(&mut state.lost);
            let stop = state.stop;
            if let Some(most) = state.most.take() {
                outbox.set_most(most);
            }
            drop(state);
            if let Some(kept) = snapshot {
                outbox.rewrite(&kept);
                tried = Instant::now();
            }
            outbox.append(&records);
            self.publish(&outbox, None);
            let again = outbox.broken().is_none() || Instant::now() >= due;
            if lost || (outbox.wants_rewrite() && again) {
                tried = Instant::now();
                inbox.with(|a| a.snapshot = true);
            }
            if stop {
                break;
            }
        }
        drop(outbox);
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn publish(&self, outbox: &Outbox, damaged: Option<u64>) {
        let mut state = self.lock();
        match (&state.file.error, outbox.broken()) {
            (None, Some(why)) => say(&format!("outbox: {why}")),
            (Some(_), None) => say("outbox: undelivered alerts are kept on disk again"),
            _ => {}
        }
        state.file.error = outbox.broken().map(str::to_owned);
        state.file.bytes = outbox.size();
        state.file.damaged = damaged.unwrap_or(state.file.damaged);
    }
}
