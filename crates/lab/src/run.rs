//! A running specimen: its address, its truth, its end. It ends when this value is dropped and,
//! since its stdin is a pipe of ours, also when this process dies in whatever way.

use crate::{LabError, Truth};
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const START_WITHIN: Duration = Duration::from_secs(30);
const STOP_WITHIN: Duration = Duration::from_secs(5);
const TRUTH_WITHIN: Duration = Duration::from_secs(20);
const TRUTH_LIMIT: u64 = 1 << 20;
const STDERR_KEPT: usize = 8 << 10;

/// A specimen that runs.
#[derive(Debug)]
pub struct Running {
    name: String,
    url: String,
    child: Child,
    stdin: Option<ChildStdin>,
    /// Lines of its stdout; disconnected once it has ended.
    lines: Receiver<String>,
    stderr: Arc<Mutex<Vec<u8>>>,
    agent: ureq::Agent,
}

impl Running {
    pub(crate) fn start(name: &str, binary: &Path, args: &[&str]) -> Result<Self, LabError> {
        let mut child = Command::new(binary)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(LabError::io(format!("starting {}", binary.display())))?;
        let stdin = child.stdin.take();
        let (send, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || forward_lines(stdout, &send));
        }
        let stderr = Arc::new(Mutex::new(Vec::new()));
        if let Some(pipe) = child.stderr.take() {
            let kept = Arc::clone(&stderr);
            thread::spawn(move || keep_end(pipe, &kept));
        }
        let config = ureq::Agent::config_builder()
            .proxy(None) // loopback
            .timeout_global(Some(TRUTH_WITHIN))
            .build();
        let mut running =
            Self { name: name.to_owned(), url: String::new(), child, stdin, lines, stderr, agent: config.into() };
        // On an error `running` is dropped here, which ends the child.
        running.url = running.wait_for_address()?;
        Ok(running)
    }

    fn wait_for_address(&mut self) -> Result<String, LabError> {
        let reason = match self.lines.recv_timeout(START_WITHIN) {
            Ok(line) => match line.strip_prefix("listening ") {
                Some(url) => return Ok(url.trim().to_owned()),
                None => format!("expected \"listening http://...\", got {line:?}"),
            },
            Err(RecvTimeoutError::Timeout) => format!("silent for {} s", START_WITHIN.as_secs()),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.child.wait().map_or_else(|e| e.to_string(), |s| s.to_string());
                format!("it ended ({status}): {}", self.stderr_end())
            }
        };
        Err(LabError::Start { name: self.name.clone(), reason })
    }

    /// The specimen's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens: `http://127.0.0.1:PORT`; pprof is at `/debug/pprof/`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The end of what it wrote to stderr.
    #[must_use]
    pub fn stderr_end(&self) -> String {
        let kept = self.stderr.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        String::from_utf8_lossy(&kept).into_owned()
    }

    /// Asks what it holds now.
    ///
    /// # Errors
    /// When it does not answer, or with something else.
    pub fn truth(&self) -> Result<Truth, LabError> {
        self.ask("/truth")
    }

    /// Lets it collect garbage and asks what it holds; the runtime's counts are then filled in.
    ///
    /// # Errors
    /// When it does not answer, or with something else.
    pub fn truth_after_gc(&self) -> Result<Truth, LabError> {
        self.ask("/truth?gc=1")
    }

    fn ask(&self, path: &str) -> Result<Truth, LabError> {
        let url = format!("{}{path}", self.url);
        let failed = |reason: String| LabError::Truth { url: url.clone(), reason };
        let mut answer = self.agent.get(&url).call().map_err(|e| failed(e.to_string()))?;
        let body = answer.body_mut().with_config().limit(TRUTH_LIMIT).read_to_vec();
        let body = body.map_err(|e| failed(e.to_string()))?;
        serde_json::from_slice(&body).map_err(|e| failed(e.to_string()))
    }

    /// Ends it: closes its stdin, waits, and kills it if it does not end by itself within 5 s.
    ///
    /// # Errors
    /// When the system refuses to wait for it.
    pub fn stop(mut self) -> Result<ExitStatus, LabError> {
        self.end().map_err(LabError::io(format!("stopping {}", self.name)))
    }

    fn end(&mut self) -> std::io::Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        drop(self.stdin.take());
        let ended = loop {
            match self.lines.recv_timeout(STOP_WITHIN) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break true,
                Err(RecvTimeoutError::Timeout) => break false,
            }
        };
        if !ended {
            self.child.kill()?;
        }
        self.child.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = self.end();
    }
}

fn forward_lines(stdout: ChildStdout, send: &Sender<String>) {
    for line in BufReader::new(stdout).lines() {
        let Ok(line) = line else { return };
        if send.send(line).is_err() {
            return;
        }
    }
}

fn keep_end(mut pipe: ChildStderr, kept: &Mutex<Vec<u8>>) {
    let mut chunk = [0_u8; 4096];
    while let Ok(n) = pipe.read(&mut chunk) {
        if n == 0 {
            return;
        }
        let mut kept = kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        kept.extend(chunk.iter().take(n));
        let excess = kept.len().saturating_sub(STDERR_KEPT);
        kept.drain(..excess);
    }
}
