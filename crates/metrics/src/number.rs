//! Floating-point values of outside origin as counters: what does not fit is refused, not wrapped.

/// A non-negative finite value as whole units (the fraction dropped); values from 2^64 on saturate.
pub(crate) fn whole(v: f64) -> Option<u64> {
    (v.is_finite() && v >= 0.0).then_some(v as u64)
}

/// A runtime setting whose `off` is printed as `math.MaxUint64` (GOGC): `-1` then.
pub(crate) fn percent(v: f64) -> Option<i64> {
    if !v.is_finite() {
        None
    } else if !(0.0..1e15).contains(&v) {
        Some(-1)
    } else {
        Some(v as i64)
    }
}

/// GOMEMLIMIT: unlimited is printed as `math.MaxInt64`, which is no limit.
pub(crate) fn memory_limit(v: f64) -> Option<u64> {
    // Rounded to a double, MaxInt64 is 2^63; no machine has half of that.
    whole(v).filter(|&n| n < 1 << 62)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_count() {
        assert_eq!(whole(f64::NAN), None);
        assert_eq!(whole(f64::INFINITY), None);
        assert_eq!(whole(-1.0), None);
        assert_eq!(whole(1.5e3), Some(1500));
        assert_eq!(whole(1e300), Some(u64::MAX));
    }

    #[test]
    fn reads_off_and_unlimited() {
        assert_eq!(percent(1.844_674_407_370_955_2e19), Some(-1));
        assert_eq!(percent(50.0), Some(50));
        assert_eq!(percent(f64::NAN), None);
        assert_eq!(memory_limit(9.223_372_036_854_776e18), None);
        assert_eq!(memory_limit(536_870_912.0), Some(536_870_912));
    }
}
