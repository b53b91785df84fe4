//! From samples to what is said of a target: its shape, the rules that hold, each with a line of text.

use crate::rules::{Held, UserRules};
use crate::shared::Settings;
use model::{Bytes, FiringRule, GrowthShape, SecondsToLimit, UnixMillis, WatchLevel, format_count};
use signals::{Alarm, Column, FieldAlarm, FieldRules, Level, Monitor, Reading, Sample, Shape, alarms};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A firing rule goes on for this long after it last held, seconds: one quiet sample ends nothing.
const HOLD_S: f64 = 10.0;

/// A forecast within this many seconds bears out that a heap is near its limit.
const GOES_ON_S: f64 = 600.0;

/// Judges the samples of one process.
#[derive(Debug)]
pub(super) struct Judge {
    monitor: Monitor,
    field: FieldRules,
    user: UserRules,
    generation: u64,
    firing: BTreeMap<String, Fire>,
}

#[derive(Clone, Debug)]
struct Fire {
    level: WatchLevel,
    since: UnixMillis,
    title: String,
    advice: String,
    capture: bool,
    last_s: f64,
}

/// What is said after a sample.
#[derive(Clone, Debug, Default)]
pub(super) struct Judgement {
    pub reading: Reading,
    pub shape: GrowthShape,
    pub level: WatchLevel,
    pub firing: Vec<FiringRule>,
    /// Rules that ask for evidence, the most urgent first: rule, level, advice.
    pub wanted: Vec<(String, WatchLevel, String)>,
    /// Rules that no longer hold.
    pub over: Vec<String>,
    pub pace: Duration,
}

pub(super) const fn level(l: Level) -> WatchLevel {
    match l {
        Level::Quiet => WatchLevel::Quiet,
        Level::Notice => WatchLevel::Notice,
        Level::Warning => WatchLevel::Warning,
        Level::Critical => WatchLevel::Critical,
    }
}

impl Judge {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            monitor: Monitor::new(settings.file.forecast.clone()),
            field: FieldRules::default(),
            user: UserRules::new(Arc::clone(&settings.rules)),
            generation: settings.generation,
            firing: BTreeMap::new(),
        }
    }

    /// Learns from a sample of before a restart, without judging.
    pub(super) fn learn(&mut self, s: &Sample) {
        self.monitor.push(s);
    }

    pub(super) fn push(&mut self, s: &Sample, at: UnixMillis, settings: &Settings) -> Judgement {
        if self.generation != settings.generation {
            self.generation = settings.generation;
            self.monitor.set(settings.file.forecast.clone());
            self.user = UserRules::new(Arc::clone(&settings.rules));
        }
        let reading = self.monitor.push(s);
        let statistical = alarms(s, &reading, self.monitor.settings());
        let thumb = self.field.push(s, &settings.file.field);
        let held = self.user.push(s);
        let mut now: Vec<(String, Fire)> = Vec::new();
        for a in &statistical {
            now.push((a.rule.to_owned(), of_alarm(a, s, &reading, at)));
        }
        now.extend(thumb.iter().map(|a| (a.rule.to_owned(), of_field(a, s, &reading, at))));
        now.extend(held.into_iter().map(|h| (h.rule.clone(), of_user(h, s, at))));
        let mut out = Judgement {
            reading,
            shape: shape(Shape::of(s, &reading, &statistical)),
            pace: self.pace(&reading, settings),
            ..Judgement::default()
        };
        for (rule, mut fire) in now {
            if let Some(before) = self.firing.get(&rule) {
                fire.since = before.since;
                // A level falls only after a while: near a threshold it would flutter.
                if before.level > fire.level && s.at_s - before.last_s < HOLD_S {
                    fire.level = before.level;
                    fire.last_s = before.last_s;
                }
            }
            self.firing.insert(rule, fire);
        }
        let ended: Vec<String> =
            self.firing.iter().filter(|(_, f)| s.at_s - f.last_s >= HOLD_S).map(|(r, _)| r.clone()).collect();
        for rule in ended {
            self.firing.remove(&rule);
            out.over.push(rule);
        }
        self.told(&mut out, settings);
        out
    }

    fn told(&self, out: &mut Judgement, settings: &Settings) {
        for (rule, f) in &self.firing {
            out.level = out.level.max(f.level);
            out.firing.push(FiringRule { rule: rule.clone(), level: f.level, since: f.since, title: f.title.clone() });
            if f.capture || f.level >= settings.file.watch.capture.min_level {
                out.wanted.push((rule.clone(), f.level, f.advice.clone()));
            }
        }
        out.firing.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| a.rule.cmp(&b.rule)));
        out.wanted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    }

    fn pace(&self, r: &Reading, settings: &Settings) -> Duration {
        let w = &settings.file.watch;
        match r.earliest_s {
            Some(t) if t < settings.file.forecast.pace_urgent_seconds => w.interval_urgent.0,
            Some(t) if t < settings.file.forecast.pace_fast_seconds => w.interval_fast.0,
            _ => w.interval.0,
        }
    }
}

/// The shape as a status has it.
const fn shape(shape: Shape) -> GrowthShape {
    match shape {
        Shape::Steady => GrowthShape::Steady,
        Shape::WarmUp => GrowthShape::WarmUp,
        Shape::SlowLeak => GrowthShape::SlowLeak,
        Shape::FastLeak => GrowthShape::FastLeak,
        Shape::Exponential => GrowthShape::Exponential,
        Shape::Step => GrowthShape::Step,
        Shape::Surge => GrowthShape::Surge,
        Shape::RiseAndFall => GrowthShape::RiseAndFall,
        Shape::OffHeap => GrowthShape::OffHeap,
        Shape::Goroutines => GrowthShape::Goroutines,
        Shape::GcSpiral => GrowthShape::GcSpiral,
    }
}

pub(super) fn left(r: &Reading) -> Option<SecondsToLimit> {
    r.time_to_limit.map(|t| SecondsToLimit { p10: t.p10, p50: t.p50, p90: t.p90 })
}

fn of_alarm(a: &Alarm, s: &Sample, r: &Reading, at: UnixMillis) -> Fire {
    let size = |v: f64| Bytes(v.max(0.0) as u64);
    let what = match a.rule {
        "off-heap-growth" => "memory outside the Go heap",
        "goroutine-growth" => "goroutine stacks",
        _ => "the live heap",
    };
    let of_limit = match (s.unreclaimable(), s.limit()) {
        (Some(u), Some(l)) => format!(", {} of {} used", size(u), size(l)),
        _ => String::new(),
    };
    let title = if a.rule == "gc-spiral" {
        format!(
            "the collector runs {:.1} times a second against the memory limit{of_limit}",
            r.cycles_per_s.unwrap_or(0.0)
        )
    } else {
        let left = r
            .time_to_limit
            .map_or_else(String::new, |t| format!(", limit in {} ({} to {})", span(t.p50), span(t.p10), span(t.p90)));
        format!("{what} grows {}/s for {}{of_limit}{left}", size(r.growth.p50), span(r.grown_for_s))
    };
    let advice = match a.rule {
        "gc-spiral" => "raise the limit or GOMEMLIMIT, or free what lives: the collector cannot",
        "off-heap-growth" => "look at mmap, cgo and other processes of the group; the Go heap is not what grows",
        "goroutine-growth" => "see where the goroutines of the largest group wait",
        _ => "see what the bundle says holds the memory",
    };
    Fire { level: level(a.level), since: at, title, advice: advice.to_owned(), capture: false, last_s: s.at_s }
}

fn of_field(a: &FieldAlarm, s: &Sample, r: &Reading, at: UnixMillis) -> Fire {
    let size = |v: f64| Bytes(v.max(0.0) as u64);
    let title = match a.rule {
        "surge" => format!("resident memory is {:.1} times its median of {}", a.value, size(a.against)),
        "heap-jump" => format!("the heap gained {} in five minutes", size(a.value)),
        "gc-interval" => format!("no GC cycle for {:.1} times the mean of {}", a.value, span(a.against)),
        "gc-storm" => format!("{:.1} GC cycles a second, before one in {}", a.value, span(a.against)),
        "heap-share" => format!("heap in use is {:.0} % of the limit of {}", 100.0 * a.value, size(a.against)),
        "malloc-rate" => format!("{} allocations a second", format_count(a.value as u64)),
        "gc-wall" => format!("a GC cycle took {:.0} ms", 1e3 * a.value),
        "pause-with-jump" => format!("a pause of {:.2} ms while the heap jumped", 1e3 * a.value),
        "goal-trails" => format!("the heap is {} beyond its goal of {}", size(a.value), size(a.against)),
        "map-window" => {
            format!("{} since the last cycle, {:.0} % of the heap in maps", size(a.value), 100.0 * a.against)
        }
        _ => format!("{:.2}", a.value),
    };
    let advice = "a rule of thumb: by itself no fault".to_owned();
    // A heap may stand near the limit, or come there once in a job, and go no further: it calls somebody where the
    // forecast has it go on.
    let goes_on = r.time_to_limit.is_some_and(|t| t.p50 < GOES_ON_S);
    let most = if a.rule == "heap-share" && !goes_on { WatchLevel::Notice } else { WatchLevel::Critical };
    Fire { level: level(a.level).min(most), since: at, title, advice, capture: false, last_s: s.at_s }
}

fn of_user(h: Held, s: &Sample, at: UnixMillis) -> Fire {
    let mut title = h.when;
    title.truncate(title.floor_char_boundary(200));
    Fire { level: h.level, since: at, title, advice: h.advice, capture: h.capture, last_s: s.at_s }
}

/// Seconds as a person says them.
fn span(seconds: f64) -> String {
    match seconds {
        s if s >= 172_800.0 => format!("{:.0} days", s / 86_400.0),
        s if s >= 7200.0 => format!("{:.0} h", s / 3600.0),
        s if s >= 120.0 => format!("{:.0} min", s / 60.0),
        s if s >= 10.0 => format!("{s:.0} s"),
        s => format!("{:.1} s", s.max(0.0)),
    }
}

/// The driving column for a reader of a status.
pub(super) fn of_sample(s: &Sample, column: Column) -> Option<Bytes> {
    s.get(column).map(|v| Bytes(v.max(0.0) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WatchFile;

    /// Samples of a heap in use of so many MiB under a limit of 256 MiB, a second apart; the last judgement.
    fn judged(in_use: impl Fn(f64) -> f64, seconds: u32) -> Judgement {
        let settings = Settings::new(WatchFile::default(), 1).unwrap();
        let mut judge = Judge::new(&settings);
        let mut last = Judgement::default();
        for second in 0..seconds {
            let t = f64::from(second);
            let heap = in_use(t) * 1_048_576.0;
            let mut s = Sample::new(t);
            for (column, value) in [
                (Column::HeapLive, 0.9 * heap),
                (Column::HeapAlloc, heap),
                (Column::HeapGoal, 1.8 * heap),
                (Column::HeapInuse, heap),
                (Column::HeapIdle, 0.0),
                (Column::Mapped, heap + 5e6),
                (Column::Gogc, 100.0),
                (Column::GcCycles, t),
                (Column::Usage, heap + 6e6),
                (Column::Anon, heap + 6e6),
                (Column::Limit, 268_435_456.0),
            ] {
                s.set(column, value);
            }
            last = judge.push(&s, UnixMillis(i64::from(second) * 1000), &settings);
        }
        last
    }

    fn level_of(j: &Judgement, rule: &str) -> Option<WatchLevel> {
        j.firing.iter().find(|f| f.rule == rule).map(|f| f.level)
    }

    #[test]
    fn a_heap_that_stands_near_its_limit_calls_nobody_and_one_that_goes_on_does() {
        let stands = judged(|_| 225.0, 120);
        assert_eq!(level_of(&stands, "heap-share"), Some(WatchLevel::Notice), "{:?}", stands.firing);
        assert_eq!(stands.level, WatchLevel::Notice, "{:?}", stands.firing);
        let goes_on = judged(|t| 100.0 + 1.1 * t, 118);
        assert_eq!(level_of(&goes_on, "heap-share"), Some(WatchLevel::Warning), "{:?}", goes_on.firing);
    }
}
