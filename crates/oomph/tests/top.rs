//! `oomph top` without a terminal: what a running watch says, printed once.

use model::{Bytes, TargetStatus, WATCH_SCHEMA, WatchLevel, WatchStatus};
use std::process::{Command, Output};
use std::sync::Arc;
use watch::alert::AlertCounters;
use watch::serve::Server;

fn top(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_oomph")).arg("top").args(args).env("COLUMNS", "80").output().expect("oomph")
}

#[test]
fn a_running_watch_is_printed_once() {
    let target = TargetStatus {
        name: "check\u{1b}[2Jout".into(),
        level: WatchLevel::Warning,
        live_heap: Some(Bytes::mib(384)),
        samples: 9,
        ..TargetStatus::default()
    };
    let status = WatchStatus { schema: WATCH_SCHEMA.into(), targets: vec![target], ..WatchStatus::default() };
    let server = Server::start("127.0.0.1:0", Arc::new(move || (status.clone(), AlertCounters::default()))).unwrap();
    let address = server.addr().to_string();
    let out = top(&["--watch", &address, "--once", "-f", "json"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(!out.stdout.contains(&0x1b));
    let json: WatchStatus = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((json.schema.as_str(), json.targets[0].live_heap), (WATCH_SCHEMA, Some(Bytes::mib(384))));
    let out = top(&["--watch", &address, "--once"]);
    let text = String::from_utf8(out.stdout).unwrap();
    let mut lines = text.lines();
    assert!(lines.next().unwrap().trim_start().starts_with("SERVICE"));
    let row = lines.next().unwrap();
    assert!(row.starts_with("!  check\\x1b[2Jout") && row.contains("384.0Mi"), "{row}");
}

#[test]
fn what_cannot_be_shown_is_said_with_a_way_out() {
    let out = top(&[]);
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.code() == Some(2) && said.contains("--once"), "{said}");
    let out = top(&["--once", "--watch", "127.0.0.1:1"]);
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.code() == Some(2) && said.contains("127.0.0.1:1") && said.contains("--listen"), "{said}");
}
