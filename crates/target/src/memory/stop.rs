//! Stopping all threads of a process and letting them go again. Owns the guard that lets them go
//! whatever happens; knows nothing of what is done meanwhile.
//!
//! A tracer is a thread, not a process: everything here must happen on one thread, and when that
//! thread ends the kernel lets all its tracees go.

use super::plan::failed;
use super::registers::{MOST_WORDS, ThreadRegisters, words_of};
use super::sys::{self, Status, Tid};
use super::{MemoryError, Refusal};
use crate::Process;
use gobinary::layout::Arch;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

/// Longest wait for one thread to stop. A thread in uninterruptible sleep (a hung disk) does not.
const STOP_WITHIN: Duration = Duration::from_secs(2);
/// Most threads that are stopped: 20 us each.
pub(super) const MOST_THREADS: usize = 20_000;

/// The architecture of this program, which is that of what it can trace.
#[cfg(target_arch = "x86_64")]
pub(super) const ARCH: Arch = Arch::Amd64;
/// The architecture of this program, which is that of what it can trace.
#[cfg(not(target_arch = "x86_64"))]
pub(super) const ARCH: Arch = Arch::Arm64;

/// A thread that was seized.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tracee {
    pub(super) tid: Tid,
    pub(super) state: State,
    /// Signal it was about to get; it gets it when it is let go.
    pub(super) signal: i32,
    pub(super) registers: [u64; MOST_WORDS],
    /// Signals it blocks.
    pub(super) blocked: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Running,
    /// Stopped by our request: a system call can be inserted.
    Stopped,
    /// Stopped on the way to a signal handler.
    AtSignal,
    Gone,
}

/// The threads of a process, seized; those still stopped run on when this is dropped.
#[derive(Debug)]
pub(super) struct Stopped {
    pub(super) pid: u32,
    pub(super) threads: Vec<Tracee>,
    options: i32,
    /// When the first thread was asked to stop.
    pub(super) since: Instant,
}

impl Stopped {
    /// Stops all threads of `process`.
    pub(super) fn all(process: &Process, options: i32) -> Result<Self, MemoryError> {
        let mut out = Self { pid: process.pid(), threads: Vec::new(), options, since: Instant::now() };
        // Seizing stops nothing, so the pause has not begun yet.
        out.seize_new(process)?;
        if !process.is_alive() {
            return Err(MemoryError::Gone { pid: out.pid });
        }
        out.since = Instant::now();
        let mut known = 0;
        loop {
            for i in known..out.threads.len() {
                if sys::interrupt(out.threads[i].tid).is_err() {
                    out.threads[i].state = State::Gone;
                }
            }
            for t in &mut out.threads[known..] {
                wait_stopped(t).map_err(|e| failed(process, "waiting for a thread to stop", e))?;
            }
            known = out.threads.len();
            // Threads that were started before the last one stopped.
            if out.seize_new(process)? == 0 {
                break;
            }
        }
        out.save(process)?;
        Ok(out)
    }

    /// Stops one thread; the others run on.
    pub(super) fn one(process: &Process, tid: Tid, options: i32) -> Result<Self, MemoryError> {
        let mut out = Self { pid: process.pid(), threads: Vec::new(), options, since: Instant::now() };
        out.seize(process, tid)?;
        for t in &mut out.threads {
            if sys::interrupt(t.tid).is_err() {
                t.state = State::Gone;
            }
            wait_stopped(t).map_err(|e| failed(process, "waiting for a thread to stop", e))?;
        }
        out.save(process)?;
        Ok(out)
    }

    /// How many threads were seized that were not known.
    fn seize_new(&mut self, process: &Process) -> Result<usize, MemoryError> {
        let before = self.threads.len();
        for tid in threads_of(self.pid).map_err(|e| failed(process, "listing its threads", e))? {
            if self.threads.iter().any(|t| t.tid == tid) {
                continue;
            }
            if self.threads.len() >= MOST_THREADS {
                let why = Refusal::Threads { threads: self.threads.len() as u64 + 1, most: MOST_THREADS as u64 };
                return Err(MemoryError::Refused { pid: self.pid, why });
            }
            self.seize(process, tid)?;
        }
        Ok(self.threads.len() - before)
    }

    fn seize(&mut self, process: &Process, tid: Tid) -> Result<(), MemoryError> {
        match sys::seize(tid, self.options) {
            Ok(()) => {
                let registers = [0; MOST_WORDS];
                self.threads.push(Tracee { tid, state: State::Running, signal: 0, registers, blocked: 0 });
                Ok(())
            }
            Err(e) if e.raw_os_error() == Some(libc::ESRCH) || has_ended(self.pid, tid) => Ok(()),
            Err(_) if self.options & sys::SUSPEND_SECCOMP != 0 => {
                Err(MemoryError::Refused { pid: self.pid, why: Refusal::Seccomp })
            }
            Err(e) => Err(failed(process, "stopping it", e)),
        }
    }

    fn save(&mut self, process: &Process) -> Result<(), MemoryError> {
        for t in self.threads.iter_mut().filter(|t| t.state != State::Gone) {
            let saved = sys::registers(t.tid).and_then(|r| Ok((r, sys::blocked(t.tid)?)));
            match saved {
                Ok(((words, n), blocked)) if n == words_of(ARCH) => {
                    t.registers = words;
                    t.blocked = blocked;
                }
                // A 32-bit program has another register set.
                Ok(_) => return Err(MemoryError::Refused { pid: self.pid, why: Refusal::Architecture }),
                Err(e) if e.raw_os_error() == Some(libc::ESRCH) => t.state = State::Gone,
                Err(e) => return Err(failed(process, "reading registers", e)),
            }
        }
        if self.threads.iter().all(|t| t.state == State::Gone) {
            return Err(MemoryError::Gone { pid: self.pid });
        }
        Ok(())
    }

    /// The registers of all threads at the instant of the stop.
    pub(super) fn registers(&self) -> Vec<ThreadRegisters> {
        let there = self.threads.iter().filter(|t| t.state != State::Gone);
        there
            .map(|t| {
                let mut r = ThreadRegisters::new(t.tid.unsigned_abs(), ARCH, &t.registers);
                r.set_signal(u16::try_from(t.signal).unwrap_or(0));
                r
            })
            .collect()
    }

    /// Lets all threads go, each with the signal it was about to get.
    pub(super) fn release(&mut self) {
        for t in &mut self.threads {
            if matches!(t.state, State::Stopped | State::AtSignal) {
                // Fails only when the thread has ended.
                let _ = sys::detach(t.tid, t.signal);
                t.state = State::Gone;
            }
        }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.release();
        // A thread that never stopped cannot be let go now; the kernel does it when the tracing
        // thread ends, which follows at once.
    }
}

/// Waits for a thread that was asked to stop.
fn wait_stopped(thread: &mut Tracee) -> io::Result<()> {
    let deadline = Instant::now() + STOP_WITHIN;
    let mut spins = 0_u32;
    while thread.state == State::Running {
        match sys::poll(thread.tid) {
            Ok(Some((_, status))) => {
                thread.state = match status {
                    Status::Ended => State::Gone,
                    Status::Event | Status::Syscall => State::Stopped,
                    Status::Signal(signal) => {
                        thread.signal = signal;
                        State::AtSignal
                    }
                };
            }
            Ok(None) if Instant::now() > deadline => {
                let what = format!("thread {} does not stop: it waits for a device or a file system", thread.tid);
                return Err(io::Error::new(io::ErrorKind::TimedOut, what));
            }
            Ok(None) => {
                spins += 1;
                if spins.is_multiple_of(64) {
                    std::thread::sleep(Duration::from_micros(20));
                } else {
                    sys::give_way();
                }
            }
            Err(e) if e.raw_os_error() == Some(libc::ECHILD) => thread.state = State::Gone,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// The threads of a process now.
pub(super) fn threads_of(pid: u32) -> io::Result<Vec<Tid>> {
    let mut out = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let Ok(entry) = entry else { continue };
        out.extend(entry.file_name().to_str().and_then(|n| n.parse::<Tid>().ok()));
    }
    Ok(out)
}

/// Whether a thread has ended, though its entry is still there (a main thread that left early).
fn has_ended(pid: u32, tid: Tid) -> bool {
    match fs::read(format!("/proc/{pid}/task/{tid}/stat")) {
        Ok(bytes) => procfs::stat(&bytes).is_ok_and(|s| matches!(s.state, 'Z' | 'X' | 'x')),
        Err(_) => true,
    }
}
