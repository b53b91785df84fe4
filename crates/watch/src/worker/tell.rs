//! What is shown and told of one target: its status, its alerts.

use super::judge::{Judgement, left, of_sample};
use super::{Subject, Target};
use crate::alert::{Alert, AlertKey};
use crate::series::Record;
use crate::shared::{RECENT, lock};
use bundle::TargetRecord;
use model::{Bytes, SourceStatus, TargetState, UnixMillis, WatchLevel};
use signals::{Column, Sample};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// For how long evidence says something of an alarm.
const EVIDENCE_HOLDS: Duration = Duration::from_secs(3600);

impl Target {
    pub(super) fn show(&self, r: &Record, j: &Judgement, sources: Vec<SourceStatus>) {
        let s = &r.sample;
        let grows = (j.reading.growth.p50 != 0.0).then_some(j.reading.growth.p50);
        let (samples, failed) = (self.samples, self.failed);
        let url = self.subject.url.as_ref().map(ToString::to_string);
        self.tools.shared.view(&self.subject.name, |v| {
            let st = &mut v.status;
            st.state = if sources.iter().any(|x| x.ok) { TargetState::Running } else { TargetState::Unreachable };
            st.level = j.level;
            st.shape = j.shape;
            st.sources = sources;
            st.url = url;
            st.sampled_at = Some(r.at);
            st.live_heap = of_sample(s, Column::HeapLive);
            st.heap_alloc = of_sample(s, Column::HeapAlloc);
            st.heap_goal = of_sample(s, Column::HeapGoal);
            st.go_memory_limit = of_sample(s, Column::MemoryLimit);
            st.gogc_percent = s.get(Column::Gogc).map(|g| g as i64);
            st.stacks_and_metadata = s.beside_heap().map(|b| Bytes(b as u64));
            st.off_heap = s.get(Column::Mapped).and_then(|_| s.beside_go()).map(|b| Bytes(b as u64));
            st.rss = of_sample(s, Column::Rss);
            st.unreclaimable = s.unreclaimable().map(|b| Bytes(b as u64));
            st.limit = s.limit().map(|b| Bytes(b as u64));
            st.growth_bytes_per_s = grows;
            st.alloc_bytes_per_s = j.reading.alloc_rate;
            st.gc_cycles_per_s = j.reading.cycles_per_s;
            st.gc_cpu_share = j.reading.gc_cpu_share;
            st.goroutines = s.get(Column::Goroutines).map(|g| g as u64);
            st.cpu_cores = j.reading.cpu_cores;
            st.memory_pressure = s.get(Column::Pressure);
            st.seconds_to_limit = left(&j.reading);
            st.firing.clone_from(&j.firing);
            st.interval_ms = u64::try_from(j.pace.as_millis()).unwrap_or(u64::MAX);
            st.samples = samples;
            st.failed_samples = failed;
            if v.recent.len() >= RECENT {
                v.recent.pop_front();
            }
            v.recent.push_back(*r);
        });
    }

    /// Raises what holds and resolves what is over.
    pub(super) fn tell(&mut self, j: &Judgement, s: &Sample) {
        for rule in &j.over {
            if self.told.remove(rule).is_some() {
                self.tools.shared.resolve(&self.key(rule));
            }
        }
        // The numbers of an alert are kept current, but not at each sample.
        let fresh = self.refreshed.is_none_or(|t| t.elapsed() > Duration::from_secs(10));
        if fresh {
            self.refreshed = Some(Instant::now());
        }
        for f in &j.firing {
            let known = self.told.get(&f.rule);
            if known == Some(&f.level) && !fresh {
                continue;
            }
            let advice = j.wanted.iter().find(|w| w.0 == f.rule).map_or("", |w| w.2.as_str());
            let alert = self.alert(&f.rule, f.level, &f.title, advice, f.since, j, s);
            self.tools.shared.raise(alert);
            self.told.insert(f.rule.clone(), f.level);
        }
    }

    pub(super) fn key(&self, rule: &str) -> AlertKey {
        AlertKey { target: self.subject.name.clone(), rule: rule.to_owned() }
    }

    #[expect(clippy::too_many_arguments, reason = "what an alert is made of")]
    pub(super) fn alert(
        &self,
        rule: &str,
        level: WatchLevel,
        title: &str,
        advice: &str,
        since: UnixMillis,
        j: &Judgement,
        s: &Sample,
    ) -> Alert {
        let incident = {
            let views = lock(&self.tools.shared.views);
            views.get(&self.subject.name).and_then(|v| v.status.incidents.first().cloned())
        };
        // Evidence of another day says nothing of this alarm. What was asked for lately is of today, wherever the
        // calendar jumped to meanwhile.
        let lately = self.asked.is_some_and(|t| t.elapsed() < EVIDENCE_HOLDS);
        let holds = i64::try_from(EVIDENCE_HOLDS.as_millis()).unwrap_or(i64::MAX);
        let incident = incident.filter(|i| lately || i.at.0.saturating_add(holds) > since.0);
        // What the diagnosis would change says more than what a rule of ours can.
        let users = self.tools.shared.settings().rules.iter().any(|r| r.config.name == rule);
        let fix = incident.as_ref().and_then(|i| i.advice.clone()).filter(|_| !users || advice.is_empty());
        let advice = fix.unwrap_or_else(|| advice.to_owned());
        Alert {
            key: self.key(rule),
            level,
            title: format!("{}: {title}", self.subject.name),
            culprit: incident.as_ref().and_then(|i| i.culprit.clone()),
            site: incident.as_ref().and_then(|i| i.culprit.clone()),
            container: incident.as_ref().and_then(|i| i.container.clone()),
            seconds_left: left(&j.reading),
            limit: s.limit().map(|b| Bytes(b as u64)),
            usage: s.unreclaimable().map(|b| Bytes(b as u64)),
            advice,
            finding: incident.as_ref().and_then(|i| i.summary.clone()),
            bundle: incident.map(|i| i.bundle),
            labels: self.labels.clone(),
            started_at: since,
        }
    }
}

/// By what an alert of this target can be told and routed: the configured labels, and who and where it is.
pub(super) fn labels(subject: &Subject, record: &TargetRecord) -> BTreeMap<String, String> {
    let mut out = subject.config.labels.clone();
    if let Some(pid) = subject.pid {
        out.insert("pid".into(), pid.to_string());
    }
    if let Some(p) = &record.program {
        out.insert("program".into(), p.clone());
    }
    for (label, variable) in [("pod", "POD_NAME"), ("namespace", "POD_NAMESPACE"), ("host", "NODE_NAME")] {
        if let Ok(v) = std::env::var(variable) {
            out.entry(label.into()).or_insert(v);
        }
    }
    if let Ok(host) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
        out.entry("host".into()).or_insert_with(|| host.trim().to_owned());
    }
    out
}
