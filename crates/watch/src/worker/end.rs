//! The end of one target's process: by whom, and what is told and kept of it.

use super::judge::Judgement;
use super::{Target, monotonic_s, oom};
use crate::capture::{CaptureRequest, Order};
use model::{ProcessEnd, TargetState, WatchLevel};
use signals::Sample;
use std::sync::Arc;
use std::time::Instant;

impl Target {
    /// The process has ended: by whom?
    pub(super) fn end(&mut self) {
        let at = bundle::now();
        let told_by = self.oom_killed();
        let killed = told_by.is_some();
        let end = ProcessEnd { at, oom_killed: killed, told_by: told_by.map(str::to_owned) };
        let shared = Arc::clone(&self.tools.shared);
        let state = if killed { TargetState::OomKilled } else { TargetState::Ended };
        shared.view(&self.subject.name, |v| {
            v.status.state = state;
            v.status.level = if killed { WatchLevel::Critical } else { WatchLevel::Quiet };
            v.status.firing.clear();
            v.ended = Some(Instant::now());
        });
        let samples = self.recent();
        let told = self.incident.take().is_some_and(|i| i.tell(Order::Died { end: end.clone(), samples }));
        if killed && !told {
            // It died before any rule asked for evidence: the ring has it.
            let request = CaptureRequest { end: Some(end), ..self.request("oom-kill".into(), WatchLevel::Critical) };
            self.tools.captures.begin(request);
        }
        for rule in std::mem::take(&mut self.told).into_keys() {
            shared.resolve(&self.key(&rule));
        }
        if killed {
            let mut sample = self.last.map_or_else(|| Sample::new(0.0), |r| r.sample);
            sample.at_s = monotonic_s();
            let title = "killed by the kernel for want of memory";
            let alert = self.alert(
                "oom-kill",
                WatchLevel::Critical,
                title,
                "read the bundle: it says what held the memory",
                at,
                &Judgement::default(),
                &sample,
            );
            shared.raise(alert);
        }
        self.tools.keeper.close(self.subject.key);
    }

    /// What says that the kernel killed it for want of memory: its log, by the pid; else its group's count of kills,
    /// which has grown; else, where the group is gone already, the host's, which has within the last seconds.
    fn oom_killed(&self) -> Option<&'static str> {
        let p = self.process.as_ref()?;
        if oom::logged(p.process().pid(), p.process().started_after_boot()) == Some(true) {
            return Some("kernel log");
        }
        match (self.oom_kills, p.oom_kills()) {
            (Some(before), Some(after)) => (after > before).then_some("control group"),
            _ => self.tools.shared.oom.grew().then_some("host"),
        }
    }
}
