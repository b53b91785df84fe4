//! Strings with the same content in different objects. Contents are compared by a 64-bit hash and their length;
//! one record of 16 bytes per string object is kept while they are counted.

use super::ContainerOptions;
use super::keys::shape_of;
use crate::graph::{Array, Bits};
use crate::program::HeapGraph;
use goruntime::ObjectId;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::sync::{Mutex, PoisonError};

/// Most bytes of a text that are shown or looked at for its shape.
const MOST_SHOWN: u32 = 64;

/// Strings of one content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateText {
    /// The content, cut, or its shape: letters as `a`, digits as `9`.
    pub text: String,
    /// Whether `text` is the content.
    pub shown: bool,
    /// Bytes of one.
    pub len: u64,
    /// Objects with it.
    pub count: u64,
    /// Bytes of all of these objects but one.
    pub waste: u64,
}

/// Strings whose content more than one object has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Duplicates {
    /// Objects of strings that were looked at.
    pub objects: u64,
    /// Contents that more than one object has.
    pub contents: u64,
    /// Objects that have a content that another one has before them.
    pub copies: u64,
    /// Their bytes: saved if each content were kept once.
    pub waste: u64,
    /// The largest, by `waste`.
    pub largest: Vec<DuplicateText>,
}

/// A string object: hash of its content, the object, its length (at most `u32::MAX`).
type TextRecord = (u64, ObjectId, u32);

/// Records that belong together by their hash are kept together.
const SHARDS: usize = 16;
/// Records that are handed over at once.
const PIECE: usize = 2048;

/// All records, gathered by many threads.
#[derive(Default)]
pub(super) struct Texts {
    shards: [Mutex<Vec<Array<[u64; 2]>>>; SHARDS],
}

/// One thread's records before they are handed over.
pub(super) struct TextWriter<'a> {
    texts: &'a Texts,
    buffers: [Vec<[u64; 2]>; SHARDS],
}

impl Texts {
    pub(super) fn writer(&self) -> TextWriter<'_> {
        TextWriter { texts: self, buffers: Default::default() }
    }
}

impl TextWriter<'_> {
    pub(super) fn add(&mut self, hash: u64, object: ObjectId, len: u64) {
        let shard = (hash >> 60) as usize % SHARDS;
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        let Some(buffer) = self.buffers.get_mut(shard) else { return };
        buffer.push([hash, u64::from(object) << 32 | u64::from(len)]);
        if buffer.len() >= PIECE {
            hand_over(self.texts, shard, buffer);
        }
    }
}

impl Drop for TextWriter<'_> {
    fn drop(&mut self) {
        for (shard, buffer) in self.buffers.iter_mut().enumerate() {
            hand_over(self.texts, shard, buffer);
        }
    }
}

fn hand_over(texts: &Texts, shard: usize, buffer: &mut Vec<[u64; 2]>) {
    if let Some(shard) = texts.shards.get(shard).filter(|_| !buffer.is_empty()) {
        let piece = Array::short_lived(buffer);
        shard.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
        buffer.clear();
    }
}

/// The records of one shard whose hash another one has too, by hash and object. Others are told apart by a bit for
/// each of 16 times as many hashes: few are sorted.
fn repeated(pieces: &[Array<[u64; 2]>]) -> Vec<TextRecord> {
    let count: usize = pieces.iter().map(|p| p.len()).sum();
    let bits = (16 * count.max(64)).next_power_of_two().trailing_zeros().min(31);
    let bit = |hash: u64| (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - bits)) as u32;
    let (mut once, mut again) = (Bits::new(1 << bits), Bits::new(1 << bits));
    for [hash, _] in pieces.iter().flat_map(|p| p.iter()) {
        if !once.insert(bit(*hash)) {
            again.insert(bit(*hash));
        }
    }
    let records = pieces.iter().flat_map(|p| p.iter()).filter(|r| again.get(bit(r[0])));
    let mut records: Vec<TextRecord> = records.map(|[hash, of]| (*hash, (of >> 32) as u32, *of as u32)).collect();
    records.sort_unstable();
    records
}

/// Counts equal contents.
pub(super) fn duplicates(graph: &HeapGraph<'_>, texts: Texts, options: &ContainerOptions) -> Duplicates {
    let shards = texts.shards.into_par_iter().map(|shard| {
        let pieces = shard.into_inner().unwrap_or_else(PoisonError::into_inner);
        let objects = pieces.iter().map(|p| p.len() as u64).sum();
        (objects, repeated(&pieces))
    });
    let shards: Vec<(u64, Vec<TextRecord>)> = shards.collect();
    let mut found = Duplicates { objects: shards.iter().map(|s| s.0).sum(), ..Duplicates::default() };
    let mut largest: Vec<(Reverse<u64>, TextRecord, u64)> = Vec::new();
    for run in shards.iter().flat_map(|s| s.1.chunk_by(|a, b| (a.0, a.2) == (b.0, b.2))) {
        let copies = run.len() as u64 - 1;
        let Some(&first) = run.first().filter(|_| copies > 0) else { continue };
        // A substring's object has more in it than the text.
        let own = |r: &TextRecord| {
            let (size, len) = (graph.objects.size(r.1)?, u64::from(r.2));
            Some(if size >= 2 * len.max(16) { len } else { size })
        };
        let bytes = run.iter().skip(1).filter_map(own).fold(0, u64::saturating_add);
        found.contents += 1;
        found.copies += copies;
        found.waste = found.waste.saturating_add(bytes);
        largest.push((Reverse(bytes), first, copies + 1));
        if largest.len() >= 16 * options.most.max(1) {
            largest.sort_unstable();
            largest.truncate(options.most);
        }
    }
    largest.sort_unstable();
    largest.truncate(options.most);
    for (Reverse(waste), (_, object, len), count) in largest {
        let mut head = vec![0; len.min(MOST_SHOWN) as usize];
        let start = graph.objects.address(object).unwrap_or(0);
        // A substring's first bytes may lie further back: what is shown is the object's start.
        let text = match graph.runtime.memory.read(start, &mut head) {
            Ok(()) if options.show_keys => String::from_utf8_lossy(&head).into_owned(),
            Ok(()) => shape_of(&head),
            Err(_) => String::new(),
        };
        found.largest.push(DuplicateText { text, shown: options.show_keys, len: u64::from(len), count, waste });
    }
    found
}
