//! Growth of a series of measurements whose noise is known.
//!
//! A sampled heap profile is a counting process: the objects sampled before the window stay
//! sampled, so the noise of a *difference* comes only from what was allocated and freed in
//! between. For such increments the end-to-end difference is the best estimate of the rate (the
//! points in the middle add no information about it); they are used for what only they can tell:
//! whether the growth is steady or levels off.

/// One measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// Seconds on any clock.
    pub at_s: f64,
    /// The value.
    pub value: f64,
    /// Variance of everything that came since the first point: what was gained, plus what went.
    /// Zero for an exact counter. Must not fall along a series.
    pub turnover_variance: f64,
}

/// How a series grew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// Last value minus first value.
    pub delta: f64,
    /// Seconds from first to last.
    pub seconds: f64,
    /// `delta / seconds`.
    pub per_second: f64,
    /// Standard deviation of `delta` by measurement noise alone; 0 for exact counters.
    pub delta_sd: f64,
    /// Steps that [`rises`] tells of.
    pub rising_steps: usize,
    /// Steps before the first that rose: the time before the growth began. All of them when none rose.
    pub steps_before: usize,
    /// Steps that fell by more than twice their own noise.
    pub falling_steps: usize,
    /// Steps in all.
    pub steps: usize,
    /// Rate of the later half divided by the rate of the earlier half; 1 = steady, towards 0 =
    /// levelling off. 1 when there are fewer than three points or the early half did not rise.
    pub late_to_early: f64,
}

impl Growth {
    /// `delta` in standard deviations; exact counters give a large number, capped at 1000.
    #[must_use]
    pub fn z(&self) -> f64 {
        if self.delta_sd > 0.0 {
            (self.delta / self.delta_sd).clamp(-1000.0, 1000.0)
        } else if self.delta == 0.0 {
            0.0
        } else {
            1000.0_f64.copysign(self.delta)
        }
    }
}

/// The growth of a series in time order; `None` with fewer than two points or no time between.
#[must_use]
pub fn growth(points: &[Measured]) -> Option<Growth> {
    let (first, last) = (points.first()?, points.last()?);
    let seconds = last.at_s - first.at_s;
    if points.len() < 2 || seconds.is_nan() || seconds <= 0.0 {
        return None;
    }
    let delta = last.value - first.value;
    let rises = rises(points);
    let falls = |p: &&[Measured]| p[1].value - p[0].value < (-2.0 * noise(&p[0], &p[1])).min(0.0);
    Some(Growth {
        delta,
        seconds,
        per_second: delta / seconds,
        delta_sd: noise(first, last),
        rising_steps: rises.iter().filter(|r| **r).count(),
        steps_before: rises.iter().take_while(|r| !**r).count(),
        falling_steps: points.windows(2).filter(falls).count(),
        steps: points.len() - 1,
        late_to_early: late_to_early(points),
    })
}

/// Standard deviation of the difference of two measurements.
fn noise(a: &Measured, b: &Measured) -> f64 {
    (b.turnover_variance - a.turnover_variance).max(0.0).sqrt()
}

/// For each step between neighbours whether it rose: by more than half its own noise and at no less than a quarter of the
/// overall rate; before the steepest step, by more than twice its noise. One fewer than there are points.
#[must_use]
pub fn rises(points: &[Measured]) -> Vec<bool> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    let quarter = 0.25 * ((last.value - first.value) / (last.at_s - first.at_s)).max(0.0);
    let steepest = steepest(points);
    let rises = |(i, pair): (usize, &[Measured])| {
        let (step, sd) = (pair[1].value - pair[0].value, noise(&pair[0], &pair[1]));
        let at_pace = step > (0.5 * sd).max(quarter * (pair[1].at_s - pair[0].at_s));
        // Before the steepest step a slower one is how growth begins, if it is beyond doubt.
        let begins = i < steepest && step > 2.0 * sd && sd > 0.0;
        (at_pace || begins) && step > 0.0
    };
    points.windows(2).enumerate().map(rises).collect()
}

/// Index of the step with the highest rate.
fn steepest(points: &[Measured]) -> usize {
    let rate = |p: &[Measured]| (p[1].value - p[0].value) / (p[1].at_s - p[0].at_s).max(f64::MIN_POSITIVE);
    let all = points.windows(2).map(rate).enumerate();
    all.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |s| s.0)
}

/// Rate after the middle of the time span over rate before it.
fn late_to_early(points: &[Measured]) -> f64 {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return 1.0 };
    let middle = (first.at_s + last.at_s) / 2.0;
    let inner = points.get(1..points.len().saturating_sub(1)).unwrap_or(&[]);
    let Some(mid) = inner.iter().min_by(|a, b| (a.at_s - middle).abs().total_cmp(&(b.at_s - middle).abs())) else {
        return 1.0;
    };
    let early = (mid.value - first.value) / (mid.at_s - first.at_s);
    let late = (last.value - mid.value) / (last.at_s - mid.at_s);
    if early.is_finite() && late.is_finite() && early > 0.0 { late / early } else { 1.0 }
}

/// Median of finite values; `None` when there are none.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut v: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
    if v.is_empty() {
        return None;
    }
    v.sort_by(f64::total_cmp);
    let mid = v.len() / 2;
    Some(if v.len() % 2 == 1 { v[mid] } else { f64::midpoint(v[mid - 1], v[mid]) })
}

/// Theil-Sen slope per second: the median of the slopes of all pairs (Sen 1968). Unmoved by a
/// minority of outliers. `None` with fewer than two distinct times.
#[must_use]
pub fn theil_sen(points: &[(f64, f64)]) -> Option<f64> {
    let mut slopes = Vec::with_capacity(points.len() * points.len().saturating_sub(1) / 2);
    for (i, a) in points.iter().enumerate() {
        for b in &points[i + 1..] {
            if b.0 != a.0 {
                slopes.push((b.1 - a.1) / (b.0 - a.0));
            }
        }
    }
    median(&slopes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn series(values: &[f64]) -> Vec<Measured> {
        values
            .iter()
            .enumerate()
            .map(|(i, v)| Measured { at_s: i as f64 * 10.0, value: *v, turnover_variance: 0.0 })
            .collect()
    }

    #[test]
    fn steady_growth_is_steady() {
        let g = growth(&series(&[100.0, 200.0, 300.0, 400.0])).unwrap();
        assert_eq!((g.delta, g.per_second, g.rising_steps, g.steps), (300.0, 10.0, 3, 3));
        assert!((g.late_to_early - 1.0).abs() < 1e-9);
        assert_eq!(g.z(), 1000.0);
    }

    #[test]
    fn plateau_levels_off() {
        let g = growth(&series(&[100.0, 180.0, 198.0, 199.0])).unwrap();
        assert!(g.late_to_early < 0.3, "{g:?}");
    }

    #[test]
    fn noise_of_turnover_swallows_a_small_difference() {
        let mut s = series(&[100.0, 104.0, 97.0, 106.0]);
        for (i, p) in s.iter_mut().enumerate() {
            p.turnover_variance = 25.0 * i as f64;
        }
        let g = growth(&s).unwrap();
        assert!(g.z() < 1.0, "{g:?}");
    }

    #[test]
    fn too_little_says_nothing() {
        assert_eq!(growth(&[]), None);
        assert_eq!(growth(&series(&[1.0])), None);
        let same = Measured { at_s: 1.0, value: 1.0, turnover_variance: 0.0 };
        assert_eq!(growth(&[same, same]), None);
    }

    #[test]
    fn theil_sen_ignores_an_outlier() {
        let pts: Vec<(f64, f64)> =
            (0..9).map(|i| (f64::from(i), if i == 4 { 1e6 } else { f64::from(i) * 3.0 })).collect();
        assert!((theil_sen(&pts).unwrap() - 3.0).abs() < 1e-9);
        assert_eq!(theil_sen(&[(1.0, 1.0)]), None);
    }

    proptest! {
        #[test]
        fn never_panics_and_bounds_hold(v in prop::collection::vec((-1e12f64..1e12, -1e12f64..1e12, 0.0f64..1e20), 0..20)) {
            let pts: Vec<Measured> = v.iter().map(|&(at_s, value, turnover_variance)| Measured { at_s, value, turnover_variance }).collect();
            if let Some(g) = growth(&pts) {
                prop_assert!(g.rising_steps + g.falling_steps <= g.steps);
                prop_assert!(g.seconds > 0.0);
                prop_assert!(!g.z().is_nan());
            }
        }
    }
}
