//! A service that grows, watched by nothing but its gctrace lines: its live heap is what they say, and a forecast
//! appears. A real Go program, memory and web pages left alone.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use watch::{WatchOptions, Watcher};

/// Keeps 2 MiB more each fifth of a second, and makes ten times as much garbage; between its lines it prints noise.
const PROGRAM: &str = r#"package main

import ("fmt"; "os"; "time")

var kept [][]byte
var sink []byte

func main() {
	fmt.Println("started")
	for i := 0; i < 60; i++ { kept = append(kept, make([]byte, 1<<20)) }
	for {
		for i := 0; i < 20; i++ { sink = make([]byte, 1<<20) }
		for i := 0; i < 2; i++ { kept = append(kept, make([]byte, 1<<20)) }
		fmt.Fprintln(os.Stderr, "gc talk that is no line", len(kept))
		time.Sleep(200 * time.Millisecond)
	}
}
"#;

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(dir: &Path, stderr: Stdio) -> Running {
    std::fs::write(dir.join("main.go"), PROGRAM).unwrap();
    let go = std::env::var("OOMPH_GO").unwrap_or_else(|_| "go".to_owned());
    let exe = dir.join("grows");
    let built = Command::new(go).args(["build", "-o"]).arg(&exe).arg(dir.join("main.go")).status().unwrap();
    assert!(built.success());
    let mut child =
        Command::new(&exe).env("GODEBUG", "gctrace=1").stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    Running(child)
}

/// Watches until a forecast is there; live heap and detail of the source at that time.
fn watch(dir: &Path, pid: u32, more: &str) -> u64 {
    let config = dir.join("oomph.toml");
    let text = format!(
        "[watch]\ninterval = \"500ms\"\nmemory = false\nweb = false\n[watch.capture]\nenabled = false\n\
         [[watch.target]]\nname = \"grows\"\ntarget = \"{pid}\"\n{more}"
    );
    std::fs::write(&config, text).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let options = WatchOptions {
        config: Some(config),
        state_dir: dir.join("state"),
        quiet: true,
        oomph: "oomph".into(),
        ..WatchOptions::default()
    };
    let watcher = Watcher::start(options, Arc::clone(&stop)).unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    let live = loop {
        assert!(Instant::now() < end, "no forecast: {:?}", watcher.status());
        let status = watcher.status();
        let found = status.targets.iter().find(|t| t.name == "grows" && t.seconds_to_limit.is_some());
        if let Some(t) = found {
            assert!(t.sources.iter().any(|s| s.name == "gctrace" && s.ok), "{:?}", t.sources);
            break t.live_heap.unwrap().0;
        }
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(50));
    };
    stop.store(true, Ordering::Relaxed);
    watcher.join();
    live
}

#[test]
fn a_service_that_grows_is_seen_by_its_lines_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("stderr");
    let running = start(dir.path(), std::fs::File::create(&log).unwrap().into());
    let live = watch(dir.path(), running.0.id(), "");
    // One of the lines says so.
    let text = std::fs::read_to_string(&log).unwrap();
    let said = format!("->{} MB, ", live >> 20);
    assert!(live > 60 << 20 && text.lines().any(|l| l.starts_with("gc ") && l.contains(&said)), "{live}: {text}");
}

#[test]
fn a_service_that_grows_is_seen_by_its_lines_in_a_pipe() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // The service holds it open for reading too, as the configuration says.
    let to = std::fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let running = start(dir.path(), to.into());
    let live = watch(dir.path(), running.0.id(), &format!("gctrace = {:?}\n", pipe.display().to_string()));
    assert!(live > 60 << 20, "{live}");
}
