//! Which alerts hold, and who has still to be told what. Owns all decisions of alerting: grouping, waiting,
//! repeating, resolving, forgetting. Pure: time comes in as an argument, messages and records for the disk go
//! out as values.
//!
//! What has to be told follows from the state: each alert has a version, which grows with every change worth
//! telling, and each sink has the version it was told last. So nothing is told twice after a restart, a sink that
//! was dead for a day is told the present and not a day of history, and memory is bounded by the number of alerts.

use super::entry::Entry;
use super::record::{Kept, Record, Told};
use super::types::{Alert, AlertKey, Notification};
use model::{UnixMillis, WatchLevel};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How often changes of an alert that nobody is told of reach the disk.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// An instant by both clocks: spans are measured by the one that never jumps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// Since the start of this process's alerting.
    pub mono: Duration,
    /// By the calendar.
    pub wall: UnixMillis,
}

/// Spans and bounds out of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub group_wait: Duration,
    pub group_wait_critical: Duration,
    pub resolve_after: Duration,
    pub restore_grace: Duration,
    pub max_alerts: usize,
}

/// What the decisions need to know of a sink.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SinkRule {
    pub name: String,
    pub min_level: WatchLevel,
    /// Whether alerts with the same culprit are told as one, after a wait.
    pub grouped: bool,
    /// How often an alert that holds is told again.
    pub repeat: Duration,
}

/// Something to tell one sink.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// What is told together; a newer job of the same group replaces an older one.
    pub group: String,
    pub level: WatchLevel,
    /// The alerts in it, with the versions that are told.
    pub members: Vec<(AlertKey, u64)>,
    pub body: Arc<Notification>,
}

/// What has to be done now.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Messages by sink.
    pub jobs: Vec<(String, Job)>,
    /// When to ask again; `None` for not before something happens.
    pub next: Option<Duration>,
}

/// All alerts.
#[derive(Debug)]
pub(crate) struct Book {
    rules: Rules,
    sinks: Vec<SinkRule>,
    entries: BTreeMap<AlertKey, Entry>,
    records: Vec<Record>,
    dropped: u64,
}

impl Book {
    pub(crate) fn new(rules: Rules, sinks: Vec<SinkRule>) -> Self {
        Self { rules, sinks, entries: BTreeMap::new(), records: Vec::new(), dropped: 0 }
    }

    /// The alerts of the time before a restart. They are over unless raised again within the grace.
    pub(crate) fn restore(&mut self, kept: Vec<Kept>, now: Now) {
        for kept in kept {
            // How long ago by the calendar, which may have been set since.
            let ago =
                |at: UnixMillis| Duration::from_millis(u64::try_from(now.wall.0.saturating_sub(at.0)).unwrap_or(0));
            let told_at = kept.told.iter().map(|(s, t)| (s.clone(), now.mono.saturating_sub(ago(t.at)))).collect();
            if let Some(entry) = self.entries.get_mut(&kept.alert.key) {
                entry.continue_from(kept, told_at);
                self.records.push(Record::Alert(Box::new(entry.kept.clone())));
                continue;
            }
            let over = kept.resolved_at.is_none().then(|| (now.mono + self.rules.restore_grace, now.wall));
            let entry =
                Entry { due: now.mono, over, sent: BTreeMap::new(), told_at, saved: now.mono, unsaved: false, kept };
            self.entries.insert(entry.kept.alert.key.clone(), entry);
        }
        self.bound();
    }

    pub(crate) fn configure(&mut self, rules: Rules, sinks: Vec<SinkRule>) {
        self.rules = rules;
        // What was on its way through a sink's old settings goes through the new ones.
        for old in self.sinks.iter().filter(|s| !sinks.contains(s)) {
            for entry in self.entries.values_mut() {
                entry.sent.remove(&old.name);
            }
        }
        self.sinks = sinks;
        self.bound();
    }

    /// Forgets what is on its way to a sink: its queue is gone.
    pub(crate) fn forget_sent(&mut self, sink: &str) {
        for entry in self.entries.values_mut() {
            entry.sent.remove(sink);
        }
    }

    /// An alert holds. Whether there is something to plan now: most often it is only known already.
    pub(crate) fn raise(&mut self, alert: Alert, now: Now) -> bool {
        let wait =
            if alert.level == WatchLevel::Critical { self.rules.group_wait_critical } else { self.rules.group_wait };
        let Some(entry) = self.entries.get_mut(&alert.key) else {
            let key = alert.key.clone();
            let kept = Kept { peak: alert.level, version: 1, resolved_at: None, told: BTreeMap::new(), alert };
            let due = now.mono + wait;
            let (sent, told_at) = (BTreeMap::new(), BTreeMap::new());
            let entry = Entry { kept, due, over: None, sent, told_at, saved: now.mono, unsaved: false };
            self.records.push(Record::Alert(Box::new(entry.kept.clone())));
            self.entries.insert(key, entry);
            self.bound();
            return true;
        };
        entry.over = None;
        let old = &entry.kept.alert;
        let again = !entry.firing();
        let urgent = !again && alert.level > old.level;
        let gained = |of: fn(&Alert) -> &Option<String>| of(old).is_none() && of(&alert).is_some();
        let richer = gained(|a| &a.bundle) || gained(|a| &a.site) || gained(|a| &a.culprit);
        let changed = *old != alert;
        entry.kept.peak = if again { alert.level } else { entry.kept.peak.max(alert.level) };
        let started_at = if again { alert.started_at } else { old.started_at };
        // Who was found to blame stays so while the alert holds.
        let culprit = alert.culprit.clone().or_else(|| old.culprit.clone().filter(|_| !again));
        entry.kept.alert = Alert { started_at, culprit, ..alert };
        entry.kept.resolved_at = None;
        if again || urgent || richer {
            entry.kept.version += 1;
            entry.due = if urgent { now.mono } else { now.mono + wait };
            entry.saved = now.mono;
            entry.unsaved = false;
            self.records.push(Record::Alert(Box::new(entry.kept.clone())));
            return true;
        }
        entry.unsaved |= changed;
        entry.unsaved && entry.saved + SAVE_EVERY <= now.mono
    }

    /// An alert is over since `at`, unless it is raised again within the hold time.
    pub(crate) fn resolve(&mut self, key: &AlertKey, at: UnixMillis, now: Now) {
        let hold = self.rules.resolve_after;
        if let Some(entry) = self.entries.get_mut(key)
            && entry.firing()
        {
            entry.over = Some((now.mono + hold, at));
        }
    }

    /// A sink was told, or it will not be tried any more: until the alert changes or its next repetition.
    pub(crate) fn done(&mut self, sink: &str, members: &[(AlertKey, u64)], now: Now) {
        for (key, version) in members {
            let Some(entry) = self.entries.get_mut(key) else { continue };
            entry.sent.remove(sink);
            entry.told_at.insert(sink.to_owned(), now.mono);
            let old = entry.kept.told.get(sink).copied();
            let told = Told { version: *version.max(&old.map_or(0, |t| t.version)), at: now.wall };
            entry.kept.told.insert(sink.to_owned(), told);
            // Repetitions that come every minute are not worth a write each.
            let stale = old.is_none_or(|o| told.version > o.version || told.at.seconds_since(o.at) > 600.0);
            if stale {
                self.records.push(Record::Told { sink: sink.to_owned(), key: key.clone(), told });
            }
        }
    }

    /// What has to be told now.
    pub(crate) fn plan(&mut self, now: Now) -> Plan {
        self.end_those_over(now);
        let mut plan = Plan::default();
        let sinks = self.sinks.clone();
        for sink in &sinks {
            self.plan_sink(sink, now, &mut plan);
        }
        self.forget_settled();
        self.save_changed(now);
        let over = self.entries.values().filter_map(|e| e.over.map(|(at, _)| at)).min();
        plan.next = [plan.next, over].into_iter().flatten().min();
        plan
    }

    fn plan_sink(&mut self, sink: &SinkRule, now: Now, plan: &mut Plan) {
        let mut groups: BTreeMap<String, Vec<AlertKey>> = BTreeMap::new();
        for (key, entry) in &self.entries {
            if entry.kept.peak >= sink.min_level {
                groups
                    .entry(if sink.grouped { entry.kept.alert.group() } else { key.alone() })
                    .or_default()
                    .push(key.clone());
            }
        }
        for (group, keys) in groups {
            let members: Vec<&Entry> = keys.iter().filter_map(|k| self.entries.get(k)).collect();
            let waiting = members.iter().filter(|e| e.waits_for(&sink.name));
            let changed = waiting.map(|e| if sink.grouped { e.due } else { Duration::ZERO }).min();
            let last = members.iter().map(|e| e.last(&sink.name)).max().unwrap_or_default();
            let repeat = members.iter().any(|e| e.firing()).then(|| last + sink.repeat);
            // A change that waits is told when it is due, and not before as a repetition.
            let Some(at) = changed.or(repeat) else { continue };
            if at > now.mono {
                plan.next = Some(plan.next.map_or(at, |n| n.min(at)));
                continue;
            }
            if let Some(job) = self.job(sink, group, &keys, changed.is_none(), now) {
                plan.jobs.push((sink.name.clone(), job));
            }
        }
    }

    /// The message of a group: what holds, and what is over and was not told to be.
    fn job(&mut self, sink: &SinkRule, group: String, keys: &[AlertKey], repeated: bool, now: Now) -> Option<Job> {
        let mut members = Vec::new();
        let mut documents = Vec::new();
        for key in keys {
            let Some(entry) = self.entries.get_mut(key) else { continue };
            if !entry.firing() {
                let never = entry.told_version(&sink.name) == 0 && !entry.sent.contains_key(&sink.name);
                if never && sink.grouped {
                    // Over before anybody heard of it, and no sink's fault: it stays unheard.
                    entry.kept.told.insert(sink.name.clone(), Told { version: entry.kept.version, at: now.wall });
                    continue;
                }
                if entry.told_version(&sink.name) >= entry.kept.version {
                    continue;
                }
            }
            entry.sent.insert(sink.name.clone(), (entry.kept.version, now.mono));
            members.push((key.clone(), entry.kept.version));
            documents.push(entry.document());
        }
        let body = Notification::of(documents, repeated)?;
        Some(Job { group, level: body.level, members, body: Arc::new(body) })
    }

    fn end_those_over(&mut self, now: Now) {
        for entry in self.entries.values_mut() {
            if let Some((due, at)) = entry.over
                && due <= now.mono
            {
                entry.over = None;
                entry.kept.resolved_at = Some(at);
                entry.kept.version += 1;
                entry.due = now.mono + self.rules.group_wait;
                self.records.push(Record::Alert(Box::new(entry.kept.clone())));
            }
        }
    }

    /// Drops what is over and told to everybody.
    fn forget_settled(&mut self) {
        let (sinks, records) = (&self.sinks, &mut self.records);
        self.entries.retain(|key, entry| {
            let told =
                |s: &SinkRule| entry.kept.peak < s.min_level || entry.told_version(&s.name) >= entry.kept.version;
            let settled = !entry.firing() && sinks.iter().all(told);
            if settled {
                records.push(Record::Forget { key: key.clone() });
            }
            !settled
        });
    }

    /// Records alerts that changed and have not been written for a while.
    fn save_changed(&mut self, now: Now) {
        for entry in self.entries.values_mut().filter(|e| e.unsaved && e.saved + SAVE_EVERY <= now.mono) {
            entry.saved = now.mono;
            entry.unsaved = false;
            self.records.push(Record::Alert(Box::new(entry.kept.clone())));
        }
    }

    /// Keeps no more alerts than allowed: the oldest of the lowest level go first.
    fn bound(&mut self) {
        while self.entries.len() > self.rules.max_alerts {
            let rank = |e: &Entry| (e.firing(), e.kept.alert.level, e.kept.alert.started_at);
            let Some(key) = self.entries.iter().min_by_key(|(_, e)| rank(e)).map(|(k, _)| k.clone()) else { return };
            self.entries.remove(&key);
            self.records.push(Record::Forget { key });
            self.dropped += 1;
        }
    }

    /// Changes since the last call, for the disk.
    pub(crate) fn take_records(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }

    /// Everything, for a new file.
    pub(crate) fn snapshot(&self) -> Vec<Kept> {
        self.entries.values().map(|e| e.kept.clone()).collect()
    }

    /// Alerts that hold, by level from quiet to critical.
    pub(crate) fn active(&self) -> [u64; 4] {
        let mut out = [0; 4];
        for entry in self.entries.values().filter(|e| e.firing()) {
            if let Some(n) = out.get_mut(entry.kept.alert.level as usize) {
                *n += 1;
            }
        }
        out
    }

    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::replay;
    use super::super::types::AlertState;
    use super::super::types::tests::alert;
    use super::*;
    use WatchLevel::{Critical, Notice, Warning};

    fn at(seconds: u64) -> Now {
        let wall = UnixMillis(1_790_000_000_000 + i64::try_from(seconds).unwrap() * 1000);
        Now { mono: Duration::from_secs(seconds), wall }
    }

    fn sink(name: &str, min_level: WatchLevel, grouped: bool, repeat: u64) -> SinkRule {
        SinkRule { name: name.into(), min_level, grouped, repeat: Duration::from_secs(repeat) }
    }

    fn book(sinks: Vec<SinkRule>) -> Book {
        let s = Duration::from_secs;
        let rules = Rules {
            group_wait: s(10),
            group_wait_critical: s(1),
            resolve_after: s(60),
            restore_grace: s(300),
            max_alerts: 5,
        };
        Book::new(rules, sinks)
    }

    /// What is told now, and that it was taken.
    fn told(book: &mut Book, now: Now) -> Vec<(String, Arc<Notification>)> {
        let jobs = book.plan(now).jobs;
        for (sink, job) in &jobs {
            book.done(sink, &job.members, now);
        }
        jobs.into_iter().map(|(sink, job)| (sink, job.body)).collect()
    }

    #[test]
    fn groups_by_culprit_and_tells_each_change_once() {
        let mut b = book(vec![sink("hook", Warning, true, 14_400)]);
        b.raise(alert("a", "leak", Some("main.put"), Warning), at(0));
        b.raise(alert("c", "leak", None, Notice), at(0));
        assert_eq!(b.plan(at(0)).next, Some(Duration::from_secs(10)));
        b.raise(alert("b", "leak", Some("main.put"), Warning), at(9));
        let first = told(&mut b, at(10));
        assert_eq!(first.len(), 1);
        assert_eq!(first[0].1.targets, ["a", "b"]);
        // Numbers change, nobody is told.
        let mut same = alert("a", "leak", Some("main.put"), Warning);
        same.usage = Some(model::Bytes::mib(450));
        b.raise(same, at(20));
        assert!(told(&mut b, at(100)).is_empty());
        // The level rises: at once.
        b.raise(alert("a", "leak", Some("main.put"), Critical), at(101));
        let up = told(&mut b, at(101));
        assert_eq!((up[0].1.level, up[0].1.targets.len()), (Critical, 2));
        // One of two is over, and held for a minute first.
        b.resolve(&alert("a", "leak", Some("main.put"), Critical).key, at(110).wall, at(110));
        assert_eq!(b.plan(at(111)).next, Some(Duration::from_secs(170)));
        assert!(told(&mut b, at(170)).is_empty());
        let half = told(&mut b, at(180));
        assert_eq!((half[0].1.status, half[0].1.alerts.len()), (AlertState::Firing, 2));
        assert_eq!(half[0].1.alerts[1].resolved_at, Some(at(110).wall));
        b.resolve(&alert("b", "leak", Some("main.put"), Critical).key, at(200).wall, at(200));
        assert!(told(&mut b, at(260)).is_empty());
        let over = told(&mut b, at(270));
        assert_eq!((over[0].1.status, over[0].1.alerts.len()), (AlertState::Resolved, 1));
        assert!(told(&mut b, at(100_000)).is_empty());
        assert_eq!(b.active(), [0, 1, 0, 0]);
    }

    /// Three replicas leak; who is to blame is found a little later, by each for itself.
    #[test]
    fn alerts_come_together_when_their_culprit_is_found() {
        let mut b = book(vec![sink("hook", Warning, true, 14_400)]);
        for target in ["a", "b", "c"] {
            b.raise(alert(target, "leak", None, Warning), at(0));
        }
        assert_eq!(told(&mut b, at(10)).len(), 3, "an alert does not wait for a culprit");
        for (target, second) in [("a", 20), ("b", 25), ("c", 29)] {
            b.raise(alert(target, "leak", Some("main.put"), Warning), at(second));
        }
        assert!(told(&mut b, at(29)).is_empty());
        let found = told(&mut b, at(30));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].1.culprit.as_deref(), found[0].1.targets.len()), (Some("main.put"), 3));
        // The evidence grows old, the blame stays: nobody is told a second time.
        b.raise(alert("a", "leak", None, Warning), at(60));
        assert!(told(&mut b, at(100)).is_empty());
        assert_eq!(b.entries.values().filter(|e| e.kept.alert.culprit.is_some()).count(), 3);
    }

    #[test]
    fn repeats_what_lasts_and_nothing_that_flaps() {
        let mut b = book(vec![sink("hook", Warning, true, 14_400), sink("am", Warning, false, 60)]);
        let a = alert("a", "leak", None, Critical);
        b.raise(a.clone(), at(0));
        assert_eq!(told(&mut b, at(0)).iter().map(|t| t.0.as_str()).collect::<Vec<_>>(), ["am"]);
        assert_eq!(told(&mut b, at(1)).iter().map(|t| t.0.as_str()).collect::<Vec<_>>(), ["hook"]);
        let mut per_sink = BTreeMap::new();
        for second in 2..=14_401 {
            if second % 50 == 0 {
                b.resolve(&a.key, at(second).wall, at(second));
                b.raise(a.clone(), at(second + 30));
            }
            for (sink, n) in told(&mut b, at(second)) {
                assert!(n.repeated && n.status == AlertState::Firing, "{second}");
                *per_sink.entry(sink).or_insert(0) += 1;
            }
        }
        assert_eq!(per_sink, [("am".to_owned(), 240), ("hook".to_owned(), 1)].into());
    }

    #[test]
    fn a_sink_that_was_dead_is_told_the_present() {
        let mut b = book(vec![sink("hook", Warning, true, 14_400)]);
        let a = alert("a", "leak", None, Critical);
        b.raise(a.clone(), at(0));
        let lost = b.plan(at(1)).jobs;
        assert_eq!(lost.len(), 1);
        b.resolve(&a.key, at(2).wall, at(2));
        b.plan(at(62));
        let late = told(&mut b, at(72));
        assert_eq!((late[0].1.status, late[0].1.level), (AlertState::Resolved, Critical));
        // It was over before anybody was told, with nothing on its way: nobody needs to know.
        b.raise(alert("b", "leak", None, Warning), at(100));
        b.resolve(&alert("b", "leak", None, Warning).key, at(101).wall, at(101));
        b.rules.resolve_after = Duration::ZERO;
        b.resolve(&alert("b", "leak", None, Warning).key, at(101).wall, at(101));
        assert!(told(&mut b, at(101)).is_empty() && told(&mut b, at(111)).is_empty());
        b.plan(at(112));
        assert!(b.entries.is_empty());
    }

    /// Whatever was recorded at a moment is what a restart knows.
    #[test]
    fn a_restart_tells_nothing_twice_and_forgets_nothing() {
        let sinks = vec![sink("hook", Warning, true, 14_400), sink("slack", Warning, true, 14_400)];
        let mut b = book(sinks.clone());
        b.raise(alert("a", "leak", None, Critical), at(0));
        b.raise(alert("b", "leak", None, Critical), at(0));
        let jobs = b.plan(at(1)).jobs;
        assert_eq!(jobs.len(), 4);
        for (sink, job) in jobs.iter().filter(|(s, _)| s == "hook") {
            b.done(sink, &job.members, at(1));
        }
        let kept = replay(b.take_records().into_iter());
        assert_eq!(kept, b.snapshot());
        // A second after the restart one of them is raised again.
        let mut b = book(sinks);
        b.raise(alert("a", "leak", None, Critical), at(0));
        b.restore(kept, at(0));
        let jobs = told(&mut b, at(1));
        assert!(jobs.iter().all(|(sink, _)| sink == "slack") && jobs.len() == 2, "{jobs:?}");
        // The other is over, five minutes and the group's wait later.
        b.plan(at(300));
        let over = told(&mut b, at(310));
        assert_eq!(over.len(), 2);
        assert!(over.iter().all(|(_, n)| n.status == AlertState::Resolved && n.targets == ["b"]));
    }

    #[test]
    fn keeps_the_most_urgent_when_there_are_too_many() {
        let mut b = book(vec![sink("hook", Warning, true, 14_400)]);
        b.raise(alert("grave", "leak", None, Critical), at(0));
        for i in 0..20 {
            b.raise(alert(&format!("t{i}"), "leak", None, Warning), at(1));
        }
        assert_eq!((b.entries.len(), b.dropped()), (5, 16));
        assert_eq!(b.active(), [0, 0, 4, 1]);
        assert_eq!(replay(b.take_records().into_iter()).len(), 5);
    }

    #[test]
    fn new_settings_send_what_was_on_its_way_again() {
        let mut b = book(vec![sink("hook", Warning, true, 14_400)]);
        b.raise(alert("a", "leak", None, Notice), at(0));
        assert!(b.plan(at(20)).jobs.is_empty());
        let rules = b.rules.clone();
        b.configure(rules, vec![sink("hook", Notice, true, 14_400)]);
        assert_eq!(b.plan(at(21)).jobs.len(), 1);
        b.forget_sent("hook");
        assert_eq!(told(&mut b, at(22)).len(), 1);
        assert!(told(&mut b, at(23)).is_empty());
    }
}
