//! The watcher's web server against promtool and against clients that mean it ill.

mod common;

use common::{LONG, installed, status, until};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use watch::alert::{AlertCounters, SinkCounters};
use watch::serve::{Server, metrics};

fn counters() -> AlertCounters {
    let sink =
        SinkCounters { sink: "web\"hook\\".into(), sent: 3, last_error: "h answered 500".into(), ..Default::default() };
    AlertCounters { sinks: vec![sink], active: [1, 0, 2], ..AlertCounters::default() }
}

/// Status and body of an answer, read to its end.
fn get(addr: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(addr).expect("connect");
    stream.set_read_timeout(Some(LONG)).expect("timeout");
    stream.write_all(request.as_bytes()).expect("write");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("read");
    let code = text.split(' ').nth(1).and_then(|c| c.parse().ok()).expect("a status");
    (code, text.split_once("\r\n\r\n").expect("a head").1.to_owned())
}

fn path(addr: SocketAddr, path: &str) -> (u16, String) {
    get(addr, &format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"))
}

#[test]
fn promtool_accepts_the_metrics_and_our_own_reader_finds_them() {
    let server = Server::start("127.0.0.1:0", Arc::new(|| (status(), counters()))).unwrap();
    let (code, text) = path(server.addr(), "/metrics");
    assert_eq!(code, 200);
    for metric in metrics() {
        let there = text.lines().any(|l| l.starts_with(metric.name) && l[metric.name.len()..].starts_with(['{', ' ']));
        assert!(there, "{} has no value", metric.name);
    }
    for line in [
        "oomph_target_live_heap_bytes{target=\"checkout\"} 402653184",
        "oomph_target_time_to_limit_seconds{target=\"checkout\",estimate=\"p50\"} 40",
        "oomph_target_rule_firing{target=\"checkout\",rule=\"time-to-limit\",level=\"critical\"} 1",
        "oomph_watch_notifications_sent_total{sink=\"web\\\"hook\\\\\"} 3",
        "oomph_watch_alerts_active{level=\"critical\"} 2",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    if !installed("promtool") {
        return;
    }
    let mut tool = Command::new("promtool");
    tool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tool = tool.spawn().unwrap();
    tool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let out = tool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned() + &String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && said.is_empty(), "{said}");
}

#[test]
fn health_and_status_are_json() {
    let now = Arc::new(Mutex::new(status()));
    let shown = Arc::clone(&now);
    let source = move || (shown.lock().unwrap().clone(), counters());
    let server = Server::start("127.0.0.1:0", Arc::new(source)).unwrap();
    let (code, body) = path(server.addr(), "/healthz");
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, &json["status"]), (200, &"ok".into()));
    assert_eq!(json["warnings"][0], "alerts to web\"hook\\: h answered 500");
    now.lock().unwrap().watcher.tick_age_ms = 15_001;
    let (code, body) = path(server.addr(), "/healthz");
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, &json["status"]), (503, &"failing".into()));
    assert!(json["reasons"][0].as_str().unwrap().contains("15.0 s"));
    let (code, body) = path(server.addr(), "/status?x=y");
    let read: model::WatchStatus = serde_json::from_str(&body).unwrap();
    assert_eq!((code, read), (200, now.lock().unwrap().clone()));
    assert_eq!(path(server.addr(), "/").0, 200);
    assert_eq!(path(server.addr(), "/etc/passwd").0, 404);
    assert_eq!(get(server.addr(), "DELETE /status HTTP/1.1\r\n\r\n").0, 405);
    assert_eq!(get(server.addr(), "HEAD /metrics HTTP/1.1\r\n\r\n"), (200, String::new()));
}

#[test]
fn clients_that_never_finish_keep_nobody_out() {
    let server = Server::start("127.0.0.1:0", Arc::new(|| (status(), counters()))).unwrap();
    let mut slow: Vec<TcpStream> = (0..300)
        .map(|_| {
            let mut stream = TcpStream::connect(server.addr()).expect("connect");
            stream.write_all(b"GET /metr").expect("write");
            stream
        })
        .collect();
    // Some ask and never read.
    for stream in slow.iter_mut().skip(250) {
        let _ = stream.write_all(b"ics HTTP/1.1\r\n\r\n");
    }
    for _ in 0..5 {
        assert_eq!(path(server.addr(), "/healthz").0, 200);
    }
    // A request without end is refused at its bound.
    let mut endless = TcpStream::connect(server.addr()).unwrap();
    endless.set_read_timeout(Some(LONG)).unwrap();
    let _ = endless.write_all(format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(8192)).as_bytes());
    let mut text = String::new();
    let _ = endless.read_to_string(&mut text);
    assert!(text.starts_with("HTTP/1.1 431 "), "{text}");
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    assert!(threads() < 20, "{} threads", threads());
    // The end does not wait for them either.
    let addr = server.addr();
    drop(server);
    until("the port is free", || TcpStream::connect(addr).is_err().then_some(()));
    drop(slow);
}

#[test]
fn a_port_in_use_is_named() {
    let server = Server::start("127.0.0.1:0", Arc::new(|| (status(), counters()))).unwrap();
    let listen = server.addr().to_string();
    let error = Server::start(&listen, Arc::new(|| (status(), counters()))).err().unwrap();
    assert!(error.to_string().contains(&listen), "{error}");
}
