//! A frozen copy of a running process: all its threads stop, one of them forks, all run on, and the
//! child, which shares its pages until one of both writes them, is read in peace. Owns the child and
//! its end; whatever happens, the process lives on and no child of ours runs.
//!
//! The child has no exit signal, so the process gets no SIGCHLD and its `wait4(-1)` does not see it;
//! it shares the table of open files instead of copying it, so no socket, pipe or lock is held
//! longer. It is traced and stopped from its birth and never runs an instruction. It dies with this
//! program (`PTRACE_O_EXITKILL`); if this program dies in the instant before that is set, all the
//! child does is exit. It is the first to go when memory is short.
//!
//! Not frozen: memory shared with other processes. Absent: what was marked `MADV_DONTFORK`.

use super::inject::{self, Site};
use super::live::ProcMemory;
use super::plan::{self, failed};
use super::registers::ThreadRegisters;
use super::stop::{Stopped, threads_of};
use super::sys::{self, Status, Tid};
use super::{MemoryError, Refusal, SnapshotPlan};
use crate::{ProcFile, Process};
use gobinary::{Memory, Region, Unreadable};
use model::Bytes;
use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The child is a tracee from birth and shares open files; its exit sends no signal.
const CLONE_FLAGS: u64 = (libc::CLONE_PTRACE | libc::CLONE_FILES | libc::CLONE_FS) as u64;
/// A stack pointer that no program has mapped.
const NO_STACK: u64 = 8;
const CHILD_WITHIN: Duration = Duration::from_secs(10);
const REAP_WITHIN: Duration = Duration::from_secs(2);
/// How often the memory limit is looked at while the child lives.
const WATCH: Duration = Duration::from_millis(50);
/// Most dead copies of killed tracers that are cleared away at once.
const MOST_OLDER: usize = 64;
/// Stops in search of a thread that waits in a system call.
const TRIES: u32 = 20;

/// How a snapshot is made.
#[derive(Clone, Debug)]
pub struct SnapshotOptions {
    /// Whether a seccomp filter may be suspended while the process is stopped; refused otherwise.
    pub suspend_seccomp: bool,
    /// Whether to go on though the plan finds too little memory or room for processes.
    pub ignore_headroom: bool,
}

impl Default for SnapshotOptions {
    fn default() -> Self {
        Self { suspend_seccomp: true, ignore_headroom: false }
    }
}

/// How long the process was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// From the first request to stop until the last thread ran on.
    pub total: Duration,
    /// Of it: until all threads had stopped and their registers were saved.
    pub stopping: Duration,
    /// Of it: making the copy, or copying the memory.
    pub copying: Duration,
    /// How many stops it took; the pause is that of the last one.
    pub stops: u32,
}

/// A frozen copy of a process. Dropping it removes the copy.
#[derive(Debug)]
pub struct Snapshot {
    memory: ProcMemory,
    threads: Vec<ThreadRegisters>,
    pause: Pause,
    lost: Arc<AtomicBool>,
    /// Tells the tracing thread to end; it waits for this to be dropped too.
    end: Option<Sender<()>>,
    tracer: Option<JoinHandle<bool>>,
}

struct Ready {
    memory: ProcMemory,
    threads: Vec<ThreadRegisters>,
    pause: Pause,
}

impl Snapshot {
    /// What a copy would cost, and what speaks against it. Stops nothing.
    ///
    /// # Errors
    /// When `/proc` of the process cannot be read.
    pub fn plan(process: &Process) -> Result<SnapshotPlan, MemoryError> {
        plan::plan(process)
    }

    /// Makes a copy.
    ///
    /// # Errors
    /// [`MemoryError::Refused`] for the first refusal of the plan, and what the kernel refuses;
    /// [`MemoryError::Gone`], [`MemoryError::Failed`]. The process runs on in every case.
    pub fn fork(process: &Process, plan: &SnapshotPlan, options: &SnapshotOptions) -> Result<Self, MemoryError> {
        let pid = process.pid();
        let headroom = |r: &&Refusal| matches!(r, Refusal::MemoryHeadroom { .. } | Refusal::PidsHeadroom { .. });
        if let Some(why) = plan.refusals.iter().find(|r| !(options.ignore_headroom && headroom(r))) {
            return Err(MemoryError::Refused { pid, why: why.clone() });
        }
        if plan.seccomp && !options.suspend_seccomp {
            return Err(MemoryError::Refused { pid, why: Refusal::Seccomp });
        }
        let suspend = if plan.seccomp { sys::SUSPEND_SECCOMP } else { 0 };
        let (ready, made) = sync_channel(1);
        let (end, ended) = channel();
        let lost = Arc::new(AtomicBool::new(false));
        let job = Job {
            process: process.clone(),
            options: sys::TRACE_SYSGOOD | suspend,
            // Half of what was wanted is left when the child is given up.
            floor: if options.ignore_headroom { Bytes::ZERO } else { Bytes(plan.wanted.0 / 4) },
            lost: Arc::clone(&lost),
        };
        // A tracer is a thread: one that ends only with the copy.
        let spawned = std::thread::Builder::new().name("tracer".to_owned()).spawn(move || job.run(&ready, &ended));
        let tracer = spawned.map_err(|e| failed(process, "starting the tracing thread", e))?;
        match made.recv() {
            Ok(Ok(Ready { memory, threads, pause })) => {
                Ok(Self { memory, threads, pause, lost, end: Some(end), tracer: Some(tracer) })
            }
            Ok(Err(e)) => Err(e),
            Err(_) => {
                let error = io::Error::other("the tracing thread ended");
                Err(MemoryError::Failed { pid, step: "making a copy", error })
            }
        }
    }

    /// The registers of all threads at the instant of the copy.
    #[must_use]
    pub fn threads(&self) -> &[ThreadRegisters] {
        &self.threads
    }

    /// How long the process was stopped.
    #[must_use]
    pub const fn pause(&self) -> Pause {
        self.pause
    }

    /// Whether the copy is gone before its time: given up because memory became short, or killed.
    /// Reads fail from then on; what was read before is right.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Removes the copy. `false` when its entry in the process table could not be taken from the
    /// process and stays until that ends; it is harmless.
    #[must_use]
    pub fn remove(mut self) -> bool {
        self.finish()
    }

    fn finish(&mut self) -> bool {
        drop(self.end.take());
        self.tracer.take().is_none_or(|t| t.join().unwrap_or(false))
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Memory for Snapshot {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), Unreadable> {
        self.memory.read(address, buf)
    }

    fn bytes(&self, _address: u64, _len: usize) -> Option<&[u8]> {
        None
    }

    fn regions(&self) -> &[Region] {
        self.memory.regions()
    }
}

/// What the tracing thread does.
struct Job {
    process: Process,
    options: i32,
    floor: Bytes,
    lost: Arc<AtomicBool>,
}

impl Job {
    /// Whether nothing is left of the copy.
    fn run(&self, ready: &SyncSender<Result<Ready, MemoryError>>, end: &Receiver<()>) -> bool {
        sys::block_signals();
        let (mut child, made) = match self.make() {
            Ok(made) => made,
            Err(e) => {
                let _ = ready.send(Err(e));
                return true;
            }
        };
        // Who asked may be gone: then the channel is closed and the loop below ends at once.
        let _ = ready.send(Ok(made));
        while let Err(RecvTimeoutError::Timeout) = end.recv_timeout(WATCH) {
            let short = self.floor > Bytes::ZERO && plan::headroom(&self.process).is_some_and(|h| h < self.floor);
            if child.has_ended() || short {
                self.lost.store(true, Ordering::Release);
                child.remove();
                let _ = end.recv();
                break;
            }
        }
        child.remove()
    }

    fn make(&self) -> Result<(Child, Ready), MemoryError> {
        let mut stops = 0;
        loop {
            stops += 1;
            let site = Site::find(&self.process)?;
            let mut stopped = Stopped::all(&self.process, self.options)?;
            let since = stopped.since;
            let threads = stopped.registers();
            let stopping = since.elapsed();
            let arguments = [CLONE_FLAGS, NO_STACK, 0, 0, 0];
            let called = if site.is_needed(&stopped) {
                // The tracer of another snapshot was killed, and a thread still makes its copy.
                Err(MemoryError::Refused { pid: self.process.pid(), why: Refusal::NoIdleThread })
            } else {
                inject::call(&self.process, &mut stopped, &site, inject::SYS_CLONE, arguments)
            };
            let copying = since.elapsed().saturating_sub(stopping);
            stopped.release();
            let pause = Pause { total: since.elapsed(), stopping, copying, stops };
            match called {
                Ok((result, by)) => {
                    let number = self.check(result)?;
                    let child = Child::adopt(&self.process, self.options, site, number, by)?;
                    let memory = child.open().map_err(|e| failed(&self.process, "opening the copy", e))?;
                    return Ok((child, Ready { memory, threads, pause }));
                }
                Err(MemoryError::Refused { why: Refusal::NoIdleThread, .. }) if stops < TRIES => {
                    // Let it get on before it is stopped again.
                    std::thread::sleep(pause.total.max(Duration::from_millis(1)) * 5);
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// The child's pid as the process numbers it.
    fn check(&self, result: i64) -> Result<u64, MemoryError> {
        let pid = self.process.pid();
        u64::try_from(result).map_err(|_| {
            let error = io::Error::from_raw_os_error(i32::try_from(-result).unwrap_or(libc::EIO));
            match error.raw_os_error() {
                Some(libc::EPERM | libc::ENOSYS) => MemoryError::Refused { pid, why: Refusal::Seccomp },
                _ => MemoryError::Failed { pid, step: "making a copy (fork)", error },
            }
        })
    }
}

/// The child, stopped for good.
struct Child {
    process: Process,
    options: i32,
    site: Site,
    /// As this program's pid namespace numbers it.
    pid: Tid,
    /// As the process's own does.
    number: u64,
    /// Thread that made it.
    by: Tid,
    running: bool,
    removed: bool,
}

impl Child {
    fn adopt(process: &Process, options: i32, site: Site, number: u64, by: Tid) -> Result<Self, MemoryError> {
        let deadline = Instant::now() + CHILD_WITHIN;
        let pid = loop {
            match sys::poll(-1) {
                Ok(Some((pid, Status::Event | Status::Signal(_)))) => break pid,
                Ok(Some(_)) => {}
                Ok(None) if Instant::now() < deadline => sys::give_way(),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Ok(None) => {
                    let error = io::Error::new(io::ErrorKind::TimedOut, "the copy does not appear");
                    return Err(failed(process, "waiting for the copy", error));
                }
                Err(e) => return Err(failed(process, "waiting for the copy", e)),
            }
        };
        let mut child =
            Self { process: process.clone(), options, site, pid, number, by, running: true, removed: false };
        if let Err(e) = sys::set_options(pid, sys::EXIT_KILL) {
            child.remove();
            return Err(failed(process, "guarding the copy", e));
        }
        // It is to go before the process itself when memory is short; without the right to say so
        // the headroom has to do.
        let _ = fs::write(format!("/proc/{pid}/oom_score_adj"), "1000");
        Ok(child)
    }

    fn open(&self) -> io::Result<ProcMemory> {
        let maps = fs::read(format!("/proc/{}/{}", self.pid, ProcFile::Maps.name()))?;
        ProcMemory::open(self.pid.unsigned_abs(), &maps)
    }

    /// Whether something else ended it.
    fn has_ended(&mut self) -> bool {
        match sys::poll(self.pid) {
            Ok(Some((_, Status::Ended))) | Err(_) => self.running = false,
            Ok(_) => {}
        }
        !self.running
    }

    /// Ends it and takes it from the process table. Whether both were done.
    fn remove(&mut self) -> bool {
        if self.removed {
            return true;
        }
        if self.running && sys::kill(self.pid).is_ok() {
            while !matches!(sys::wait_for(self.pid), Ok(Status::Ended) | Err(_)) {}
        }
        self.running = false;
        self.removed = self.reap();
        self.removed
    }

    /// Has the process itself take its dead child from the table; one of its threads stops for it.
    fn reap(&self) -> bool {
        let deadline = Instant::now() + REAP_WITHIN;
        let arguments = [self.number, 0, (libc::__WALL | libc::WNOHANG) as u64, 0, 0];
        let mut tids = vec![self.by];
        while Instant::now() < deadline {
            for tid in std::mem::take(&mut tids) {
                if !self.site.is_clear() {
                    continue;
                }
                let Ok(mut stopped) = Stopped::one(&self.process, tid, self.options) else { continue };
                let called = inject::call(&self.process, &mut stopped, &self.site, inject::SYS_WAIT4, arguments);
                match called {
                    // ECHILD: someone else has taken it.
                    Ok((result, _)) if result == self.number as i64 || result == -i64::from(libc::ECHILD) => {
                        self.reap_older(&mut stopped);
                        return true;
                    }
                    _ => {}
                }
            }
            match threads_of(self.process.pid()) {
                Ok(all) if self.process.is_alive() => tids = all,
                _ => return true,
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        false
    }

    /// The same for copies whose tracer was killed: they are dead, but still in the table.
    fn reap_older(&self, stopped: &mut Stopped) {
        for number in dead_copies(&self.process).into_iter().take(MOST_OLDER) {
            let arguments = [number, 0, (libc::__WALL | libc::WNOHANG) as u64, 0, 0];
            if inject::call(&self.process, stopped, &self.site, inject::SYS_WAIT4, arguments).is_err() {
                return;
            }
        }
    }
}

/// Children of a process that are dead copies of it, by the pid it knows them by: zombies without
/// an exit signal, ended by SIGKILL or by exit(0). Go itself starts no children without exit signal.
fn dead_copies(process: &Process) -> Vec<u64> {
    let pid = process.pid();
    let tids = threads_of(pid).unwrap_or_default();
    let lists = tids.iter().filter_map(|tid| fs::read_to_string(format!("/proc/{pid}/task/{tid}/children")).ok());
    let children: Vec<String> =
        lists.flat_map(|l| l.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
    let dead = children.into_iter().filter_map(|child| {
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).ok()?;
        let (head, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // proc(5): state is field 3, exit_signal 38, exit_code 52; a name comes before.
        let name = head.split_once('(')?.1 == process.name();
        let is_copy = name && fields.first() == Some(&"Z") && fields.get(35) == Some(&"0");
        let killed = matches!(fields.get(49)?.parse::<i32>().ok()?, 0 | libc::SIGKILL);
        let status = fs::read_to_string(format!("/proc/{child}/status")).ok()?;
        let numbers = status.lines().find_map(|l| l.strip_prefix("NSpid:"))?;
        (is_copy && killed).then(|| numbers.split_whitespace().last()?.parse().ok())?
    });
    dead.collect()
}

impl Drop for Child {
    fn drop(&mut self) {
        self.remove();
    }
}
