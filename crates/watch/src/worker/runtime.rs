//! The runtime's numbers of one target, by the cheapest door that is open: its memory, else its web pages;
//! and the collector's own lines for what neither tells.

use super::Target;
use super::gctrace::GcTraceThread;
use super::judge::Judgement;
use super::web::WebThread;
use crate::shared::{Settings, lock, say};
use bundle::Authorities;
use bundle::sampling::{RuntimeSampler, WebSampler};
use model::SourceStatus;
use signals::Sample;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A process whose runtime could not be found is looked at again after this time, for a minute; then each minute.
const LOOK_AGAIN: Duration = Duration::from_secs(3);
/// Looking at an executable takes memory and time: one at a time.
static LOOKING: Mutex<()> = Mutex::new(());

impl Target {
    /// The runtime's numbers by the cheapest door that is open.
    pub(super) fn of_runtime(
        &mut self,
        s: &mut Sample,
        settings: &Settings,
        urgent: bool,
        sources: &mut Vec<SourceStatus>,
    ) -> bool {
        let by_memory = self.of_memory(s, settings, urgent, sources);
        let by_web = !by_memory && self.of_web(s, settings, sources);
        let by_lines = self.of_gctrace(s, settings, by_memory, sources);
        by_memory || by_web || by_lines
    }

    fn of_memory(
        &mut self,
        s: &mut Sample,
        settings: &Settings,
        urgent: bool,
        sources: &mut Vec<SourceStatus>,
    ) -> bool {
        let w = &settings.file.watch;
        if w.memory && self.process.is_some() {
            if self.runtime.is_none() && !urgent {
                self.look();
            }
            let read = self.runtime.as_mut().is_some_and(|r| r.sample(s));
            if !read && self.runtime.take().is_some() {
                self.look_at = Instant::now() + LOOK_AGAIN;
            }
            let detail = if read { String::new() } else { self.runtime_error.clone() };
            sources.push(SourceStatus { name: "memory".into(), ok: read, detail });
            if read {
                self.web = None;
                return true;
            }
        }
        false
    }

    fn of_web(&mut self, s: &mut Sample, settings: &Settings, sources: &mut Vec<SourceStatus>) -> bool {
        let w = &settings.file.watch;
        if !w.web {
            return false;
        }
        // A process gets a moment to have its runtime found before its ports are tried; one whose log is read is left
        // alone, unless its address was given.
        let told = self.subject.url.is_none() && self.gctrace.as_ref().is_some_and(GcTraceThread::tells);
        if self.web.is_none() && !told && (self.looked > 2 || self.process.is_none() || !w.memory) {
            self.open_web(settings);
        }
        let Some(web) = &self.web else { return false };
        let fresh = settings.file.watch.interval.0.max(Duration::from_secs(2)).mul_f64(1.6);
        match web.fill(s, fresh) {
            Ok(page) => {
                sources.push(SourceStatus { name: page.into(), ok: true, detail: String::new() });
                true
            }
            Err(e) => {
                sources.push(SourceStatus { name: "web".into(), ok: false, detail: e });
                false
            }
        }
    }

    fn look(&mut self) {
        let Some(p) = &self.process else { return };
        if Instant::now() < self.look_at {
            return;
        }
        self.looked += 1;
        let opened = {
            let _one = lock(&LOOKING);
            RuntimeSampler::open(p.process())
        };
        match opened {
            Ok(r) => {
                let version = Some(r.go_version().to_owned());
                self.record.go_version.clone_from(&version);
                self.tools.shared.view(&self.subject.name, |v| v.status.go_version = version);
                self.runtime = Some(r);
                self.runtime_error.clear();
            }
            Err(e) => {
                self.look_at = Instant::now() + if self.looked < 20 { LOOK_AGAIN } else { 20 * LOOK_AGAIN };
                if self.looked == 3 && self.said.insert(e.clone()) {
                    say(&format!("{}: the runtime's numbers cannot be read from outside: {e}", self.subject.name));
                }
                self.runtime_error = e;
            }
        }
    }

    fn open_web(&mut self, settings: &Settings) {
        let w = &settings.file.watch;
        let c = &self.subject.config;
        let address = self.subject.url.clone().or_else(|| {
            if Instant::now() < self.look_at {
                return None;
            }
            self.look_at = Instant::now() + 20 * LOOK_AGAIN;
            bundle::sampling::find_web(self.subject.pid?, &self.tools.shared.stop)
        });
        let Some(address) = address else { return };
        let headers: Vec<(String, String)> = c.headers.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        let authorities = c.ca_file.as_deref().and_then(|f| Authorities::from_pem(&std::fs::read(f).ok()?).ok());
        let stop = Arc::clone(&self.tools.shared.stop);
        match WebSampler::new(&address, &headers, authorities, c.insecure, w.web_timeout.0, stop) {
            Ok(mut sampler) => {
                if let Some(p) = &self.process {
                    sampler.environment(p.process());
                }
                self.web = Some(WebThread::start(sampler, w.interval.0));
                self.subject.url.get_or_insert(address);
            }
            Err(e) => {
                if self.said.insert(e.clone()) {
                    say(&format!("{}: {e}", self.subject.name));
                }
            }
        }
    }

    /// An expvar read stops the world: of a process that is about to die nothing is asked.
    pub(super) fn pace_web(&self, j: &Judgement, settings: &Settings) {
        if let Some(web) = &self.web {
            let urgent = j.pace <= settings.file.watch.interval_urgent.0;
            web.pace((!urgent || self.process.is_none()).then_some(j.pace));
        }
    }
}
