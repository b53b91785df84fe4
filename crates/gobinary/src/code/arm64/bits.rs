//! Fields of AArch64 instructions: numbers out of bits. Knows no instruction.

/// So many bits from a place on.
pub(super) const fn bits(w: u32, from: u32, count: u32) -> u32 {
    w >> from & ((1 << count) - 1)
}

/// One bit.
pub(super) const fn bit(w: u32, at: u32) -> bool {
    w >> at & 1 == 1
}

/// So many bits from a place on, the highest of them being the sign.
pub(super) const fn signed(w: u32, from: u32, count: u32) -> i64 {
    let shift = 64 - count;
    ((bits(w, from, count) as u64) << shift).cast_signed() >> shift
}

/// The number in AND, ORR, EOR and ANDS of a pattern (`DecodeBitMasks` of the Arm Architecture Reference Manual).
pub(super) fn logical_immediate(w: u32) -> Option<u64> {
    let (wide, n, rotate, s) = (bit(w, 31), bits(w, 22, 1), bits(w, 16, 6), bits(w, 10, 6));
    if n == 1 && !wide {
        return None;
    }
    // The pattern's length is told by the highest bit that is not set in `s`.
    let length = (n << 6 | !s & 0x3f).checked_ilog2().filter(|&l| l > 0)?;
    let size = 1_u32 << length;
    let (ones, rotate) = ((s & (size - 1)) + 1, rotate & (size - 1));
    if ones == size {
        return None;
    }
    let mask = u64::MAX >> (64 - size);
    let run = u64::MAX >> (64 - ones);
    let pattern = if rotate == 0 { run } else { (run >> rotate | run << (size - rotate)) & mask };
    let mut value = pattern;
    let mut filled = size;
    while filled < 64 {
        value |= value << filled;
        filled *= 2;
    }
    Some(if wide { value } else { value & 0xffff_ffff })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_numbers() {
        // `go tool objdump`: b27e03e4 ORR $4, ZR, R4 and so on.
        for (word, n) in [(0xb27e_03e4, 4), (0xb240_03e2, 1), (0xb27a_03e0, 64), (0xb27b_03e0, 32), (0xb27c_03e0, 16)] {
            assert_eq!(logical_immediate(word), Some(n), "{word:#x}");
        }
        // AND $-16: 927cec00; ORR $0x5555555555555555: b200f3e0; ORRW $0xff: 32001fe0.
        assert_eq!(logical_immediate(0x927c_ec00), Some(!15));
        assert_eq!(logical_immediate(0xb200_f3e0), Some(0x5555_5555_5555_5555));
        assert_eq!(logical_immediate(0x3200_1fe0), Some(0xff));
        // All ones cannot be said.
        assert_eq!(logical_immediate(0xb240_ffe0), None);
    }

    #[test]
    fn signs_are_extended() {
        assert_eq!((signed(0x3ff_ffff, 0, 26), signed(0x1ff_ffff, 0, 26)), (-1, 0x1ff_ffff));
    }
}
