//! The thread between the watcher and the sinks: takes in what happens, asks the book what to tell, hands it to the
//! mailboxes and the records to the disk. Never waits for a sink or the disk.

use super::book::{Book, Now, Rules};
use super::config::AlertConfig;
use super::counters::SinkCounters;
use super::inbox::{Arrived, Event, Inbox};
use super::journal::Journal;
use super::mailbox::{Mailbox, Retry};
use super::sinks::SinkSpec;
use super::types::Alert;
use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the first message waits for what an earlier run left.
const RESTORE_WAIT: Duration = Duration::from_secs(2);
/// How often a stopping manager looks whether its sinks are done.
const LOOK: Duration = Duration::from_millis(20);

/// What is known of the alerts, for the counters.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub active: [u64; 3],
    pub dropped: u64,
}

/// What the manager shares with those who ask for counters.
#[derive(Default)]
pub(crate) struct Shared {
    pub mailboxes: Mutex<Vec<Arc<Mailbox>>>,
    pub totals: Mutex<Totals>,
}

struct Running {
    spec: SinkSpec,
    retry: Retry,
    mailbox: Arc<Mailbox>,
}

pub(crate) struct Manager {
    inbox: Arc<Inbox>,
    journal: Arc<Journal>,
    shared: Arc<Shared>,
    launcher: Arc<[OsString]>,
    config: AlertConfig,
    book: Book,
    sinks: Vec<Running>,
    started: Instant,
    restored: bool,
    inbox_dropped: u64,
}

impl Manager {
    pub(crate) fn new(
        inbox: Arc<Inbox>,
        journal: Arc<Journal>,
        shared: Arc<Shared>,
        launcher: Arc<[OsString]>,
        config: AlertConfig,
    ) -> Self {
        let specs = SinkSpec::all(&config);
        let book = Book::new(rules(&config), specs.iter().map(|s| s.rule.clone()).collect());
        let started = Instant::now();
        let mut out = Self {
            inbox,
            journal,
            shared,
            launcher,
            config,
            book,
            sinks: Vec::new(),
            started,
            restored: false,
            inbox_dropped: 0,
        };
        out.start_sinks(specs);
        out
    }

    fn now(&self) -> Now {
        Now { mono: self.started.elapsed(), wall: bundle::now() }
    }

    /// Runs until told to stop.
    pub(crate) fn run(mut self) {
        let mut until = Some(self.started + RESTORE_WAIT);
        loop {
            let arrived = self.inbox.wait(until);
            let stop = arrived.stop;
            let due = until.is_some_and(|at| at <= Instant::now());
            let changed = self.take_in(arrived);
            // Until it is known what was told before the restart, telling would repeat it.
            if !self.restored && stop.is_none() && self.started.elapsed() < RESTORE_WAIT {
                continue;
            }
            let first = !std::mem::replace(&mut self.restored, true);
            if changed || due || first || stop.is_some() {
                until = self.act();
            }
            if let Some(grace) = stop {
                self.stop(grace);
                return;
            }
        }
    }

    /// Books what came; says whether there is something to plan.
    fn take_in(&mut self, arrived: Arrived) -> bool {
        let now = self.now();
        let mut changed = arrived.config.is_some() || arrived.restored.is_some() || !arrived.done.is_empty();
        if let Some(config) = arrived.config {
            self.configure(*config);
        }
        if let Some(kept) = arrived.restored {
            self.book.restore(kept, now);
            self.restored = true;
        }
        for event in arrived.events {
            match event {
                Event::Raise(alert) => changed |= self.book.raise(self.labelled(*alert), now),
                Event::Resolve(key, at) => {
                    self.book.resolve(&key, at, now);
                    changed = true;
                }
            }
        }
        for done in arrived.done {
            self.book.done(&done.sink, &done.members, now);
        }
        if arrived.snapshot {
            self.book.take_records();
            self.journal.snapshot(self.book.snapshot());
        }
        self.inbox_dropped = arrived.dropped;
        self.publish();
        changed
    }

    /// For the counters.
    fn publish(&self) {
        let [_, notice, warning, critical] = self.book.active();
        let dropped = self.inbox_dropped + self.book.dropped();
        let mut totals = self.shared.totals.lock().unwrap_or_else(PoisonError::into_inner);
        *totals = Totals { active: [notice, warning, critical], dropped };
    }

    /// With the labels of the configuration, which the alert's own go before.
    fn labelled(&self, mut alert: Alert) -> Alert {
        for (name, value) in &self.config.labels {
            alert.labels.entry(name.clone()).or_insert_with(|| value.clone());
        }
        alert.bounded()
    }

    /// Hands out what is to be told; says when to look again.
    fn act(&mut self) -> Option<Instant> {
        let plan = self.book.plan(self.now());
        let now = Instant::now();
        for (sink, job) in plan.jobs {
            let Some(running) = self.sinks.iter().find(|r| r.spec.rule.name == sink) else { continue };
            if let Some(dropped) = running.mailbox.put(job, now) {
                let at = self.now();
                self.book.done(&sink, &dropped.members, at);
            }
        }
        self.journal.put(self.book.take_records());
        self.publish();
        plan.next.and_then(|at| self.started.checked_add(at))
    }

    fn configure(&mut self, config: AlertConfig) {
        self.config = config;
        let specs = SinkSpec::all(&self.config);
        self.book.configure(rules(&self.config), specs.iter().map(|s| s.rule.clone()).collect());
        self.journal.set_most(self.config.outbox_max_bytes);
        self.start_sinks(specs);
    }

    /// Starts sinks that are new or changed, ends those that are gone, leaves the others alone.
    fn start_sinks(&mut self, specs: Vec<SinkSpec>) {
        let retry = Retry {
            first: self.config.retry_first.0,
            longest: self.config.retry_longest.0,
            give_up_after: self.config.give_up_after.0,
        };
        let mut old = std::mem::take(&mut self.sinks);
        for spec in specs {
            let same = old.iter().position(|r| r.spec == spec && r.retry == retry);
            if let Some(i) = same {
                self.sinks.push(old.swap_remove(i));
                continue;
            }
            // Counters must not fall: a sink keeps its own through a change of its settings.
            let before = old.iter().find(|r| r.spec.rule.name == spec.rule.name);
            let counters = before.map_or_else(SinkCounters::default, |r| r.mailbox.counters());
            self.book.forget_sent(&spec.rule.name);
            let mailbox = Arc::new(Mailbox::new(&spec.rule.name, retry, spec.batch(), counters));
            for _ in 0..spec.threads() {
                let (mailbox, inbox, sender) =
                    (Arc::clone(&mailbox), Arc::clone(&self.inbox), spec.sender(&self.launcher));
                let name = format!("alert-{}", spec.rule.name.chars().take(8).collect::<String>());
                let work = move || mailbox.work(sender, &inbox);
                // Without a thread the sink's messages wait, which its counters show.
                let _ = std::thread::Builder::new().name(name).spawn(work);
            }
            self.sinks.push(Running { spec, retry, mailbox });
        }
        for gone in old {
            gone.mailbox.stop(Instant::now());
        }
        let mailboxes = self.sinks.iter().map(|r| Arc::clone(&r.mailbox)).collect();
        *self.shared.mailboxes.lock().unwrap_or_else(PoisonError::into_inner) = mailboxes;
    }

    /// Lets the sinks finish within `grace`, then the disk.
    fn stop(mut self, grace: Duration) {
        let deadline = Instant::now() + grace;
        for running in &self.sinks {
            running.mailbox.stop(deadline);
        }
        while Instant::now() < deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            let arrived = self.inbox.wait(Some(Instant::now() + LOOK.min(left)));
            self.take_in(arrived);
            self.journal.put(self.book.take_records());
            if self.sinks.iter().all(|r| r.mailbox.idle()) {
                break;
            }
        }
        // The last answers.
        let arrived = self.inbox.wait(Some(Instant::now()));
        self.take_in(arrived);
        self.journal.put(self.book.take_records());
        self.journal.stop(Instant::now() + Duration::from_secs(1));
    }
}

fn rules(config: &AlertConfig) -> Rules {
    Rules {
        group_wait: config.group_wait.0,
        group_wait_critical: config.group_wait_critical.0,
        resolve_after: config.resolve_after.0,
        restore_grace: config.restore_grace.0,
        max_alerts: config.max_alerts,
    }
}
