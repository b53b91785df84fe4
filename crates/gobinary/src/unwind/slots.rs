//! Which words of one frame hold pointers (`getStackMap` of `src/runtime/stkframe.go`,
//! `scanframeworker` of `src/runtime/mgcmark.go`, Go 1.18 to 1.27). It owns the reading of stack maps
//! against a frame; which stack objects are reached is the business of `objects`.

use super::{Arch, StackFrame, StackSource};
use super::{injected_frame, min_frame, uses_lr};
use crate::pclntab::PCDATA_STACK_MAP_INDEX;
use crate::{ArgsSize, Bitmap, Functions, Memory, gcprog};
use std::ops::Range;

/// Most words of a bitmap outside the executable (the arguments of a call by reflection).
const MOST_ARGS: u32 = 1 << 16;

/// The pointers of one frame.
#[derive(Clone, Debug, Default)]
pub struct FrameSlots {
    /// Addresses of words of the stack that hold a pointer or nil.
    pub pointers: Vec<u64>,
    /// Ranges of the stack of which the garbage collector itself takes each word for a pointer if it
    /// looks like one.
    pub conservative: Vec<Range<u64>>,
    /// Locals whose address is taken: their pointers count only if something points to them.
    pub objects: Vec<ObjectAt>,
    /// Whether a stack map that the frame should have is missing or does not fit it.
    pub incomplete: bool,
}

impl FrameSlots {
    /// Empties it for the next frame.
    pub fn clear(&mut self) {
        self.pointers.clear();
        self.conservative.clear();
        self.objects.clear();
        self.incomplete = false;
    }
}

/// A stack object in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectAt {
    /// Address of its first byte.
    pub address: u64,
    /// Size in bytes.
    pub size: u32,
    /// Which of its words hold pointers.
    pub mask: ObjectMask,
}

/// Which words of a stack object hold pointers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectMask {
    /// A bit for each word of its first bytes.
    Bits {
        /// Address of the bits.
        address: u64,
        /// Bytes of the object that they cover.
        bytes: u32,
    },
    /// A GC program for its first bytes (up to Go 1.23).
    Program {
        /// Address of the program's length.
        address: u64,
        /// Bytes of the object that it covers.
        bytes: u32,
    },
    /// These words.
    Words {
        /// First word.
        first: u32,
        /// Number of words.
        count: u32,
    },
    /// Where the masks lie is not known.
    Unknown,
}

impl ObjectAt {
    /// Addresses of its words that hold pointers; `None` when the mask cannot be read.
    #[must_use]
    pub fn pointers(&self, memory: &dyn Memory) -> Option<Vec<u64>> {
        let at = |w: u32| self.address.checked_add(u64::from(w) * 8);
        let words = |bytes: u32| bytes.min(self.size) / 8;
        match self.mask {
            ObjectMask::Words { first, count } => {
                let end = first.saturating_add(count).min(self.size / 8);
                Some((first..end).filter_map(at).collect())
            }
            ObjectMask::Bits { address, bytes } => {
                let mut scratch = Vec::new();
                let len = usize::try_from(words(bytes).div_ceil(8)).ok()?;
                let bits = memory.view(address, len, &mut scratch).ok()?;
                Some(Bitmap::new(bits, words(bytes)).ones().filter_map(at).collect())
            }
            ObjectMask::Program { address, bytes } => {
                // The length, 4 bytes, is skipped: the program has an end of its own.
                let mut place = address.checked_add(4)?;
                let mut next = || {
                    let byte = memory.u8(place).ok()?;
                    place = place.checked_add(1)?;
                    Some(byte)
                };
                let bits = gcprog::expand(&mut next, usize::try_from(words(bytes)).ok()?);
                Some(Bitmap::new(&bits, words(bytes)).ones().filter_map(at).collect())
            }
            ObjectMask::Unknown => None,
        }
    }
}

/// Reads the stack maps of `frame` into `out`, which is emptied before. `stack_end` is the end of the
/// stack (`g.stack.hi`): nothing above it is named.
pub fn frame_slots(source: &StackSource<'_, '_>, frame: &StackFrame<'_>, stack_end: u64, out: &mut FrameSlots) {
    out.clear();
    let Some(functions) = source.modules.get(frame.module) else { return };
    let reading = Reading { source, functions, frame, end: stack_end };
    if frame.is_conservative() {
        reading.conservative(out);
    } else if reading.precise(out).is_none() {
        out.incomplete = true;
    }
}

struct Reading<'s, 't, 'a> {
    source: &'s StackSource<'t, 'a>,
    functions: &'s Functions<'a>,
    frame: &'s StackFrame<'s>,
    end: u64,
}

impl Reading<'_, '_, '_> {
    fn conservative(&self, out: &mut FrameSlots) {
        let frame = self.frame;
        let mut end = frame.varp;
        if frame.kind.is_injected() {
            end = end.saturating_add(injected_frame(self.source.arch));
        }
        let args = match frame.func.args() {
            ArgsSize::Bytes(n) => u64::from(n),
            ArgsSize::Unknown => 0,
        };
        for range in [frame.sp..end, frame.argp..frame.argp.saturating_add(args)] {
            let range = range.start..range.end.min(self.end);
            if range.start < range.end {
                out.conservative.push(range);
            }
        }
    }

    /// `None` when a map is missing; what was read before stays.
    fn precise(&self, out: &mut FrameSlots) -> Option<()> {
        let frame = self.frame;
        let Some(continuation) = frame.continuation else { return Some(()) };
        let index = if continuation == frame.func.entry() {
            -1
        } else {
            frame.func.pcdata(PCDATA_STACK_MAP_INDEX, continuation.checked_sub(1)?)
        };
        // In the prologue there is no index, and the first map holds.
        let index = u32::try_from(index.max(0)).ok()?;
        let locals = self.locals(index, out);
        let args = self.args(index, out);
        self.objects(out);
        locals.and(args)
    }

    fn locals(&self, index: u32, out: &mut FrameSlots) -> Option<()> {
        let frame = self.frame;
        let least = match self.source.arch {
            Arch::Amd64 => 0,
            Arch::Arm64 => 16,
        };
        if frame.varp.saturating_sub(frame.sp) <= least {
            return Some(());
        }
        let map = self.functions.locals_map(&frame.func)?;
        if map.is_empty() {
            return None;
        }
        if map.words() == 0 {
            return Some(());
        }
        let bits = map.get(index)?;
        let start = frame.varp.checked_sub(u64::from(bits.len()) * 8).filter(|s| *s >= frame.sp)?;
        out.pointers.extend(bits.ones().map(|w| start + u64::from(w) * 8));
        Some(())
    }

    fn args(&self, index: u32, out: &mut FrameSlots) -> Option<()> {
        let frame = self.frame;
        match frame.func.args() {
            ArgsSize::Bytes(n) if n < 8 => Some(()),
            ArgsSize::Bytes(_) => {
                let map = self.functions.args_map(&frame.func)?;
                if map.is_empty() {
                    return None;
                }
                if map.words() == 0 {
                    return Some(());
                }
                self.put_args(&map.get(index)?, out)
            }
            ArgsSize::Unknown if self.is_reflect() => self.reflect_args(out),
            ArgsSize::Unknown => Some(()),
        }
    }

    fn put_args(&self, bits: &Bitmap<'_>, out: &mut FrameSlots) -> Option<()> {
        let start = self.frame.argp;
        let end = start.checked_add(u64::from(bits.len()) * 8)?;
        out.pointers.extend(bits.ones().map(|w| start + u64::from(w) * 8).filter(|a| *a < self.end));
        (end <= self.end).then_some(())
    }

    fn is_reflect(&self) -> bool {
        self.frame.func.args() == ArgsSize::Unknown
            && matches!(self.frame.func.name(), "reflect.makeFuncStub" | "reflect.methodValueCall")
    }

    /// The bitmap of a call by reflection comes from what it calls: `reflectMethodValue` {fn, stack
    /// *bitvector, argLen} at the bottom of the frame, and four words on whether the results are there.
    fn reflect_args(&self, out: &mut FrameSlots) -> Option<()> {
        let (frame, memory) = (self.frame, self.source.memory);
        let place = frame.sp.checked_add(min_frame(self.source.arch))?;
        if !self.reflect_started() {
            return Some(());
        }
        let value = memory.u64(place).ok()?;
        if memory.u64(value).ok()? != frame.func.entry() {
            return None;
        }
        let bitvector = memory.u64(value.checked_add(8)?).ok()?;
        let mut words = memory.u32(bitvector).ok()?;
        let bytes = memory.u64(bitvector.checked_add(8)?).ok()?;
        if memory.u8(place.checked_add(32)?).ok()? == 0 {
            let args = memory.u64(value.checked_add(16)?).ok()? / 8;
            words = words.min(u32::try_from(args).unwrap_or(u32::MAX));
        }
        if words > MOST_ARGS {
            return None;
        }
        let mut scratch = Vec::new();
        let bits = memory.view(bytes, usize::try_from(words.div_ceil(8)).ok()?, &mut scratch).ok()?;
        self.put_args(&Bitmap::new(bits, words), out)
    }

    fn reflect_started(&self) -> bool {
        let pushed = if uses_lr(self.source.arch) { 0 } else { 8 };
        self.frame.sp.saturating_add(min_frame(self.source.arch)) < self.frame.fp.saturating_sub(pushed)
    }

    fn objects(&self, out: &mut FrameSlots) {
        let frame = self.frame;
        let put = |out: &mut FrameSlots, object: ObjectAt| {
            let end = object.address.saturating_add(u64::from(object.size));
            // Below the stack pointer it is not there yet.
            if object.address >= frame.sp && end <= self.end {
                out.objects.push(object);
            }
        };
        if self.is_reflect() {
            if self.reflect_started()
                && let Some(object) = self.reflect_object()
            {
                put(out, object);
            }
            return;
        }
        for object in self.functions.stack_objects(&frame.func).iter() {
            let base = if object.offset < 0 { frame.varp } else { frame.argp };
            let Some(address) = base.checked_add_signed(i64::from(object.offset)) else { continue };
            let gcdata = self.functions.rodata().and_then(|r| r.checked_add(u64::from(object.gcdata)));
            let bytes = object.pointer_bytes;
            let mask = match gcdata {
                None => ObjectMask::Unknown,
                Some(address) if object.gc_program => ObjectMask::Program { address, bytes },
                Some(address) => ObjectMask::Bits { address, bytes },
            };
            put(out, ObjectAt { address, size: object.size, mask });
        }
    }

    /// `abi.RegArgs` at the end of the locals: Ints, Floats, Ptrs, then a bitmap of two bytes.
    fn reflect_object(&self) -> Option<ObjectAt> {
        let (ints, floats) = match self.source.arch {
            Arch::Amd64 => (9, 15),
            Arch::Arm64 => (16, 16),
        };
        let size = (2 * ints + floats) * 8 + 8;
        let address = self.frame.varp.checked_sub(u64::from(size))?;
        Some(ObjectAt { address, size, mask: ObjectMask::Words { first: ints + floats, count: ints } })
    }
}
