//! The page of a real server that oomph's authors did not write: Debian's `prometheus`, against what
//! the kernel and the program itself say. Skipped, with a message, where it is not installed.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(port: u16, path: &str) -> Vec<u8> {
    let mut s = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(s, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut all = Vec::new();
    s.read_to_end(&mut all).unwrap();
    let body = all.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    all.split_off(body)
}

#[test]
fn prometheus_itself() {
    let Ok(version) = Command::new("prometheus").arg("--version").output() else {
        eprintln!("skipped: prometheus is not installed");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("p.yml"), "global: {}\n").unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut child = Running(
        Command::new("prometheus")
            .arg(format!("--config.file={}", dir.path().join("p.yml").display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .env("GOGC", "80")
            .env("GOMEMLIMIT", "3GiB")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let pid = child.0.id();
    // Kept open: a closed pipe would end the server.
    let mut log = BufReader::new(child.0.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(log.any(|l| l.contains("ready to receive web requests")));

    let page = metrics::read_exposition(&get(port, "/metrics")).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let rss: u64 =
        status.lines().find_map(|l| l.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok()).unwrap();

    assert!(page.gaps.is_empty(), "{:?}", page.gaps);
    let resident = page.resident.unwrap().0 / 1024;
    assert!(resident.abs_diff(rss) < rss / 5, "{resident} and {rss} KiB");
    let m = page.memstats.unwrap();
    // The runtime's own identities (`runtime.MemStats`).
    assert_eq!(m.heap_sys, m.heap_idle + m.heap_inuse);
    assert_eq!(m.sys, m.heap_sys + m.stack_sys + m.runtime_metadata());
    assert!(m.mallocs - m.frees >= m.heap_objects);
    assert!(page.goroutines.unwrap() > 10);
    assert!(page.cpu_seconds.unwrap() > 0.0);
    // Newer client_golang publishes the settings; then they must be those of the environment.
    if let Some(gogc) = page.gogc_percent {
        assert_eq!(gogc, 80);
        assert_eq!(page.gomemlimit.unwrap().0, 3 << 30);
    }
    let go = page.go_version.unwrap();
    let told = String::from_utf8_lossy(&version.stdout).into_owned() + &String::from_utf8_lossy(&version.stderr);
    assert!(told.contains(&go.text), "{} in {told}", go.text);

    // Through pprof's text of the same process: nearly the same numbers.
    let text = String::from_utf8(get(port, "/debug/pprof/heap?debug=1")).unwrap();
    let sys: u64 = text.lines().find_map(|l| l.strip_prefix("# Sys = ")?.parse().ok()).unwrap();
    assert!(sys.abs_diff(m.sys.0) < sys / 10, "{sys} and {}", m.sys);
}
