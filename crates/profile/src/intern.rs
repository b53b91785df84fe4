//! Builds [`Columns`] row by row with each string, mapping, function and location stored once.
//! Used by the text readers, the merger and everything else that makes a profile anew. Hash tables
//! are keyed per process (foldhash): names come from outside.

use crate::ProfileError;
use crate::columns::{Columns, Function, Line, Location, Mapping, NONE, Sid, StrRef};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::{BuildHasher, Hash};

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

    /// Same location: same mapping, address, lines and foldedness (as pprof's merge has it; the
    /// address must be relative to the mapping's first sight already).
    pub(crate) fn location(&mut self, mapping: u32, address: u64, folded: bool, lines: &[Line]) -> u32 {
        let first = self.c.lines.len() as u32;
        self.c.lines.extend_from_slice(lines);
        let i = self.c.locations.len() as u32;
        self.c.locations.push(Location {
            id: u64::from(i) + 1,
            address,
            mapping,
            lines: (first, self.c.lines.len() as u32),
            folded,
        });
        let c = &self.c;
        let h = &self.hasher;
        let hash = location_hash(h, c, i);
        let found = self.locations.find(hash, |l| same_location(c, *l, i)).copied();
        if let Some(l) = found {
            self.c.locations.pop();
            self.c.lines.truncate(first as usize);
            return l;
        }
        self.locations.insert_unique(hash, i, |l| location_hash(h, c, *l));
        i
    }
}

fn function_key(f: &Function) -> (Sid, Sid, Sid, i64) {
    (f.name, f.system_name, f.file, f.start_line)
}

fn location_hash(h: &DefaultHashBuilder, c: &Columns, i: u32) -> u64 {
    use std::hash::Hasher;
    let l = &c.locations[i as usize];
    let mut s = h.build_hasher();
    (l.mapping, l.address, l.folded).hash(&mut s);
    for line in c.lines_of(i) {
        s.write_u64(u64::from(line.function) << 32 ^ line.line as u64);
    }
    s.finish()
}

fn same_location(c: &Columns, a: u32, b: u32) -> bool {
    let (x, y) = (&c.locations[a as usize], &c.locations[b as usize]);
    x.mapping == y.mapping && x.address == y.address && x.folded == y.folded && c.lines_of(a) == c.lines_of(b)
}
