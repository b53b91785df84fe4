//! Reports as the rules would make them: a leaking session cache, a service near its limit, a
//! churning encoder, a healthy one, and one with a single sample.
#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod heap;
pub(crate) mod page;

use model::*;

pub(crate) const HEAP1: &str = "profiles/heap-1.pb.gz";
pub(crate) const HEAP2: &str = "profiles/heap-6.pb.gz";

fn at(s: i64) -> UnixMillis {
    UnixMillis(1_795_237_548_000 + s * 1000)
}

fn ev(artifact: &str, statement: &str, value: f64, unit: &str, weight: f64) -> Evidence {
    Evidence {
        artifact: artifact.into(),
        statement: statement.into(),
        value: Some(value),
        unit: Some(unit.into()),
        weight,
    }
}

fn site(role: SiteRole, function: &str, file: &str, line: u32) -> SiteRef {
    SiteRef { role, function: function.into(), file: file.into(), line }
}

fn logistic(e: &[Evidence]) -> f64 {
    1.0 / (1.0 + (-e.iter().map(|e| e.weight).sum::<f64>()).exp())
}

pub(crate) fn ledger() -> Ledger {
    let mib = |m: f64| Bytes((m * 1_048_576.0) as u64);
    let row = |term, m, note: &str| LedgerRow { term, bytes: mib(m), note: note.into() };
    let mut rows = vec![
        row(LedgerTerm::LiveHeap, 1546.3, "heap in use after a forced GC (MemStats HeapAlloc of heap-6)"),
        row(LedgerTerm::Garbage, 102.7, "HeapAlloc before the forced GC minus after it"),
        row(LedgerTerm::Fragmentation, 41.2, "HeapInuse minus HeapAlloc"),
        row(LedgerTerm::IdleHeap, 122.9, "HeapIdle minus HeapReleased; the scavenger returns it over minutes"),
        row(LedgerTerm::GoroutineStacks, 108.4, "StackInuse"),
        row(LedgerTerm::RuntimeMetadata, 61.5, "MSpanSys, MCacheSys, BuckHashSys, GCSys and OtherSys"),
        row(LedgerTerm::Binary, 11.8, "resident pages of /srv/app/sessiond"),
        row(LedgerTerm::Libraries, 0.0, ""),
        row(LedgerTerm::MappedFiles, 0.0, ""),
        row(LedgerTerm::NonGo, 34.1, "anonymous mappings outside Go arenas"),
        row(LedgerTerm::Unexplained, 19.1, "no row explains these pages"),
    ];
    rows.retain(|r| r.bytes.0 > 0 || r.term == LedgerTerm::Unexplained);
    Ledger { rss: rows.iter().map(|r| r.bytes).sum(), rss_source: "proc/smaps_rollup-6.txt".into(), rows }
}

fn series() -> Vec<Series> {
    let line = |name: &str, unit: &str, f: &dyn Fn(f64) -> f64| Series {
        name: name.into(),
        unit: unit.into(),
        points: (0..=12).map(|i| SeriesPoint { at: at(i * 210), value: f(i as f64) }).collect(),
    };
    let mib = 1_048_576.0;
    vec![
        line("RSS", "bytes", &|i| (1120.0 + 77.3 * i + 9.0 * (i * 1.7).sin()) * mib),
        line("live heap", "bytes", &|i| (622.0 + 77.0 * i) * mib),
        line("session.(*Store).Put", "bytes", &|i| (510.0 + 77.0 * i) * mib),
        line("goroutines", "count", &|i| (148.0 + 11.0 * (i * 0.9).cos()).round()),
    ]
}

fn artifacts() -> Vec<ArtifactRef> {
    let a = |path: &str, kind: &str, bytes, s| ArtifactRef {
        path: path.into(),
        kind: kind.into(),
        bytes: Bytes(bytes),
        taken_at: at(s),
    };
    vec![
        a(HEAP1, "heap-profile", 48_231, 0),
        a(HEAP2, "heap-profile", 51_877, 2520),
        a("profiles/goroutine-6.txt", "goroutine-dump", 88_410, 2520),
        a("profiles/memstats-6.txt", "memstats", 60_213, 2521),
        a("proc/smaps_rollup-6.txt", "smaps-rollup", 912, 2521),
    ]
}

fn base(verdict: Verdict, summary: &str) -> Report {
    Report {
        schema: REPORT_SCHEMA.into(),
        oomph: "0.1.0".into(),
        target: TargetInfo {
            name: "http://localhost:6060".into(),
            kind: "url".into(),
            pid: Some(4242),
            program: Some("example.com/sessiond".into()),
            go_version: Some("go1.26.6".into()),
            first_sample: Some(at(0)),
            last_sample: Some(at(2520)),
            samples: 13,
        },
        verdict,
        summary: summary.into(),
        findings: Vec::new(),
        ledger: Some(ledger()),
        watched: None,
        series: series(),
        checked: Vec::new(),
        evidence: artifacts(),
        limits: Vec::new(),
    }
}

const RECIPE: &str = "Bound the map, or drop entries that are no longer used:\n\n```go\nfunc (s *Store) Put(id string, v *Session) {\n\ts.mu.Lock()\n\tdefer s.mu.Unlock()\n\ts.byID[id] = v\n\ts.expiry.Push(id, time.Now().Add(s.ttl)) // and delete in a ticker\n}\n```\n\n- `delete(m, k)` frees the entry, not the table: make a new map when it shrank a lot.\n- A bounded LRU costs about **48 bytes** per entry.\n";

pub(crate) fn leak_finding() -> Finding {
    let evidence = vec![
        ev(
            HEAP2,
            "in use at this line grew by 924.0 MiB in 42 min, 22.0 MiB/min, in 12 of 12 intervals",
            384_478.0,
            "bytes/s",
            2.4,
        ),
        ev(HEAP2, "it grew after every forced GC, so the memory is reachable", 1.0, "fraction", 1.5),
        ev(HEAP2, "bytes freed here between the samples are 0.3 % of those allocated", 0.003, "fraction", 0.9),
        ev("profiles/memstats-6.txt", "live heap grew by 22.0 MiB/min, as this line did", 384_478.0, "bytes/s", 0.6),
        ev("profiles/heap-1.pb.gz", "1,204,331 objects in use, 1.2 KiB each on average", 1_204_331.0, "objects", 0.2),
        ev(HEAP2, "warm-up can look like this for its first minutes; these are minutes 11 to 53", 660.0, "s", -1.1),
        ev(
            HEAP2,
            "a bounded cache would have levelled off; the last quarter grew 4 % slower than the first",
            0.04,
            "fraction",
            -0.7,
        ),
        ev("profiles/goroutine-6.txt", "148 goroutines, steady", 148.0, "goroutines", 0.0),
    ];
    Finding {
        rule: "growing-site".into(),
        title: "session.(*Store).Put inserts into a map that grows 22.0 MiB/min and holds 1.4 GiB".into(),
        severity: Severity::Critical,
        confidence: logistic(&evidence),
        subject: Subject {
            type_: Some("map[string]*session.Session".into()),
            mechanism: Some(Mechanism::MapInsert),
            holder: vec!["session.store".into(), ".byID".into(), "*session.Session".into()],
            root: Some(RootKind::Global),
            ..Subject::of(SubjectKind::Map)
        },
        size: Size {
            shallow_bytes: Some(1_503_238_553),
            objects: Some(1_204_331),
            share_of_heap: Some(0.927),
            growth_bytes_per_s: Some(384_478.0),
            ..Size::default()
        },
        sites: vec![
            site(
                SiteRole::Inserts,
                "example.com/sessiond/internal/session.(*Store).Put",
                "/home/build/src/example.com/sessiond/internal/session/store.go",
                88,
            ),
            site(
                SiteRole::Allocates,
                "example.com/sessiond/internal/session.newSession",
                "/home/build/src/example.com/sessiond/internal/session/store.go",
                91,
            ),
            site(
                SiteRole::Calls,
                "example.com/sessiond/internal/httpapi.(*Server).handleLogin.func1",
                "/home/build/src/example.com/sessiond/internal/httpapi/login.go",
                57,
            ),
        ],
        evidence,
        chain: vec![
            model::ChainStep {
                artifact: "traces/trace-1.out".into(),
                at_ns: 1_250_000_000,
                duration_ns: 31_000_000,
                event: "a collection marks 1.3 GiB <live>".into(),
            },
            model::ChainStep {
                artifact: "traces/trace-1.out".into(),
                at_ns: 12_345_600_000,
                duration_ns: 0,
                event: "the table grows".into(),
            },
        ],
        forecast: Some(Forecast {
            limit_bytes: 3 << 30,
            seconds_to_limit: SecondsToLimit { p10: 2100.0, p50: 2820.0, p90: 4800.0 },
        }),
        fix: Fix {
            summary: "evict entries on expiry, or bound the map.".into(),
            recipe: RECIPE.into(),
            expected_saving_bytes: Some(1_395_864_371),
        },
    }
}

fn goroutine_finding() -> Finding {
    let evidence = vec![
        ev(
            "profiles/goroutine-6.txt",
            "2,114 goroutines wait in chan send for 11 to 41 minutes",
            2114.0,
            "goroutines",
            2.2,
        ),
        ev("profiles/goroutine-6.txt", "the group grew by 50 goroutines/min", 50.0, "goroutines/min", 1.0),
        ev("profiles/goroutine-6.txt", "a pool of workers would wait in chan receive", 0.0, "fraction", -0.9),
    ];
    Finding {
        rule: "goroutine-leak".into(),
        title: "2,114 goroutines started in audit.(*Log).Emit wait for a receiver that is gone".into(),
        severity: Severity::Medium,
        confidence: logistic(&evidence),
        subject: Subject { mechanism: Some(Mechanism::GoroutineStack), ..Subject::of(SubjectKind::Goroutine) },
        size: Size { retained_bytes: Some(17_301_504), entries: Some(2114), ..Size::default() },
        sites: vec![
            site(
                SiteRole::Blocks,
                "example.com/sessiond/internal/audit.(*Log).Emit.func1",
                "/home/build/src/example.com/sessiond/internal/audit/log.go",
                31,
            ),
            site(
                SiteRole::Creates,
                "example.com/sessiond/internal/audit.(*Log).Emit",
                "/home/build/src/example.com/sessiond/internal/audit/log.go",
                29,
            ),
        ],
        evidence,
        chain: Vec::new(),
        forecast: None,
        fix: Fix {
            summary: "give the channel a buffer of one, or select on ctx.Done()".into(),
            recipe: String::new(),
            expected_saving_bytes: None,
        },
    }
}

fn low_finding() -> Finding {
    Finding {
        rule: "idle-not-returned".into(),
        title: "122.9 MiB of idle heap is kept by the runtime; it goes back over minutes".into(),
        severity: Severity::Low,
        confidence: 0.88,
        subject: Subject::of(SubjectKind::Process),
        size: Size { wasted_bytes: Some(128_870_000), ..Size::default() },
        sites: vec![],
        evidence: vec![ev(
            "profiles/memstats-6.txt",
            "HeapIdle minus HeapReleased is 122.9 MiB",
            128_870_000.0,
            "bytes",
            2.0,
        )],
        chain: Vec::new(),
        forecast: None,
        fix: Fix { summary: "none needed".into(), recipe: String::new(), expected_saving_bytes: None },
    }
}

fn checks() -> Vec<Checked> {
    let c = |rule: &str, outcome, detail: &str| Checked { rule: rule.into(), outcome, detail: detail.into() };
    vec![
        c(
            "growing-site",
            Outcome::Clear,
            "412 allocation sites over 13 samples; the fastest grew 0.2 MiB/min, 3 of 12 intervals",
        ),
        c("goroutine-leak", Outcome::Clear, "148 goroutines in 22 groups, none grew, longest wait 2 min"),
        c("allocation-churn", Outcome::Clear, "38.4 MiB/s allocated, GC takes 1.1 % of CPU"),
        c("big-body-reads", Outcome::Clear, "no buffer growth under a handler above 1 MiB"),
        c("rss-above-heap", Outcome::Clear, "RSS is 1.3 times the live heap; 19.1 MiB unexplained"),
        c("gc-pressure", Outcome::NoEvidence, "no GOGC or GOMEMLIMIT is published; pauses p99 0.4 ms"),
    ]
}

pub(crate) fn leak() -> Report {
    let mut r = base(
        Verdict::Leak,
        "A map filled in session.(*Store).Put only grows: 1.4 GiB, 93 % of the live heap, +22.0 MiB/min.",
    );
    r.findings = vec![leak_finding(), goroutine_finding(), low_finding()];
    r.checked = checks();
    r.checked[0].outcome = Outcome::Found;
    r.checked[1].outcome = Outcome::Found;
    r.limits = vec![
        "the binary could not be read, so Go types are those the profile names".into(),
        "/proc/4242/smaps: permission denied; the ledger's binary and library rows are estimates".into(),
    ];
    r
}

pub(crate) fn risk() -> Report {
    let mut r = base(
        Verdict::Risk,
        "One sample: session.(*Store).Put holds 93 % of the live heap; whether it grows needs a second sample.",
    );
    r.target.samples = 1;
    r.target.last_sample = r.target.first_sample;
    r.series.clear();
    let mut f = leak_finding();
    f.title = "session.(*Store).Put holds 1.4 GiB in a map; growth is not known from one sample".into();
    f.severity = Severity::Medium;
    f.evidence.truncate(1);
    f.evidence[0] = ev(HEAP1, "1.4 GiB in use at one line is 93 % of the live heap", 1_503_238_553.0, "bytes", 0.4);
    f.confidence = logistic(&f.evidence);
    f.size.growth_bytes_per_s = None;
    f.forecast = None;
    r.findings = vec![f];
    r.limits = vec!["growth: needs two samples; run with --for 1m".into()];
    r
}

pub(crate) fn churn() -> Report {
    let mut r =
        base(Verdict::Churn, "render.(*Page).Key allocates 412.0 MiB/s that is garbage at once; GC takes 23 % of CPU.");
    let evidence = vec![
        ev(
            "profiles/allocs-6.pb.gz",
            "412.0 MiB/s allocated here, 61 % of all allocation",
            432_013_312.0,
            "bytes/s",
            2.1,
        ),
        ev("profiles/memstats-6.txt", "GC took 23 % of CPU since the first sample", 0.23, "fraction", 1.2),
        ev(HEAP2, "0.1 % of it is still in use", 0.001, "fraction", 0.8),
        ev("profiles/memstats-6.txt", "pauses stay below 1 ms", 0.0009, "s", -0.4),
    ];
    r.findings = vec![Finding {
        rule: "allocation-churn".into(),
        title: "fmt.Sprintf keys in render.(*Page).Key make 412.0 MiB/s of garbage".into(),
        severity: Severity::High,
        confidence: logistic(&evidence),
        subject: Subject { mechanism: Some(Mechanism::Formatting), ..Subject::of(SubjectKind::Site) },
        size: Size { alloc_bytes_per_s: Some(432_013_312.0), ..Size::default() },
        sites: vec![site(SiteRole::Allocates, "example.com/web/render.(*Page).Key", "render/page.go", 140)],
        evidence,
        chain: Vec::new(),
        forecast: None,
        fix: Fix {
            summary: "use a struct as the map key instead of a formatted string".into(),
            recipe: "Use `type key struct{ id int64; lang string }`.".into(),
            expected_saving_bytes: None,
        },
    }];
    r.checked = checks();
    r.checked[2].outcome = Outcome::Found;
    r
}

pub(crate) fn healthy() -> Report {
    let mut r = base(Verdict::Healthy, "Nothing grows: the live heap stayed between 611 and 640 MiB over 42 min.");
    for s in r.series.iter_mut().filter(|s| s.unit == "bytes") {
        let first = s.points[0].value;
        for (i, p) in s.points.iter_mut().enumerate() {
            p.value = first * (1.0 + 0.012 * ((i * 5) % 4) as f64);
        }
    }
    r.findings = vec![low_finding()];
    r.checked = checks();
    r
}

pub(crate) fn insufficient() -> Report {
    let mut r = base(
        Verdict::InsufficientEvidence,
        "One goroutine profile and nothing else: memory was not measured. Give a base URL with net/http/pprof, or a heap profile.",
    );
    r.target =
        TargetInfo { name: "goroutine.pb.gz".into(), kind: "profile".into(), samples: 1, ..TargetInfo::default() };
    r.ledger = None;
    r.series.clear();
    r.evidence.truncate(1);
    r.checked = checks()
        .into_iter()
        .map(|mut c| {
            c.outcome = Outcome::NoEvidence;
            c.detail = "no heap profile".into();
            c
        })
        .collect();
    r.limits = vec!["no heap profile: allocation sites and growth".into(), "no /proc: the RSS ledger".into()];
    r
}

/// What a watch left of a service that the kernel killed.
pub(crate) fn killed() -> Report {
    let mut r = leak();
    let moment = |before: i64, level, used: u64, live: u64, left: Option<f64>| WatchMoment {
        at: UnixMillis(at(2520).0 - before * 1000),
        level,
        shape: GrowthShape::FastLeak,
        used: Some(Bytes::mib(used)),
        limit: Some(Bytes::mib(512)),
        live_heap: Some(Bytes::mib(live)),
        heap: Some(Bytes::mib(live + 40)),
        goal: Some(Bytes::mib(2 * live)),
        off_heap: None,
        goroutines: Some(42),
        left: left.map(|p50| SecondsToLimit { p10: 0.7 * p50, p50, p90: 1.5 * p50 }),
    };
    r.watched = Some(Watched {
        end: Some(ProcessEnd { at: at(2520), oom_killed: true, told_by: Some("kernel log".into()) }),
        moments: vec![
            moment(900, WatchLevel::Quiet, 130, 60, None),
            moment(120, WatchLevel::Notice, 300, 140, Some(131.0)),
            moment(45, WatchLevel::Warning, 420, 190, Some(44.6)),
            moment(10, WatchLevel::Critical, 490, 212, Some(9.4)),
            moment(0, WatchLevel::Critical, 512, 218, Some(0.0)),
        ],
    });
    r
}

pub(crate) fn all() -> Vec<(&'static str, Report)> {
    vec![
        ("leak", leak()),
        ("risk", risk()),
        ("churn", churn()),
        ("healthy", healthy()),
        ("insufficient", insufficient()),
        ("killed", killed()),
    ]
}

/// The leak report with every string replaced by what `f` makes of it.
pub(crate) fn with_strings(f: &mut dyn FnMut(&str) -> String) -> Report {
    let mut value = serde_json::to_value(killed()).unwrap();
    fn walk(key: &str, v: &mut serde_json::Value, f: &mut dyn FnMut(&str) -> String) {
        // Values of enumerations stay: the model would refuse others.
        const FIXED: [&str; 9] =
            ["severity", "verdict", "role", "term", "outcome", "mechanism", "root", "level", "shape"];
        let kinds = ["map", "goroutine", "process"];
        let fixed = |key: &str, s: &str| FIXED.contains(&key) || (key == "kind" && kinds.contains(&s));
        match v {
            serde_json::Value::String(s) if !fixed(key, s) => {
                *s = f(s);
            }
            serde_json::Value::Array(a) => a.iter_mut().for_each(|v| walk(key, v, f)),
            serde_json::Value::Object(o) => o.iter_mut().for_each(|(k, v)| walk(k, v, f)),
            _ => {}
        }
    }
    walk("", &mut value, f);
    serde_json::from_value(value).unwrap()
}

/// Strings that act on terminals, browsers or Markdown readers.
pub(crate) const HOSTILE: &[&str] = &[
    "</script><img src=x onerror=alert(1)>",
    "\x1b[2J\x1b]0;title\x07\u{9b}31m",
    "\u{202e}gnp.exe\u{2066}\u{200b}\u{feff}",
    "\"><svg/onload=alert(1)>' onmouseover='x",
    "<!--<script>--><![CDATA[",
    "`code` **bold** [l](javascript:x) ![i](http://e/x) | cell | @user #1 https://evil.example",
    "a\nb\r\nc\td\0e",
    "```\n</details>\n# heading",
    "漢字かな交じり文のとても長い関数名前前前前前前前前前前前前前前前前前前前前前前前前前前前",
    "👩‍👩‍👧‍👦 e\u{301}\u{301}\u{301}",
    "",
];
