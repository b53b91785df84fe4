//! Which variables the code of a function names: in a stripped program the function table still names
//! the functions, and their instructions hold the addresses of the variables they use. It owns the
//! two ways in which compiled Go code addresses its data: relative to the instruction (amd64), page and
//! offset (arm64). What an address means is the caller's business.

use crate::GoBinary;
use crate::layout::Arch;

/// Most bytes of a function that are looked at; the runtime's are far smaller.
const MOST_CODE: u64 = 64 << 10;

impl<'a> GoBinary<'a> {
    /// Address of a symbol, where there is a symbol table.
    #[must_use]
    pub fn symbol_address(&self, name: &str) -> Option<u64> {
        self.symbol(name).filter(|&a| a != 0)
    }

    /// Addresses of variables in the code of the functions with these names, in the addresses of the
    /// file, in order, without repetitions; only those that hold `initial` when the program starts. There
    /// may be others among them that are none: bytes of code are taken at every offset.
    #[must_use]
    pub fn variables_used_by(&self, functions: &[&str], initial: u64) -> Vec<u64> {
        let (Ok(table), Some(arch)) = (self.pclntab(), self.arch()) else { return Vec::new() };
        let starts: Vec<(u64, &str)> = table.functions().collect();
        let mut found = Vec::new();
        for (i, _) in starts.iter().enumerate().filter(|(_, f)| functions.contains(&f.1)) {
            let (Some(&(start, _)), Some(&(end, _))) = (starts.get(i), starts.get(i + 1)) else { continue };
            let len = usize::try_from(end.saturating_sub(start).min(MOST_CODE)).unwrap_or(0);
            let Some(code) = self.bytes_from(start).and_then(|b| b.get(..len)) else { continue };
            let holds = |a: &u64| self.bytes_from(*a).and_then(|b| b.get(..8)) == Some(&initial.to_le_bytes());
            match arch {
                Arch::Amd64 => found.extend(relative(code, start).filter(holds)),
                Arch::Arm64 => found.extend(paged(code, start).filter(holds)),
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// amd64: `mov r64, [rip+d]` and `cmp qword [rip+d], imm8` or `imm32`, at every offset.
fn relative(code: &[u8], start: u64) -> impl Iterator<Item = u64> + '_ {
    code.windows(7).enumerate().filter_map(move |(i, w)| {
        let &[rex, opcode, modrm, d0, d1, d2, d3] = w else { return None };
        // REX.W, with or without a high register; mod 0 and rm 5: relative to the next instruction.
        if rex & 0xfb != 0x48 || modrm & 0xc7 != 5 {
            return None;
        }
        let immediate = match (opcode, modrm >> 3 & 7) {
            (0x8b, _) => 0,
            (0x83, 7) => 1,
            (0x81, 7) => 4,
            _ => return None,
        };
        let next = start.checked_add(i as u64)?.checked_add(7 + immediate)?;
        next.checked_add_signed(i64::from(i32::from_le_bytes([d0, d1, d2, d3])))
    })
}

/// arm64: `adrp x, page` followed within a few instructions by `ldr r, [x, #offset]`.
fn paged(code: &[u8], start: u64) -> impl Iterator<Item = u64> + '_ {
    let words = || code.chunks_exact(4).map(|w| w.try_into().map_or(0, u32::from_le_bytes));
    words().enumerate().filter(|(_, w)| w & 0x9f00_0000 == 0x9000_0000).filter_map(move |(i, adrp)| {
        let pages = (adrp >> 5 & 0x7_ffff) << 2 | adrp >> 29 & 3;
        // 21 bits, signed.
        let pages = i64::from((pages << 11).cast_signed() >> 11);
        let at = start.checked_add(4 * i as u64)? & !0xfff;
        let page = at.checked_add_signed(pages.checked_mul(4096)?)?;
        // ldr x, [x, #imm12 * 8]
        let load = |w: &u32| w & 0xffc0_0000 == 0xf940_0000 && w >> 5 & 31 == adrp & 31;
        let load = words().skip(i + 1).take(4).find(load)?;
        page.checked_add(u64::from(load >> 10 & 0xfff) * 8)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_are_decoded() {
        // mov rax, [rip+0x10]; cmp qword [rip+0x20], 0 ; at 0x1000.
        let code = [0x48, 0x8b, 0x05, 0x10, 0, 0, 0, 0x48, 0x83, 0x3d, 0x20, 0, 0, 0, 0];
        assert_eq!(relative(&code, 0x1000).collect::<Vec<_>>(), [0x1017, 0x102f]);
        // adrp x27, +2 pages; ldr x0, [x27, #8]
        let adrp = 0x9000_0000_u32 | 2 << 29 & 0x6000_0000 | 27;
        let load = 0xf940_0000_u32 | 1 << 10 | 27 << 5;
        let code = [adrp.to_le_bytes(), load.to_le_bytes()].concat();
        assert_eq!(paged(&code, 0x1000).collect::<Vec<_>>(), [0x3008]);
    }
}
