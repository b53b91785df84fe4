//! AArch64 loads and stores: words, pairs of words, what is exclusive or atomic, vectors, and numbers that lie among
//! the code.

use super::bits::{bit, bits, signed};
use super::{Decoder, Known, SP, TEMPORARY, ZERO, number, rd, rm, rn, source};
use crate::code::op::{Address, Base, Op, Source};

impl Decoder<'_> {
    /// Loads and stores.
    pub(super) fn memory(&mut self, w: u32) {
        match bits(w, 28, 2) {
            0 if !bit(w, 26) => self.exclusive(w),
            0 => self.structures(w),
            1 if bits(w, 24, 2) == 0 => self.literal(w),
            // Memory tags, and atomic operations made for them.
            1 => self.leave(Op::Opaque),
            2 => self.pair(w),
            _ => self.single(w),
        }
    }

    /// LDR of what lies among the code: numbers that no instruction holds.
    fn literal(&mut self, w: u32) {
        let opc = bits(w, 30, 2);
        // Vectors, PRFM.
        if bit(w, 26) || opc == 3 {
            return;
        }
        let place = self.at.wrapping_add_signed(signed(w, 5, 19) * 4).checked_sub(self.start);
        let bytes = place.and_then(|p| self.code.get(usize::try_from(p).ok()?..));
        let number = match opc {
            0 => bytes.and_then(|b| b.first_chunk()).map(|b| u64::from(u32::from_le_bytes(*b))),
            1 => bytes.and_then(|b| b.first_chunk()).map(|b| u64::from_le_bytes(*b)),
            _ => bytes.and_then(|b| b.first_chunk()).map(|b| i64::from(i32::from_le_bytes(*b)).cast_unsigned()),
        };
        match number {
            Some(n) => self.constant(rd(w), n),
            None => self.spoil(rd(w)),
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
