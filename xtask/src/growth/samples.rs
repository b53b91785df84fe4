//! Samples of a running specimen of growth as a table of numbers: its own line of truth, `/proc`, the control group,
//! and what expvar says of its heap. Owns reading and writing them; refuses to wait for expvar, which a dying process
//! answers late: the last answer stands, with its time.

use crate::Result;
use crate::growth::course::{PACE, millis};
use lab::{Client, Growing, TruthLine};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::SystemTime;

/// Of `/proc/PID/status`, in bytes (`Threads` as it is).
const STATUS: [&str; 6] = ["VmRSS", "RssAnon", "RssFile", "VmHWM", "VmPTE", "Threads"];
/// Of the control group's `memory.stat`; those that a version does not have stay empty.
const STAT: [&str; 5] = ["rss", "cache", "anon", "file", "kernel"];
/// Of expvar's `memstats`.
const MEMSTATS: [&str; 16] = [
    "HeapAlloc",
    "HeapInuse",
    "HeapIdle",
    "HeapReleased",
    "HeapSys",
    "StackInuse",
    "MSpanSys",
    "GCSys",
    "OtherSys",
    "Sys",
    "NextGC",
    "NumGC",
    "LastGC",
    "TotalAlloc",
    "PauseTotalNs",
    "GCCPUFraction",
];

/// A table that is written.
pub(crate) struct Samples {
    out: BufWriter<File>,
    vars: Vars,
}

impl Samples {
    pub(crate) fn create(path: &Path, client: Client) -> Result<Self> {
        let mut out = BufWriter::new(File::create(path)?);
        let mut head = vec!["at_ms", "truth_at_ms", "phase", "held_bytes", "culprit_bytes", "off_heap_bytes"];
        head.extend(["entries", "goroutines", "statm_resident"]);
        head.extend(STATUS);
        head.extend(["usage", "limit"]);
        head.extend(STAT);
        head.push("vars_at_ms");
        head.extend(MEMSTATS);
        writeln!(out, "{}", head.join(","))?;
        Ok(Self { out, vars: Vars::start(client) })
    }

    /// Writes a line. What cannot be read is left empty: the process may be on its way out.
    pub(crate) fn add(&mut self, growing: &Growing, line: Option<&TruthLine>) -> Result<()> {
        let read = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", growing.pid())).unwrap_or_default();
        let (status, statm) = (read("status"), read("statm"));
        let mut cells = vec![millis(SystemTime::now()).to_string()];
        let truth = line.map(|l| serde_json::to_value(l).unwrap_or_default()).unwrap_or_default();
        let truths = ["at_ms", "phase", "held_bytes", "culprit_bytes", "off_heap_bytes", "entries", "goroutines"];
        cells.extend(truths.iter().map(|key| cell(truth.get(key))));
        let resident = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
        cells.push(number(resident.map(|pages| pages.saturating_mul(4096))));
        cells.extend(STATUS.iter().map(|key| number(of_status(&status, key))));
        let cgroup = growing.cgroup();
        cells.extend([number(cgroup.usage().ok()), number(cgroup.limit().ok())]);
        cells.extend(STAT.iter().map(|key| number(cgroup.stat(key).ok().flatten())));
        let (at, vars) = self.vars.last();
        cells.push(number(at));
        cells.extend(MEMSTATS.iter().map(|key| cell(vars.get("memstats").and_then(|m| m.get(key)))));
        writeln!(self.out, "{}", cells.join(","))?;
        // Each sample counts where the process may end with the next.
        Ok(self.out.flush()?)
    }
}

fn number(n: Option<u64>) -> String {
    n.map(|n| n.to_string()).unwrap_or_default()
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn of_status(status: &str, key: &str) -> Option<u64> {
    let text = status.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'))?.trim();
    match text.strip_suffix(" kB") {
        Some(kib) => kib.parse::<u64>().ok()?.checked_mul(1024),
        None => text.parse().ok(),
    }
}

/// Asks for expvar at the pace, in a thread of its own.
struct Vars {
    last: Arc<Mutex<(Option<u64>, Value)>>,
    /// Dropped to end the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Vars {
    fn start(client: Client) -> Self {
        let last = Arc::new(Mutex::new((None, Value::Null)));
        let (stop, stopped) = channel::<()>();
        let shared = Arc::clone(&last);
        let thread = std::thread::spawn(move || {
            while stopped.recv_timeout(PACE) == Err(RecvTimeoutError::Timeout) {
                let Ok(body) = client.get("/debug/vars") else { continue };
                let Ok(vars) = serde_json::from_slice(&body) else { continue };
                let at = u64::try_from(millis(SystemTime::now())).ok();
                *shared.lock().unwrap_or_else(PoisonError::into_inner) = (at, vars);
            }
        });
        Self { last, stop: Some(stop), thread: Some(thread) }
    }

    fn last(&self) -> (Option<u64>, Value) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Vars {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_status_in_bytes_and_counts() {
        let status = "Name:\tx\nVmRSS:\t   12 kB\nThreads:\t9\n";
        assert_eq!(of_status(status, "VmRSS"), Some(12 << 10));
        assert_eq!(of_status(status, "Threads"), Some(9));
        assert_eq!(of_status(status, "VmHWM"), None);
    }
}
