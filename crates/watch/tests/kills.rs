//! `kill -9` in the middle of writing the outbox, and hooks that die with the process that started them. A program
//! of its own: it starts itself as the process to be killed.

#![expect(clippy::print_stdout, reason = "a test program of its own tells what it did")]

mod common;

use common::{Server, alert, config, until};
use model::WatchLevel::Critical;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;
use watch::alert::{AlertOptions, Alerts};

/// How often the writer is killed.
const KILLS: usize = 40;
/// Alerts that are kept at a time.
const KEPT: usize = 30;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    match args.first().and_then(|a| a.to_str()) {
        Some("write") => write(Path::new(&args[1])),
        Some("hook") => hook(Path::new(&args[1])),
        Some("run-hook") => return ExitCode::from(watch::alert::run_hook(&args[1..]).expect("a hook")),
        Some("--list") => return ExitCode::SUCCESS,
        // A filter that names another test.
        Some(filter) if !filter.starts_with('-') && !"kills".contains(filter) => return ExitCode::SUCCESS,
        _ => {
            an_outbox_survives_kills();
            println!("test an_outbox_survives_kills ... ok");
            a_hook_and_what_it_started_die_with_oomph();
            println!("test a_hook_and_what_it_started_die_with_oomph ... ok");
        }
    }
    ExitCode::SUCCESS
}

fn myself() -> PathBuf {
    std::env::current_exe().expect("this program")
}

/// Raises alerts without end; nobody takes them. The outbox is small, so that it is made anew all the time.
fn write(dir: &Path) {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    let settings =
        config(&format!("max-alerts = {KEPT}\noutbox-max-bytes = 65536\n[[webhook]]\nurl = \"http://{nobody}\"\n"));
    let alerts = Alerts::start(&settings, dir);
    for i in 0_u64.. {
        alerts.raise(alert(&format!("t{i}"), None, Critical));
        println!("{i}");
        if i.is_multiple_of(KEPT as u64) {
            // No faster than the disk: the file is to be written while this is killed.
            let before = alerts.counters().outbox_bytes;
            until("the file changes", || (alerts.counters().outbox_bytes != before).then_some(()));
        }
    }
}

/// Targets that a reader of the file's own finds in it, by its documented form.
fn targets(file: &Path) -> BTreeSet<String> {
    let bytes = std::fs::read(file).unwrap_or_default();
    let mut out = BTreeSet::new();
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let Some(line) = line.strip_suffix(b"\n") else { continue };
        let (crc, json) = line.split_at(9);
        let crc = u32::from_str_radix(std::str::from_utf8(&crc[..8]).expect("hex"), 16).expect("hex");
        assert_eq!(crc, crc32fast::hash(json), "a damaged line: {}", String::from_utf8_lossy(json));
        let record: serde_json::Value = serde_json::from_slice(json).expect("JSON");
        let name = |v: &serde_json::Value| v["target"].as_str().map(str::to_owned);
        if let Some(target) = name(&record["alert"]["alert"]) {
            out.insert(target);
        } else if let Some(target) = name(&record["forget"]["key"]) {
            out.remove(&target);
        }
    }
    out
}

fn an_outbox_survives_kills() {
    let mut most = 0;
    for round in 0..KILLS {
        let dir = tempfile::tempdir().expect("a directory");
        let mut child = Command::new(myself()).arg("write").arg(dir.path()).stdout(Stdio::piped()).spawn().expect("me");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        // At a moment that differs from round to round.
        let _ = lines.by_ref().take(KEPT + 1 + round * 5).last();
        child.kill().expect("kill");
        child.wait().expect("wait");
        let want = targets(&dir.path().join("alerts.log"));
        assert!(!want.is_empty() && want.len() <= KEPT, "round {round}: {} alerts", want.len());
        most = most.max(want.len());

        let server = Server::start(Vec::new());
        let settings = config(&format!("[[webhook]]\nurl = \"{}\"\n", server.url));
        let alerts = Alerts::start(&settings, dir.path());
        let mut got = BTreeSet::new();
        while got.len() < want.len() {
            got.insert(server.next().json()["targets"][0].as_str().expect("a target").to_owned());
        }
        assert_eq!(got, want, "round {round}");
        assert!(alerts.counters().outbox_damaged <= 1, "round {round}: only the last line may be cut");
        alerts.stop(Duration::from_secs(5));
    }
    assert_eq!(most, KEPT);
}

fn hook(dir: &Path) {
    let settings = config(&format!(
        "[[exec]]\nprogram = \"/bin/sh\"\nargs = [\"-c\", \"sleep 1000 & echo $! $$ > {}/pids; wait\"]\n",
        dir.display()
    ));
    let launcher = vec!["/proc/self/exe".into(), "run-hook".into()];
    let alerts = Alerts::start_with(&settings, dir, AlertOptions { launcher, ..AlertOptions::default() });
    alerts.raise(alert("web", None, Critical));
    // Until killed.
    let _ = std::io::stdin().read_line(&mut String::new());
    drop(alerts);
}

fn a_hook_and_what_it_started_die_with_oomph() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut child = Command::new(myself()).arg("hook").arg(dir.path()).stdin(Stdio::piped()).spawn().expect("me");
    let pids = until("the hook runs", || {
        let text = std::fs::read_to_string(dir.path().join("pids")).ok()?;
        let pids: Vec<u32> = text.split_whitespace().filter_map(|p| p.parse().ok()).collect();
        (pids.len() == 2).then_some(pids)
    });
    let alive = |pid: &u32| {
        // A zombie that nobody has reaped yet is dead.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    };
    assert!(pids.iter().all(alive));
    child.kill().expect("kill");
    child.wait().expect("wait");
    until("the hook and its child are dead", || (!pids.iter().any(alive)).then_some(()));
}
