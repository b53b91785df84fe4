//! AArch64: a system call in a thread of another process that mends itself, as `call_amd64`.
//!
//! NOT TESTED on hardware: written by `arch/arm64/kernel/{ptrace,signal}.c` of Linux. At a stop the
//! kernel has already wound the program counter back for a call to be restarted, so the thread's
//! own registers re-enter the call. `rt_sigreturn` wants a vector-register record in the frame.

use super::registers::MOST_WORDS;
use super::registers::arm64::{PC, PSTATE, SP};
use super::sys::{self, Tid};
use std::io;

/// Length of either code; the stack pointer behind it is aligned to 16.
const CODE_LEN: u64 = 32;

/// `svc #0; mov x8, #139 (rt_sigreturn); svc #0; brk #0`.
const PLAIN: [u8; 16] =
    [0x01, 0x00, 0x00, 0xd4, 0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4, 0x00, 0x00, 0x20, 0xd4];
/// `svc #0; cbz x0, child; mov x8, #139; svc #0; child: mov x8, #93 (exit); svc #0; brk #0`.
const FORKING: [u8; 28] = [
    0x01, 0x00, 0x00, 0xd4, 0x60, 0x00, 0x00, 0xb4, 0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4, 0xa8, 0x0b, 0x80,
    0xd2, 0x01, 0x00, 0x00, 0xd4, 0x00, 0x00, 0x20, 0xd4,
];

/// The code for a call. After `clone` the child, should it ever run, exits at once; after another
/// call a result of 0 means nothing of the kind.
pub(super) const fn code(number: u64) -> &'static [u8] {
    if number == SYS_CLONE { &FORKING } else { &PLAIN }
}

/// Of `struct rt_sigframe` (`arch/arm64/kernel/signal.c`): siginfo of 128 bytes, ucontext.
const UCONTEXT: usize = 128;
const SIGMASK: usize = UCONTEXT + 40;
/// `uc_mcontext`: fault_address, regs[31], sp, pc, pstate, then records aligned to 16.
const MCONTEXT: usize = UCONTEXT + 176;
const RECORDS: usize = MCONTEXT + 288;
/// `struct fpsimd_context`: magic, size, fpsr, fpcr, 32 registers of 16 bytes; then an empty record.
const FPSIMD_MAGIC: u32 = 0x4650_8001;
const FPSIMD: usize = 528;

/// Code, frame, end record.
pub(super) const ROOM: usize = CODE_LEN as usize + RECORDS + FPSIMD + 16;

const SYS_GETPID: u64 = 172;
pub(super) const SYS_CLONE: u64 = 220;
pub(super) const SYS_WAIT4: u64 = 260;

const NT_PRFPREG: usize = 2;
const NT_ARM_SYSTEM_CALL: usize = 0x404;

/// How well a stopped thread suits: 0 is best, `None` not at all. That it waits in a system call
/// shows in the instruction it will go on with, which only [`image`] can see; vector registers are
/// restored from the frame, so any thread does.
pub(super) fn suits(_words: &[u64; MOST_WORDS]) -> Option<u8> {
    Some(0)
}

/// The code and the frame, to be written at the site.
pub(super) fn image(tid: Tid, words: &[u64; MOST_WORDS], blocked: u64, number: u64) -> io::Result<[u8; ROOM]> {
    // struct user_fpsimd_state: 32 registers, fpsr, fpcr.
    let mut vectors = [0_u8; 528];
    sys::get_set(tid, NT_PRFPREG, &mut vectors)?;
    let mut out = [0; ROOM];
    let code = code(number);
    out[..code.len()].copy_from_slice(code);
    let mut put = |at: usize, bytes: &[u8]| {
        let at = CODE_LEN as usize + at;
        if let Some(to) = out.get_mut(at..at + bytes.len()) {
            to.copy_from_slice(bytes);
        }
    };
    put(SIGMASK, &blocked.to_le_bytes());
    for (i, word) in words.iter().take(PSTATE + 1).enumerate() {
        put(MCONTEXT + 8 + 8 * i, &word.to_le_bytes());
    }
    put(RECORDS, &FPSIMD_MAGIC.to_le_bytes());
    put(RECORDS + 4, &(FPSIMD as u32).to_le_bytes());
    put(RECORDS + 8, &vectors[512..520]);
    put(RECORDS + 16, &vectors[..512]);
    Ok(out)
}

/// Before [`harmless`]: nothing is to be restarted.
pub(super) fn prepare(tid: Tid) -> io::Result<()> {
    sys::put_set(tid, NT_ARM_SYSTEM_CALL, &(-1_i32).to_le_bytes())
}

/// Registers that make a call without effect from the code at `base`.
pub(super) fn harmless(words: &[u64; MOST_WORDS], base: u64) -> [u64; MOST_WORDS] {
    let mut out = *words;
    out[8] = SYS_GETPID;
    out[SP] = base + CODE_LEN;
    out[PC] = base;
    out
}

/// Whether the thread is where [`harmless`] has put it, at the entry of the call.
pub(super) fn at_entry(words: &[u64; MOST_WORDS], base: u64) -> bool {
    words[PC] == base + 4 && words[8] == SYS_GETPID
}

/// At the entry of the harmless call: another call instead. `clone` takes tls before ctid here.
pub(super) fn set_call(words: &mut [u64; MOST_WORDS], number: u64, arguments: [u64; 5]) {
    words[8] = number;
    words[..5].copy_from_slice(&arguments);
}

/// With [`set_call`]: the number the kernel goes by.
pub(super) fn set_number(tid: Tid, number: u64) -> io::Result<()> {
    sys::put_set(tid, NT_ARM_SYSTEM_CALL, &(number as i32).to_le_bytes())
}

/// The result, at the exit of the call.
pub(super) fn result(words: &[u64; MOST_WORDS]) -> i64 {
    words[0] as i64
}
