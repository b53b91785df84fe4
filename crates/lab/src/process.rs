//! A started program of the lab: its lines, the end of its stderr, its end. It ends when this value is
//! dropped and, since its stdin is a pipe of ours, also when this process dies in whatever way.
//! Refuses to interpret what it says.

use crate::LabError;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

const STOP_WITHIN: Duration = Duration::from_secs(5);
const STDERR_KEPT: usize = 8 << 10;

/// A child process.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    /// Lines of its stdout; disconnected once it has ended.
    lines: Receiver<String>,
    /// When its stdout was closed: as a rule, when it ended.
    closed: Arc<OnceLock<SystemTime>>,
    stderr: Arc<Mutex<Vec<u8>>>,
}

impl Process {
    pub(crate) fn start(name: &str, binary: &Path, args: &[&str]) -> Result<Self, LabError> {
        let mut command = Command::new(binary);
        command.args(args);
        Self::spawn(name, command)
    }

    /// Starts it by a command; its three streams become pipes.
    pub(crate) fn spawn(name: &str, mut command: Command) -> Result<Self, LabError> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let program = Path::new(command.get_program()).display().to_string();
        let mut child = command.spawn().map_err(LabError::io(format!("starting {program}")))?;
        let stdin = child.stdin.take();
        let (send, lines) = channel();
        let closed = Arc::new(OnceLock::new());
        if let Some(stdout) = child.stdout.take() {
            let closed = Arc::clone(&closed);
            thread::spawn(move || {
                forward_lines(stdout, &send);
                // Before the sender goes: who sees that it has gone sees the time.
                let _ = closed.set(SystemTime::now());
                drop(send);
            });
        }
        let stderr = Arc::new(Mutex::new(Vec::new()));
        if let Some(pipe) = child.stderr.take() {
            let kept = Arc::clone(&stderr);
            thread::spawn(move || keep_end(pipe, &kept));
        }
        Ok(Self { name: name.to_owned(), child, stdin, lines, closed, stderr })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of its stdout, or why there is none.
    pub(crate) fn line(&mut self, within: Duration) -> Result<String, String> {
        match self.lines.recv_timeout(within) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => Err(format!("silent for {} s", within.as_secs())),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.child.wait().map_or_else(|e| e.to_string(), |s| s.to_string());
                Err(format!("it ended ({status}): {}", self.stderr_end()))
            }
        }
    }

    /// The next line of its stdout within a time; `Ok(None)` when it has closed it.
    pub(crate) fn next_line(&mut self, within: Duration) -> Result<Option<String>, RecvTimeoutError> {
        match self.lines.recv_timeout(within) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// How it ended, and when, once it has closed its stdout: waits for the end.
    pub(crate) fn ended(&mut self) -> io::Result<(ExitStatus, SystemTime)> {
        let status = self.child.wait()?;
        Ok((status, self.closed.get().copied().unwrap_or_else(SystemTime::now)))
    }

    /// Writes a line to its stdin.
    pub(crate) fn send(&mut self, line: &str) -> io::Result<()> {
        let stdin = self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        stdin.write_all(format!("{line}\n").as_bytes())
    }

    pub(crate) fn stderr_end(&self) -> String {
        let kept = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).into_owned()
    }

    /// Waits until it has ended by itself, with its stdin open; what it still says is dropped.
    pub(crate) fn wait(&mut self, within: Duration) -> io::Result<ExitStatus> {
        loop {
            match self.lines.recv_timeout(within) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return self.child.wait(),
                Err(RecvTimeoutError::Timeout) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
    }

    /// Closes its stdin, waits, and kills it if it does not end by itself within 5 s.
    pub(crate) fn end(&mut self) -> io::Result<ExitStatus> {
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

impl Drop for Process {
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
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(chunk.iter().take(n));
        let excess = kept.len().saturating_sub(STDERR_KEPT);
        kept.drain(..excess);
    }
}
