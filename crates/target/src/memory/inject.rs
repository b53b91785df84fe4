//! One system call in a stopped thread of another process, without a trace left behind.
//!
//! At every instant the target survives the death of this program (SIGKILL included). The steps and
//! what the thread does if it is left alone after each:
//!
//! 1. Code and frame are written into unused bytes behind the vDSO. *It goes on as if nothing was.*
//! 2. Registers: a harmless call (getpid) by that code. *It makes the call and is restored from the
//!    frame, registers and signal mask.*
//! 3. It runs to the entry of that call; now all signals are blocked. *As 2.*
//! 4. Registers: the wanted call instead. *It makes that call, then as 2. A child made by it
//!    exits at once, without a stack and with all signals blocked.*
//! 5. It runs to the end of the call. *As 2.*
//! 6. A stop is requested, the signal mask and then the registers are put back, and it runs into
//!    that stop, where the kernel restarts the call that the first stop interrupted. *It goes on
//!    with its own registers.*
//!
//! No signal is used, so none can be lost or delivered, and no handler changes (a single step would
//! force SIGTRAP, which resets its handler when blocked). A signal that arrives before step 3 ends
//! the attempt: the thread is put back and keeps the signal, and another thread is taken.
//! Between steps 2 and 6 nothing here allocates or panics.

use super::call_amd64 as call;
#[cfg(target_arch = "aarch64")]
use super::call_arm64 as call;
use super::plan::failed;
use super::registers::MOST_WORDS;
#[cfg(target_arch = "x86_64")]
use super::registers::words_of;
use super::stop::{ARCH, State, Stopped, Tracee};
use super::sys::{self, Status};
use super::{MemoryError, Refusal};
use crate::{ProcFile, Process};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

pub(super) use call::{SYS_CLONE, SYS_WAIT4};

/// Slots for code and frame behind the vDSO's image. More than one, because a thread that was left
/// alone may still need the frame of a tracer that was killed.
const SLOTS: usize = 4;
const SLOT: usize = call::ROOM.next_multiple_of(16);
/// Zero bytes below the lowest slot, so that none of the image is taken for room.
const MARGIN: usize = 64;

/// Where the code goes: unused bytes at the end of the vDSO, behind its ELF image.
#[derive(Debug)]
pub(super) struct Site {
    base: u64,
    memory: File,
    /// Whether it was empty: no thread can still need what is there.
    fresh: bool,
}

impl Site {
    /// Finds the place.
    pub(super) fn find(process: &Process) -> Result<Self, MemoryError> {
        let fail = |e| failed(process, "reading its vDSO", e);
        let no_room = || MemoryError::Refused { pid: process.pid(), why: Refusal::NoRoom };
        let (maps, _) = procfs::maps(&process.read(ProcFile::Maps).map_err(fail)?);
        let vdso = maps.iter().find(|m| m.path == "[vdso]").ok_or_else(no_room)?;
        let path = format!("/proc/{}/mem", process.pid());
        let memory = File::options().read(true).write(true).open(path).map_err(fail)?;
        let len = usize::try_from(vdso.end.saturating_sub(vdso.start)).unwrap_or(0).min(SLOTS * SLOT + MARGIN);
        let mut tail = vec![0; len];
        memory.read_exact_at(&mut tail, vdso.end.saturating_sub(len as u64)).map_err(fail)?;
        let (offset, fresh) = slot(&tail).ok_or_else(no_room)?;
        Ok(Self { base: vdso.end - (len - offset) as u64, memory, fresh })
    }

    /// Whether a stopped thread is in the code that a tracer left there which was killed.
    pub(super) fn is_needed(&self, stopped: &Stopped) -> bool {
        let inside = |pc: u64| pc >= self.base && pc - self.base < SLOT as u64;
        !self.fresh && stopped.registers().iter().any(|r| inside(r.pc()))
    }

    /// Whether nothing is there.
    pub(super) fn is_clear(&self) -> bool {
        let mut there = [0; SLOT];
        self.memory.read_exact_at(&mut there, self.base).is_ok() && there.iter().all(|&b| b == 0)
    }

    /// Writes by the file; where the kernel forbids that for read-only pages, word by word as a tracer.
    fn write(&self, thread: &Tracee, bytes: &[u8]) -> io::Result<()> {
        if self.memory.write_all_at(bytes, self.base).is_ok() {
            return Ok(());
        }
        for (i, chunk) in bytes.chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            sys::poke(thread.tid, self.base + 8 * i as u64, u64::from_le_bytes(word))?;
        }
        Ok(())
    }
}

/// The offset of a slot in the tail of the vDSO, and whether it is empty: an empty one if there is
/// one, else the last, which a tracer has left that was killed.
fn slot(tail: &[u8]) -> Option<(usize, bool)> {
    let is_zero = |bytes: &[u8]| bytes.iter().all(|&b| b == 0);
    let usable = |at: usize| {
        let bytes = tail.get(at..at.checked_add(SLOT)?)?;
        let ours = [SYS_CLONE, SYS_WAIT4].iter().any(|n| bytes.starts_with(call::code(*n)));
        (is_zero(bytes) || ours).then_some(is_zero(bytes))
    };
    let places = (1..=SLOTS).filter_map(|k| tail.len().checked_sub(k * SLOT));
    let mut found: Vec<(usize, bool)> = places.map_while(|at| Some((at, usable(at)?))).collect();
    let lowest = found.last()?.0;
    if !lowest.checked_sub(MARGIN).is_some_and(|from| is_zero(&tail[from..lowest])) {
        found.pop();
    }
    found.iter().find(|f| f.1).or(found.first()).copied()
}

/// How an attempt ended.
enum Attempt {
    /// The call's result.
    Done(i64),
    /// A signal came first; the thread is as before and will get it.
    Signal,
    /// Something else went wrong; the thread is as before.
    Failed(io::Error),
}

/// Makes a call in one of the stopped threads, the most suitable first. Gives its result and the thread.
pub(super) fn call(
    process: &Process,
    stopped: &mut Stopped,
    site: &Site,
    number: u64,
    arguments: [u64; 5],
) -> Result<(i64, sys::Tid), MemoryError> {
    let candidates = |t: &Tracee| (t.state == State::Stopped).then(|| call::suits(&t.registers)).flatten();
    let mut order: Vec<(u8, usize)> =
        stopped.threads.iter().enumerate().filter_map(|(i, t)| Some((candidates(t)?, i))).collect();
    order.sort_unstable();
    for (_, i) in order {
        let Some(thread) = stopped.threads.get_mut(i) else { continue };
        let fail = |e: io::Error| failed(process, "inserting a system call", e);
        match attempt(thread, site, number, arguments).map_err(fail)? {
            Attempt::Done(result) => return Ok((result, thread.tid)),
            Attempt::Signal => {}
            Attempt::Failed(e) => return Err(fail(e)),
        }
    }
    Err(MemoryError::Refused { pid: process.pid(), why: Refusal::NoIdleThread })
}

fn attempt(thread: &mut Tracee, site: &Site, number: u64, arguments: [u64; 5]) -> io::Result<Attempt> {
    let image = call::image(thread.tid, &thread.registers, thread.blocked, number)?;
    site.write(thread, &image)?;
    // On an error the thread may still need the frame, so it stays: once let go, the thread mends itself.
    let outcome = steps(thread, site.base, number, arguments)?;
    site.write(thread, &[0; call::ROOM])?;
    Ok(outcome)
}

/// Steps 2 to 6.
fn steps(thread: &mut Tracee, base: u64, number: u64, arguments: [u64; 5]) -> io::Result<Attempt> {
    let tid = thread.tid;
    let own = thread.registers;
    call::prepare(tid)?;
    put(tid, &call::harmless(&own, base))?;
    loop {
        sys::run_to_syscall(tid)?;
        match sys::wait_for(tid)? {
            Status::Syscall => break,
            // A group stop on the way.
            Status::Event => {}
            Status::Signal(signal) => {
                put(tid, &own)?;
                thread.signal = signal;
                thread.state = State::AtSignal;
                return Ok(Attempt::Signal);
            }
            Status::Ended => return ended(thread),
        }
    }
    sys::set_blocked(tid, u64::MAX)?;
    let (mut words, _) = sys::registers(tid)?;
    // Anything else would be a call of its own; it is let go on to the frame.
    let result = if call::at_entry(&words, base) {
        call::set_call(&mut words, number, arguments);
        call::set_number(tid, number)?;
        put(tid, &words)?;
        sys::run_to_syscall(tid)?;
        match sys::wait_for(tid)? {
            Status::Syscall => {}
            Status::Ended => return ended(thread),
            // No other stop can come here: signals are blocked and no event is asked for.
            Status::Event | Status::Signal(_) => return Err(io::Error::from_raw_os_error(libc::EPROTO)),
        }
        let (words, _) = sys::registers(tid)?;
        Ok(call::result(&words))
    } else {
        Err(io::Error::from_raw_os_error(libc::EPROTO))
    };
    sys::interrupt(tid)?;
    sys::set_blocked(tid, thread.blocked)?;
    put(tid, &own)?;
    sys::run(tid)?;
    match sys::wait_for(tid)? {
        Status::Ended => return ended(thread),
        Status::Signal(signal) => {
            thread.signal = signal;
            thread.state = State::AtSignal;
        }
        Status::Event | Status::Syscall => {}
    }
    Ok(result.map_or_else(Attempt::Failed, Attempt::Done))
}

fn ended(thread: &mut Tracee) -> io::Result<Attempt> {
    thread.state = State::Gone;
    Err(io::Error::from_raw_os_error(libc::ESRCH))
}

fn put(tid: sys::Tid, words: &[u64; MOST_WORDS]) -> io::Result<()> {
    sys::set_registers(tid, &words[..words_of(ARCH)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_behind_the_image_and_not_in_use() {
        let len = SLOTS * SLOT + MARGIN;
        let mut tail = vec![0; len];
        assert_eq!(slot(&tail), Some((len - SLOT, true)));
        // Left by a tracer that was killed: the next one.
        let (clone, wait4) = (call::code(SYS_CLONE), call::code(SYS_WAIT4));
        tail[len - SLOT..][..clone.len()].copy_from_slice(clone);
        assert_eq!(slot(&tail), Some((len - 2 * SLOT, true)));
        for k in 2..=SLOTS {
            tail[len - k * SLOT..][..wait4.len()].copy_from_slice(wait4);
        }
        assert_eq!(slot(&tail), Some((len - SLOT, false)));
        // The image reaches into the last slot; or ends right before it.
        assert_eq!(slot(&[vec![1; len - SLOT + 1], vec![0; SLOT - 1]].concat()), None);
        assert_eq!(slot(&[vec![1; len - SLOT], vec![0; SLOT]].concat()), None);
        assert_eq!(slot(&[vec![1; len - SLOT - MARGIN], vec![0; SLOT + MARGIN]].concat()), Some((len - SLOT, true)));
        assert_eq!(slot(&[]), None);
    }
}
