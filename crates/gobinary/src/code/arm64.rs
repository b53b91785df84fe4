//! AArch64 instructions as [`Op`]s. Owns which general registers an instruction writes, and what the assembler of Go
//! does with addresses too far for one instruction (`src/cmd/internal/obj/arm64/{asm7,obj7}.go` of Go 1.27): they go
//! by a register of their own. What is not recognized makes all registers unknown.
//!
//! An instruction that does two things, such as a load of two words, gives two steps; the second lies one byte behind
//! the first, where no instruction begins.

use super::arm64_bits::{bit, bits, logical_immediate, signed};
use super::op::{Address, Base, Op, Register, Source, Step};

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
    steps: &'s mut Vec<Step>,
    at: u64,
    /// Steps of the instruction at hand.
    parts: u64,
    known: [Option<Known>; 31],
    /// Table that the last instruction loaded an address of code out of, and into which register.
    target: Option<(u32, u64)>,
}

/// Appends the steps of a function's code, which lies at `address`.
pub(super) fn decode(code: &[u8], address: u64, steps: &mut Vec<Step>) {
    let mut decoder = Decoder { steps, at: address, parts: 0, known: [None; 31], target: None };
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
        let target = self.target.take();
        match bits(w, 25, 4) {
            // UDF, and the padding behind functions.
            0b0000 if w >> 16 == 0 => self.leave(Op::End),
            0b1000 | 0b1001 => self.immediate(w),
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
    fn immediate(&mut self, w: u32) {
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
            2 => self.add_immediate(w),
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
    fn add_immediate(&mut self, w: u32) {
        let (to, of, wide) = (rd(w), rn(w), bit(w, 31));
        let n = i64::from(bits(w, 10, 12)) << if bit(w, 22) { 12 } else { 0 };
        let (n, subtracts, flags) = (if bit(w, 30) { -n } else { n }, bit(w, 30), bit(w, 29));
        if to == ZERO && flags {
            return;
        }
        let known = match self.known(of) {
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

    fn memory(&mut self, w: u32) {
        match bits(w, 28, 2) {
            0 if !bit(w, 26) => self.exclusive(w),
            0 => self.structures(w),
            // LDR of what lies beside the code.
            1 if bits(w, 24, 2) == 0 => {
                if !bit(w, 26) && bits(w, 30, 2) != 3 {
                    self.spoil(rd(w));
                }
            }
            // Memory tags, and atomic operations made for them.
            1 => self.leave(Op::Opaque),
            2 => self.pair(w),
            _ => self.single(w),
        }
    }

    /// Where memory is: what the assembler put together in a register counts as what it stands for.
    fn address(&self, base: u32, offset: i64) -> Address {
        let of = |base, offset| Address { base, offset, indexed: false };
        match (number(base), self.known(base)) {
            (None, _) => of(Base::Stack, offset),
            (_, Some(Known::Stack(start))) => of(Base::Stack, start.saturating_add(offset)),
            (Some(r), _) => of(Base::Register(r), offset),
        }
    }

    /// A base register that is changed before or behind the access.
    fn write_back(&mut self, base: u32, by: i64) {
        if base == SP { self.stack(by) } else { self.spoil(base) }
    }

    /// LDAXR, STLXR, LDAR, STLR, CAS and their like.
    fn exclusive(&mut self, w: u32) {
        let word = bits(w, 30, 2) == 3;
        let to = self.address(rn(w), 0);
        let (ordered, load, pair) = (bit(w, 23), bit(w, 22), bit(w, 21));
        match (ordered, load, pair) {
            (true, true, false) => self.write(rd(w), if word { Source::Load(to) } else { Source::Unknown }),
            (true, false, false) => {
                let from = if word { source(rd(w)) } else { Source::Unknown };
                self.put(Op::Store { to, bytes: 1 << bits(w, 30, 2), from });
            }
            _ => self.exchange(&[rd(w), bits(w, 10, 5), rm(w)], to),
        }
    }

    fn exchange(&mut self, written: &[u32], to: Address) {
        let registers = written.iter().filter_map(|&r| number(r)).fold(0, |mask, r| mask | 1 << r);
        written.iter().for_each(|&r| self.forget(r));
        // What a word becomes is not known, nor that of its neighbour.
        self.put(Op::Exchange { registers, to });
        self.put(Op::Store { to, bytes: 16, from: Source::Unknown });
    }

    /// LD1 to LD4, ST1 to ST4.
    fn structures(&mut self, w: u32) {
        if !bit(w, 22) {
            let to = self.address(rn(w), 0);
            self.put(Op::Store { to, bytes: 64, from: Source::Unknown });
        }
        if bit(w, 23) {
            if rn(w) == SP { self.leave(Op::Opaque) } else { self.spoil(rn(w)) }
        }
    }

    /// LDP, STP.
    fn pair(&mut self, w: u32) {
        let (size, vector, load) = (bits(w, 30, 2), bit(w, 26), bit(w, 22));
        let bytes: u32 = match (vector, size) {
            (_, 3) => return self.leave(Op::Opaque),
            (true, n) => 4 << n,
            (false, n) => 4 << (n >> 1),
        };
        let offset = signed(w, 15, 7) * i64::from(bytes);
        let (first, second, base) = (rd(w), bits(w, 10, 5), rn(w));
        let mode = bits(w, 23, 2);
        if mode == 3 {
            self.write_back(base, offset);
        }
        // A base that was written back names the place itself.
        let at = if mode & 1 == 1 { 0 } else { offset };
        let low = self.address(base, at);
        let high = Address { offset: low.offset.saturating_add(i64::from(bytes)), ..low };
        let word = bytes == 8 && !vector;
        match load {
            _ if vector && load => {}
            true => {
                let of = |a| if word { Source::Load(a) } else { Source::Unknown };
                let mut loads = [(first, of(low)), (second, of(high))];
                // The base is read before it is overwritten.
                if first == base {
                    loads.reverse();
                }
                loads.into_iter().for_each(|(to, from)| self.write(to, from));
            }
            false => {
                let of = |r| if word { source(r) } else { Source::Unknown };
                self.put(Op::Store { to: low, bytes, from: of(first) });
                self.put(Op::Store { to: high, bytes, from: of(second) });
            }
        }
        if mode == 1 {
            self.write_back(base, offset);
        }
    }

    /// LDR, STR and their like.
    fn single(&mut self, w: u32) {
        let (size, vector, opc) = (bits(w, 30, 2), bit(w, 26), bits(w, 22, 2));
        let scale = if vector && opc & 2 != 0 { 4 } else { size };
        let base = rn(w);
        if bit(w, 24) {
            let to = self.address(base, i64::from(bits(w, 10, 12)) << scale);
            return self.access(w, scale, to);
        }
        match (bit(w, 21), bits(w, 10, 2)) {
            (false, mode) => {
                let offset = signed(w, 12, 9);
                if mode == 3 {
                    self.write_back(base, offset);
                }
                let to = self.address(base, if mode & 1 == 1 { 0 } else { offset });
                self.access(w, scale, to);
                if mode == 1 {
                    self.write_back(base, offset);
                }
            }
            (true, 2) => {
                let index = self.known(rm(w)).filter(|_| rm(w) == TEMPORARY);
                // LSL or UXTX, without a shift.
                let plain = bits(w, 13, 3) == 0b011 && !bit(w, 12);
                let to = match index {
                    Some(Known::Number(n)) if plain => self.address(base, n.cast_signed()),
                    _ => Address { indexed: true, ..self.address(base, 0) },
                };
                let table = self.known(base);
                self.access(w, scale, to);
                if let Some(Known::Number(table)) = table
                    && (scale, opc, vector) == (3, 1, false)
                    && bits(w, 12, 4) == 0b0111
                {
                    self.target = Some((rd(w), table));
                }
            }
            // Atomic operations: the old value comes back in a register.
            (true, 0) if !vector => {
                let to = self.address(base, 0);
                self.exchange(&[rd(w), rm(w)], to);
            }
            _ => self.leave(Op::Opaque),
        }
    }

    fn access(&mut self, w: u32, scale: u32, to: Address) {
        let (size, vector, opc) = (bits(w, 30, 2), bit(w, 26), bits(w, 22, 2));
        match (vector, opc) {
            (true, _) if opc & 1 == 1 => {}
            (true, _) => self.put(Op::Store { to, bytes: 1 << scale, from: Source::Unknown }),
            (false, 0) => {
                let from = if size == 3 || rd(w) == ZERO { source(rd(w)) } else { Source::Unknown };
                self.put(Op::Store { to, bytes: 1 << scale, from });
            }
            (false, 1) if size == 3 => self.write(rd(w), Source::Load(to)),
            // PRFM.
            (false, 2) if size == 3 => {}
            _ => self.spoil(rd(w)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn steps(words: &[u32]) -> Vec<Op> {
        let code: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        let mut steps = Vec::new();
        decode(&code, 0x12_0000, &mut steps);
        assert!(steps.is_sorted_by_key(|s| s.at));
        steps.into_iter().map(|s| s.op).collect()
    }

    fn at(base: Base, offset: i64) -> Address {
        Address { base, offset, indexed: false }
    }

    const LOAD_1: Op =
        Op::Move { to: 1, from: Source::Load(Address { base: Base::Register(1), offset: 8, indexed: false }) };

    /// The words are what `go tool objdump` shows of the instruction beside them.
    #[test]
    fn words_are_moved() {
        let store = |offset, from| Op::Store { to: at(Base::Stack, offset), bytes: 8, from };
        for (word, ops) in [
            // MOVD R0, R2 and MOVD ZR, R7; MOVD $5, R1; ORR $32, ZR, R0; MOVW R1, R2.
            (0xaa00_03e2, vec![Op::Move { to: 2, from: Source::Register(0) }]),
            (0xaa1f_03e7, vec![Op::Move { to: 7, from: Source::Constant(0) }]),
            (0xd280_00a1, vec![Op::Move { to: 1, from: Source::Constant(5) }]),
            (0xb27b_03e0, vec![Op::Move { to: 0, from: Source::Constant(32) }]),
            (0x2a01_03e2, vec![Op::Spoil(1 << 2)]),
            // ADRP 61440(PC), R0; ADD $578, R0, R0; ADD $104, RSP, R5; ADD R12, R11, R13.
            (0xf000_0060, vec![Op::Move { to: 0, from: Source::Constant(0x12_f000) }]),
            (0x9109_0800, vec![Op::Move { to: 0, from: Source::AddressOf(at(Base::Register(0), 578)) }]),
            (0x9101_a3e5, vec![Op::Move { to: 5, from: Source::AddressOf(at(Base::Stack, 104)) }]),
            (0x8b0c_016d, vec![Op::Add { to: 13, of: 11, and: Some(12) }]),
            // ADD R12<<1, R12, R12; SUB $24, R12, R12; SUB $8, RSP, R29; CMP $0, R3.
            (0x8b0c_058c, vec![Op::Add { to: 12, of: 12, and: None }]),
            (0xd100_618c, vec![Op::Spoil(1 << 12)]),
            (0xd100_23fd, vec![Op::Spoil(1 << 29)]),
            (0xf100_007f, vec![Op::Nothing]),
            // MOVD R0, 136(RSP); MOVD 8(R1), R1; MOVWU 176(R27), R10; MOVD (R11)(R12), R14.
            (0xf900_47e0, vec![store(136, Source::Register(0))]),
            (0xf940_0421, vec![LOAD_1]),
            (0xb940_b36a, vec![Op::Spoil(1 << 10)]),
            (
                0xf86c_696e,
                vec![Op::Move {
                    to: 14,
                    from: Source::Load(Address { base: Base::Register(11), offset: 0, indexed: true }),
                }],
            ),
            // STP (R10, R0), 104(RSP); LDP 48(R10), (R11, R12).
            (0xa906_83ea, vec![store(104, Source::Register(10)), store(112, Source::Register(0))]),
            (
                0xa943_314b,
                vec![
                    Op::Move { to: 11, from: Source::Load(at(Base::Register(10), 48)) },
                    Op::Move { to: 12, from: Source::Load(at(Base::Register(10), 56)) },
                ],
            ),
            // FMOVD 16(R3), F0; FMULD F0, F1, F0; FCVTZSD F0, R4; CSEL LE, R5, R4, R4.
            (0xfd40_0860, vec![Op::Nothing]),
            (0x1e60_0820, vec![Op::Nothing]),
            (0x9e78_0004, vec![Op::Spoil(1 << 4)]),
            (0x9a84_d0a4, vec![Op::Spoil(1 << 4)]),
        ] {
            assert_eq!(steps(&[word]), ops, "{word:#x}");
        }
    }

    #[test]
    fn ways_are_followed() {
        for (word, op) in [
            // CALL 0x121100; JMP back 17 words; BLS 13(PC); CBZ R4, 9(PC); CALL (R1); RET; padding.
            (0x9400_0440, Op::Call(Some(0x12_1100))),
            (0x17ff_ffef, Op::Jump(0x11_ffbc)),
            (0x5400_01a9, Op::Branch(0x12_0034)),
            (0xb400_0124, Op::Branch(0x12_0024)),
            (0x3600_0363, Op::Branch(0x12_006c)),
            (0xd63f_0020, Op::Call(None)),
            (0xd65f_03c0, Op::Return),
            (0, Op::End),
        ] {
            assert_eq!(steps(&[word]), [op], "{word:#x}");
        }
        // ADRP; ADD $800, R1, R1; MOVD (R1)(R3<<3), R27; JMP (R27).
        let table = steps(&[0xb000_0961, 0x910c_8021, 0xf863_783b, 0xd61f_0360]);
        assert_eq!(table.last(), Some(&Op::Table(Some(0x24_d320))));
        assert_eq!(steps(&[0xd61f_0360]), [Op::Table(None)]);
    }

    #[test]
    fn frames_are_made_and_left() {
        // MOVD.W R30, -48(RSP); MOVD.P 48(RSP), R30.
        assert_eq!(
            steps(&[0xf81d_0ffe, 0xf843_07fe]),
            [
                Op::Stack(-48),
                Op::Store { to: at(Base::Stack, 0), bytes: 8, from: Source::Register(30) },
                Op::Move { to: 30, from: Source::Load(at(Base::Stack, 0)) },
                Op::Stack(48),
            ]
        );
        // A large one: SUB $944, RSP, R20; STP (R29, R30), -8(R20); MOVD R20, RSP.
        let large = steps(&[0xd10e_c3f4, 0xa93f_fa9d, 0x9100_029f]);
        assert_eq!(large.first(), Some(&Op::Spoil(1 << 20)));
        assert_eq!(large.get(1).map(|o| matches!(o, Op::Store { to, .. } if *to == at(Base::Stack, -952))), Some(true));
        assert_eq!(large.last(), Some(&Op::Stack(-944)));
        // One larger still, by a number: MOVD $66560, R27 and ADD R27, RSP, RSP.
        assert_eq!(steps(&[0xd280_801b, 0xf2a0_003b, 0x8b3b_63ff]).last(), Some(&Op::Stack(0x1_0400)));
        // The stack pointer from a register of unknown value.
        assert_eq!(steps(&[0x9100_029f]), [Op::Opaque]);
    }

    #[test]
    fn words_too_far_away_are_words_of_the_frame() {
        // ADD $976, RSP, R27; MOVD R0, 8(R27).
        let far = steps(&[0x910f_43fb, 0xf900_0760]);
        let store = Op::Store { to: at(Base::Stack, 984), bytes: 8, from: Source::Register(0) };
        assert_eq!(far, [Op::Spoil(1 << 27), store]);
    }

    proptest! {
        #[test]
        fn any_words_are_decoded(words in prop::collection::vec(any::<u32>(), 0..64)) {
            prop_assert!(steps(&words).len() >= words.len());
        }
    }
}
