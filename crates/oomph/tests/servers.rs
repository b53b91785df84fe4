//! `oomph diagnose` against servers that oomph's authors did not write: Debian's `prometheus` and
//! `etcd`, on loopback, without load. Asserts on what must hold of any healthy server: no leak, a ledger
//! that adds up, and the same answer from the saved bundle. Skipped, with a message, where a server is
//! not installed.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server that ends with the test, and its log, kept open: a closed pipe would end the server.
struct Server {
    child: Child,
    _log: Box<dyn Iterator<Item = String>>,
}

impl Server {
    /// Starts it and waits for the log line that says it serves; `None` when it is not installed.
    fn start(command: &mut Command, ready: &str) -> Option<Self> {
        let Ok(mut child) = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn() else {
            eprintln!("skipped: {} is not installed", command.get_program().to_string_lossy());
            return None;
        };
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let up = log.any(|line| line.contains(ready));
        let server = Self { child, _log: Box::new(log) };
        assert!(up, "the server ended before it was ready");
        Some(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Exit code and report of `oomph diagnose ARGS -f json`.
fn diagnose(args: &[&str]) -> (i32, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oomph"));
    let out = command.arg("diagnose").args(args).args(["-q", "-f", "json"]).output().unwrap();
    let errors = String::from_utf8_lossy(&out.stderr);
    let code = out.status.code().unwrap();
    assert!(code < 2, "exit code {code}: {errors}");
    (code, serde_json::from_slice(&out.stdout).unwrap())
}

/// Diagnoses a server that does nothing but its own housekeeping.
fn check_idle(target: &str, pid: u32, dir: &Path) {
    let bundle = dir.join(if target.starts_with("http") { "by-url.oomph" } else { "by-pid.oomph" });
    let bundle = bundle.to_str().unwrap();
    let (code, live) = diagnose(&[target, "--for", "8s", "--save", bundle]);
    assert_eq!(live["target"]["pid"], pid);
    assert_eq!(live["limits"], serde_json::json!([]));
    check_verdict(code, &live);
    check_ledger(&live["ledger"]);

    let (offline_code, offline) = diagnose(&[bundle]);
    assert_eq!(offline_code, code);
    for part in ["verdict", "summary", "findings", "ledger", "checked", "series", "limits"] {
        assert_eq!(offline[part], live[part], "{part} differs offline");
    }
}

/// Nothing grows in an idle server, so the verdict is "healthy". Long pauses are what an overloaded
/// host does to any program: such a finding is low and leaves the verdict alone.
fn check_verdict(code: i32, report: &Value) {
    assert_eq!((code, &report["verdict"]), (0, &"healthy".into()), "{report:#}");
    for finding in report["findings"].as_array().unwrap() {
        assert_eq!(finding["rule"], "gc-pressure", "{finding:#}");
        assert_eq!(finding["severity"], "low", "{finding:#}");
    }
}

fn check_ledger(ledger: &Value) {
    let rss = ledger["rss"].as_u64().unwrap();
    let rows = ledger["rows"].as_array().unwrap();
    let bytes = |row: &Value| row["bytes"].as_u64().unwrap();
    assert!(rss > 8 << 20, "{rss}");
    assert_eq!(rows.iter().map(bytes).sum::<u64>(), rss);
    let unexplained: u64 = rows.iter().filter(|r| r["term"] == "unexplained").map(bytes).sum();
    assert!(unexplained * 100 < rss * 3, "{unexplained} of {rss} bytes are unexplained");
}

#[test]
fn an_idle_prometheus_is_healthy() {
    let (dir, listen) = (tempfile::tempdir().unwrap(), address());
    let config = dir.path().join("prometheus.yml");
    let scrape =
        "global: {scrape_interval: 1s}\nscrape_configs: [{job_name: self, static_configs: [{targets: ['LISTEN']}]}]\n";
    std::fs::write(&config, scrape.replace("LISTEN", &listen)).unwrap();
    let mut command = Command::new("prometheus");
    command.current_dir(dir.path()).arg(format!("--config.file={}", config.display()));
    command.args(["--storage.tsdb.path=data", &format!("--web.listen-address={listen}")]);
    let Some(server) = Server::start(&mut command, "ready to receive web requests") else { return };
    check_idle(&format!("http://{listen}"), server.child.id(), dir.path());
}

#[test]
fn an_idle_etcd_is_healthy() {
    let (dir, client, peer) = (tempfile::tempdir().unwrap(), address(), address());
    let (client, peer) = (format!("http://{client}"), format!("http://{peer}"));
    let mut command = Command::new("etcd");
    command.current_dir(dir.path()).args(["--enable-pprof", "--data-dir=data", "--log-outputs=stderr"]);
    command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
    command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
    command.args(["--initial-cluster", &format!("default={peer}")]);
    let Some(server) = Server::start(&mut command, "ready to serve client requests") else { return };
    check_idle(&server.child.id().to_string(), server.child.id(), dir.path());
    check_idle(&client, server.child.id(), dir.path());
}
