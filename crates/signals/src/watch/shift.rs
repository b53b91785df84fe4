//! Whether a level jumped, and whether it stays where it jumped to: a change-point with flat sides. A fixed amount of
//! state and of work a sample. Owns the two words for it; says nothing of growth that goes on, which is no jump.

/// A level that stays within this share of its mean is flat.
const FLAT: f64 = 0.06;
/// ... for this many seconds,
const FLAT_S: f64 = 60.0;
/// ... seen this many times. A collection tells the live heap; between two nothing can be seen of it.
const FLAT_TIMES: u32 = 6;
/// Least jump, as a share of the level before it.
const JUMP: f64 = 0.15;
/// A jump is this many times what the level moved on both of its sides: growth at an even pace is no jump.
const OVER_DRIFT: f64 = 4.0;
/// A rise by this share within [`SURGE_S`] is a surge.
const SURGE: f64 = 0.3;
/// Seconds in which it is not known yet whether a sharp rise stays, goes on or falls.
const SURGE_S: f64 = 30.0;
/// Seconds within which a jump has got where it stays; what takes longer is growth.
const JUMP_S: f64 = 60.0;
/// What is left of a rise when it has fallen again.
const FELL: f64 = 0.3;
/// Seconds for which a jump that stayed is told; then it is the level.
const TOLD_S: f64 = 1800.0;

/// What a level did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shift {
    /// No jump.
    #[default]
    None,
    /// Rose sharply within seconds; whether it stays is not known yet.
    Surge,
    /// Jumped from one flat level to another and is there.
    Step,
}

/// A stretch of time in which a level stays near its mean.
#[derive(Clone, Copy, Debug, Default)]
struct Stretch {
    from_s: f64,
    mean: f64,
    /// Mean of the first few levels, and of the latest few.
    first: f64,
    latest: f64,
    times: u32,
}

/// Looks for jumps of one level.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shifts {
    /// Where the level is, as long as it stays there.
    now: Stretch,
    /// A flat stretch that was left upwards, and when.
    before: Option<(Stretch, f64)>,
    /// When a jump was seen to have stayed, and the level it came to.
    step: Option<(f64, f64)>,
}

impl Stretch {
    /// Goes on with a level; whether it is still the same.
    fn goes_on(&mut self, level: f64) -> bool {
        if self.times == 0 || (level - self.mean).abs() > FLAT * self.mean {
            return false;
        }
        self.times = self.times.saturating_add(1);
        // The mean of all, later that of the latest few dozen.
        self.mean += (level - self.mean) / f64::from(self.times.min(48));
        self.latest += (level - self.latest) / f64::from(self.times.min(FLAT_TIMES));
        if self.times <= FLAT_TIMES {
            self.first = self.latest;
        }
        true
    }

    /// How far it moved from its beginning to its end.
    fn drift(&self) -> f64 {
        (self.latest - self.first).abs()
    }

    fn is_flat(&self, at_s: f64) -> bool {
        self.times >= FLAT_TIMES && at_s - self.from_s >= FLAT_S
    }
}

impl Shifts {
    /// Takes a level; a rise of less than `least` is none.
    pub(super) fn push(&mut self, at_s: f64, level: f64, least: f64) -> Shift {
        if !self.now.goes_on(level) {
            if self.now.is_flat(at_s) {
                self.before = (level > self.now.mean).then_some((self.now, at_s));
            }
            self.now = Stretch { from_s: at_s, mean: level, first: level, latest: level, times: 1 };
            self.step = None;
        }
        if let Some((flat, left_s)) = self.before {
            let from = flat.mean;
            let rise = level - from;
            // How high it was is where it is now, or was until this sample.
            let fell = rise < FELL * (self.now.mean - from).max(JUMP * from);
            let crept = self.now.from_s - left_s > JUMP_S;
            if fell || crept {
                self.before = None;
            } else if self.now.is_flat(at_s) {
                self.before = None;
                let drift = OVER_DRIFT * (flat.drift() + self.now.drift());
                if rise >= (JUMP * from).max(least).max(drift) {
                    self.step = Some((at_s, from));
                }
            } else if rise >= (SURGE * from).max(least) && at_s - left_s <= SURGE_S {
                return Shift::Surge;
            }
        }
        self.step = self.step.filter(|s| at_s - s.0 <= TOLD_S);
        if self.step.is_some() { Shift::Step } else { Shift::None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is said of a level, sampled each five seconds.
    fn told(seconds: u32, level: impl Fn(f64) -> f64) -> Vec<Shift> {
        let mut shifts = Shifts::default();
        (0..seconds / 5).map(|i| f64::from(5 * i)).map(|t| shifts.push(t, level(t), 4.0)).collect()
    }

    #[test]
    fn a_jump_that_stays_is_a_surge_and_then_a_step() {
        let said = told(600, |t| if t < 200.0 { 100.0 + t % 3.0 } else { 160.0 - t % 4.0 });
        assert!(said[..40].iter().all(|s| *s == Shift::None), "{said:?}");
        assert!(said[40..46].iter().all(|s| *s == Shift::Surge), "{said:?}");
        assert!(said[54..].iter().all(|s| *s == Shift::Step), "{said:?}");
    }

    #[test]
    fn what_falls_again_or_goes_on_is_no_step() {
        let job = told(600, |t| if (200.0..245.0).contains(&t) { 200.0 } else { 100.0 });
        assert!(job.contains(&Shift::Surge) && !job.contains(&Shift::Step), "{job:?}");
        let leak = told(1200, |t| 100.0 + f64::max(0.0, t - 200.0));
        assert!(!leak.contains(&Shift::Step), "{leak:?}");
        let slow = told(3600, |t| 100.0 + 0.02 * t);
        assert!(slow.iter().all(|s| *s == Shift::None), "{slow:?}");
        let warm = told(900, |t| 30.0 + 130.0 * (1.0 - (-t / 120.0).exp()));
        assert!(warm.iter().all(|s| *s == Shift::None), "{warm:?}");
        let down = told(600, |t| if t < 200.0 { 200.0 } else { 100.0 });
        assert!(down.iter().all(|s| *s == Shift::None), "{down:?}");
    }

    #[test]
    fn small_jumps_and_old_ones_are_the_level() {
        assert!(told(600, |t| if t < 200.0 { 100.0 } else { 110.0 }).iter().all(|s| *s == Shift::None));
        let said = told(3600, |t| if t < 200.0 { 100.0 } else { 150.0 });
        assert_eq!(said.last(), Some(&Shift::None));
    }

    proptest! {
        #[test]
        fn nothing_panics(values in prop::collection::vec((0.0f64..1e4, prop::num::f64::ANY), 0..200)) {
            let mut shifts = Shifts::default();
            let mut t = 0.0;
            for (d, v) in values {
                t += d;
                shifts.push(t, v, 0.0);
            }
        }
    }
}
