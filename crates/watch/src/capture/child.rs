//! Running oomph itself for what takes time or memory: bounded, its output bounded, ended with the watcher even when
//! that is killed (the child asks the kernel for it: `PR_SET_PDEATHSIG`).

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Most bytes taken of a child's output.
const MOST: u64 = 64 << 20;

/// How a child ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// By itself, with this output.
    Done(Vec<u8>),
    /// With an error; what it said.
    Failed(String),
    /// It took too long, or was told to stop.
    Late,
}

/// Runs a command of oomph. `stop` is asked ten times a second.
pub(super) fn run(oomph: &Path, args: &[OsString], longest: Duration, stop: &mut dyn FnMut() -> bool) -> Ended {
    let mut command = Command::new(oomph);
    for name in crate::ALLOCATOR.iter().map(|v| v.0) {
        command.env_remove(name);
    }
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(c) => c,
        Err(e) => return Ended::Failed(format!("{}: {e}", oomph.display())),
    };
    // Its output is taken while it runs: a full pipe would hold it up.
    let drain = |from: Option<Box<dyn Read + Send>>| {
        std::thread::Builder::new().name("output".into()).spawn(move || {
            let mut bytes = Vec::new();
            if let Some(from) = from {
                let _ = from.take(MOST).read_to_end(&mut bytes);
            }
            bytes
        })
    };
    let out = drain(child.stdout.take().map(|o| Box::new(o) as Box<dyn Read + Send>));
    let err = drain(child.stderr.take().map(|o| Box::new(o) as Box<dyn Read + Send>));
    let end = Instant::now() + longest;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if Instant::now() < end && !stop() => std::thread::park_timeout(Duration::from_millis(25)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
        }
    };
    let taken =
        |t: std::io::Result<std::thread::JoinHandle<Vec<u8>>>| t.ok().and_then(|t| t.join().ok()).unwrap_or_default();
    let (out, err) = (taken(out), taken(err));
    match status {
        None => Ended::Late,
        // 1: findings.
        Some(s) if matches!(s.code(), Some(0 | 1)) => Ended::Done(out),
        Some(s) => {
            let text = String::from_utf8_lossy(&err);
            let line = text.lines().find(|l| !l.trim().is_empty()).unwrap_or_default();
            Ended::Failed(format!("{s}: {line}"))
        }
    }
}
