//! What the tests of alerting share: alerts, waiting for a condition, a web server that behaves as told.

#![allow(dead_code, reason = "each test program uses some of it")]

use model::{
    Bytes, FiringRule, GrowthShape, IncidentStatus, SecondsToLimit, SourceStatus, TargetState, TargetStatus,
    UnixMillis, WatchLevel, WatchStatus, WatcherStatus,
};
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use watch::alert::{Alert, AlertConfig, AlertKey};

/// Longest time that anything may take.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) fn alert(target: &str, culprit: Option<&str>, level: WatchLevel) -> Alert {
    Alert {
        key: AlertKey { target: target.into(), rule: "time-to-limit".into() },
        culprit: culprit.map(Into::into),
        finding: None,
        level,
        title: format!("{target} meets its limit of 512.0 MiB in 40 s"),
        site: Some("main.(*Cache).Put cache.go:41".into()),
        container: Some("main.cache map[string]*main.User".into()),
        seconds_left: Some(SecondsToLimit { p10: 30.0, p50: 40.0, p90: 62.0 }),
        limit: Some(Bytes::mib(512)),
        usage: Some(Bytes::mib(400)),
        advice: "Bound the map or let entries expire.".into(),
        bundle: Some("/var/lib/oomph/incidents/1.oomph".into()),
        labels: [("pid".into(), "4711".into())].into(),
        started_at: now(),
    }
}

pub(crate) fn now() -> UnixMillis {
    bundle::now()
}

/// Settings as in a file, with short waits, and silent.
pub(crate) fn config(toml: &str) -> AlertConfig {
    let quick = "group-wait = \"0s\"\ngroup-wait-critical = \"0s\"\nresolve-after = \"0s\"\nretry-first = \"20ms\"\n\
                 retry-longest = \"100ms\"\n";
    let silent = "\n[stderr]\nenabled = false\n";
    toml::from_str(&format!("{quick}{toml}{silent}")).expect("settings")
}

/// Looks again and again until there is something.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LONG;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What the server does with a request.
pub(crate) enum Answer {
    Status(u16),
    /// Does not answer while the server lives.
    Hang,
}

/// A request that was received whole.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }
}

/// A web server on the loopback: the first requests are answered as told, the others with 200.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) requests: Receiver<Request>,
    server: Arc<tiny_http::Server>,
}

impl Server {
    pub(crate) fn start(answers: Vec<Answer>) -> Self {
        let server = Arc::new(tiny_http::Server::http("127.0.0.1:0").expect("a port"));
        let url = format!("http://{}", server.server_addr().to_ip().expect("an address"));
        let (send, requests) = channel();
        let serving = Arc::clone(&server);
        let answers = Mutex::new(VecDeque::from(answers));
        std::thread::spawn(move || serve(&serving, &answers, &send));
        Self { url, requests, server }
    }

    pub(crate) fn next(&self) -> Request {
        self.requests.recv_timeout(LONG).expect("a request")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.server.unblock();
    }
}

fn serve(server: &tiny_http::Server, answers: &Mutex<VecDeque<Answer>>, to: &Sender<Request>) {
    let mut hanging = Vec::new();
    for mut request in server.incoming_requests() {
        let mut body = String::new();
        let _ = request.as_reader().read_to_string(&mut body);
        let headers = request.headers().iter();
        let headers = headers.map(|h| (h.field.to_string(), h.value.to_string())).collect();
        let _ = to.send(Request { url: request.url().to_owned(), headers, body });
        match answers.lock().expect("answers").pop_front().unwrap_or(Answer::Status(200)) {
            Answer::Status(code) => {
                let _ = request.respond(tiny_http::Response::from_string("said so").with_status_code(code));
            }
            Answer::Hang => hanging.push(request),
        }
    }
}

/// A port that nobody listens on at this moment.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port()
}

/// Whether a program that a test needs is there; says so when it is not.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn installed(program: &str) -> bool {
    let there = std::env::var_os("PATH").is_some_and(|p| std::env::split_paths(&p).any(|d| d.join(program).is_file()));
    if !there {
        eprintln!("skipped: {program} is not installed (Debian: prometheus-alertmanager, prometheus)");
    }
    there
}

/// Three targets: one about to die, one that grows, one that cannot be reached.
pub(crate) fn status() -> WatchStatus {
    let mut checkout = TargetStatus {
        name: "checkout".into(),
        pid: Some(4711),
        program: Some("example.com/checkout".into()),
        go_version: Some("go1.26.8".into()),
        state: TargetState::Running,
        level: WatchLevel::Critical,
        shape: GrowthShape::FastLeak,
        sampled_at: Some(UnixMillis(1_790_000_000_000)),
        interval_ms: 250,
        live_heap: Some(Bytes::mib(384)),
        heap_alloc: Some(Bytes::mib(420)),
        heap_goal: Some(Bytes::mib(768)),
        go_memory_limit: Some(Bytes::mib(460)),
        gogc_percent: Some(100),
        stacks_and_metadata: Some(Bytes::mib(12)),
        off_heap: Some(Bytes::mib(3)),
        rss: Some(Bytes::mib(450)),
        unreclaimable: Some(Bytes::mib(455)),
        limit: Some(Bytes::mib(512)),
        growth_bytes_per_s: Some(5.5e6),
        alloc_bytes_per_s: Some(5e7),
        gc_cycles_per_s: Some(1.5),
        gc_cpu_share: Some(0.31),
        goroutines: Some(1204),
        cpu_cores: Some(0.8),
        memory_pressure: Some(0.02),
        seconds_to_limit: Some(SecondsToLimit { p10: 30.0, p50: 40.0, p90: 61.5 }),
        samples: 720,
        failed_samples: 2,
        ..TargetStatus::default()
    };
    let title = "meets its limit of 512.0 MiB in 40 s".to_owned();
    let since = UnixMillis(1_789_999_990_000);
    checkout.firing.push(FiringRule { rule: "time-to-limit".into(), level: WatchLevel::Critical, since, title });
    checkout.sources.push(SourceStatus { name: "proc".into(), ok: true, detail: String::new() });
    checkout.sources.push(SourceStatus { name: "pprof".into(), ok: false, detail: "answered 500".into() });
    checkout.incidents.push(IncidentStatus {
        id: "20260921T141310-checkout".into(),
        at: since,
        bundle: "/var/lib/oomph/incidents/20260921T141310-checkout".into(),
        cause: "time-to-limit".into(),
        level: WatchLevel::Warning,
        bytes: Bytes::mib(3),
        finished: true,
        culprit: Some("main.(*Cache).Put cache.go:41".into()),
        advice: None,
        container: None,
        summary: Some("main.cache grows without bound".into()),
        oom_killed: false,
    });
    let growing = TargetStatus {
        name: "orders".into(),
        pid: Some(812),
        program: Some("example.com/orders".into()),
        state: TargetState::Running,
        level: WatchLevel::Notice,
        shape: GrowthShape::SlowLeak,
        interval_ms: 5000,
        live_heap: Some(Bytes::mib(96)),
        limit: Some(Bytes(2 << 30)),
        growth_bytes_per_s: Some(2e4),
        goroutines: Some(88),
        ..TargetStatus::default()
    };
    let gone = TargetStatus { name: "gone".into(), state: TargetState::Unreachable, ..TargetStatus::default() };
    let watcher = WatcherStatus {
        pid: 99,
        version: "0.1.0".into(),
        started_at: UnixMillis(1_789_990_000_000),
        cpu_seconds: 12.5,
        rss: Bytes::mib(21),
        samples: 2160,
        interval_ms: 5000,
        tick_age_ms: 1200,
        captures: 1,
        stored: Bytes::mib(3),
        ..WatcherStatus::default()
    };
    let schema = model::WATCH_SCHEMA.to_owned();
    WatchStatus { schema, at: UnixMillis(1_790_000_000_100), watcher, targets: vec![checkout, growing, gone] }
}
