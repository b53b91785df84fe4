//! Names of a program's variables, where the symbol table was left in the file. Refuses to guess:
//! stripped programs have none.

use crate::GoBinary;
use object::{Object, ObjectSymbol, SymbolKind};
use std::cmp::Reverse;

/// Most symbols that are taken; the largest real programs have some 500,000.
const MOST: usize = 4 << 20;

/// Variables by address.
#[derive(Clone, Debug, Default)]
pub struct Variables<'a> {
    /// Address, size, name; sorted.
    list: Vec<(u64, u64, &'a str)>,
}

impl<'a> Variables<'a> {
    /// The variable whose bytes hold `address` (as in the file, before relocation), and bytes from its start.
    #[must_use]
    pub fn at(&self, address: u64) -> Option<(&'a str, u64)> {
        let i = self.list.partition_point(|v| v.0 <= address).checked_sub(1)?;
        let &(start, size, name) = self.list.get(i)?;
        let offset = address - start;
        (offset < size.max(1)).then_some((name, offset))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none: the program is stripped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl<'a> GoBinary<'a> {
    /// The variables of the symbol table.
    #[must_use]
    pub fn variables(&self) -> Variables<'a> {
        let symbols = self.elf().symbols().take(MOST);
        let mut list: Vec<_> = symbols
            .filter(|s| s.kind() == SymbolKind::Data && s.address() != 0)
            .filter_map(|s| Some((s.address(), s.size(), s.name().ok()?)))
            .collect();
        // Marks of the linker (`runtime.bss`) stand where variables begin: they have no size.
        list.sort_unstable_by_key(|v| (v.0, Reverse(v.1), v.2));
        list.dedup_by_key(|v| v.0);
        Variables { list }
    }
}
