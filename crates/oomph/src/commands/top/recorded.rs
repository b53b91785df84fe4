//! Services that were never there, for tests: one about to die, others that grow, rest, hide.

use model::{
    Bytes, FiringRule, GrowthShape, IncidentStatus, SecondsToLimit, SourceStatus, TargetState, TargetStatus,
    UnixMillis, WATCH_SCHEMA, WatchLevel, WatchStatus,
};
use watch::top::{SeriesKind, TopSource};

pub(super) struct Recorded(WatchStatus);

impl Recorded {
    pub(super) fn new() -> Self {
        Self(status())
    }
}

impl TopSource for Recorded {
    fn status(&self) -> WatchStatus {
        self.0.clone()
    }

    /// Two minutes, of which `checkout` spends the second growing.
    fn series(&self, target: &str, what: SeriesKind) -> Vec<(f64, f64)> {
        if target != "checkout" {
            return Vec::new();
        }
        let mib = |n: f64| n * 1_048_576.0;
        let live = |ago: f64| mib(if ago > 60.0 { 100.0 } else { 384.0 - ago * 4.7 });
        (0..=120)
            .rev()
            .step_by(5)
            .map(f64::from)
            .filter_map(|ago| {
                let value = match what {
                    SeriesKind::LiveHeap => live(ago),
                    SeriesKind::HeapGoal => (live(ago) * 2.0).min(mib(440.0)),
                    SeriesKind::Resident => live(ago) + mib(60.0),
                    SeriesKind::Limit => mib(512.0),
                    SeriesKind::Usage | SeriesKind::Goroutines => return None,
                };
                Some((ago, value))
            })
            .collect()
    }
}

pub(super) fn status() -> WatchStatus {
    let at = UnixMillis(1_790_000_000_000);
    let targets = vec![checkout(at), orders(), steady(), gone()];
    WatchStatus { schema: WATCH_SCHEMA.into(), at, targets, ..WatchStatus::default() }
}

fn checkout(at: UnixMillis) -> TargetStatus {
    let title = "meets its limit of 512.0 MiB in 40 s (30 to 62 s)".to_owned();
    let since = UnixMillis(at.0 - 10_000);
    let incident = |ago: i64, cause: &str, finished| IncidentStatus {
        id: format!("{ago}"),
        at: UnixMillis(at.0 - ago * 1000),
        bundle: format!("/var/lib/oomph/incidents/checkout-{ago}"),
        cause: cause.into(),
        level: if finished { WatchLevel::Warning } else { WatchLevel::Critical },
        bytes: Bytes(3 << 20),
        finished,
        culprit: finished.then(|| "main.(*Cache).Put cache.go:41".into()),
        advice: None,
        container: None,
        summary: finished.then(|| "main.cache (map[string]*main.User) grows without bound".into()),
        oom_killed: false,
    };
    TargetStatus {
        name: "checkout".into(),
        pid: Some(4711),
        program: Some("example.com/checkout".into()),
        state: TargetState::Running,
        level: WatchLevel::Critical,
        shape: GrowthShape::FastLeak,
        live_heap: Some(Bytes::mib(384)),
        heap_goal: Some(Bytes::mib(440)),
        limit: Some(Bytes::mib(512)),
        growth_bytes_per_s: Some(4.9e6),
        gc_cpu_share: Some(0.31),
        goroutines: Some(12_204),
        seconds_to_limit: Some(SecondsToLimit { p10: 30.0, p50: 40.0, p90: 61.5 }),
        firing: vec![
            FiringRule { rule: "time-to-limit".into(), level: WatchLevel::Critical, since, title },
            FiringRule {
                rule: "surge".into(),
                level: WatchLevel::Warning,
                since,
                title: "1.9 times the median of the last six samples".into(),
            },
        ],
        incidents: vec![incident(4, "time-to-limit", false), incident(70, "surge", true), incident(900, "surge", true)],
        ..TargetStatus::default()
    }
}

fn orders() -> TargetStatus {
    TargetStatus {
        name: "orders-with-a-name-that-is-too-long-for-its-column".into(),
        pid: Some(812),
        program: Some("example.com/orders".into()),
        state: TargetState::Running,
        level: WatchLevel::Notice,
        shape: GrowthShape::SlowLeak,
        live_heap: Some(Bytes(1_610_612_736)),
        heap_goal: Some(Bytes(3 << 30)),
        limit: Some(Bytes(8 << 30)),
        growth_bytes_per_s: Some(20_480.0),
        gc_cpu_share: Some(0.02),
        goroutines: Some(88),
        seconds_to_limit: Some(SecondsToLimit { p10: 2e5, p50: 3e5, p90: 9e5 }),
        ..TargetStatus::default()
    }
}

fn steady() -> TargetStatus {
    TargetStatus {
        name: "a-steady-one".into(),
        pid: Some(99),
        state: TargetState::Running,
        shape: GrowthShape::Steady,
        live_heap: Some(Bytes::mib(12)),
        heap_goal: Some(Bytes::mib(25)),
        growth_bytes_per_s: Some(-100.0),
        gc_cpu_share: Some(0.001),
        goroutines: Some(9),
        ..TargetStatus::default()
    }
}

fn gone() -> TargetStatus {
    let detail = "cannot read /proc/33/mem: owned by user 1000; run as that user or with CAP_SYS_PTRACE".into();
    TargetStatus {
        name: "hidden\u{1b}[2J".into(),
        pid: Some(33),
        state: TargetState::Unreachable,
        sources: vec![SourceStatus { name: "memory".into(), ok: false, detail }],
        ..TargetStatus::default()
    }
}
