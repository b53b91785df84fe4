//! The target of the call that a return address follows: one instruction, decoded.
//!
//! A heap profile hides the function of the runtime that allocated; the user's frame carries the address behind
//! the call into the runtime. The bytes before that address name the function called.

use super::op::Op;
use super::{amd64, arm64};
use crate::layout::Arch;

/// Target of the direct call that ends right before `return_address`. `code` holds the bytes that end there (at
/// least 5 on amd64, 4 on arm64). `None` for indirect calls (`CALL reg`, `BLR`) and anything else.
#[must_use]
pub fn call_target(arch: Arch, code: &[u8], return_address: u64) -> Option<u64> {
    let mut steps = Vec::new();
    match arch {
        // E8 rel32. An indirect call of 2 to 7 bytes can end in bytes that look like one: the caller checks that
        // the target is a function's entry.
        Arch::Amd64 => amd64::decode(code.last_chunk::<5>()?, return_address.checked_sub(5)?, &mut steps),
        Arch::Arm64 => arm64::decode(code.last_chunk::<4>()?, return_address.checked_sub(4)?, &mut steps),
    }
    match *steps.as_slice() {
        [step] => match step.op {
            Op::Call(target) => target,
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn direct_calls_are_decoded() {
        // `go tool objdump`: 0x481234 e8c7feffff CALL 0x481100.
        let code = [0x90, 0xe8, 0xc7, 0xfe, 0xff, 0xff];
        assert_eq!(call_target(Arch::Amd64, &code, 0x481239), Some(0x481100));
        // CALL RAX.
        assert_eq!(call_target(Arch::Amd64, &[0, 0, 0, 0xff, 0xd0], 0x481239), None);
        assert_eq!(call_target(Arch::Amd64, &[0xe8], 1), None);
        // BL -4 words at 0x10010: 97fffffc.
        let code = 0x97ff_fffc_u32.to_le_bytes();
        assert_eq!(call_target(Arch::Arm64, &code, 0x10014), Some(0x10000));
        // BLR X1.
        let code = 0xd63f_0020_u32.to_le_bytes();
        assert_eq!(call_target(Arch::Arm64, &code, 0x10014), None);
    }
}
