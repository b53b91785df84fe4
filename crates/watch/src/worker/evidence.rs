//! When one target's evidence is taken, and with what in hand.

use super::Target;
use super::judge::Judgement;
use crate::capture::{CaptureRequest, IncidentHandle, Order};
use crate::series::Record;
use crate::shared::{Settings, lock};
use bundle::sampling::ProcessSampler;
use model::WatchLevel;
use signals::{Column, Sample};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What is at hand is put aside when memory has grown for this many seconds and this many are left.
const EARLY_S: f64 = 4.0;
const EARLY_LEFT_S: f64 = 90.0;
/// A copy-on-write snapshot may cost as much as the heap has pages while it lasts: taken only where that, and this much
/// besides, is left under the limit, and where the end is not near.
const SNAPSHOT_BESIDES: f64 = 64.0 * 1_048_576.0;
const SNAPSHOT_LEFT_S: f64 = 120.0;

impl Target {
    /// While a capture holds a copy-on-write snapshot, its pages are charged to the control group too: what was charged
    /// beside the process before goes on to be counted, what came since is ours.
    pub(super) fn without_copy(&mut self, s: &mut Sample) {
        let (Some(usage), Some(anon)) = (s.get(Column::Usage), s.get(Column::Anon)) else { return };
        let beside = usage - anon;
        let copying = self.incident.as_ref().is_some_and(IncidentHandle::copying);
        if copying && let Some(before) = self.beside {
            s.set(Column::Usage, anon + beside.min(before));
        } else {
            self.beside = Some(beside);
        }
    }

    /// A profile each minute and at each new height.
    pub(super) fn rings(&mut self, j: &Judgement, settings: &Settings) {
        let r = &settings.file.watch.ring;
        let Some(ring) = &self.ring else { return };
        if self.runtime.is_none() || !r.enabled {
            return;
        }
        let since = self.ring_at.map(|t| t.elapsed());
        let urgent = j.pace <= settings.file.watch.interval_fast.0 && j.reading.growth.p50 > 0.0;
        let due = match since {
            None => true,
            Some(t) if t < r.shortest.0 => false,
            Some(t) => t >= r.interval.0 || j.reading.new_peak || urgent && t >= 4 * r.shortest.0,
        };
        if due {
            self.ring_at = Some(Instant::now());
            self.tools.rings.ask(ring, r.keep);
        }
    }

    pub(super) fn capture(&mut self, j: &Judgement, s: &Sample, settings: &Settings) {
        let urgent = j.reading.time_to_limit.is_some_and(|t| t.p50 < settings.file.forecast.pace_urgent_seconds)
            || j.reading.earliest_s.is_some_and(|t| t < 10.0) && j.level >= WatchLevel::Warning;
        // Before anybody is called: what is at hand, where the end may be near.
        let early = j.reading.grown_for_s >= EARLY_S && j.reading.time_to_limit.is_some_and(|t| t.p50 < EARLY_LEFT_S);
        let wanted = j.wanted.first().map(|w| (w.0.clone(), w.1));
        let Some((cause, level)) = wanted.or_else(|| early.then(|| ("early".to_owned(), WatchLevel::Notice))) else {
            if j.level < WatchLevel::Notice
                && let Some(i) = self.incident.take()
            {
                i.tell(Order::Over);
            }
            return;
        };
        if let Some(i) = &self.incident {
            // Once a second at most: the incident itself decides when it is time.
            if self.asked.is_none_or(|t| t.elapsed() >= Duration::from_secs(1)) {
                self.asked = Some(Instant::now());
                let order =
                    Order::More { cause, level, urgent, snapshot: !urgent && has_room(j, s), samples: self.recent() };
                if !i.tell(order) {
                    self.incident = None;
                }
            }
            return;
        }
        let request = CaptureRequest {
            snapshot: !urgent && has_room(j, s),
            trace: cause.starts_with("gc-"),
            urgent,
            light: cause == "early",
            ..self.request(cause, level)
        };
        self.incident = self.tools.captures.begin(request);
        self.asked = Some(Instant::now());
    }

    pub(super) fn request(&self, cause: String, level: WatchLevel) -> CaptureRequest {
        let exe = self.process.as_ref().and_then(ProcessSampler::exe);
        CaptureRequest {
            target: self.subject.name.clone(),
            record: self.record.clone(),
            pid: self.subject.pid,
            url: self.subject.url.as_ref().map(|u| u.origin()),
            ring: self.ring.clone(),
            executable: exe.map(|f| PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), f.as_raw_fd()))),
            cause,
            level,
            urgent: false,
            trace: false,
            snapshot: false,
            grown_for_s: self.grown_for_s,
            light: false,
            samples: self.recent(),
            end: None,
        }
    }

    pub(super) fn recent(&self) -> Vec<Record> {
        let views = lock(&self.tools.shared.views);
        views.get(&self.subject.name).map(|v| v.recent.iter().copied().collect()).unwrap_or_default()
    }
}

/// Whether a copy-on-write snapshot does no harm, whatever the service writes while it lasts.
fn has_room(j: &Judgement, s: &Sample) -> bool {
    let room = s.limit().zip(s.unreclaimable()).map_or(f64::INFINITY, |(l, u)| l - u);
    let heap = s.get(Column::HeapInuse).unwrap_or(0.0) + s.get(Column::HeapIdle).unwrap_or(0.0);
    let left = j.reading.time_to_limit.map_or(f64::INFINITY, |t| t.p10);
    room > heap + SNAPSHOT_BESIDES && left > SNAPSHOT_LEFT_S
}
