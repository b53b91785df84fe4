//! The pointers of heap objects: which words of a span's objects the garbage collector follows, and
//! which objects they lead to. As the runtime tells it, per release (`src/runtime/mbitmap.go`): bits
//! at the end of small spans, types in front of larger objects, the arena's bitmap up to Go 1.21.

use crate::graph::{Edges, EdgesPart, FinishedPart, GraphError, Met, Roots};
use gobinary::layout::ARENA_SIZE;
use gobinary::{Memory, RuntimeTypes};
use goruntime::{HeapAnchor, Objects, PointerBits, Slot, Span};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of spans that one task reads.
pub(crate) const TASK_BYTES: u64 = 4 << 20;
/// Bytes of one large object read at a time.
const WINDOW: u64 = 1 << 20;

/// What the scan could not follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanGaps {
    /// Spans whose bytes or pointer bits could not be read.
    pub unreadable_spans: u64,
    /// Objects whose type is not known: being made at this instant, or damaged.
    pub opaque_objects: u64,
}

impl ScanGaps {
    fn add(self, other: Self) -> Self {
        Self {
            unreadable_spans: self.unreadable_spans + other.unreadable_spans,
            opaque_objects: self.opaque_objects + other.opaque_objects,
        }
    }
}

/// The words of one value of a type that are pointers, repeated along an object.
#[derive(Debug)]
pub(crate) struct Tile {
    /// Words from one value to the next.
    period: u64,
    /// Pointer words of one value.
    words: Box<[u32]>,
}

/// The heap whose pointers are read.
#[derive(Clone, Copy)]
pub struct HeapView<'a> {
    /// Where the bytes come from.
    pub memory: &'a dyn Memory,
    /// The types of the program.
    pub types: &'a RuntimeTypes<'a>,
    /// The heap's arenas.
    pub anchor: &'a HeapAnchor,
    /// The objects.
    pub objects: &'a Objects,
}

impl HeapView<'_> {
    /// All edges between objects, read in parallel, for a graph with these roots.
    ///
    /// # Errors
    /// [`GraphError`] when there are more than 2^31.
    pub fn edges(&self, roots: &Roots) -> Result<(Edges, ScanGaps), GraphError> {
        let met = Met::new(self.objects.count());
        let parts: Vec<(FinishedPart, ScanGaps)> = self
            .tasks(TASK_BYTES)
            .into_par_iter()
            .map_init(
                || (Scanner::new(*self), EdgesPart::default()),
                |(scanner, part), range| {
                    let mut gaps = ScanGaps::default();
                    for i in range {
                        scanner.span_edges(i as u32, &met, part, &mut gaps);
                    }
                    (part.finish(), gaps)
                },
            )
            .collect();
        let gaps = parts.iter().fold(ScanGaps::default(), |sum, p| sum.add(p.1));
        Ok((Edges::join(parts.into_iter().map(|p| p.0).collect(), &met, roots)?, gaps))
    }

    /// Runs of spans of about so many bytes, for parallel passes.
    pub(crate) fn tasks(&self, size: u64) -> Vec<Range<usize>> {
        let spans = self.objects.spans();
        let mut tasks = Vec::new();
        let (mut first, mut bytes) = (0, 0);
        for (i, span) in spans.iter().enumerate() {
            bytes += span.bytes;
            if bytes >= size || i + 1 == spans.len() {
                tasks.push(first..i + 1);
                (first, bytes) = (i + 1, 0);
            }
        }
        tasks
    }
}

/// Reads spans one after the other; keeps its buffers and the tiles of types.
pub(crate) struct Scanner<'a> {
    heap: HeapView<'a>,
    tiles: FxHashMap<u64, Option<Arc<Tile>>>,
    data: Vec<u8>,
    bits: Vec<u8>,
    /// What pointers lead to, asked for and looked at a while later.
    slots: Vec<Slot>,
    /// Where the pointers of each object of a span end in `slots`.
    ends: Vec<usize>,
    targets: Vec<u32>,
    /// The arena's bitmap said that no more pointers follow in the object at hand.
    ended: bool,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(heap: HeapView<'a>) -> Self {
        Self {
            heap,
            tiles: FxHashMap::default(),
            data: Vec::new(),
            bits: Vec::new(),
            slots: Vec::new(),
            ends: Vec::new(),
            targets: Vec::new(),
            ended: false,
        }
    }

    /// Adds the objects of a span with their successors, all of them whatever can be read.
    fn span_edges(&mut self, index: u32, met: &Met, part: &mut EdgesPart, gaps: &mut ScanGaps) {
        let objects = self.heap.objects;
        let Some(span) = objects.spans().get(index as usize).copied() else { return };
        let count = objects.first_of_span(index + 1) - objects.first_of_span(index);
        if span.pointers == PointerBits::NoScan || count == 0 {
            part.push_leaves(count);
            return;
        }
        if matches!(span.pointers, PointerBits::Large(_)) || span.slots == 1 {
            self.one_object(&span, met, part, gaps);
            return;
        }
        let len = span.slots as usize * span.elem_size as usize;
        let mut data = std::mem::take(&mut self.data);
        match self.heap.memory.view(span.start, len, &mut data) {
            Ok(bytes) => self.small_objects(index, &span, bytes, met, part, gaps),
            Err(_) => {
                gaps.unreadable_spans += 1;
                part.push_leaves(count);
            }
        }
        self.data = data;
    }

    fn small_objects(
        &mut self,
        index: u32,
        span: &Span,
        bytes: &[u8],
        met: &Met,
        part: &mut EdgesPart,
        gaps: &mut ScanGaps,
    ) {
        let objects = self.heap.objects;
        let mut bits = std::mem::take(&mut self.bits);
        let known = self.pointer_bits(span, &mut bits);
        if !known {
            gaps.unreadable_spans += 1;
        }
        let words = span.elem_size as usize / 8;
        (_, _) = (self.slots.clear(), self.ends.clear());
        for (_, slot) in objects.of_span(index) {
            let slot = slot as usize;
            let object = bytes.get(slot * words * 8..(slot + 1) * words * 8).unwrap_or_default();
            match span.pointers {
                PointerBits::Header if !object.is_empty() => {
                    let typ = word(object, 0);
                    match self.tile(typ) {
                        Some(tile) => self.follow(object, 1, &tile, 0),
                        None => gaps.opaque_objects += 1,
                    }
                }
                _ if known => self.follow_bits(object, &bits, slot * words),
                _ => {}
            }
            self.ends.push(self.slots.len());
        }
        self.bits = bits;
        let mut pointers = self.slots.iter();
        let mut before = 0;
        for &end in &self.ends {
            self.targets.clear();
            let of_object = pointers.by_ref().take(end - before);
            self.targets.extend(of_object.filter_map(|slot| objects.locate_slot(*slot)).map(|found| found.object));
            part.push(&self.targets, met);
            before = end;
        }
    }

    /// The only object of a span, window by window.
    fn one_object(&mut self, span: &Span, met: &Met, part: &mut EdgesPart, gaps: &mut ScanGaps) {
        (_, _) = (self.targets.clear(), self.slots.clear());
        self.ended = false;
        let (first, tile) = match span.pointers {
            PointerBits::Large(typ) => (0, self.tile(typ)),
            PointerBits::Header => (8, self.heap.memory.u64(span.start).ok().and_then(|t| self.tile(t))),
            _ => (0, None),
        };
        let arena = span.pointers == PointerBits::Arena;
        if tile.is_none() && !arena {
            gaps.opaque_objects += 1;
        }
        // Windows start at the same place of a value.
        let period = tile.as_ref().map_or(8, |t| 8 * t.period);
        let step = (WINDOW / period).max(1).saturating_mul(period);
        let mut data = std::mem::take(&mut self.data);
        let mut at = first;
        while at < span.elem_size && (tile.is_some() || arena) {
            let mut len = step.min(span.elem_size - at);
            // A value longer than a window is read in pieces all the same.
            let within = if period > WINDOW { (at - first) % period } else { 0 };
            if period > WINDOW {
                len = WINDOW.min(span.elem_size - at).min(period - within);
            }
            match self.heap.memory.view(span.start + at, len as usize, &mut data) {
                Ok(bytes) => match &tile {
                    Some(tile) => self.follow(bytes, 0, tile, within / 8),
                    None => self.follow_arena(span.start + at, bytes),
                },
                Err(_) => {
                    gaps.unreadable_spans += 1;
                    break;
                }
            }
            let found = self.slots.drain(..).filter_map(|slot| self.heap.objects.locate_slot(slot));
            self.targets.extend(found.map(|found| found.object));
            at += len;
        }
        self.data = data;
        part.push(&self.targets, met);
    }

    /// Follows the pointers of values behind each other: `object` from word `first` on, which is word
    /// `within` of a value.
    fn follow(&mut self, object: &[u8], first: usize, tile: &Tile, within: u64) {
        let len = object.len() / 8;
        let mut base = first as u64;
        if within > 0 {
            let skip = tile.words.partition_point(|&w| u64::from(w) < within);
            for &w in tile.words.get(skip..).unwrap_or_default() {
                let at = base + u64::from(w) - within;
                if at >= len as u64 {
                    return;
                }
                self.target(word(object, at as usize));
            }
            base += tile.period - within;
        }
        while base < len as u64 {
            for &w in &tile.words {
                let at = base + u64::from(w);
                if at >= len as u64 {
                    return;
                }
                self.target(word(object, at as usize));
            }
            base += tile.period;
        }
    }

    /// Follows the words of an object whose bits start at `first` of the span's.
    #[inline]
    fn follow_bits(&mut self, object: &[u8], bits: &[u8], first: usize) {
        let len = object.len() / 8;
        let mut done = 0;
        while done < len {
            let n = (len - done).min(56);
            let at = first + done;
            let mut window = [0; 8];
            let from = at / 8;
            let take = bits.len().saturating_sub(from).min(8);
            if let (Some(to), Some(src)) = (window.get_mut(..take), bits.get(from..from + take)) {
                to.copy_from_slice(src);
            }
            let mut set = u64::from_le_bytes(window) >> (at % 8) & ((1 << n) - 1);
            while set != 0 {
                self.target(word(object, done + set.trailing_zeros() as usize));
                set &= set - 1;
            }
            done += n;
        }
    }

    fn follow_arena(&mut self, start: u64, bytes: &[u8]) {
        let mut bits = std::mem::take(&mut self.bits);
        if self.arena_bits(start, bytes.len() as u64, u64::MAX, &mut bits) {
            self.follow_bits(bytes, &bits, 0);
        }
        self.bits = bits;
    }

    #[inline]
    fn target(&mut self, value: u64) {
        self.slots.extend(self.heap.objects.slot(value));
    }

    /// The pointer bits of a span's slots, one per word.
    fn pointer_bits(&mut self, span: &Span, bits: &mut Vec<u8>) -> bool {
        let words = span.slots as usize * (span.elem_size as usize / 8);
        match span.pointers {
            // Objects of one word are pointers, or they would be without.
            PointerBits::Span(_) if span.elem_size == 8 => {
                bits.clear();
                bits.resize(words.div_ceil(8), 0xff);
                true
            }
            PointerBits::Span(address) => {
                bits.resize(words.div_ceil(8), 0);
                self.heap.memory.read(address, bits).is_ok()
            }
            PointerBits::Arena => self.arena_bits(span.start, 8 * words as u64, span.elem_size, bits),
            _ => true,
        }
    }

    /// The pointer bits of one object, one per word; `None` where they are not told by bits.
    pub(crate) fn object_bits(&mut self, span: &Span, slot: u32) -> Option<&[u8]> {
        let words = span.elem_size / 8;
        let mut bits = std::mem::take(&mut self.bits);
        let known = match span.pointers {
            PointerBits::Span(_) if span.elem_size == 8 => {
                bits.clear();
                bits.push(1);
                true
            }
            PointerBits::Span(address) => {
                let first = u64::from(slot) * words;
                let n = (first % 8 + words).div_ceil(8) as usize;
                bits.resize(n, 0);
                let read = self.heap.memory.read(address.saturating_add(first / 8), &mut bits).is_ok();
                shift_down(&mut bits, (first % 8) as u32, words);
                read
            }
            PointerBits::Arena => {
                let start = span.start + u64::from(slot) * span.elem_size;
                self.ended = false;
                self.arena_bits(start, span.elem_size, span.elem_size, &mut bits)
            }
            _ => false,
        };
        self.bits = bits;
        known.then_some(&self.bits)
    }

    /// Bits of the arena's bitmap for `len` bytes from `start`, as one bit per word (`src/runtime/mbitmap.go`
    /// of 1.19, 1.20): in each object of `elem` bytes they end where the bitmap says that no more follow;
    /// `u64::MAX` when the bytes are the next of one object.
    fn arena_bits(&mut self, start: u64, len: u64, elem: u64, bits: &mut Vec<u8>) -> bool {
        bits.clear();
        bits.resize((len / 8).div_ceil(8) as usize, 0);
        let layout = &self.heap.types.layout().heap_arena;
        let Some(bitmap) = layout.bitmap else { return false };
        let mut cache: Option<(u64, [u8; 8], bool)> = None;
        for w in 0..len / 8 {
            let address = start + 8 * w;
            if elem < u64::MAX && (8 * w) % elem.max(8) == 0 {
                self.ended = false;
            }
            if self.ended {
                continue;
            }
            let Some(arena) = self.arena_of(address) else { return false };
            let index = address % ARENA_SIZE / 8;
            let (pointer, last) = match layout.no_more_ptrs {
                Some(no_more) => {
                    let block = address / 512;
                    let (map, no_more) = match cache {
                        Some((b, map, no_more)) if b == block => (map, no_more),
                        _ => {
                            let mut map = [0; 8];
                            let at = arena + u64::from(bitmap.offset) + index / 64 * 8;
                            let flag = arena + u64::from(no_more) + index / 64 / 8;
                            let (Ok(()), Ok(flag)) = (self.heap.memory.read(at, &mut map), self.heap.memory.u8(flag))
                            else {
                                return false;
                            };
                            let no_more = flag >> (index / 64 % 8) & 1 != 0;
                            cache = Some((block, map, no_more));
                            (map, no_more)
                        }
                    };
                    let pointer = u64::from_le_bytes(map) >> (index % 64) & 1 != 0;
                    (pointer, no_more && index % 64 == 63)
                }
                // 1.19: four words a byte, pointer bits below, scan bits above.
                None => {
                    let Ok(byte) = self.heap.memory.u8(arena + u64::from(bitmap.offset) + index / 4) else {
                        return false;
                    };
                    let more = byte >> (4 + index % 4) & 1 != 0;
                    (more && byte >> (index % 4) & 1 != 0, !more)
                }
            };
            if let Some(b) = bits.get_mut(w as usize / 8).filter(|_| pointer) {
                *b |= 1 << (w % 8);
            }
            self.ended = last;
        }
        true
    }

    fn arena_of(&self, address: u64) -> Option<u64> {
        let start = address - address % ARENA_SIZE;
        let i = self.heap.anchor.arenas.binary_search_by_key(&start, |a| a.0).ok()?;
        Some(self.heap.anchor.arenas.get(i)?.1)
    }

    /// Pointer words of the type at `address`; `None` when there is no type.
    pub(crate) fn tile(&mut self, address: u64) -> Option<Arc<Tile>> {
        if let Some(tile) = self.tiles.get(&address) {
            return tile.clone();
        }
        let tile = self.make_tile(address).map(Arc::new);
        self.tiles.insert(address, tile.clone());
        tile
    }

    fn make_tile(&self, address: u64) -> Option<Tile> {
        let types = self.heap.types;
        let id = types.id(address);
        let (size, mask) = match types.get(id) {
            Some(typ) => (typ.size, types.pointer_mask(id)?),
            None => {
                let bare = types.bare(address)?;
                (bare.size, types.bare_mask(bare)?)
            }
        };
        if size == 0 || size % 8 != 0 {
            return None;
        }
        let words: Option<Box<[u32]>> = mask.pointers().map(|w| u32::try_from(w).ok()).collect();
        Some(Tile { period: size / 8, words: words.filter(|w| !w.is_empty())? })
    }
}

/// Moves bits to the front and clears those behind the first `len`.
fn shift_down(bits: &mut [u8], by: u32, len: u64) {
    for i in 0..bits.len() {
        let high = bits.get(i + 1).copied().unwrap_or(0);
        if let Some(b) = bits.get_mut(i) {
            *b = (u16::from_le_bytes([*b, high]) >> by) as u8;
        }
    }
    for w in len..bits.len() as u64 * 8 {
        if let Some(b) = bits.get_mut((w / 8) as usize) {
            *b &= !(1 << (w % 8));
        }
    }
}

#[inline]
fn word(bytes: &[u8], index: usize) -> u64 {
    bytes.get(8 * index..8 * index + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}
