//! The target of the CALL that a return address follows: pure decoding of one instruction.
//!
//! A heap profile hides the runtime function that allocated; the user's leaf frame carries the
//! address behind the CALL into the runtime (Location.address + 1). With the executable's text at
//! hand, the bytes before that address name the function called, and with it the mechanism.

/// Instruction set of the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arch {
    /// x86-64.
    Amd64,
    /// AArch64.
    Arm64,
}

/// Target of the direct call that ends right before `return_address`. `code` holds the bytes that
/// end there (at least 5 on amd64, 4 on arm64). `None` for indirect calls (`CALL reg`, `BLR`) and
/// anything else.
#[must_use]
pub fn call_target(arch: Arch, code: &[u8], return_address: u64) -> Option<u64> {
    match arch {
        // E8 rel32, relative to the next instruction. An indirect call of 2 to 7 bytes can end in
        // bytes that look like one: the caller checks that the target is a function's entry.
        Arch::Amd64 => {
            let [0xe8, a, b, c, d] = *code.last_chunk::<5>()? else {
                return None;
            };
            let rel = i64::from(i32::from_le_bytes([a, b, c, d]));
            Some(return_address.wrapping_add_signed(rel))
        }
        // BL imm26: 100101 imm26, in words, relative to the instruction itself.
        Arch::Arm64 => {
            let word = u32::from_le_bytes(*code.last_chunk::<4>()?);
            if word >> 26 != 0b10_0101 {
                return None;
            }
            let rel = i64::from((word << 6) as i32 >> 6) * 4;
            Some(return_address.wrapping_sub(4).wrapping_add_signed(rel))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_direct_calls() {
        // `go tool objdump`: 0x481234 e8c7feffff CALL 0x481100.
        let code = [0x90, 0xe8, 0xc7, 0xfe, 0xff, 0xff];
        assert_eq!(call_target(Arch::Amd64, &code, 0x481239), Some(0x481100));
        // CALL RAX.
        assert_eq!(call_target(Arch::Amd64, &[0, 0, 0, 0xff, 0xd0], 0x481239), None);
        assert_eq!(call_target(Arch::Amd64, &[0xe8], 1), None);
        // BL -4 words at 0x10010: 97fffffc.
        let code = 0x97ff_fffcu32.to_le_bytes();
        assert_eq!(call_target(Arch::Arm64, &code, 0x10014), Some(0x10000));
        // BLR X1.
        let code = 0xd63f_0020u32.to_le_bytes();
        assert_eq!(call_target(Arch::Arm64, &code, 0x10014), None);
    }
}
