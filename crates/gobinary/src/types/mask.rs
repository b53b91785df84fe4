//! The garbage collector's own view of a type: a bit per word. It is read as the runtime reads it (a
//! bitmap, a program up to Go 1.23, a bitmap made on demand from Go 1.24), or put together from the
//! parts of the type where the bitmap is not at hand.

use super::read::{KIND_GC_PROG, MOST_SIZE};
use super::{RuntimeTypes, Type, TypeId};
use crate::gcprog;

/// Most words of a value whose mask is made: 1 GiB of value, 16 MiB of mask.
const MOST_WORDS: u64 = 1 << 27;
/// Most bytes of a GC program.
const MOST_PROGRAM: u64 = 1 << 20;

/// Which words of a value are pointers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PointerMask {
    words: Vec<u64>,
    len: u64,
}

impl PointerMask {
    fn new(len: u64) -> Self {
        Self { words: vec![0; len.div_ceil(64) as usize], len }
    }

    /// Words that the mask covers: up to and with the last pointer, or a little more (GC programs, up to Go
    /// 1.23). What follows holds none.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether the mask covers nothing: a value without pointers.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the word is a pointer.
    #[must_use]
    pub fn is_pointer(&self, word: u64) -> bool {
        let bits = usize::try_from(word / 64).ok().and_then(|i| self.words.get(i));
        word < self.len && bits.is_some_and(|b| b >> (word % 64) & 1 == 1)
    }

    /// The words that are pointers.
    pub fn pointers(&self) -> impl Iterator<Item = u64> {
        (0..self.len).filter(|&w| self.is_pointer(w))
    }

    /// The bits, 64 words in each number, the lowest bit first.
    #[must_use]
    pub fn bits(&self) -> &[u64] {
        &self.words
    }

    fn set(&mut self, word: u64) -> bool {
        let len = self.len;
        let bits = usize::try_from(word / 64).ok().and_then(|i| self.words.get_mut(i));
        match bits {
            Some(b) if word < len => {
                *b |= 1 << (word % 64);
                true
            }
            _ => false,
        }
    }
}

/// What the garbage collector needs of a type. Descriptors made at run time may have nothing else: those of
/// unrolled GC programs (`heapSetType`, `src/runtime/mbitmap.go` of Go 1.22, 1.23) and of the buckets of maps that
/// package reflect makes (`bucketOf`, `src/reflect/type.go`, up to 1.23).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BareType {
    /// Bytes of a value.
    pub size: u64,
    /// Its pointers lie in its first bytes, that many.
    pub ptr_bytes: u64,
    gc_data: u64,
    gc_program: bool,
}

impl RuntimeTypes<'_> {
    /// What a descriptor outside of the modules says to the garbage collector.
    #[must_use]
    pub fn bare(&self, address: u64) -> Option<BareType> {
        if self.section_of(address).is_some() || !address.is_multiple_of(8) {
            return None;
        }
        let f = &self.layout.abi_type;
        let word = |offset: u32| self.memory.u64(address.checked_add(u64::from(offset))?).ok();
        let (size, ptr_bytes, gc_data) = (word(f.size_)?, word(f.ptr_bytes)?, word(f.gc_data)?);
        let kind = self.memory.u8(address.checked_add(u64::from(f.kind))?).ok()?;
        let fits = size > 0 && size <= MOST_SIZE && ptr_bytes <= size && ptr_bytes % 8 == 0;
        let gc_program = self.layout.minor <= 23 && kind & KIND_GC_PROG != 0;
        fits.then_some(BareType { size, ptr_bytes, gc_data, gc_program })
    }

    /// Which words of a value the garbage collector follows.
    #[must_use]
    pub fn bare_mask(&self, bare: BareType) -> Option<PointerMask> {
        let len = bare.ptr_bytes / 8;
        if len == 0 {
            return Some(PointerMask::default());
        }
        if len > MOST_WORDS {
            return None;
        }
        if bare.gc_program { self.run_gc_program(bare.gc_data, len) } else { self.mask_at(bare.gc_data, len) }
    }

    /// Which words of a value of the type the garbage collector follows. `None` for what is no type, is
    /// damaged, or holds more than a GiB.
    #[must_use]
    pub fn pointer_mask(&self, id: TypeId) -> Option<PointerMask> {
        let typ = self.get(id)?;
        let len = typ.ptr_bytes / 8;
        if len == 0 {
            return Some(PointerMask::default());
        }
        if len > MOST_WORDS {
            return None;
        }
        self.stored_mask(typ, len).or_else(|| self.structural_mask(id))
    }

    /// The mask as the parts of the type have it.
    #[must_use]
    pub fn structural_mask(&self, id: TypeId) -> Option<PointerMask> {
        let len = self.get(id)?.ptr_bytes / 8;
        if len > MOST_WORDS {
            return None;
        }
        let mut mask = PointerMask::new(len);
        let mut inside = true;
        let complete = self.each_pointer(id, &mut |word, kind| {
            inside = mask.set(word.saturating_add(u64::from(kind.pointer_word())));
            inside
        });
        (complete && inside).then_some(mask)
    }

    fn stored_mask(&self, typ: &Type, len: u64) -> Option<PointerMask> {
        if typ.gc_program {
            return self.run_gc_program(typ.gc_data, len);
        }
        // From Go 1.24 long masks are made when the first value is allocated: nil until then.
        let data = if typ.gc_on_demand { self.memory.u64(typ.gc_data).ok()? } else { typ.gc_data };
        self.mask_at(data, len)
    }

    /// A mask of so many bits.
    fn mask_at(&self, data: u64, len: u64) -> Option<PointerMask> {
        if data == 0 {
            return None;
        }
        let mut scratch = Vec::new();
        let bytes = self.memory.view(data, len.div_ceil(8) as usize, &mut scratch).ok()?;
        let mut words: Vec<u64> =
            bytes.chunks(8).map(|c| c.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))).collect();
        if let (Some(last), used @ 1..) = (words.last_mut(), len % 64) {
            *last &= (1 << used) - 1;
        }
        Some(PointerMask { words, len })
    }

    /// A GC program (Go 1.19 to 1.23), behind its length in bytes.
    fn run_gc_program(&self, address: u64, len: u64) -> Option<PointerMask> {
        let size = u64::from(self.memory.u32(address).ok()?);
        if size > MOST_PROGRAM {
            return None;
        }
        let mut scratch = Vec::new();
        let program = self.memory.view(address.checked_add(4)?, size as usize, &mut scratch).ok()?;
        let mut program = program.iter().copied();
        let bytes = gcprog::expand(|| program.next(), len as usize);
        let mut mask = PointerMask::new(len);
        for (word, chunk) in mask.words.iter_mut().zip(bytes.chunks(8)) {
            *word = chunk.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        }
        Some(mask)
    }
}
