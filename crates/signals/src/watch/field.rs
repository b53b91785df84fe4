//! Rules of thumb from the field, each with its name, its usual numbers, and what it says of memory. They know
//! nothing of trends or limits, so by themselves they call nobody: the level of each is capped (`most`), and
//! they ask for evidence while it can still be had.

use super::{Column, Sample};
use crate::median;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How near trouble is, least first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Nothing to say.
    #[default]
    Quiet,
    /// Worth knowing; nobody is called.
    Notice,
    /// Somebody should look.
    Warning,
    /// The process is about to die.
    Critical,
}

macro_rules! field_rules {
    ($($(#[doc = $doc:literal])* $field:ident = $id:literal, $at:expr, $most:ident;)*) => {
        /// Settings of all rules of thumb.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
        pub struct FieldSettings {
            $($(#[doc = $doc])* pub $field: FieldRule,)*
        }

        impl Default for FieldSettings {
            fn default() -> Self {
                Self { $($field: FieldRule { at: $at, most: Level::$most },)* }
            }
        }

        impl FieldSettings {
            /// Id, what it means, and settings of each rule.
            #[must_use]
            pub fn all(&self) -> Vec<(&'static str, &'static str, FieldRule)> {
                vec![$(($id, concat!($($doc, "\n"),*), self.$field),)*]
            }
        }
    };
}

/// One rule of thumb.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FieldRule {
    /// From which value on it holds.
    pub at: f64,
    /// The highest level it may raise by itself; `quiet` switches it off.
    pub most: Level,
}

field_rules! {
    /// Resident memory against the median of the last six samples of five seconds: from this factor on. 1.3 is a
    /// notice, 1.8 a warning, 2.5 critical, as far as `most` lets it.
    surge = "surge", 1.3, Notice;
    /// Allocated heap gained this many bytes in five minutes.
    heap_jump = "heap-jump", 300e6, Notice;
    /// The time between GC cycles is this many times its mean: little is allocated, or the collector is held back.
    gc_interval = "gc-interval", 2.0, Notice;
    /// GC cycles a second, where there was at most one in 30 seconds before.
    gc_storm = "gc-storm", 0.5, Notice;
    /// Heap in use as a share of the limit. Above notice only where a forecast meets the limit within ten minutes.
    heap_share = "heap-share", 0.85, Warning;
    /// Allocations a second.
    malloc_rate = "malloc-rate", 1e6, Notice;
    /// Seconds that a GC cycle takes.
    gc_wall = "gc-wall", 0.3, Notice;
    /// Seconds of a stop-the-world pause while the allocated heap rises by a tenth.
    pause_with_jump = "pause-with-jump", 0.0003, Notice;
    /// Bytes by which the allocated heap is beyond its goal: the collector trails.
    goal_trails = "goal-trails", 20e6, Notice;
    /// Bytes gained since the last GC cycle while maps hold more than 45 % of the heap: a profile taken now shows
    /// best who fills them.
    map_window = "map-window", 30e6, Notice;
    /// Allocated heap as a share of the spans in use: they are full, and what is allocated next needs new pages.
    heap_packed = "heap-packed", 0.92, Quiet;
}

/// A rule that holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FieldAlarm {
    /// Its id.
    pub rule: &'static str,
    /// As it says, capped.
    pub level: Level,
    /// What was measured.
    pub value: f64,
    /// Against what.
    pub against: f64,
}

/// Share of maps in the heap from which [`FieldSettings::map_window`] looks.
const MAP_SHARE: f64 = 0.45;
/// Seconds over which [`FieldSettings::heap_jump`] looks.
const JUMP_S: f64 = 300.0;
/// Seconds between the samples that surge and jump compare.
const STEP_S: f64 = 5.0;

/// What the rules of thumb remember: a few samples.
#[derive(Clone, Debug, Default)]
pub struct FieldRules {
    /// Resident memory, one value in five seconds.
    resident: VecDeque<f64>,
    /// Time and allocated heap, one in five seconds.
    heap: VecDeque<(f64, f64)>,
    next_s: f64,
    /// Time of the last GC cycle seen, allocated heap then.
    cycle: Option<(f64, f64, f64)>,
    mean_interval: f64,
    last: Option<Sample>,
}

impl FieldRules {
    /// Takes a sample; the rules that hold.
    pub fn push(&mut self, s: &Sample, settings: &FieldSettings) -> Vec<FieldAlarm> {
        let mut out = Vec::new();
        let mut rule = |id: &'static str, rule: FieldRule, value: Option<f64>, level: Level, against: f64| {
            if let Some(value) = value.filter(|v| *v >= rule.at)
                && rule.most > Level::Quiet
            {
                out.push(FieldAlarm { rule: id, level: level.min(rule.most), value, against });
            }
        };
        let resident = s.get(Column::Rss).or_else(|| s.unreclaimable());
        let middle = if self.resident.len() >= 6 { median(self.resident.make_contiguous()) } else { None };
        let surge = resident.zip(middle).filter(|(_, m)| *m > 0.0).map(|(v, m)| v / m);
        let grade = match surge {
            Some(x) if x >= 2.5 => Level::Critical,
            Some(x) if x >= 1.8 => Level::Warning,
            _ => Level::Notice,
        };
        rule("surge", settings.surge, surge, grade, middle.unwrap_or(0.0));
        let alloc = s.get(Column::HeapAlloc);
        let before = self.heap.front().map(|p| p.1);
        rule(
            "heap-jump",
            settings.heap_jump,
            alloc.zip(before).map(|(a, b)| a - b),
            Level::Notice,
            before.unwrap_or(0.0),
        );
        self.cycles(s, settings, &mut rule);
        let share = s.get(Column::HeapInuse).zip(s.limit()).filter(|(_, l)| *l > 0.0).map(|(h, l)| h / l);
        rule("heap-share", settings.heap_share, share, Level::Warning, s.limit().unwrap_or(0.0));
        let mallocs = self.per_second(s, Column::Mallocs);
        rule("malloc-rate", settings.malloc_rate, mallocs, Level::Notice, 0.0);
        rule("gc-wall", settings.gc_wall, s.get(Column::GcWall), Level::Notice, 0.0);
        let rose = self.last.and_then(|l| l.get(Column::HeapAlloc)).zip(alloc).is_some_and(|(b, a)| a > 1.1 * b);
        let pause = s.get(Column::GcPauseMax).filter(|_| rose);
        rule("pause-with-jump", settings.pause_with_jump, pause, Level::Notice, 0.0);
        let behind = alloc.zip(s.get(Column::HeapGoal)).map(|(a, g)| a - g);
        rule("goal-trails", settings.goal_trails, behind, Level::Notice, s.get(Column::HeapGoal).unwrap_or(0.0));
        let maps = s.get(Column::MapShare).is_some_and(|m| m > MAP_SHARE);
        let gained = alloc.zip(self.cycle).map(|(a, c)| a - c.1).filter(|_| maps);
        rule("map-window", settings.map_window, gained, Level::Notice, s.get(Column::MapShare).unwrap_or(0.0));
        let packed = alloc.zip(s.get(Column::HeapInuse)).filter(|(_, i)| *i > 0.0).map(|(a, i)| a / i);
        rule("heap-packed", settings.heap_packed, packed, Level::Notice, 0.0);
        self.remember(s, resident, alloc);
        out
    }

    /// Rules about the time between cycles.
    fn cycles(
        &mut self,
        s: &Sample,
        settings: &FieldSettings,
        rule: &mut impl FnMut(&'static str, FieldRule, Option<f64>, Level, f64),
    ) {
        let (Some(count), Some(alloc)) = (s.get(Column::GcCycles), s.get(Column::HeapAlloc)) else { return };
        let Some((at, _, before)) = self.cycle else {
            self.cycle = Some((s.at_s, alloc, count));
            return;
        };
        let done = count - before;
        if done <= 0.0 {
            let waited = s.at_s - at;
            let ratio = (self.mean_interval > 1.0).then(|| waited / self.mean_interval);
            rule("gc-interval", settings.gc_interval, ratio, Level::Notice, self.mean_interval);
            return;
        }
        let interval = (s.at_s - at) / done;
        let was_rare = self.mean_interval >= 30.0;
        rule("gc-storm", settings.gc_storm, was_rare.then(|| 1.0 / interval), Level::Notice, self.mean_interval);
        self.mean_interval =
            if self.mean_interval > 0.0 { 0.8 * self.mean_interval + 0.2 * interval } else { interval };
        self.cycle = Some((s.at_s, alloc, count));
    }

    fn per_second(&self, s: &Sample, column: Column) -> Option<f64> {
        let last = self.last.as_ref()?;
        let seconds = s.at_s - last.at_s;
        (seconds > 0.0).then(|| Some((s.get(column)? - last.get(column)?) / seconds))?
    }

    fn remember(&mut self, s: &Sample, resident: Option<f64>, alloc: Option<f64>) {
        self.last = Some(*s);
        if s.at_s < self.next_s {
            return;
        }
        self.next_s = s.at_s + STEP_S - 0.5;
        if let Some(v) = resident {
            self.resident.push_back(v);
            if self.resident.len() > 6 {
                self.resident.pop_front();
            }
        }
        if let Some(v) = alloc {
            self.heap.push_back((s.at_s, v));
        }
        while self.heap.front().is_some_and(|p| s.at_s - p.0 > JUMP_S) {
            self.heap.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(values: &[(f64, f64)], settings: &FieldSettings) -> Vec<Vec<FieldAlarm>> {
        let mut rules = FieldRules::default();
        let mut out = Vec::new();
        for (at, rss) in values {
            let mut s = Sample::new(*at);
            s.set(Column::Rss, *rss);
            out.push(rules.push(&s, settings));
        }
        out
    }

    #[test]
    fn surge_is_against_the_median_of_six_and_capped() {
        let mut values: Vec<(f64, f64)> = (0..6).map(|i| (5.0 * f64::from(i), 100.0)).collect();
        values.push((30.0, 190.0));
        let capped = fed(&values, &FieldSettings::default());
        assert!(capped[..6].iter().all(Vec::is_empty));
        assert_eq!((capped[6][0].rule, capped[6][0].level, capped[6][0].value), ("surge", Level::Notice, 1.9));
        let mut settings = FieldSettings::default();
        settings.surge.most = Level::Critical;
        assert_eq!(fed(&values, &settings)[6][0].level, Level::Warning);
        settings.surge.most = Level::Quiet;
        assert!(fed(&values, &settings)[6].is_empty());
    }

    #[test]
    fn a_storm_is_one_only_where_cycles_were_rare() {
        let mut rules = FieldRules::default();
        let settings = FieldSettings::default();
        let mut at = |t: f64, cycles: f64| {
            let mut s = Sample::new(t);
            s.set(Column::GcCycles, cycles);
            s.set(Column::HeapAlloc, 1e6);
            rules.push(&s, &settings).iter().any(|a| a.rule == "gc-storm")
        };
        assert!(!at(0.0, 0.0) && !at(60.0, 1.0) && !at(120.0, 2.0));
        assert!(at(125.0, 12.0));
    }
}
