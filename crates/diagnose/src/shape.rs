//! How a cluster of sites rises through its profiles, weighed: growth without end rises in each interval, a cache that
//! fills up comes to a rest.

use crate::cluster::Cluster;
use crate::context::Context;
use crate::evidence::{Case, percent, plural};
use model::Mechanism;
use signals::{Growth, Measured, rises};

/// Adds what the steps from profile to profile say for and against.
pub(crate) fn weigh(case: &mut Case, cx: &Context<'_>, c: &Cluster<'_>, artifact: &str) {
    let g = &c.growth;
    if g.steps < 2 {
        return;
    }
    let missed = missed_by_sampling(cx, c);
    let flat = g.steps - g.rising_steps - missed;
    // What began in the window and rose until the process died for want of memory is no phase that would have ended.
    let until_the_end = cx.oom_killed() && g.rising_steps > 0 && flat == g.steps_before;
    if g.falling_steps > 0 {
        let s = format!("it fell in {} of {} intervals", g.falling_steps, g.steps);
        case.number(-2.5 * g.falling_steps as f64, artifact, g.falling_steps as f64, "intervals", s);
    }
    let rose = if flat == 0 && missed == 0 {
        Some(format!("it rose in each of {} intervals", g.steps))
    } else if flat == 0 {
        Some(format!(
            "it rose in {} of {}; that it seems to rest in the other is sampling: the live heap that the runtime counts \
             rose there by as much as elsewhere",
            g.rising_steps,
            plural(g.steps as u64, "interval")
        ))
    } else {
        until_the_end
            .then(|| format!("it rose in each of the last {} intervals, until the OOM killer came", g.rising_steps))
    };
    if let Some(s) = rose {
        let rising = g.rising_steps as f64;
        case.number((0.5 * rising).min(1.5), artifact, rising, "intervals", s);
    } else if !in_steps(c) {
        // In a short capture a single flat interval is half of a cache filling up; in a long one it is
        // a lull in traffic.
        let each = 5.0 * (3.0 / g.steps as f64).powf(1.5).min(1.0);
        let s = format!("it did not rise in {flat} of {} intervals", g.steps);
        case.number(-each * flat as f64, artifact, flat as f64, "intervals", s);
    }
    let ratio = g.late_to_early;
    if ratio < 0.35 && missed == 0 && !in_steps(c) {
        let s = format!("it levels off: the later half grew at {} of the earlier rate", percent(ratio.max(0.0)));
        case.number(-3.0, artifact, ratio, "ratio", s);
    } else if ratio >= 0.6 {
        case.number(0.4, artifact, ratio, "ratio", "it does not level off within the window".into());
    }
}

/// Number of intervals in which the profile shows no rise although there was one. Of a slow leak a handful of objects is
/// sampled in each interval, and by chance none or two. Had it rested, the live heap, which the runtime counts
/// to the byte, would have risen by so much less than it does on average; a third of that is left to other causes.
fn missed_by_sampling(cx: &Context<'_>, c: &Cluster<'_>) -> usize {
    let points = cx.sites.measured(&c.values);
    cx.live_at_profiles().map_or(0, |live| missed(&points, &c.growth, &live))
}

fn missed(points: &[Measured], g: &Growth, live: &[f64]) -> usize {
    let (Some(first), Some(last)) = (live.first(), live.last()) else { return 0 };
    let whole = (last - first) / g.seconds;
    let is_missed = |(pair, counted): (&[Measured], &[f64])| {
        let seconds = pair[1].at_s - pair[0].at_s;
        let (step, expected) = (pair[1].value - pair[0].value, g.per_second * seconds);
        let sd = g.delta_sd * (seconds / g.seconds).sqrt();
        let by_chance = expected - step < BY_CHANCE * sd;
        let wanting = whole * seconds - (counted[1] - counted[0]);
        by_chance && wanting < expected / 3.0
    };
    let steps = points.windows(2).zip(live.windows(2));
    rises(points).iter().zip(steps).filter(|(rose, step)| !**rose && is_missed(*step)).count()
}

/// Standard deviations by which a sampled step may differ from the mean.
const BY_CHANCE: f64 = 3.0;

/// Whether most of the growth is a few backing arrays that double: such memory rises in steps. Many
/// small slices or tables rise evenly, and stop when nothing is added.
fn in_steps(c: &Cluster<'_>) -> bool {
    let lead = c.members[0];
    let last = lead.values.last().copied().unwrap_or_default();
    matches!(lead.mechanism, Mechanism::SliceGrowth | Mechanism::MapGrowth)
        && last.inuse_bytes * FEW_ARRAYS >= c.growth.delta * last.inuse_objects.max(1.0)
}

/// Up to about this many arrays that double, their steps show in a capture of a few samples.
const FEW_ARRAYS: f64 = 16.0;

#[cfg(test)]
mod tests {
    use super::*;
    use signals::growth;

    const MIB: f64 = 1048576.0;

    /// Profiles eight seconds apart of a site of which so many objects are sampled in each interval, half a MiB each.
    fn sampled(each: &[f64]) -> Vec<Measured> {
        let sum = |n: usize| each[..n].iter().sum::<f64>();
        let at = |n: usize| Measured {
            at_s: 8.0 * n as f64,
            value: 0.5 * MIB * sum(n),
            turnover_variance: (0.5 * MIB).powi(2) * sum(n),
        };
        (0..=each.len()).map(at).collect()
    }

    fn counted(each: &[f64]) -> Vec<f64> {
        (0..=each.len()).map(|n| 30.0 * MIB + MIB * each[..n].iter().sum::<f64>()).collect()
    }

    fn missed_in(objects: &[f64], mib: &[f64]) -> usize {
        let points = sampled(objects);
        missed(&points, &growth(&points).unwrap(), &counted(mib))
    }

    /// Four MiB an interval beside eight of another leak; of the last four, one object is sampled.
    #[test]
    fn an_interval_of_few_samples_is_no_rest_where_the_heap_rose_as_ever() {
        assert_eq!(missed_in(&[9.0, 8.0, 1.0], &[12.0, 12.5, 11.5]), 1);
        assert_eq!(missed_in(&[9.0, 1.0, 8.0], &[12.0, 11.6, 12.4]), 1);
    }

    /// The same profile of a cache that is full after two thirds of the time.
    #[test]
    fn a_cache_that_is_full_rests() {
        assert_eq!(missed_in(&[9.0, 8.0, 1.0], &[12.0, 12.5, 8.2]), 0);
        assert_eq!(missed_in(&[9.0, 8.0, 1.0], &[4.1, 4.0, 0.1]), 0);
    }

    /// Where hundreds are sampled, none is no chance, whatever else grew meanwhile.
    #[test]
    fn many_samples_do_not_fail_by_chance() {
        assert_eq!(missed_in(&[90.0, 80.0, 0.0], &[50.0, 50.0, 60.0]), 0);
    }
}
