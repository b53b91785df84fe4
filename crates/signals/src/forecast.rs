//! When steady growth meets a limit.

/// Quantiles of the seconds until a limit is met.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeToLimit {
    /// Early: one in ten is sooner.
    pub p10: f64,
    /// Median.
    pub p50: f64,
    /// Late: one in ten is later.
    pub p90: f64,
}

/// Standard normal quantile at 90 %.
const Z90: f64 = 1.2816;
/// A rate measured over one short window is not the rate of the next hour: besides the noise of
/// measurement, allow that the load itself varies by this share (one standard deviation).
const LOAD_VARIATION: f64 = 0.2;
/// Nothing is forecast beyond this: 30 days.
const HORIZON_S: f64 = 30.0 * 86_400.0;

/// Seconds until `headroom` is used up by growth of `per_second` (standard deviation
/// `per_second_sd`). `None` when nothing grows, the headroom is unknown or the limit is further
/// off than 30 days.
#[must_use]
pub fn time_to_limit(headroom: f64, per_second: f64, per_second_sd: f64) -> Option<TimeToLimit> {
    if !(headroom.is_finite() && per_second.is_finite()) || per_second <= 0.0 {
        return None;
    }
    let headroom = headroom.max(0.0);
    let p50 = headroom / per_second;
    if p50 > HORIZON_S {
        return None;
    }
    let sd = per_second_sd.max(0.0).hypot(LOAD_VARIATION * per_second);
    let fast = per_second + Z90 * sd;
    let slow = (per_second - Z90 * sd).max(per_second / 10.0);
    Some(TimeToLimit { p10: headroom / fast, p50, p90: (headroom / slow).min(HORIZON_S) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_its_quantiles_around_the_plain_quotient() {
        let t = time_to_limit(1000.0, 10.0, 1.0).unwrap();
        assert_eq!(t.p50, 100.0);
        assert!(t.p10 < t.p50 && t.p50 < t.p90, "{t:?}");
    }

    #[test]
    fn no_growth_no_forecast() {
        assert_eq!(time_to_limit(1000.0, 0.0, 0.0), None);
        assert_eq!(time_to_limit(1000.0, -1.0, 0.0), None);
        assert_eq!(time_to_limit(f64::NAN, 1.0, 0.0), None);
        assert_eq!(time_to_limit(1e18, 1e-3, 0.0), None);
        assert_eq!(time_to_limit(-5.0, 1.0, 0.0).unwrap().p50, 0.0);
    }
}
