//! Builds [`Columns`] row by row with each string, mapping, function and location stored once.
//! Used by the text readers, the merger and everything else that makes a profile anew. Hash tables
//! are keyed per process (foldhash): names come from outside.

use crate::ProfileError;
use crate::columns::{Columns, Function, Line, Location, Mapping, NONE, Sid, StrRef};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::{BuildHasher, Hasher};

#[derive(Clone, Default)]
pub(crate) struct Builder {
    pub(crate) c: Columns,
    hasher: DefaultHashBuilder,
    strings: HashTable<Sid>,
    functions: HashTable<u32>,
    locations: HashTable<u32>,
}

impl Builder {
    pub(crate) fn new() -> Self {
        let mut b = Self { c: Columns::empty(), ..Self::default() };
        let hasher = b.hasher.clone();
        // String 0 is the empty one.
        let hash = hasher.hash_one(&b""[..]);
        b.strings.insert_unique(hash, 0, |_| hash);
        b
    }

    /// The string's row, if it is there.
    pub(crate) fn find_string(&self, text: &[u8]) -> Option<Sid> {
        let hash = self.hasher.hash_one(text);
        self.strings.find(hash, |s| self.c.bytes(*s) == text).copied()
    }

    pub(crate) fn string(&mut self, text: &[u8]) -> Result<Sid, ProfileError> {
        let hash = self.hasher.hash_one(text);
        let c = &self.c;
        if let Some(s) = self.strings.find(hash, |s| c.bytes(*s) == text) {
            return Ok(*s);
        }
        let offset = u32::try_from(c.buf.len()).ok();
        let fits = c.buf.len().checked_add(text.len()).is_some_and(|n| n < NONE as usize);
        let (Some(offset), true) = (offset, fits && c.strings.len() < NONE as usize) else {
            return Err(ProfileError::TooMany { what: "bytes of names", limit: u64::from(NONE) });
        };
        let s = self.c.strings.len() as u32;
        self.c.buf.extend_from_slice(text);
        self.c.strings.push(StrRef { offset, len: text.len() as u32 });
        let c = &self.c;
        let h = &self.hasher;
        self.strings.insert_unique(hash, s, |s| h.hash_one(c.bytes(*s)));
        Ok(s)
    }

    /// The function's row, if it is there.
    pub(crate) fn find_function(&self, f: &Function) -> Option<u32> {
        let key = function_key(f);
        let hash = self.hasher.hash_one(key);
        self.functions.find(hash, |i| function_key(&self.c.functions[*i as usize]) == key).copied()
    }

    /// `f.id` is ignored: rows are numbered from 1.
    pub(crate) fn function(&mut self, f: Function) -> u32 {
        let key = function_key(&f);
        let hash = self.hasher.hash_one(key);
        let c = &self.c;
        if let Some(i) = self.functions.find(hash, |i| function_key(&c.functions[*i as usize]) == key) {
            return *i;
        }
        let i = self.c.functions.len() as u32;
        self.c.functions.push(Function { id: u64::from(i) + 1, ..f });
        let c = &self.c;
        let h = &self.hasher;
        self.functions.insert_unique(hash, i, |i| h.hash_one(function_key(&c.functions[*i as usize])));
        i
    }

    pub(crate) fn mapping(&mut self, m: Mapping) -> u32 {
        let i = self.c.mappings.len() as u32;
        self.c.mappings.push(Mapping { id: u64::from(i) + 1, ..m });
        i
    }

    /// The location's row, if it is there; as [`Builder::location`] has it.
    pub(crate) fn find_location(&self, mapping: u32, address: u64, folded: bool, lines: &[Line]) -> Option<u32> {
        let hash = location_hash(&self.hasher, mapping, address, folded, lines);
        self.locations.find(hash, |l| self.c.is_location(*l, mapping, address, folded, lines)).copied()
    }

    /// Same location: same mapping, address, lines and foldedness (as pprof's merge has it; the
    /// address must be relative to the mapping's first sight already).
    pub(crate) fn location(&mut self, mapping: u32, address: u64, folded: bool, lines: &[Line]) -> u32 {
        let hash = location_hash(&self.hasher, mapping, address, folded, lines);
        let c = &mut self.c;
        if let Some(l) = self.locations.find(hash, |l| c.is_location(*l, mapping, address, folded, lines)) {
            return *l;
        }
        let first = c.lines.len() as u32;
        c.lines.extend_from_slice(lines);
        let i = c.locations.len() as u32;
        let lines = (first, c.lines.len() as u32);
        c.locations.push(Location { id: u64::from(i) + 1, address, mapping, lines, folded });
        let h = &self.hasher;
        self.locations.insert_unique(hash, i, |l| {
            let at = &c.locations[*l as usize];
            location_hash(h, at.mapping, at.address, at.folded, c.lines_of(*l))
        });
        i
    }
}

fn function_key(f: &Function) -> (Sid, Sid, Sid, i64) {
    (f.name, f.system_name, f.file, f.start_line)
}

fn location_hash(h: &DefaultHashBuilder, mapping: u32, address: u64, folded: bool, lines: &[Line]) -> u64 {
    let mut s = h.build_hasher();
    s.write_u64(address);
    s.write_u64(u64::from(mapping) << 1 | u64::from(folded));
    for line in lines {
        s.write_u64(u64::from(line.function));
        s.write_u64(line.line as u64);
        if line.column != 0 {
            s.write_u64(line.column as u64);
        }
    }
    s.finish()
}
