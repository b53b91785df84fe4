//! x86-64: a system call in a thread of another process that mends itself, whoever dies meanwhile.
//! Owns the code, the frame and the registers; moves nothing.
//!
//! The thread is set to code which makes the call and then `rt_sigreturn`, with the stack
//! pointer at a signal frame that holds the thread's own registers and signal mask. Normally the
//! tracer takes over at the end of the call and puts the registers back itself. If the tracer dies
//! first, the thread runs on, and the kernel restores it from the frame.

use super::registers::MOST_WORDS;
use super::registers::amd64::*;
use super::sys::Tid;
use std::io;

/// Length of either code.
const CODE_LEN: usize = 32;

/// `syscall; mov eax, 15 (rt_sigreturn); syscall; ud2`.
const PLAIN: [u8; 11] = [0x0f, 0x05, 0xb8, 15, 0, 0, 0, 0x0f, 0x05, 0x0f, 0x0b];
/// `syscall; test eax, eax; jz child; mov eax, 15; syscall; child: xor edi, edi; mov eax, 60 (exit);
/// syscall; ud2`.
const FORKING: [u8; 24] = [
    0x0f, 0x05, 0x85, 0xc0, 0x74, 0x07, 0xb8, 15, 0, 0, 0, 0x0f, 0x05, 0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05, 0x0f,
    0x0b,
];

/// The code for a call. After `clone` the child, should it ever run, exits at once; after another
/// call a result of 0 means nothing of the kind.
pub(super) const fn code(number: u64) -> &'static [u8] {
    if number == SYS_CLONE { &FORKING } else { &PLAIN }
}

/// Code, `struct rt_sigframe` up to its `siginfo` (`arch/x86/include/asm/sigframe.h`), a reserve.
pub(super) const ROOM: usize = CODE_LEN + 8 + 304 + 8;

const SYS_GETPID: u64 = 39;
pub(super) const SYS_CLONE: u64 = 56;
pub(super) const SYS_WAIT4: u64 = 61;

const ERESTARTSYS: i64 = 512;
const ERESTARTNOINTR: i64 = 513;
const ERESTARTNOHAND: i64 = 514;
const ERESTART_RESTARTBLOCK: i64 = 516;
const EINTR: i64 = 4;
const TRAP_FLAG: u64 = 0x100;

/// How well a stopped thread suits: 0 is best, `None` not at all. It must wait in a system call:
/// there the vector registers, which the frame does not restore, hold nothing.
pub(super) fn suits(words: &[u64; MOST_WORDS]) -> Option<u8> {
    // Bit 63 of orig_rax: not in a system call.
    if (words[ORIG_RAX] as i64) < 0 || words[CS] != 0x33 {
        return None;
    }
    match -(words[RAX] as i64) {
        ERESTARTSYS | ERESTARTNOINTR | ERESTARTNOHAND => Some(0),
        ERESTART_RESTARTBLOCK => Some(1),
        _ => Some(2),
    }
}

/// The registers as they are after the kernel has seen to the interrupted call: what the thread
/// goes on with when it is restored from the frame.
fn resumed(words: &[u64; MOST_WORDS]) -> [u64; MOST_WORDS] {
    let mut out = *words;
    if (words[ORIG_RAX] as i64) >= 0 {
        match -(words[RAX] as i64) {
            ERESTARTSYS | ERESTARTNOINTR | ERESTARTNOHAND => {
                out[RAX] = words[ORIG_RAX];
                out[RIP] = words[RIP].wrapping_sub(2);
            }
            // rt_sigreturn forgets how to go on with it; the caller has to cope with EINTR.
            ERESTART_RESTARTBLOCK => out[RAX] = (-EINTR) as u64,
            _ => {}
        }
    }
    out
}

/// The code and the frame, to be written at the site.
pub(super) fn image(_tid: Tid, words: &[u64; MOST_WORDS], blocked: u64, number: u64) -> io::Result<[u8; ROOM]> {
    let mut out = [0; ROOM];
    let code = code(number);
    out[..code.len()].copy_from_slice(code);
    let r = resumed(words);
    // struct sigcontext_64: r8 to r15, di, si, bp, bx, dx, ax, cx, sp, ip, flags, then cs and ss.
    let context = [
        r[R8],
        r[R9],
        r[R10],
        r[R11],
        r[3],
        r[2],
        r[1],
        r[0],
        r[RDI],
        r[RSI],
        r[RBP],
        r[RBX],
        r[RDX],
        r[RAX],
        r[RCX],
        r[RSP],
        r[RIP],
        r[EFLAGS],
        (r[CS] & 0xffff) | (r[SS] & 0xffff) << 48,
    ];
    // UC_SIGCONTEXT_SS and UC_STRICT_RESTORE_SS. A stack of size 0 leaves the alternate one as it
    // is, a null fpstate clears the vector registers.
    const FLAGS: u64 = 0x6;
    let ucontext = CODE_LEN + 8;
    let mut put = |at: usize, word: u64| {
        if let Some(to) = out.get_mut(ucontext + at..ucontext + at + 8) {
            to.copy_from_slice(&word.to_le_bytes());
        }
    };
    put(0, FLAGS);
    for (i, word) in context.into_iter().enumerate() {
        put(40 + 8 * i, word);
    }
    put(296, blocked);
    Ok(out)
}

/// Registers that make a call without effect from the code at `base`.
pub(super) fn harmless(words: &[u64; MOST_WORDS], base: u64) -> [u64; MOST_WORDS] {
    let mut out = *words;
    out[RIP] = base;
    out[RAX] = SYS_GETPID;
    // Not in a system call: nothing for the kernel to restart.
    out[ORIG_RAX] = u64::MAX;
    // rt_sigreturn looks for its frame 8 bytes below the stack pointer.
    out[RSP] = base + CODE_LEN as u64 + 8;
    out[EFLAGS] &= !TRAP_FLAG;
    out
}

/// Before [`harmless`]: nothing to do here.
pub(super) fn prepare(_tid: Tid) -> io::Result<()> {
    Ok(())
}

/// With [`set_call`]: the number is a register here.
pub(super) fn set_number(_tid: Tid, _number: u64) -> io::Result<()> {
    Ok(())
}

/// Whether the thread is where [`harmless`] has put it, at the entry of the call.
pub(super) fn at_entry(words: &[u64; MOST_WORDS], base: u64) -> bool {
    words[RIP] == base + 2 && words[ORIG_RAX] == SYS_GETPID
}

/// At the entry of the harmless call: another call instead.
pub(super) fn set_call(words: &mut [u64; MOST_WORDS], number: u64, arguments: [u64; 5]) {
    words[ORIG_RAX] = number;
    for (register, value) in [RDI, RSI, RDX, R10, R8].into_iter().zip(arguments) {
        words[register] = value;
    }
}

/// The result, at the exit of the call.
pub(super) fn result(words: &[u64; MOST_WORDS]) -> i64 {
    words[RAX] as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_restores_what_the_kernel_would() {
        let mut words = [0; MOST_WORDS];
        words[ORIG_RAX] = 202;
        words[RAX] = (-ERESTARTSYS) as u64;
        words[RIP] = 0x1002;
        words[RSP] = 0x7000;
        words[CS] = 0x33;
        words[SS] = 0x2b;
        assert_eq!(suits(&words), Some(0));
        let image = image(1, &words, 0xabcd, SYS_WAIT4).unwrap();
        let word = |at: usize| u64::from_le_bytes(image[at..at + 8].try_into().unwrap());
        let context = CODE_LEN + 8 + 40;
        assert_eq!((word(context + 13 * 8), word(context + 15 * 8), word(context + 16 * 8)), (202, 0x7000, 0x1000));
        assert_eq!(word(context + 18 * 8), 0x2b << 48 | 0x33);
        assert_eq!(word(CODE_LEN + 8 + 296), 0xabcd);
        words[ORIG_RAX] = u64::MAX;
        assert_eq!(suits(&words), None);
    }
}
