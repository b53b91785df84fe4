//! From a reading to a level: who is called, and what for.

use super::field::Level;
use super::{Column, Driver, MonitorSettings, Reading, Sample};

/// A statistical rule that holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alarm {
    /// Its id.
    pub rule: &'static str,
    /// How near trouble.
    pub level: Level,
}

/// The rules that hold, the most urgent first.
#[must_use]
pub fn alarms(s: &Sample, r: &Reading, settings: &MonitorSettings) -> Vec<Alarm> {
    let mut out = Vec::new();
    let rule = match r.driver {
        Driver::OffHeap => "off-heap-growth",
        Driver::Stacks => "goroutine-growth",
        _ => "live-heap-growth",
    };
    let growth = growth(s, r, settings);
    if growth > Level::Quiet {
        out.push(Alarm { rule, level: growth });
    }
    let spiral = spiral(s, r, settings);
    if spiral > Level::Quiet {
        out.push(Alarm { rule: "gc-spiral", level: spiral });
    }
    out.sort_by_key(|a| std::cmp::Reverse(a.level));
    out
}

/// Growth that leads to the limit.
fn growth(s: &Sample, r: &Reading, settings: &MonitorSettings) -> Level {
    let Some(limit) = s.limit() else { return Level::Quiet };
    let share = r.limit_share.unwrap_or(0.0);
    let sustained = r.grown_for_s >= settings.growth_seconds && r.grown_by >= settings.growth_share * limit;
    let Some(t) = r.time_to_limit else {
        return if r.grown_for_s >= 60.0 && r.growth.p10 > 0.0 && sustained && !r.levels_off {
            Level::Notice
        } else {
            Level::Quiet
        };
    };
    let near = share >= settings.near_limit;
    let seen = settings.warn_seconds.max(settings.warn_share_of_observed * r.grown_for_s);
    if !(sustained || near && r.grown_for_s >= settings.growth_seconds) {
        return Level::Quiet;
    }
    // One jump is a step, whatever a line through it says.
    if (r.known_range || r.largest_step > settings.jump_share) && !near {
        return Level::Notice;
    }
    // What may come within the time that is needed to do something counts, where the median is not sure.
    if t.p50 > seen.min(settings.warn_horizon_seconds) && t.p10 > settings.critical_seconds {
        return Level::Notice;
    }
    if t.p50 <= settings.critical_seconds { Level::Critical } else { Level::Warning }
}

/// The collector runs again and again for nothing.
fn spiral(s: &Sample, r: &Reading, settings: &MonitorSettings) -> Level {
    let often = r.cycles_per_s.is_some_and(|c| c >= settings.spiral_cycles_per_s);
    let full = s
        .get(Column::HeapLive)
        .zip(s.get(Column::HeapGoal))
        .is_some_and(|(live, goal)| live >= settings.spiral_live_share * goal);
    if !(r.goal_pinned && often && full) {
        return Level::Quiet;
    }
    let costly = r.gc_cpu_share.is_none_or(|g| g >= 0.3);
    if costly { Level::Warning } else { Level::Notice }
}
