//! AArch64 instructions as [`Op`]s. Owns which general registers an instruction writes, and what the assembler of Go
//! does with addresses too far for one instruction (`src/cmd/internal/obj/arm64/{asm7,obj7}.go` of Go 1.27): they go
//! by a register of their own. What is not recognized makes all registers unknown.
//!
//! An instruction that does two things, such as a load of two words, gives two steps; the second lies one byte behind
//! the first, where no instruction begins.

mod bits;
mod memory;
#[cfg(test)]
mod tests;

use super::op::{Address, Base, Op, Register, Source, Step};
use bits::{bit, bits, logical_immediate, signed};

/// Register 31 where it means the stack pointer or zero.
const SP: u32 = 31;
const ZERO: u32 = 31;
/// `REGTMP` of Go's assembler: holds addresses and large numbers within one instruction of the source.
const TEMPORARY: u32 = 27;
/// The frame pointer: for unwinding alone.
const FRAME: u32 = 29;

/// What a register holds by the instructions right before it. Ways that meet in between are not looked at: only what
/// the assembler does within one instruction of the source may be told by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Number(u64),
    /// So many bytes above the stack pointer.
    Stack(i64),
}

/// The instructions of a function, one after the other.
struct Decoder<'s> {
    code: &'s [u8],
    start: u64,
    steps: &'s mut Vec<Step>,
    at: u64,
    /// Steps of the instruction at hand.
    parts: u64,
    known: [Option<Known>; 31],
    /// Table that the last instruction loaded an address of code out of, and into which register.
    target: Option<(u32, u64)>,
    /// Register that the last instruction gave an address of the frame, of which the low part may be missing.
    far: Option<(u32, i64)>,
}

/// Appends the steps of a function's code, which lies at `address`.
pub(super) fn decode(code: &[u8], address: u64, steps: &mut Vec<Step>) {
    let mut decoder =
        Decoder { code, start: address, steps, at: address, parts: 0, known: [None; 31], target: None, far: None };
    for word in code.chunks_exact(4) {
        decoder.instruction(word.try_into().map_or(0, u32::from_le_bytes));
        decoder.at = decoder.at.wrapping_add(4);
    }
}

/// The number of a register, unless it is 31.
fn number(r: u32) -> Option<Register> {
    (r < 31).then_some(r as Register)
}

fn rd(w: u32) -> u32 {
    bits(w, 0, 5)
}

fn rn(w: u32) -> u32 {
    bits(w, 5, 5)
}

fn rm(w: u32) -> u32 {
    bits(w, 16, 5)
}

/// What a register holds, 31 being zero.
fn source(r: u32) -> Source {
    number(r).map_or(Source::Constant(0), Source::Register)
}

impl Decoder<'_> {
    fn put(&mut self, op: Op) {
        let at = self.at.wrapping_add(self.parts);
        self.steps.push(Step { at, next: self.at.wrapping_add(4), op });
        self.parts += 1;
    }

    /// Steps that write a register: what was known of it is known no more.
    fn write(&mut self, to: u32, from: Source) {
        if let Some(to) = number(to) {
            self.forget(u32::from(to));
            let op = if from == Source::Unknown { Op::Spoil(1 << to) } else { Op::Move { to, from } };
            self.put(op);
        }
    }

    fn spoil(&mut self, register: u32) {
        self.write(register, Source::Unknown);
    }

    fn forget(&mut self, register: u32) {
        if let Some(known) = self.known.get_mut(register as usize) {
            *known = None;
        }
    }

    fn know(&mut self, register: u32, what: Known) {
        if let Some(known) = self.known.get_mut(register as usize) {
            *known = Some(what);
        }
    }

    fn known(&self, register: u32) -> Option<Known> {
        self.known.get(register as usize).copied().flatten()
    }

    /// Moves the stack pointer: what was known by its old place is known no more.
    fn stack(&mut self, by: i64) {
        self.known = self.known.map(|k| k.filter(|k| matches!(k, Known::Number(_))));
        self.put(i32::try_from(by).map_or(Op::Opaque, Op::Stack));
    }

    /// Control does not simply go on behind: nothing is known there of what came before.
    fn leave(&mut self, op: Op) {
        self.known = [None; 31];
        self.put(op);
    }

    fn instruction(&mut self, w: u32) {
        self.parts = 0;
        let (target, far) = (self.target.take(), self.far.take());
        match bits(w, 25, 4) {
            // UDF, and the padding behind functions.
            0b0000 if w >> 16 == 0 => self.leave(Op::End),
            0b1000 | 0b1001 => self.immediate(w, far),
            0b1010 | 0b1011 => self.branch(w, target),
            0b0101 | 0b1101 => self.register(w),
            0b0111 | 0b1111 => self.vector(w),
            n if n & 0b0101 == 0b0100 => self.memory(w),
            // Reserved, and scalable vectors: Go makes none.
            _ => self.leave(Op::Opaque),
        }
        if self.parts == 0 {
            self.put(Op::Nothing);
        }
    }

    /// Data processing with a number in the instruction.
    fn immediate(&mut self, w: u32, far: Option<(u32, i64)>) {
        let wide = bit(w, 31);
        match bits(w, 23, 3) {
            0 | 1 => {
                let low = i64::from(bits(w, 29, 2));
                let value = signed(w, 5, 19) << 2 | low;
                let address = if wide {
                    (self.at & !0xfff).wrapping_add_signed(value << 12)
                } else {
                    self.at.wrapping_add_signed(value)
                };
                self.constant(rd(w), address);
            }
            2 => self.add_immediate(w, far),
            // Memory tags.
            3 => self.leave(Op::Opaque),
            4 => {
                // AND, ORR, EOR write the stack pointer where ANDS writes nothing.
                if rd(w) == SP && bits(w, 29, 2) != 3 {
                    return self.leave(Op::Opaque);
                }
                match logical_immediate(w) {
                    Some(n) if bits(w, 29, 2) == 1 && rn(w) == ZERO => self.constant(rd(w), n),
                    _ => self.spoil(rd(w)),
                }
            }
            5 => {
                let shift = 16 * bits(w, 21, 2);
                let part = u64::from(bits(w, 5, 16)) << shift;
                let narrow = |n: u64| if wide { n } else { n & 0xffff_ffff };
                match (bits(w, 29, 2), self.known(rd(w))) {
                    (0, _) => self.constant(rd(w), narrow(!part)),
                    (2, _) => self.constant(rd(w), narrow(part)),
                    (3, Some(Known::Number(n))) => self.constant(rd(w), narrow(n & !(0xffff << shift) | part)),
                    _ => self.spoil(rd(w)),
                }
            }
            _ => self.spoil(rd(w)),
        }
    }

    fn constant(&mut self, to: u32, n: u64) {
        self.write(to, Source::Constant(n));
        self.know(to, Known::Number(n));
    }

    /// ADD, ADDS, SUB, SUBS of a number.
    fn add_immediate(&mut self, w: u32, far: Option<(u32, i64)>) {
        let (to, of, wide) = (rd(w), rn(w), bit(w, 31));
        let n = i64::from(bits(w, 10, 12)) << if bit(w, 22) { 12 } else { 0 };
        let (n, subtracts, flags) = (if bit(w, 30) { -n } else { n }, bit(w, 30), bit(w, 29));
        if to == ZERO && flags {
            return;
        }
        let rest = far.filter(|f| f.0 == of && to == of).map(|f| Known::Stack(f.1));
        let known = match rest.or(self.known(of)) {
            _ if of == SP => Some(Known::Stack(n)),
            Some(Known::Stack(base)) => Some(Known::Stack(base + n)),
            Some(Known::Number(base)) => Some(Known::Number(base.wrapping_add_signed(n))),
            None => None,
        };
        let known = known.filter(|_| wide);
        match (known, number(of)) {
            (Some(Known::Stack(by)), _) if to == SP => self.stack(by),
            _ if to == SP => self.leave(Op::Opaque),
            (Some(Known::Stack(offset)), _) => self.stack_address(to, offset),
            (_, Some(r)) if wide && !subtracts => {
                self.write(to, Source::AddressOf(Address { base: Base::Register(r), offset: n, indexed: false }));
                if let Some(known) = known {
                    self.know(to, known);
                }
            }
            _ => self.spoil(to),
        }
    }

    /// The address of a word of the frame goes into a register.
    fn stack_address(&mut self, to: u32, offset: i64) {
        // A frame's end, the saved frame pointer's place, a word too far away: nothing that the program sees.
        if offset < 0 || to == TEMPORARY || to == FRAME {
            self.spoil(to);
            self.know(to, Known::Stack(offset));
        } else {
            self.write(to, Source::AddressOf(Address { base: Base::Stack, offset, indexed: false }));
            self.far = Some((to, offset));
        }
    }

    fn branch(&mut self, w: u32, table: Option<(u32, u64)>) {
        let to = |at: u64, words: i64| at.wrapping_add_signed(words * 4);
        match bits(w, 29, 3) {
            0b000 => self.leave(Op::Jump(to(self.at, signed(w, 0, 26)))),
            0b100 => self.leave(Op::Call(Some(to(self.at, signed(w, 0, 26))))),
            // CBZ, CBNZ; TBZ, TBNZ.
            0b001 | 0b101 if !bit(w, 25) => self.put(Op::Branch(to(self.at, signed(w, 5, 19)))),
            0b001 | 0b101 => self.put(Op::Branch(to(self.at, signed(w, 5, 14)))),
            0b010 if bits(w, 24, 2) == 0 => self.put(Op::Branch(to(self.at, signed(w, 5, 19)))),
            0b110 => self.system(w, table),
            _ => self.leave(Op::Opaque),
        }
    }

    fn system(&mut self, w: u32, table: Option<(u32, u64)>) {
        if bit(w, 25) {
            // BR, BLR, RET; others are of the kernel or authenticate pointers.
            return match bits(w, 21, 4) {
                _ if w & 0xfe1f_fc1f != 0xd61f_0000 => self.leave(Op::Opaque),
                0 => self.leave(Op::Table(table.filter(|t| t.0 == rn(w)).map(|t| t.1))),
                1 => self.leave(Op::Call(None)),
                2 => self.leave(Op::Return),
                _ => self.leave(Op::Opaque),
            };
        }
        match (bits(w, 24, 1), bits(w, 21, 3), w & 3) {
            // SVC comes back with results in registers.
            (0, 0, 1) => self.leave(Op::Spoil(u32::MAX)),
            (0, ..) => self.leave(Op::End),
            // MRS and SYSL read; hints, barriers and MSR do not.
            (_, read, _) if read & 1 == 1 => self.spoil(rd(w)),
            _ => {}
        }
    }

    /// Data processing with registers.
    fn register(&mut self, w: u32) {
        let wide = bit(w, 31);
        match (bit(w, 28), bits(w, 21, 4)) {
            (false, 0..8) => {
                let plain = bits(w, 29, 2) == 1 && rn(w) == ZERO && !bit(w, 21) && bits(w, 10, 6) == 0;
                self.write(rd(w), if plain && wide { source(rm(w)) } else { Source::Unknown });
            }
            (false, kind) => self.add_register(w, kind & 1 == 1),
            // CCMP, CCMN.
            (true, 2) => {}
            (true, _) => self.spoil(rd(w)),
        }
    }

    /// ADD, ADDS, SUB, SUBS of a register that is shifted or extended.
    fn add_register(&mut self, w: u32, extended: bool) {
        let (to, of, other) = (rd(w), rn(w), rm(w));
        let (wide, subtracts, flags) = (bit(w, 31), bit(w, 30), bit(w, 29));
        if to == ZERO && (flags || !extended) {
            return;
        }
        if extended && of == SP {
            let n = match self.known(other) {
                // UXTX without a shift.
                Some(Known::Number(n)) if wide && bits(w, 10, 6) == 0b011_000 => Some(n.cast_signed()),
                _ => None,
            };
            let n = n.and_then(|n| if subtracts { n.checked_neg() } else { Some(n) });
            return match n {
                Some(by) if to == SP => self.stack(by),
                Some(by) => self.stack_address(to, by),
                None if subtracts && to != SP => self.spoil(to),
                None => self.leave(Op::Opaque),
            };
        }
        if to == SP {
            return self.leave(Op::Opaque);
        }
        match (number(to), number(of)) {
            (Some(register), Some(of)) if wide && !subtracts => {
                let and = number(other).filter(|_| !extended && bits(w, 10, 6) == 0);
                self.forget(to);
                self.put(Op::Add { to: register, of, and });
            }
            _ => self.spoil(to),
        }
    }

    /// Floating point and vectors: some write a general register.
    fn vector(&mut self, w: u32) {
        let scalar = bits(w, 24, 5) == 0b11110 && !bit(w, 30);
        let fused = bits(w, 24, 5) == 0b11111 && !bit(w, 30);
        if fused || (scalar && bit(w, 21) && bits(w, 10, 6) != 0) {
            return;
        }
        // Conversions, and whatever it may be among the vector instructions.
        self.spoil(rd(w));
    }
}
