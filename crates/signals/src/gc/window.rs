//! Owns long series in constant memory, and where in one the growth happened.

/// A series of at most twice as many points as wanted: when it is full, every second one goes, and from then on only
/// every second one comes in. The latest point is always kept.
#[derive(Clone, Debug)]
pub struct Decimated<T> {
    points: Vec<T>,
    last: Option<T>,
    stride: u64,
    seen: u64,
    most: usize,
}

impl<T: Copy> Decimated<T> {
    /// For about `wanted` points (two at least).
    #[must_use]
    pub fn new(wanted: usize) -> Self {
        Self { points: Vec::new(), last: None, stride: 1, seen: 0, most: wanted.clamp(2, 1 << 20) * 2 }
    }

    /// Adds a point.
    pub fn push(&mut self, point: T) {
        if self.seen.is_multiple_of(self.stride) {
            if self.points.len() >= self.most {
                let mut i = 0_usize;
                self.points.retain(|_| {
                    i += 1;
                    i % 2 == 1
                });
                self.stride = self.stride.saturating_mul(2);
            }
            if self.seen.is_multiple_of(self.stride) {
                self.points.push(point);
            }
        }
        self.seen = self.seen.saturating_add(1);
        self.last = Some(point);
    }

    /// The points kept, the latest one last.
    #[must_use]
    pub fn points(&self) -> Vec<T> {
        let mut out = self.points.clone();
        if self.seen > 0 && !(self.seen - 1).is_multiple_of(self.stride) {
            out.extend(self.last);
        }
        out
    }
}

/// Between which points of a series most of its growth happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GrowthWindow {
    /// Index of the last point before the growth.
    pub from: usize,
    /// Index of the first point after it.
    pub to: usize,
    /// Growth within.
    pub gain: f64,
    /// The largest growth between any two points.
    pub total: f64,
    /// The window's share of the series' time.
    pub time_share: f64,
}

/// The shortest window in time that has `share` of the largest growth between any two points of a series `(seconds,
/// value)` in time order. `None` when nothing grows. Quadratic: for series of some thousand points at most.
#[must_use]
pub fn growth_window(points: &[(f64, f64)], share: f64) -> Option<GrowthWindow> {
    let mut lowest = f64::INFINITY;
    let mut total = 0.0_f64;
    for (_, v) in points {
        lowest = lowest.min(*v);
        total = total.max(v - lowest);
    }
    let whole = points.last()?.0 - points.first()?.0;
    if !total.is_finite() || total <= 0.0 || whole.is_nan() || whole <= 0.0 {
        return None;
    }
    let wanted = total * share.clamp(0.0, 1.0);
    let mut best: Option<(f64, usize, usize)> = None;
    for (i, a) in points.iter().enumerate() {
        for (j, b) in points.iter().enumerate().skip(i + 1) {
            let time = b.0 - a.0;
            if best.is_some_and(|(t, ..)| time >= t) {
                break;
            }
            if b.1 - a.1 >= wanted {
                best = Some((time, i, j));
                break;
            }
        }
    }
    let (time, from, to) = best?;
    let gain = points.get(to)?.1 - points.get(from)?.1;
    Some(GrowthWindow { from, to, gain, total, time_share: time / whole })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_the_step() {
        let values = [10.0, 11.0, 10.0, 11.0, 60.0, 110.0, 111.0, 109.0, 112.0];
        let points: Vec<(f64, f64)> = values.iter().enumerate().map(|(i, v)| (i as f64, *v)).collect();
        let w = growth_window(&points, 0.8).unwrap();
        assert_eq!((w.from, w.to, w.gain, w.total), (3, 5, 99.0, 102.0));
        assert_eq!(w.time_share, 0.25);
        assert_eq!(growth_window(&[(0.0, 5.0), (1.0, 4.0)], 0.8), None);
        assert_eq!(growth_window(&[], 0.8), None);
    }

    #[test]
    fn steady_growth_takes_its_share_of_the_time() {
        let points: Vec<(f64, f64)> = (0..=100).map(|i| (f64::from(i), f64::from(i))).collect();
        let w = growth_window(&points, 0.8).unwrap();
        assert!((w.time_share - 0.8).abs() < 0.02, "{w:?}");
    }

    #[test]
    fn keeps_what_is_wanted() {
        let mut d = Decimated::new(100);
        for i in 0..1_000_000_u32 {
            d.push(i);
        }
        let p = d.points();
        assert!((100..=201).contains(&p.len()), "{}", p.len());
        assert_eq!((p.first(), p.last()), (Some(&0), Some(&999_999)));
        assert!(p.windows(2).all(|w| w[0] < w[1]));
    }

    proptest! {
        #[test]
        fn never_panics(v in prop::collection::vec((any::<f64>(), any::<f64>()), 0..40), share: f64) {
            if let Some(w) = growth_window(&v, share) {
                prop_assert!(w.from < w.to && w.to < v.len());
            }
        }

        #[test]
        fn short_series_are_kept_whole(v in prop::collection::vec(any::<u32>(), 0..64)) {
            let mut d = Decimated::new(32);
            v.iter().for_each(|x| d.push(*x));
            prop_assert_eq!(d.points(), v);
        }
    }
}
