//! Owns quantiles of durations in constant memory: counts by logarithmic class, 64 classes to each doubling.

/// Classes per doubling: a class is 1.1 % wide, below what two printed digits tell.
const PER_DOUBLING: u64 = 64;
/// Bits of a class within a doubling.
const BITS: u32 = PER_DOUBLING.trailing_zeros();

/// Counts of whole numbers (nanoseconds) by class.
#[derive(Clone, Debug, Default)]
pub struct LogQuantiles {
    counts: Vec<u64>,
    total: u64,
    sum: u64,
    most: u64,
}

impl LogQuantiles {
    /// Counts a value.
    pub fn add(&mut self, value: u64) {
        let class = class(value);
        if self.counts.len() <= class {
            self.counts.resize(class + 1, 0);
        }
        if let Some(n) = self.counts.get_mut(class) {
            *n = n.saturating_add(1);
        }
        self.total = self.total.saturating_add(1);
        self.sum = self.sum.saturating_add(value);
        self.most = self.most.max(value);
    }

    /// Values counted.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.total
    }

    /// Their sum, saturating.
    #[must_use]
    pub const fn sum(&self) -> u64 {
        self.sum
    }

    /// The largest, exactly; 0 when there are none.
    #[must_use]
    pub const fn max(&self) -> u64 {
        self.most
    }

    /// The value at share `q` (0 to 1) of all, to 1.1 %, never above the largest; 0 when there are none.
    #[must_use]
    pub fn quantile(&self, q: f64) -> u64 {
        let rank = (q.clamp(0.0, 1.0) * self.total as f64).ceil().max(1.0) as u64;
        let mut seen = 0_u64;
        for (class, n) in self.counts.iter().enumerate() {
            seen = seen.saturating_add(*n);
            if seen >= rank && *n > 0 {
                return lowest(class).min(self.most);
            }
        }
        self.most
    }
}

/// Values below 64 have classes of their own; above, the top seven bits tell.
fn class(value: u64) -> usize {
    if value < PER_DOUBLING {
        return value as usize;
    }
    let shift = value.ilog2() - BITS;
    // The top bit is known: it is left out.
    (u64::from(shift) * PER_DOUBLING + (value >> shift)) as usize
}

fn lowest(class: usize) -> u64 {
    let class = class as u64;
    if class < 2 * PER_DOUBLING {
        return class;
    }
    let shift = class / PER_DOUBLING - 1;
    (class - shift * PER_DOUBLING) << shift
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_values_are_exact() {
        let mut q = LogQuantiles::default();
        for v in 1..=100 {
            q.add(v);
        }
        assert_eq!((q.quantile(0.5), q.quantile(0.99), q.max(), q.sum()), (50, 99, 100, 5050));
        assert_eq!(LogQuantiles::default().quantile(0.5), 0);
    }

    proptest! {
        #[test]
        fn quantiles_are_near(mut v in prop::collection::vec(any::<u64>(), 1..200), q in 0.0f64..1.0) {
            let mut of = LogQuantiles::default();
            v.iter().for_each(|v| of.add(*v));
            v.sort_unstable();
            let rank = ((q * v.len() as f64).ceil().max(1.0) as usize).min(v.len());
            let exact = v[rank - 1] as f64;
            let got = of.quantile(q) as f64;
            prop_assert!(got <= exact && got >= exact / (1.0 + 1.0 / 63.0) - 1.0, "{got} of {exact}");
        }

        #[test]
        fn classes_are_ordered(a: u64, b: u64) {
            prop_assert!((a <= b) == (class(a) <= class(b)) || class(a) == class(b));
            prop_assert!(lowest(class(a)) <= a && class(lowest(class(a))) == class(a));
        }
    }
}
