//! Since when a level has been rising, by how much, and whether it was that high before.

/// Falling back by this share of the rise ends it.
const FALLS_BACK: f64 = 0.3;
/// Without a new height for this share of the time of the rise (and two GC cycles) it has ended.
const PAUSE_SHARE: f64 = 0.6;
/// ... and for this many seconds.
const PAUSE_S: f64 = 15.0;
/// GC cycles without a new height that end a rise, where cycles are known.
const PAUSE_CYCLES: f64 = 3.0;
/// A height that was left by this share was a peak.
const LEFT: f64 = 0.8;

/// Heights of a rise that are remembered.
const HEIGHTS: usize = 32;
/// The time of a rise counts from this share of its height on: what was flat before a jump is no growth.
const FOOT: f64 = 0.2;

/// A rise that goes on.
#[derive(Clone, Debug, Default)]
pub(super) struct Sustained {
    /// Where it began: time and level.
    from: Option<(f64, f64)>,
    /// Its highest level, when it was reached, and the GC cycle then.
    top: (f64, f64),
    top_cycle: Option<f64>,
    /// Highest level that was left again.
    past_peak: f64,
    /// Highest level ever.
    ever: f64,
    level: f64,
    over: bool,
    /// New heights, in time order; every second one goes when there are too many.
    heights: Vec<(f64, f64)>,
}

impl Sustained {
    pub(super) fn push(&mut self, at_s: f64, level: f64, cycle: Option<f64>) {
        self.level = level;
        let Some(from) = self.from else {
            self.restart(at_s, level, cycle);
            self.ever = level;
            return;
        };
        self.ever = self.ever.max(level);
        if level < LEFT * self.ever {
            self.past_peak = self.past_peak.max(self.ever);
        }
        if level > self.top.1 * 1.002 {
            self.over = false;
            self.top = (at_s, level);
            self.top_cycle = cycle;
            self.heights.push((at_s, level));
            if self.heights.len() > HEIGHTS {
                let mut keep = false;
                self.heights.retain(|_| {
                    keep = !keep;
                    keep
                });
            }
            return;
        }
        let rise = self.top.1 - from.1;
        if level < from.1 || level < self.top.1 - FALLS_BACK * rise - 0.01 * self.top.1 {
            self.restart(at_s, level, cycle);
            return;
        }
        let pause = at_s - self.top.0;
        let cycles = match (cycle, self.top_cycle) {
            (Some(now), Some(then)) => now - then,
            _ => f64::INFINITY,
        };
        if pause > PAUSE_S && pause > PAUSE_SHARE * (self.top.0 - from.0) && cycles >= PAUSE_CYCLES {
            // A plateau: what comes next begins there.
            self.restart(at_s, level, cycle);
            self.over = true;
        }
    }

    fn restart(&mut self, at_s: f64, level: f64, cycle: Option<f64>) {
        self.from = Some((at_s, level));
        self.top = (at_s, level);
        self.top_cycle = cycle;
        self.heights.clear();
    }

    /// For how long the rise has gone on.
    pub(super) fn seconds(&self, now_s: f64) -> f64 {
        match self.from {
            Some(from) if !self.over && self.top.1 > from.1 => {
                let foot = from.1 + FOOT * (self.top.1 - from.1);
                now_s - self.heights.iter().find(|h| h.1 > foot).map_or(from.0, |h| h.0)
            }
            _ => 0.0,
        }
    }

    /// By how much the level rose.
    pub(super) fn gain(&self) -> f64 {
        self.from.map_or(0.0, |from| (self.top.1 - from.1).max(0.0))
    }

    /// Whether this level was reached before and left again.
    pub(super) fn known_range(&self) -> bool {
        self.level < 1.05 * self.past_peak
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rise_is_as_long_as_it_is() {
        let mut s = Sustained::default();
        for i in 0..60 {
            s.push(f64::from(i), 100.0 + f64::from(i), Some(f64::from(i)));
        }
        assert!((45.0..=59.0).contains(&s.seconds(59.0)), "{}", s.seconds(59.0));
        assert_eq!((s.gain(), s.known_range()), (59.0, false));
    }

    #[test]
    fn a_plateau_ends_it_and_a_second_climb_is_known() {
        let mut s = Sustained::default();
        for i in 0..20 {
            s.push(f64::from(i), 100.0 + 10.0 * f64::from(i), Some(f64::from(i)));
        }
        for i in 20..60 {
            s.push(f64::from(i), 290.0, Some(f64::from(i)));
        }
        assert_eq!(s.seconds(59.0), 0.0);
        for i in 60..70 {
            s.push(f64::from(i), 100.0, None);
        }
        s.push(70.0, 150.0, None);
        assert!(s.known_range() && s.seconds(71.0) > 0.0);
        s.push(71.0, 400.0, None);
        assert!(!s.known_range());
    }

    #[test]
    fn a_jump_takes_no_time_however_long_it_was_flat_before() {
        let mut s = Sustained::default();
        for i in 0..60 {
            s.push(f64::from(i), 100.0 + 0.25 * f64::from(i % 2), Some(f64::from(i)));
        }
        s.push(60.0, 150.0, Some(60.0));
        s.push(61.0, 200.0, Some(61.0));
        assert!(s.seconds(61.0) <= 2.0, "{}", s.seconds(61.0));
    }

    #[test]
    fn rare_collections_are_no_plateau() {
        let mut s = Sustained::default();
        s.push(0.0, 10.0, Some(1.0));
        s.push(10.0, 20.0, Some(2.0));
        for i in 11..40 {
            s.push(f64::from(i), 20.0, Some(2.0));
        }
        assert!(s.seconds(40.0) >= 30.0);
    }
}
