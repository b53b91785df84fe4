//! The system calls of a tracer, one safe function each. One of the modules with unsafe code.
//!
//! What it relies on: `ptrace(2)` requests other than those for register sets take and return plain
//! integers; the register-set requests get a `iovec` over an array of ours whose length the kernel
//! respects. A tracee is named by tid, and the kernel refuses each request (ESRCH) of a thread that
//! does not trace it or that is not stopped, so no request can harm memory of this program.
#![expect(unsafe_code, reason = "ptrace, waitpid and pthread_sigmask; see the head of this module")]

use super::registers::MOST_WORDS;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

/// A thread id.
pub(super) type Tid = i32;

/// Set at seizing: syscall stops are told from other stops, and a tracer's death in one of them is
/// no signal for the tracee.
pub(super) const TRACE_SYSGOOD: i32 = libc::PTRACE_O_TRACESYSGOOD;
/// The tracee dies with its tracer.
pub(super) const EXIT_KILL: i32 = libc::PTRACE_O_EXITKILL;
/// Its seccomp filters rest while it is traced. Needs CAP_SYS_ADMIN.
pub(super) const SUSPEND_SECCOMP: i32 = 1 << 21;

const GET_SIGMASK: libc::c_uint = 0x420a;
const SET_SIGMASK: libc::c_uint = 0x420b;
const NT_PRSTATUS: usize = 1;

/// What a wait reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It ended.
    Ended,
    /// At the entry or exit of a system call.
    Syscall,
    /// Stopped by `PTRACE_INTERRUPT`, a group stop, or at its birth.
    Event,
    /// About to get this signal.
    Signal(i32),
}

impl Status {
    fn of(raw: i32) -> Self {
        if !libc::WIFSTOPPED(raw) {
            return Self::Ended;
        }
        match libc::WSTOPSIG(raw) {
            _ if raw >> 16 != 0 => Self::Event,
            s if s == libc::SIGTRAP | 0x80 => Self::Syscall,
            s => Self::Signal(s),
        }
    }
}

fn request(request: libc::c_uint, tid: Tid, address: usize, data: usize) -> io::Result<()> {
    // SAFETY: only called with requests that take integers, or (masks, register sets, words) with
    // addresses of live arrays of the right length, by the functions below.
    let result = unsafe { libc::ptrace(request, tid, address, data) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Becomes the tracer of a thread, which runs on.
pub(super) fn seize(tid: Tid, options: i32) -> io::Result<()> {
    request(libc::PTRACE_SEIZE, tid, 0, options as usize)
}

/// Asks a seized thread to stop.
pub(super) fn interrupt(tid: Tid) -> io::Result<()> {
    request(libc::PTRACE_INTERRUPT, tid, 0, 0)
}

/// Lets a stopped thread go for good, with a signal or 0.
pub(super) fn detach(tid: Tid, signal: i32) -> io::Result<()> {
    request(libc::PTRACE_DETACH, tid, 0, signal as usize)
}

/// Lets a stopped thread run until its next system call begins or ends.
pub(super) fn run_to_syscall(tid: Tid) -> io::Result<()> {
    request(libc::PTRACE_SYSCALL, tid, 0, 0)
}

/// Lets a stopped thread run.
pub(super) fn run(tid: Tid) -> io::Result<()> {
    request(libc::PTRACE_CONT, tid, 0, 0)
}

pub(super) fn set_options(tid: Tid, options: i32) -> io::Result<()> {
    request(libc::PTRACE_SETOPTIONS, tid, 0, options as usize)
}

/// The signals a stopped thread blocks.
pub(super) fn blocked(tid: Tid) -> io::Result<u64> {
    let mut mask = 0_u64;
    request(GET_SIGMASK, tid, size_of::<u64>(), &raw mut mask as usize)?;
    Ok(mask)
}

pub(super) fn set_blocked(tid: Tid, mask: u64) -> io::Result<()> {
    request(SET_SIGMASK, tid, size_of::<u64>(), &raw const mask as usize)
}

/// The integer registers of a stopped thread and how many words the kernel gave.
pub(super) fn registers(tid: Tid) -> io::Result<([u64; MOST_WORDS], usize)> {
    let mut words = [0_u64; MOST_WORDS];
    let len = register_set(libc::PTRACE_GETREGSET, tid, NT_PRSTATUS, words.as_mut_ptr().cast(), size_of_val(&words))?;
    Ok((words, len / 8))
}

pub(super) fn set_registers(tid: Tid, words: &[u64]) -> io::Result<()> {
    let at = words.as_ptr().cast_mut().cast();
    register_set(libc::PTRACE_SETREGSET, tid, NT_PRSTATUS, at, size_of_val(words)).map(|_| ())
}

/// Any register set, into or out of `buf`; gives its length.
#[cfg(target_arch = "aarch64")]
pub(super) fn get_set(tid: Tid, kind: usize, buf: &mut [u8]) -> io::Result<usize> {
    register_set(libc::PTRACE_GETREGSET, tid, kind, buf.as_mut_ptr().cast(), buf.len())
}

#[cfg(target_arch = "aarch64")]
pub(super) fn put_set(tid: Tid, kind: usize, buf: &[u8]) -> io::Result<()> {
    let at = buf.as_ptr().cast_mut().cast();
    register_set(libc::PTRACE_SETREGSET, tid, kind, at, buf.len()).map(|_| ())
}

fn register_set(what: libc::c_uint, tid: Tid, kind: usize, base: *mut libc::c_void, len: usize) -> io::Result<usize> {
    let mut vector = libc::iovec { iov_base: base, iov_len: len };
    request(what, tid, kind, &raw mut vector as usize)?;
    Ok(vector.iov_len)
}

/// Writes a word into a stopped thread's memory, also where it may only read.
pub(super) fn poke(tid: Tid, address: u64, word: u64) -> io::Result<()> {
    request(libc::PTRACE_POKEDATA, tid, address as usize, word as usize)
}

/// What happened to `tid` (-1: to any tracee or child of this thread), if anything did. Does not wait.
pub(super) fn poll(tid: Tid) -> io::Result<Option<(Tid, Status)>> {
    wait(tid, libc::__WALL | libc::__WNOTHREAD | libc::WNOHANG)
}

/// Waits until something happens to `tid`.
pub(super) fn wait_for(tid: Tid) -> io::Result<Status> {
    loop {
        match wait(tid, libc::__WALL | libc::__WNOTHREAD) {
            Ok(Some((_, status))) => return Ok(status),
            Ok(None) => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

fn wait(tid: Tid, flags: i32) -> io::Result<Option<(Tid, Status)>> {
    let mut raw = 0;
    // SAFETY: the only pointer is to `raw`, which lives through the call.
    let found = unsafe { libc::waitpid(tid, &raw mut raw, flags) };
    match found {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        tid => Ok(Some((tid, Status::of(raw)))),
    }
}

/// Sends SIGKILL.
pub(super) fn kill(pid: Tid) -> io::Result<()> {
    // SAFETY: takes integers. 0 and negative pids, which mean groups, are refused.
    let result = if pid > 0 { unsafe { libc::kill(pid, libc::SIGKILL) } } else { -1 };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Blocks all signals in the calling thread: handlers of this program run elsewhere.
pub(super) fn block_signals() {
    // SAFETY: a zeroed sigset_t is a valid set on Linux.
    let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `all` lives through the call.
    unsafe { libc::sigfillset(&raw mut all) };
    // SAFETY: as above; the old set is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, ptr::null_mut()) };
}

/// A handle on a process.
pub(super) fn open_pid(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: takes integers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid as libc::c_long, 0_usize) };
    match i32::try_from(fd) {
        // SAFETY: the kernel has just given this descriptor to us, and nobody else knows it.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Asks the kernel to put `len` bytes at `address` of another process into huge pages.
pub(super) fn collapse(process: &OwnedFd, address: u64, len: usize) -> io::Result<()> {
    let range = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: len };
    let at = &raw const range;
    let fd = process.as_raw_fd();
    // SAFETY: the kernel reads one `iovec`, which lives through the call; its address is one of the
    // other process and is not touched here.
    let result = unsafe { libc::syscall(libc::SYS_process_madvise, fd, at, 1_usize, libc::MADV_COLLAPSE, 0_usize) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Gives up the processor once.
pub(super) fn give_way() {
    // SAFETY: takes nothing.
    unsafe { libc::sched_yield() };
}
