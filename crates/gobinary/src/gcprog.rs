//! GC programs: the packed form of large pointer bitmaps up to Go 1.23 (`runGCProg` of
//! `src/runtime/mbitmap.go`). It owns the decoding; which type or stack object has one is for the
//! caller to know.

/// The first `bits` bits that a program makes, one per word of 8 bytes, the lowest of each byte
/// first. `next` gives the program's bytes (behind the length that precedes it in types). A program
/// that is damaged gives what it made up to there. Never more than `bits` are kept: check them
/// against the size of the object before.
pub(crate) fn expand(mut next: impl FnMut() -> Option<u8>, bits: usize) -> Vec<u8> {
    let mut out = Bits::default();
    while out.len < bits && step(&mut next, &mut out, bits).is_some() {}
    out.bytes
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    len: usize,
}

impl Bits {
    fn push(&mut self, bit: bool) {
        if self.len.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << (self.len % 8);
        }
        self.len += 1;
    }

    fn get(&self, index: usize) -> bool {
        self.bytes.get(index / 8).is_some_and(|b| b >> (index % 8) & 1 != 0)
    }
}

/// One instruction; `None` at the end.
fn step(next: &mut impl FnMut() -> Option<u8>, out: &mut Bits, most: usize) -> Option<()> {
    let instruction = next()?;
    let n = usize::from(instruction & 0x7f);
    if instruction & 0x80 == 0 {
        // The next n bits as they are; 0 ends the program.
        if n == 0 {
            return None;
        }
        for first in (0..n).step_by(8) {
            let byte = next()?;
            for i in 0..(n - first).min(8) {
                out.push(byte >> i & 1 != 0);
            }
        }
        return Some(());
    }
    // The last n bits again, c times.
    let n = if n == 0 { varint(next)? } else { n };
    let count = varint(next)?.checked_mul(n)?;
    let from = out.len.checked_sub(n)?;
    if n == 0 {
        return None;
    }
    for i in 0..count.min(most.saturating_sub(out.len)) {
        out.push(out.get(from + i));
    }
    Some(())
}

fn varint(next: &mut impl FnMut() -> Option<u8>) -> Option<usize> {
    let mut value = 0_usize;
    for shift in (0..63).step_by(7) {
        let byte = next()?;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_repetitions() {
        let run = |program: &[u8], bits| {
            let mut bytes = program.iter().copied();
            expand(|| bytes.next(), bits)
        };
        // Three bits 101, then the last two (01) four times more.
        assert_eq!(run(&[3, 0b101, 0x82, 4, 0], 64), [0b0101_0101, 0b101]);
        // A long repetition is cut, an endless one ends.
        assert_eq!(run(&[1, 1, 0x81, 0xff, 0xff, 0xff, 0xff, 0x0f], 16), [0xff, 0xff]);
        assert_eq!(run(&[0x85, 1], 16), [0_u8; 0]);
        assert_eq!(run(&[1, 1, 0x80, 0, 5], 16), [1]);
    }
}
