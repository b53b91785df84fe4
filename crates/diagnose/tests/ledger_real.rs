//! The ledger of real processes: Go programs that know what they hold, with and without cgo, and
//! two servers that others wrote. The rows must add up to the resident size, the unexplained one
//! stays below 3 %, and the row that the program filled holds what the program itself counted.
//!
//! Go is `OOMPH_GO` or `go` on the PATH; without one, without a C compiler, or without the servers,
//! the test says so and passes.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a failed step is a failed test, and the table is for the reader of its log"
)]

use bundle::{BuildFacts, SampleFacts, Sourced};
use model::{Bytes, Ledger, LedgerTerm, MemStats, UnixMillis};
use profile::{HeapStacks, Profile, ReadLimits};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use target::{ProcFile, Process};

const MAIN: &str = include_str!("ledger_real/main.go.txt");
const CGO: &str = include_str!("ledger_real/cgo.go.txt");
const NO_CGO: &str = include_str!("ledger_real/nocgo.go.txt");
const MIB: u64 = 1 << 20;

/// What a scenario is to show: the row, and whether its truth is in the program's `held` line.
struct Scenario {
    mode: &'static str,
    term: LedgerTerm,
    godebug: &'static str,
    cgo_only: bool,
}

const SCENARIOS: [Scenario; 10] = [
    scenario("live", LedgerTerm::LiveHeap),
    scenario("garbage", LedgerTerm::Garbage),
    scenario("busy", LedgerTerm::LiveHeap),
    scenario("idle", LedgerTerm::IdleHeap),
    scenario("fragmented", LedgerTerm::Fragmentation),
    scenario("stacks", LedgerTerm::GoroutineStacks),
    scenario("mmap", LedgerTerm::NonGo),
    scenario("file", LedgerTerm::MappedFiles),
    Scenario { godebug: "madvdontneed=0", ..scenario("returned", LedgerTerm::IdleHeap) },
    Scenario { cgo_only: true, ..scenario("malloc", LedgerTerm::NonGo) },
];

const fn scenario(mode: &'static str, term: LedgerTerm) -> Scenario {
    Scenario { mode, term, godebug: "", cgo_only: false }
}

#[test]
fn rows_hold_what_the_programs_hold() {
    let Some(go) = go() else { return };
    let dir = tempfile::tempdir().unwrap();
    for cgo in [false, true] {
        if cgo && Command::new("cc").arg("--version").output().is_err() {
            eprintln!("skipped: no C compiler for the programs with cgo");
            continue;
        }
        let exe = build(&go, dir.path(), cgo);
        for s in SCENARIOS.iter().filter(|s| cgo || !s.cgo_only) {
            run(&exe, dir.path(), s, cgo);
        }
    }
}

fn go() -> Option<PathBuf> {
    let go = std::env::var_os("OOMPH_GO").map_or_else(|| PathBuf::from("go"), PathBuf::from);
    let found = Command::new(&go).arg("version").output().is_ok();
    if !found {
        eprintln!("skipped: no Go toolchain (set OOMPH_GO or put go on the PATH)");
    }
    found.then_some(go)
}

fn unhex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2).map(|c| std::str::from_utf8(c).unwrap());
    pairs.map(|p| u8::from_str_radix(p, 16).unwrap()).collect()
}

fn build(go: &Path, dir: &Path, cgo: bool) -> PathBuf {
    let source = dir.join(if cgo { "with-cgo" } else { "without-cgo" });
    std::fs::create_dir_all(&source).unwrap();
    std::fs::write(source.join("go.mod"), "module holder\n\ngo 1.21\n").unwrap();
    std::fs::write(source.join("main.go"), MAIN).unwrap();
    std::fs::write(source.join("c.go"), if cgo { CGO } else { NO_CGO }).unwrap();
    let exe = source.join("holder");
    let out = Command::new(go)
        .current_dir(&source)
        .env("GOTOOLCHAIN", "local")
        .env("CGO_ENABLED", if cgo { "1" } else { "0" })
        .args(["build", "-o"])
        .arg(&exe)
        .arg(".")
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    exe
}

/// A running test program; killed when dropped.
struct Holder {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Holder {
    fn start(exe: &Path, dir: &Path, s: &Scenario) -> Self {
        let mut command = Command::new(exe);
        command.arg(s.mode).arg(dir.join("mapped-file"));
        command.env_remove("GOGC").env_remove("GOMEMLIMIT").env("GODEBUG", s.godebug);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn ask(&mut self, what: &str) -> String {
        writeln!(self.input, "{what}").unwrap();
        self.line()
    }

    fn memstats(&mut self) -> MemStats {
        let json = self.ask("memstats");
        metrics::read_expvar(json.as_bytes()).unwrap().memstats.unwrap()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(exe: &Path, dir: &Path, s: &Scenario, cgo: bool) {
    let mut holder = Holder::start(exe, dir, s);
    let held: u64 = holder.line().strip_prefix("held ").unwrap().parse().unwrap();
    let process = Process::open(holder.child.id()).unwrap();
    let mut facts = SampleFacts { memstats: Some(sourced(holder.memstats())), ..SampleFacts::default() };
    let build = add_process(&mut facts, &process);
    assert_eq!(build.cgo, Some(cgo));
    if s.mode == "garbage" {
        assert_eq!(holder.ask("gc"), "done");
        facts.memstats_after_gc = Some(sourced(holder.memstats()));
    }
    let name = format!("{}{}", s.mode, if cgo { "+cgo" } else { "" });
    let version = build.go_version.as_ref().map(ToString::to_string).unwrap_or_default();
    let ledger = diagnose::ledger(&facts, Some(&build)).unwrap();
    print_row(&format!("{version} {name}"), &ledger, Some((s.term, held)));
    check_sum(&name, &ledger);
    let got = ledger.get(s.term).0;
    if s.mode == "busy" {
        // Whether live heap or garbage is larger changes by the millisecond, and what was allocated
        // while a cycle ran counts as live until the next.
        assert!(got * 20 >= held * 19 && got * 4 <= held * 5, "{name}: {got} of {held}\n{ledger:#?}");
        return;
    }
    assert!(got.abs_diff(held) * 20 <= held, "{name}: {:?} holds {got}, the program {held}\n{ledger:#?}", s.term);
    let largest = ledger.rows.iter().max_by_key(|r| r.bytes).unwrap().term;
    assert_eq!(largest, s.term, "{name}: {ledger:#?}");
    without_smaps(&name, &facts, &build, s, held);
    without_counters(&name, &facts, &build, s, held);
}

/// Of a process without pprof: its Go heap is one row, and what is unexplained is not the heap.
fn without_counters(name: &str, facts: &SampleFacts, build: &BuildFacts, s: &Scenario, held: u64) {
    let bare = SampleFacts { memstats: None, memstats_after_gc: None, ..facts.clone() };
    let ledger = diagnose::ledger(&bare, Some(build)).unwrap();
    print_row(&format!("  {name}, no counters"), &ledger, None);
    assert_eq!(ledger.rows.iter().map(|r| r.bytes).sum::<Bytes>(), ledger.rss);
    let runtime = ledger.get(LedgerTerm::RuntimeMetadata).0;
    assert!(runtime * 8 < ledger.rss.0 + 160 * MIB, "{name}: memory that the program mapped is not the runtime's");
    if matches!(s.term, LedgerTerm::NonGo | LedgerTerm::MappedFiles) {
        return;
    }
    let heap = ledger.get(LedgerTerm::UndividedHeap).0;
    let rest = ledger.get(LedgerTerm::Unexplained).0;
    assert!(heap * 20 >= held * 19 && rest * 10 < ledger.rss.0, "{name}: {ledger:#?}");
    assert!(build.cgo != Some(false) || rest == 0, "{name}: {ledger:#?}");
}

/// What was made between our collection and the reading of `HeapAlloc` is garbage, as in a service that
/// makes much of it.
#[test]
fn what_was_made_after_our_collection_is_not_live() {
    let Some(go) = go() else { return };
    let dir = tempfile::tempdir().unwrap();
    let exe = build(&go, dir.path(), false);
    let mut holder = Holder::start(&exe, dir.path(), &scenario("littered", LedgerTerm::LiveHeap));
    let held: u64 = holder.line().strip_prefix("held ").unwrap().parse().unwrap();
    let process = Process::open(holder.child.id()).unwrap();
    assert_eq!(holder.ask("litter"), "done");
    let mut facts = SampleFacts { memstats: Some(sourced(holder.memstats())), ..SampleFacts::default() };
    let build = add_process(&mut facts, &process);
    let profile = Profile::read(&unhex(&holder.ask("profile")), &ReadLimits::default()).unwrap();
    facts.heap = Some(sourced(HeapStacks::of(&profile).unwrap()));
    assert_eq!(holder.ask("litter"), "done");
    let after = holder.memstats();
    assert!(after.heap_alloc.0 > held + 14 * MIB, "{after:?}");
    facts.memstats_after_gc = Some(sourced(after));
    // With the profile, and by the counters alone: the first reading after a cycle shows GOGC.
    for profiled in [true, false] {
        if !profiled {
            facts.heap = None;
            assert_eq!(holder.ask("gc"), "done");
            facts.memstats = Some(sourced(holder.memstats()));
            add_process(&mut facts, &process);
        }
        let ledger = diagnose::ledger(&facts, Some(&build)).unwrap();
        print_row("littered", &ledger, Some((LedgerTerm::LiveHeap, held)));
        check_sum("littered", &ledger);
        let live = ledger.get(LedgerTerm::LiveHeap).0;
        assert!(live.abs_diff(held) * 20 <= held, "{live} of {held}: {ledger:#?}");
    }
}

/// The coarser ledger still adds up, and does not put the program's bytes into another heap row.
fn without_smaps(name: &str, facts: &SampleFacts, build: &BuildFacts, s: &Scenario, held: u64) {
    let rollup = facts.smaps_rollup.as_ref().unwrap().value.clone();
    let coarse = SampleFacts { smaps: None, ..facts.clone() };
    let ledger = diagnose::ledger(&coarse, Some(build)).unwrap();
    print_row(&format!("  {name}, rollup"), &ledger, Some((s.term, held)));
    assert_eq!((ledger.rows.iter().map(|r| r.bytes).sum::<Bytes>(), ledger.rss), (rollup.rss, rollup.rss));
    if s.mode == "returned" {
        let got = ledger.get(s.term).0;
        assert!(got.abs_diff(held) * 20 <= held, "{name}: {got} of {held}: {ledger:#?}");
    }
    let coarse = SampleFacts { smaps_rollup: None, ..coarse };
    let ledger = diagnose::ledger(&coarse, Some(build)).unwrap();
    print_row(&format!("  {name}, status only"), &ledger, Some((s.term, held)));
    assert_eq!(ledger.rows.iter().map(|r| r.bytes).sum::<Bytes>(), ledger.rss);
    if matches!(s.mode, "live" | "garbage" | "idle" | "fragmented") {
        let got = ledger.get(s.term).0;
        assert!(got.abs_diff(held) * 10 <= held, "{name}: {got} of {held}: {ledger:#?}");
    }
}

fn check_sum(name: &str, ledger: &Ledger) {
    assert_eq!(ledger.rows.iter().map(|r| r.bytes).sum::<Bytes>(), ledger.rss, "{name}");
    let unexplained = ledger.get(LedgerTerm::Unexplained).share_of(ledger.rss);
    assert!(unexplained < 0.03, "{name}: {unexplained}\n{ledger:#?}");
}

fn sourced<T>(value: T) -> Sourced<T> {
    Sourced { value, artifact: "test".to_owned(), at: UnixMillis(0) }
}

/// `smaps` and `status`, read now, and the build facts of the executable.
fn add_process(facts: &mut SampleFacts, process: &Process) -> BuildFacts {
    let smaps = process.require(ProcFile::Smaps).unwrap();
    let rollup = process.require(ProcFile::SmapsRollup).unwrap();
    let status = process.require(ProcFile::Status).unwrap();
    let info = process.build_info().unwrap();
    let (smaps, gaps) = procfs::smaps(&smaps);
    assert_eq!(gaps, []);
    let exe = process.exe_path().unwrap();
    let kinds = procfs::classify_mappings(&smaps, Some(&exe), info.go_version.as_ref(), info.cgo());
    if std::env::var_os("OOMPH_TEST_MAPS").is_some() {
        for (s, k) in smaps.iter().zip(&kinds) {
            let m = &s.mapping;
            eprintln!("{:x}-{:x} {} {:>10} {:>10} {k:?} {}", m.start, m.end, m.perms, m.size(), s.rss, m.path);
        }
        eprintln!("{:?}", facts.memstats);
    }
    facts.smaps = Some(sourced(smaps.into_iter().zip(kinds).collect()));
    let (rollup, gaps) = procfs::smaps_rollup(&rollup);
    assert_eq!(gaps, []);
    facts.smaps_rollup = Some(sourced(rollup));
    let (status, gaps) = procfs::status(&status);
    assert_eq!(gaps, []);
    facts.status = Some(sourced(status));
    BuildFacts { cgo: info.cgo(), go_version: info.go_version, path: info.path, main_module: info.main.map(|m| m.path) }
}

fn print_row(name: &str, ledger: &Ledger, truth: Option<(LedgerTerm, u64)>) {
    let mib = |b: u64| b as f64 / MIB as f64;
    let rows: Vec<String> = ledger
        .rows
        .iter()
        .filter(|r| r.bytes.0 >= MIB / 8)
        .map(|r| format!("{:?} {:.1}", r.term, mib(r.bytes.0)))
        .collect();
    let truth = truth.map(|(t, held)| format!(" | truth {t:?} {:.1}", mib(held))).unwrap_or_default();
    let unexplained = 100.0 * ledger.get(LedgerTerm::Unexplained).share_of(ledger.rss);
    eprintln!("{name:<28} RSS {:.1} = {}{truth} | unexplained {unexplained:.2} %", mib(ledger.rss.0), rows.join(" + "));
}

/// A server that others wrote; killed when dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts `command` and waits for a line of its log that holds `ready`.
    fn start(mut command: Command, port: u16, ready: &str) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let server = Self { child, port };
        let (send, receive) = mpsc::channel();
        std::thread::spawn(move || {
            // Reads on after the test stopped listening: a full pipe would stop the server.
            for line in log.lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        let mut seen = Vec::new();
        loop {
            match receive.recv_timeout(Duration::from_secs(60)) {
                Ok(line) if line.contains(ready) => return server,
                Ok(line) => seen.push(line),
                Err(e) => panic!("not ready: {e}\n{}", seen.join("\n")),
            }
        }
    }

    fn request(&self, request: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let head = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        assert!(answer.starts_with(b"HTTP/1.0 200"), "{}", String::from_utf8_lossy(&answer[..head]));
        answer.split_off(head + 4)
    }

    fn get(&self, path: &str) -> Vec<u8> {
        self.request(&format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n"))
    }

    fn ledger(&self, name: &str) -> Ledger {
        let process = Process::open(self.child.id()).unwrap();
        let text = self.get("/metrics");
        let memstats = metrics::read_exposition(&text).unwrap().memstats.unwrap();
        let mut facts = SampleFacts { memstats: Some(sourced(memstats)), ..SampleFacts::default() };
        let build = add_process(&mut facts, &process);
        let ports = process.listening_ports().unwrap();
        assert!(ports.iter().any(|s| s.port == self.port), "{ports:?}");
        let ledger = diagnose::ledger(&facts, Some(&build)).unwrap();
        print_row(name, &ledger, None);
        check_sum(name, &ledger);
        ledger
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Whether the server is installed (`--version` answers).
fn installed(server: &str) -> bool {
    let found = Command::new(server).arg("--version").output().is_ok_and(|o| o.status.success());
    if !found {
        eprintln!("skipped: {server} is not installed");
    }
    found
}

#[test]
fn a_prometheus_server() {
    if !installed("prometheus") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let config = dir.path().join("prometheus.yml");
    let text = format!(
        "global:\n  scrape_interval: 1s\nscrape_configs:\n- job_name: self\n  static_configs:\n  - targets: ['127.0.0.1:{port}']\n"
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let server = Server::start(command, port, "Server is ready to receive web requests");
    // Until it has scraped itself: 2000 samples, some three rounds.
    let deadline = Instant::now() + Duration::from_secs(60);
    while samples(&server.get("/metrics")) < 2000.0 {
        assert!(Instant::now() < deadline, "prometheus does not scrape itself");
        server.get("/api/v1/query?query=count(%7B__name__%3D~%22.%2B%22%7D)");
    }
    let ledger = server.ledger("prometheus");
    assert!(ledger.get(LedgerTerm::Binary).0 > 10 * MIB, "{ledger:#?}");
}

fn samples(text: &[u8]) -> f64 {
    String::from_utf8_lossy(text)
        .lines()
        .find_map(|l| l.strip_prefix("prometheus_tsdb_head_samples_appended_total"))
        .and_then(|l| l.rsplit(' ').next()?.parse().ok())
        .unwrap_or(0.0)
}

#[test]
fn an_etcd_server() {
    if !installed("etcd") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (client, peer) = (free_port(), free_port());
    let mut command = Command::new("etcd");
    command
        .current_dir(dir.path())
        .arg(format!("--data-dir={}", dir.path().join("data").display()))
        .arg(format!("--listen-client-urls=http://127.0.0.1:{client}"))
        .arg(format!("--advertise-client-urls=http://127.0.0.1:{client}"))
        .arg(format!("--listen-peer-urls=http://127.0.0.1:{peer}"))
        .arg(format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"))
        .arg(format!("--initial-cluster=default=http://127.0.0.1:{peer}"))
        .args(["--enable-pprof", "--logger=zap", "--log-outputs=stderr"]);
    let server = Server::start(command, client, "serving client traffic insecurely");
    // Base64 text as keys and values: digits and letters stand for themselves.
    let value = "A".repeat(16 << 10);
    for i in 0..600 {
        let body = format!("{{\"key\":\"{i:08}\",\"value\":\"{value}\"}}");
        server.request(&format!(
            "POST /v3/kv/put HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
    }
    // All of it back, by way of the mapped database file: from key \0 to the end.
    let body = "{\"key\":\"AA==\",\"range_end\":\"AA==\"}";
    let all = server.request(&format!(
        "POST /v3/kv/range HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert!(all.len() > 600 * value.len());
    let ledger = server.ledger("etcd");
    assert!(ledger.get(LedgerTerm::MappedFiles).0 > MIB / 8, "its database file is mapped: {ledger:#?}");
}
