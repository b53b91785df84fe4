//! The integer registers of one stopped thread, as `NT_PRSTATUS` of a core file and
//! `PTRACE_GETREGSET` both lay them out. Floating-point and vector registers are left out: Go keeps
//! no pointer there.

use gobinary::layout::Arch;

/// Words of the kernel's register set: `user_regs_struct` (x86-64), `user_pt_regs` (AArch64).
pub(crate) const fn words_of(arch: Arch) -> usize {
    match arch {
        Arch::Amd64 => 27,
        Arch::Arm64 => 34,
    }
}

/// Most words a register set has.
pub(crate) const MOST_WORDS: usize = 34;

/// Indices into `struct user_regs_struct` of x86-64 (`arch/x86/include/asm/user_64.h`).
pub(crate) mod amd64 {
    pub(crate) const RBP: usize = 4;
    pub(crate) const RBX: usize = 5;
    pub(crate) const R11: usize = 6;
    pub(crate) const R10: usize = 7;
    pub(crate) const R9: usize = 8;
    pub(crate) const R8: usize = 9;
    pub(crate) const RAX: usize = 10;
    pub(crate) const RCX: usize = 11;
    pub(crate) const RDX: usize = 12;
    pub(crate) const RSI: usize = 13;
    pub(crate) const RDI: usize = 14;
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "only injection on x86-64 needs it"))]
    pub(crate) const ORIG_RAX: usize = 15;
    pub(crate) const RIP: usize = 16;
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "only injection on x86-64 needs it"))]
    pub(crate) const CS: usize = 17;
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "only injection on x86-64 needs it"))]
    pub(crate) const EFLAGS: usize = 18;
    pub(crate) const RSP: usize = 19;
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "only injection on x86-64 needs it"))]
    pub(crate) const SS: usize = 20;
    pub(crate) const FS_BASE: usize = 21;
}

/// Indices into `struct user_pt_regs` of AArch64 (`arch/arm64/include/uapi/asm/ptrace.h`).
pub(crate) mod arm64 {
    pub(crate) const FP: usize = 29;
    pub(crate) const LR: usize = 30;
    pub(crate) const SP: usize = 31;
    pub(crate) const PC: usize = 32;
    #[cfg_attr(not(target_arch = "aarch64"), expect(dead_code, reason = "only injection on AArch64 needs it"))]
    pub(crate) const PSTATE: usize = 33;
}

/// The registers of one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadRegisters {
    tid: u32,
    arch: Arch,
    words: [u64; MOST_WORDS],
    tls: Option<u64>,
    signal: u16,
}

impl ThreadRegisters {
    /// Registers from the kernel's layout; words that are not there are zero.
    pub(crate) fn new(tid: u32, arch: Arch, from: &[u64]) -> Self {
        let mut words = [0; MOST_WORDS];
        for (to, from) in words.iter_mut().zip(from).take(words_of(arch)) {
            *to = *from;
        }
        let tls = (arch == Arch::Amd64).then(|| words[amd64::FS_BASE]);
        Self { tid, arch, words, tls, signal: 0 }
    }

    pub(crate) fn set_tls(&mut self, tls: u64) {
        self.tls = Some(tls);
    }

    pub(crate) fn set_signal(&mut self, signal: u16) {
        self.signal = signal;
    }

    pub(crate) fn set(&mut self, index: usize, value: u64) {
        if let Some(word) = self.words.get_mut(index) {
            *word = value;
        }
    }

    /// Thread id in the pid namespace of who wrote it: of the program for a core file, of this
    /// program for a running one.
    #[must_use]
    pub const fn tid(&self) -> u32 {
        self.tid
    }

    /// Architecture.
    #[must_use]
    pub const fn arch(&self) -> Arch {
        self.arch
    }

    /// Program counter.
    #[must_use]
    pub const fn pc(&self) -> u64 {
        match self.arch {
            Arch::Amd64 => self.words[amd64::RIP],
            Arch::Arm64 => self.words[arm64::PC],
        }
    }

    /// Stack pointer.
    #[must_use]
    pub const fn sp(&self) -> u64 {
        match self.arch {
            Arch::Amd64 => self.words[amd64::RSP],
            Arch::Arm64 => self.words[arm64::SP],
        }
    }

    /// Frame pointer: rbp, x29.
    #[must_use]
    pub const fn fp(&self) -> u64 {
        match self.arch {
            Arch::Amd64 => self.words[amd64::RBP],
            Arch::Arm64 => self.words[arm64::FP],
        }
    }

    /// Link register; `None` on x86-64, which has none.
    #[must_use]
    pub const fn lr(&self) -> Option<u64> {
        match self.arch {
            Arch::Amd64 => None,
            Arch::Arm64 => Some(self.words[arm64::LR]),
        }
    }

    /// Thread-local storage: fs_base (x86-64), tpidr_el0 (AArch64, where the source tells it).
    #[must_use]
    pub const fn tls(&self) -> Option<u64> {
        self.tls
    }

    /// The signal a core file says this thread was stopped by; 0 when none.
    #[must_use]
    pub const fn signal(&self) -> u16 {
        self.signal
    }

    /// A register by its DWARF number: 0 to 16 on x86-64 (16 is the return address, here the
    /// program counter), 0 to 31 on AArch64.
    #[must_use]
    pub fn dwarf(&self, number: u16) -> Option<u64> {
        use amd64::{R8, R9, R10, R11, RAX, RBP, RBX, RCX, RDI, RDX, RIP, RSI, RSP};
        const AMD64: [usize; 17] = [RAX, RDX, RCX, RBX, RSI, RDI, RBP, RSP, R8, R9, R10, R11, 3, 2, 1, 0, RIP];
        let number = usize::from(number);
        match self.arch {
            Arch::Amd64 => AMD64.get(number).map(|&i| self.words[i]),
            Arch::Arm64 => self.words.get(..=arm64::SP)?.get(number).copied(),
        }
    }

    /// All general-purpose registers, stack pointer and program counter included: what may hold a
    /// pointer.
    pub fn general(&self) -> impl Iterator<Item = u64> + '_ {
        let last = match self.arch {
            Arch::Amd64 => 16,
            Arch::Arm64 => 32,
        };
        (0..=last).filter_map(|n| self.dwarf(n).or_else(|| (n == 32).then(|| self.pc())))
    }

    /// The register set as the kernel lays it out.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.words[..words_of(self.arch)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_registers_in_the_kernels_order() {
        let words: Vec<u64> = (100..140).collect();
        let amd = ThreadRegisters::new(7, Arch::Amd64, &words);
        assert_eq!((amd.pc(), amd.sp(), amd.fp(), amd.lr(), amd.tls()), (116, 119, 104, None, Some(121)));
        // DWARF: rax, rdx, rcx, rbx, then r15 at 15.
        assert_eq!((amd.dwarf(0), amd.dwarf(1), amd.dwarf(15), amd.dwarf(17)), (Some(110), Some(112), Some(100), None));
        assert_eq!(amd.general().count(), 17);
        let arm = ThreadRegisters::new(7, Arch::Arm64, &words);
        assert_eq!((arm.pc(), arm.sp(), arm.fp(), arm.lr(), arm.tls()), (132, 131, 129, Some(130), None));
        assert_eq!(arm.general().count(), 33);
    }
}
