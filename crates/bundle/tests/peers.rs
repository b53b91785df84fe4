//! Servers that oomph's authors did not write: Debian's `prometheus` and `etcd`, on loopback.
//! Skipped, with a message, where they are not installed.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod common;

use bundle::{Bundle, CollectOptions};
use common::{quick, run};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

struct Running {
    child: Child,
    // Kept open: a closed pipe would end the server.
    _log: Box<dyn Iterator<Item = String>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn start(command: &mut Command, ready: &str) -> Option<Running> {
    let Ok(mut child) = command.env("GOMEMLIMIT", "2GiB").stdout(Stdio::null()).stderr(Stdio::piped()).spawn() else {
        eprintln!("skipped: {} is not installed", command.get_program().to_string_lossy());
        return None;
    };
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let up = log.any(|l| l.contains(ready));
    let running = Running { child, _log: Box::new(log) };
    assert!(up, "the server did not come up");
    Some(running)
}

/// Everything is there, the sources agree, and nothing is missed.
fn check(address: &str, pid: u32, dir: &Path) {
    let to = dir.join("b.oomph");
    let options = CollectOptions { duration: Duration::from_millis(500), samples: 2, ..quick() };
    run(address, &to, &options).unwrap();
    let bundle = Bundle::open(&to).unwrap();
    assert!(bundle.verify().unwrap().is_ok());
    let facts = bundle.facts();
    assert_eq!(facts.limits, [] as [&str; 0]);
    assert_eq!(facts.target.pid, Some(pid));
    assert!(facts.build.is_some());
    assert_eq!(facts.samples.len(), 2);
    for s in &facts.samples {
        let heap = s.heap.as_ref().unwrap();
        assert!(!heap.value.stacks.is_empty() && s.heap_after_gc);
        let m = &s.memstats.as_ref().unwrap().value;
        assert_eq!(m.gomemlimit.unwrap().0, 2 << 30);
        assert!(m.pause_total_ns.is_some(), "from /metrics");
        assert!(s.memstats_after_gc.is_some() && s.goroutines.is_some());
        assert!(s.goroutine_count.as_ref().unwrap().value > 10);
        let (told, kernel) = (s.resident.as_ref().unwrap().value.0, s.status.as_ref().unwrap().value.vm_rss.0);
        assert!(told.abs_diff(kernel) < kernel / 5, "{told} {kernel}");
        assert!(s.smaps.is_some() && s.smaps_rollup.is_some() && s.maps.is_some());
        assert!(s.cpu_seconds.is_some() && s.uptime_seconds.is_some());
    }
}

#[test]
fn prometheus() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("p.yml"), "global: {}\n").unwrap();
    let port = port();
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", dir.path().join("p.yml").display()))
        .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"));
    if let Some(server) = start(&mut command, "ready to receive web requests") {
        check(&format!("127.0.0.1:{port}"), server.child.id(), dir.path());
    }
}

#[test]
fn etcd() {
    let dir = tempfile::tempdir().unwrap();
    let (client, peer) = (port(), port());
    let mut command = Command::new("etcd");
    command
        .arg("--enable-pprof")
        .arg(format!("--data-dir={}", dir.path().join("data").display()))
        .args(["--listen-client-urls", &format!("http://127.0.0.1:{client}")])
        .args(["--advertise-client-urls", &format!("http://127.0.0.1:{client}")])
        .args(["--listen-peer-urls", &format!("http://127.0.0.1:{peer}")]);
    if let Some(server) = start(&mut command, "ready to serve client requests") {
        check(&format!("127.0.0.1:{client}"), server.child.id(), dir.path());
    }
}
