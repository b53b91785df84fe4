//! One measured quantity over several spans of time at once, in bounded memory: the trend of the last two dozen
//! points, of four times that span, of sixteen times, and so on. A push costs the slopes of one level as a rule,
//! of two in every fourth push: a constant.
//!
//! Slope: Theil-Sen with the confidence interval of Sen (1968) from Kendall's variance. Significance:
//! Mann-Kendall with the correction for ties (Kendall 1975).

/// Points of a level.
pub(super) const POINTS: usize = 24;
/// Points of one level that become one point of the next.
const FOLD: usize = 4;
/// Levels: at one sample in five seconds the last one spans six days.
const LEVELS: usize = 7;
/// Standard normal quantile of 90 %.
pub(crate) const Z90: f64 = 1.2816;

/// What a level shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// Growth per second: the median of the slopes of all pairs.
    pub slope: f64,
    /// One in ten slopes is said to be lower than this.
    pub slope_p10: f64,
    /// One in ten slopes is said to be higher than this.
    pub slope_p90: f64,
    /// Standard normal deviate of Mann-Kendall: above 2.33 a rise by chance is one in a hundred.
    pub z: f64,
    /// Slope of the later half of the time, and of the earlier half.
    pub late: f64,
    /// See `late`.
    pub early: f64,
    /// Seconds from first to last point.
    pub span_s: f64,
    /// Points.
    pub points: usize,
    /// The largest rise from one point to the next as a share of all that was gained: near 1 it was one jump.
    pub largest_step: f64,
    /// First and last value of the level, as the trend's line has them.
    pub from: f64,
    /// See `from`.
    pub to: f64,
}

impl Trend {
    /// Whether the rise is one that chance shows at most once in a hundred times.
    #[must_use]
    pub fn rises(&self) -> bool {
        self.slope > 0.0 && self.z > 2.33
    }

    /// Rate of the later half over that of the earlier half; 1 is steady.
    #[must_use]
    pub fn acceleration(&self) -> f64 {
        if self.early > 0.0 {
            (self.late / self.early).clamp(0.0, 100.0)
        } else if self.late > 0.0 {
            100.0
        } else {
            1.0
        }
    }
}

/// A quantity over several spans of time.
#[derive(Clone, Debug, Default)]
pub struct Track {
    levels: Vec<Level>,
}

#[derive(Clone, Debug, Default)]
struct Level {
    /// In time order; at most [`POINTS`].
    points: Vec<(f64, f64)>,
    /// Waiting to become one point of the next level.
    folded: Vec<(f64, f64)>,
    trend: Option<Trend>,
}

impl Track {
    /// Adds a value. Times must not step back; a value at the time of the last one replaces it.
    pub fn push(&mut self, at_s: f64, value: f64) {
        if !at_s.is_finite() || !value.is_finite() {
            return;
        }
        let mut point = (at_s, value);
        for level in 0..LEVELS {
            if self.levels.len() <= level {
                self.levels.push(Level::default());
            }
            let Some(l) = self.levels.get_mut(level) else { return };
            l.add(point);
            l.folded.push(point);
            if l.folded.len() < FOLD {
                return;
            }
            // The median of four, at their mean time: one wild value does not pass.
            point = fold(&l.folded);
            l.folded.clear();
        }
    }

    /// The trend of each level that has one, the shortest span first. A level that spans no more time than the one
    /// below it says nothing new and is left out.
    pub fn trends(&self) -> impl Iterator<Item = Trend> + '_ {
        let mut longest = 0.0;
        self.levels.iter().filter_map(|l| l.trend).filter(move |t| {
            let new = t.span_s > longest;
            longest = f64::max(longest, t.span_s);
            new
        })
    }

    /// The trend of the shortest span that spans at least `seconds`, else the longest there is.
    #[must_use]
    pub fn over(&self, seconds: f64) -> Option<Trend> {
        let mut last = None;
        for t in self.trends() {
            last = Some(t);
            if t.span_s >= seconds {
                break;
            }
        }
        last
    }

    /// The latest value and its time.
    #[must_use]
    pub fn latest(&self) -> Option<(f64, f64)> {
        self.levels.first()?.points.last().copied()
    }

    /// The points of the shortest span, in time order.
    #[must_use]
    pub fn points(&self) -> &[(f64, f64)] {
        self.levels.first().map_or(&[], |l| &l.points)
    }

    /// Forgets everything: another process, another regime.
    pub fn clear(&mut self) {
        self.levels.clear();
    }
}

impl Level {
    fn add(&mut self, point: (f64, f64)) {
        match self.points.last_mut() {
            Some(last) if last.0 >= point.0 => *last = (last.0, point.1),
            _ => {
                if self.points.len() >= POINTS {
                    self.points.remove(0);
                }
                self.points.push(point);
            }
        }
        self.trend = trend(&self.points);
    }
}

fn fold(points: &[(f64, f64)]) -> (f64, f64) {
    let time = points.iter().map(|p| p.0).sum::<f64>() / points.len().max(1) as f64;
    let values: Vec<f64> = points.iter().map(|p| p.1).collect();
    (time, crate::median(&values).unwrap_or(f64::NAN))
}

/// The trend of points in time order; `None` with fewer than three.
#[must_use]
pub fn trend(points: &[(f64, f64)]) -> Option<Trend> {
    let n = points.len();
    let (first, last) = (points.first()?, points.last()?);
    let span_s = last.0 - first.0;
    if n < 3 || span_s <= 0.0 {
        return None;
    }
    let mut slopes = Vec::with_capacity(n * (n - 1) / 2);
    let mut score = 0.0;
    for (i, a) in points.iter().enumerate() {
        for b in points.get(i + 1..).unwrap_or_default() {
            if b.0 > a.0 {
                slopes.push((b.1 - a.1) / (b.0 - a.0));
                score += f64::from(b.1 > a.1) - f64::from(b.1 < a.1);
            }
        }
    }
    slopes.sort_unstable_by(f64::total_cmp);
    let sd = kendall_variance(points).sqrt();
    let at = |rank: f64| -> f64 {
        let i = rank.round().clamp(0.0, slopes.len().saturating_sub(1) as f64) as usize;
        slopes.get(i).copied().unwrap_or(0.0)
    };
    let middle = (slopes.len() as f64 - 1.0) / 2.0;
    let slope =
        if slopes.len().is_multiple_of(2) { f64::midpoint(at(middle.floor()), at(middle.ceil())) } else { at(middle) };
    // Sen's interval: ranks half the variance's width off the middle.
    let width = Z90 * sd / 2.0;
    let z = if sd > 0.0 { (score - score.signum()) / sd } else { 0.0 };
    let center = first.0 + span_s / 2.0;
    let intercepts: Vec<f64> = points.iter().map(|p| p.1 - slope * (p.0 - first.0)).collect();
    let from = crate::median(&intercepts).unwrap_or(first.1);
    Some(Trend {
        slope,
        slope_p10: at(middle - width),
        slope_p90: at(middle + width),
        z,
        late: half_slope(points, |t| t >= center).unwrap_or(slope),
        early: half_slope(points, |t| t <= center).unwrap_or(slope),
        span_s,
        points: n,
        largest_step: largest_step(points),
        from,
        to: from + slope * span_s,
    })
}

fn largest_step(points: &[(f64, f64)]) -> f64 {
    let low = points.iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
    let high = points.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);
    let step = points.windows(2).map(|w| w[1].1 - w[0].1).fold(0.0, f64::max);
    if high > low { step / (high - low) } else { 0.0 }
}

fn half_slope(points: &[(f64, f64)], keep: impl Fn(f64) -> bool) -> Option<f64> {
    let half: Vec<(f64, f64)> = points.iter().copied().filter(|p| keep(p.0)).collect();
    if half.len() < 3 { None } else { crate::theil_sen(&half) }
}

/// Variance of Kendall's score, ties corrected.
fn kendall_variance(points: &[(f64, f64)]) -> f64 {
    let term = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let mut values: Vec<f64> = points.iter().map(|p| p.1).collect();
    values.sort_unstable_by(f64::total_cmp);
    let mut tied = 0.0;
    let mut run = 1.0;
    for pair in values.windows(2) {
        if pair[0] == pair[1] {
            run += 1.0;
        } else {
            tied += term(run);
            run = 1.0;
        }
    }
    (term(points.len() as f64) - tied - term(run)).max(0.0) / 18.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Noise without a library: a linear congruential generator, -1 to 1.
    fn noise(seed: &mut u64) -> f64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((*seed >> 33) as f64 / (1_u64 << 31) as f64) * 2.0 - 1.0
    }

    #[test]
    fn a_straight_line_is_found_exactly() {
        let mut t = Track::default();
        for i in 0..200 {
            t.push(f64::from(i) * 5.0, 100.0 + f64::from(i) * 10.0);
        }
        for trend in t.trends() {
            assert!((trend.slope - 2.0).abs() < 1e-9, "{trend:?}");
            assert!(trend.rises());
            assert!((trend.acceleration() - 1.0).abs() < 1e-6);
        }
        let spans: Vec<f64> = t.trends().map(|t| t.span_s).collect();
        assert!(spans.len() >= 3 && spans.windows(2).all(|w| w[1] > w[0]), "{spans:?}");
    }

    #[test]
    fn noise_alone_rises_at_most_once_in_a_hundred() {
        let mut seed = 7;
        let mut false_alarms = 0;
        for _ in 0..1000 {
            let points: Vec<(f64, f64)> = (0..POINTS).map(|i| (i as f64, noise(&mut seed))).collect();
            false_alarms += u32::from(trend(&points).unwrap().rises());
        }
        assert!(false_alarms <= 20, "{false_alarms} of 1000");
    }

    #[test]
    fn the_interval_holds_the_true_slope_in_four_of_five() {
        let mut seed = 11;
        let mut inside = 0;
        for _ in 0..1000 {
            let points: Vec<(f64, f64)> =
                (0..POINTS).map(|i| (i as f64, 3.0 * i as f64 + 20.0 * noise(&mut seed))).collect();
            let t = trend(&points).unwrap();
            inside += u32::from(t.slope_p10 <= 3.0 && 3.0 <= t.slope_p90);
        }
        assert!((720..=900).contains(&inside), "{inside} of 1000");
    }

    #[test]
    fn levelling_off_shows_in_the_halves() {
        let points: Vec<(f64, f64)> = (0..24).map(|i| (f64::from(i), 1.0 - (-f64::from(i) / 6.0).exp())).collect();
        assert!(trend(&points).unwrap().acceleration() < 0.3);
    }

    proptest! {
        #[test]
        fn memory_is_bounded_and_nothing_panics(values in prop::collection::vec((0.0f64..1e9, -1e15f64..1e15), 0..400)) {
            let mut t = Track::default();
            for (at, v) in values {
                t.push(at, v);
            }
            for l in &t.levels {
                prop_assert!(l.points.len() <= POINTS && l.folded.len() < FOLD);
            }
            for trend in t.trends() {
                prop_assert!(trend.slope_p10 <= trend.slope && trend.slope <= trend.slope_p90);
                prop_assert!(!trend.z.is_nan());
            }
        }
    }
}
