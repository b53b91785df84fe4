//! Growth that the service itself counts: a gauge on its `/metrics` that rises with the memory.
//!
//! A profile cannot tell a leak from a store that is given more to keep. A service that counts what
//! it holds knows that it holds it, so a gauge in proportion to the growing memory names the cause
//! (`prometheus_tsdb_head_series`) and makes "store" more probable than "leak". In proportion means:
//! memory = c x gauge fits all profiles, and what the gauge leaves unexplained of the growth is at most
//! a quarter of it, or two standard deviations of the sampling noise, but never more than half.
//! Not looked at are gauges of time and of memory itself: time rises with everything that rises
//! steadily, and memory is no cause of memory. Nor are names on `_total`: by convention those are counters,
//! which tell what was done and not what is held, whatever type is declared (etcd declares gauges).

use crate::cluster::Cluster;
use crate::context::Context;
use crate::evidence::round3;
use model::format_count;

/// Fewer profiles than this fit too many gauges.
const LEAST_PROFILES: usize = 3;
/// A gauge must grow by this share of itself within the window; less is lost in any fit.
const LEAST_RELATIVE_GROWTH: f64 = 0.05;
/// Share of the growth that may stay unexplained whatever the noise.
const UNEXPLAINED: f64 = 0.25;
/// Share of the growth that may stay unexplained when the noise is as large.
const MOST_UNEXPLAINED: f64 = 0.5;
/// Standard deviations of noise.
const NOISE_SD: f64 = 2.0;
/// Words of a name (between underscores) that say that it is time, memory, or goroutines, which have a
/// rule of their own.
const NOT_A_CAUSE: [&str; 20] = [
    "seconds",
    "milliseconds",
    "ms",
    "time",
    "timestamp",
    "uptime",
    "age",
    "ratio",
    "percent",
    "memory",
    "mem",
    "memstats",
    "heap",
    "rss",
    "alloc",
    "stack",
    "gc",
    "goroutines",
    "goroutine",
    "threads",
];

/// A gauge that rises with a cluster of sites.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Counted {
    /// Its name; the nearest fit.
    pub(crate) name: String,
    /// How many other gauges fit as well.
    pub(crate) others: usize,
    /// At the first profile.
    pub(crate) first: f64,
    /// At the last profile.
    pub(crate) last: f64,
    /// Growth per second.
    pub(crate) per_second: f64,
    /// Where the last value was read.
    pub(crate) artifact: String,
}

impl Counted {
    /// `prometheus_tsdb_head_series 34,505 -> 57,005 (+750/s)`.
    pub(crate) fn text(&self) -> String {
        let n = |v: f64| format_count(v.round().clamp(0.0, 1e18) as u64);
        let per_s = if self.per_second >= 10.0 { n(self.per_second) } else { round3(self.per_second).to_string() };
        let others = match self.others {
            0 => String::new(),
            1 => ", and so does one other gauge".to_owned(),
            k => format!(", and so do {k} other gauges"),
        };
        format!("{} went {} -> {} (+{per_s}/s){others}", self.name, n(self.first), n(self.last))
    }
}

/// The gauge that fits the growth of `c` best, when one does.
pub(crate) fn counted(cx: &Context<'_>, c: &Cluster<'_>) -> Option<Counted> {
    let with_heap = || cx.facts.samples.iter().filter(|s| s.heap.is_some());
    let gauges: Vec<_> = with_heap().map(|s| s.gauges.as_ref()).collect::<Option<_>>()?;
    if gauges.len() < LEAST_PROFILES || gauges.len() != c.values.len() {
        return None;
    }
    let memory: Vec<f64> = c.values.iter().map(|v| v.inuse_bytes).collect();
    let level_noise = c.values.last().map_or(0.0, |v| v.inuse_sd() / v.inuse_bytes.max(1.0));
    let fit = Fit { memory, growth: c.growth.delta, growth_sd: c.growth.delta_sd, level_noise };
    let mut fitting: Vec<(f64, &str, f64, f64)> = Vec::new();
    for name in gauges.first()?.value.keys().filter(|n| may_be_cause(n)) {
        let values: Option<Vec<f64>> = gauges.iter().map(|g| g.value.get(name).copied()).collect();
        let Some(values) = values else { continue };
        if let (Some(left), [first, .., last]) = (fit.unexplained(&values), values.as_slice()) {
            fitting.push((left, name, *first, *last));
        }
    }
    fitting.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.len().cmp(&b.1.len())).then_with(|| b.1.cmp(a.1)));
    let &(_, name, first, last) = fitting.first()?;
    Some(Counted {
        name: name.to_owned(),
        others: fitting.len() - 1,
        first,
        last,
        per_second: (last - first) / c.growth.seconds,
        artifact: gauges.last()?.artifact.clone(),
    })
}

fn may_be_cause(name: &str) -> bool {
    !name.ends_with("_total") && !name.split('_').any(|word| NOT_A_CAUSE.contains(&word))
}

/// The memory of a cluster through the profiles.
struct Fit {
    memory: Vec<f64>,
    /// Bytes.
    growth: f64,
    growth_sd: f64,
    /// Relative standard deviation of the level of the memory.
    level_noise: f64,
}

impl Fit {
    /// Share of the growth that is left when memory is taken as proportional to the gauge; `None` when that
    /// is too much, or when the gauge does not rise in each interval.
    fn unexplained(&self, gauge: &[f64]) -> Option<f64> {
        let (first, last) = (*gauge.first()?, *gauge.last()?);
        let rises = gauge.windows(2).all(|w| w[1] > w[0]);
        if !rises || first < 0.0 || last - first < LEAST_RELATIVE_GROWTH * last || self.growth <= 0.0 {
            return None;
        }
        let (mut both, mut square) = (0.0, 0.0);
        for (m, g) in self.memory.iter().zip(gauge) {
            both += m * g;
            square += g * g;
        }
        let explained = both / square * (last - first);
        let sd = self.growth_sd.hypot(explained * self.level_noise);
        let most = (NOISE_SD * sd).clamp(UNEXPLAINED * self.growth, MOST_UNEXPLAINED * self.growth);
        let left = (self.growth - explained).abs();
        (left <= most).then_some(left / self.growth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(memory: &[f64], growth_sd: f64) -> Fit {
        let growth = memory[memory.len() - 1] - memory[0];
        Fit { memory: memory.to_vec(), growth, growth_sd, level_noise: 0.0 }
    }

    #[test]
    fn memory_in_proportion_to_a_gauge() {
        let exact = fit(&[100.0, 150.0, 200.0, 250.0], 0.0);
        assert_eq!(exact.unexplained(&[10.0, 15.0, 20.0, 25.0]), Some(0.0));
        // Time since a start long ago, a gauge that stands still, one that starts from nothing beside what
        // was there before.
        assert_eq!(exact.unexplained(&[5000.0, 5010.0, 5020.0, 5030.0]), None);
        assert_eq!(exact.unexplained(&[10.0, 15.0, 15.0, 25.0]), None);
        assert_eq!(exact.unexplained(&[0.0, 50.0, 100.0, 150.0]), None);
    }

    #[test]
    fn noise_widens_the_fit_up_to_half() {
        let memory = [100.0, 150.0, 200.0, 250.0];
        let gauge = [100.0, 122.0, 144.0, 166.0];
        assert_eq!(fit(&memory, 0.0).unexplained(&gauge), None);
        assert!(fit(&memory, 40.0).unexplained(&gauge).is_some());
        // Whatever the noise, a gauge that grows by a tenth does not explain memory that more than doubles.
        assert_eq!(fit(&memory, 1000.0).unexplained(&[100.0, 103.0, 106.0, 110.0]), None);
        for hostile in [[f64::MAX; 4], [0.0; 4], [0.0, 1e300, 1.5e300, 1.7e308], [-1.0, 0.0, 1.0, 2.0]] {
            let _ = exactly(&memory).unexplained(&hostile);
        }
    }

    fn exactly(memory: &[f64]) -> Fit {
        fit(memory, 0.0)
    }

    #[test]
    fn time_and_memory_are_no_causes() {
        for name in
            ["app_uptime_seconds", "app_heap_objects", "jobs_last_run_timestamp", "etcd_disk_wal_write_bytes_total"]
        {
            assert!(!may_be_cause(name), "{name}");
        }
        for name in ["prometheus_tsdb_head_series", "etcd_mvcc_db_total_size_in_bytes", "sessions", "times_seen"] {
            assert!(may_be_cause(name), "{name}");
        }
    }
}
