//! Strings with the same content in different objects. Contents are compared by a 64-bit hash and their length; one
//! record per string object, of 8 bytes mostly, is kept while they are counted.

use super::ContainerOptions;
use super::keys::shape_of;
use crate::graph::{Array, Bits};
use crate::program::HeapGraph;
use bytemuck::Pod;
use gobinary::Memory;
use goruntime::ObjectId;
use rayon::prelude::*;
use rustc_hash::FxHasher;
use std::cmp::Reverse;
use std::hash::Hasher as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most bytes of a text that are shown or looked at for its shape.
const MOST_SHOWN: u32 = 64;

/// Bytes of a string that are read at a time.
const WINDOW: u64 = 64 << 10;

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
/// Bits of the hash, after those that name the shard, by which records are first told apart.
const KEY_BITS: u32 = 25;
/// Strings that fill their object but for fewer bytes are kept in 8 bytes: key, bytes left over, object.
const SLACK: u64 = 1 << 7;

/// All records, gathered by many threads.
#[derive(Default)]
pub(super) struct Texts {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    /// Strings from the start of their object nearly to its end: the length follows from what is left over.
    packed: Vec<Array<u64>>,
    /// Others: hash; object and length.
    wide: Vec<Array<[u64; 2]>>,
}

/// One thread's records before they are handed over.
pub(super) struct TextWriter<'a> {
    texts: &'a Texts,
    packed: [Vec<u64>; SHARDS],
    wide: [Vec<[u64; 2]>; SHARDS],
}

impl Texts {
    pub(super) fn writer(&self) -> TextWriter<'_> {
        TextWriter { texts: self, packed: Default::default(), wide: Default::default() }
    }
}

/// The bits of a hash behind those of the shard.
const fn key_of(hash: u64) -> u64 {
    hash << 4 >> (64 - KEY_BITS)
}

impl TextWriter<'_> {
    /// `size` is that of the object when the string starts where it does.
    pub(super) fn add(&mut self, hash: u64, object: ObjectId, len: u64, size: Option<u64>) {
        let number = (hash >> 60) as usize % SHARDS;
        let slack = size.and_then(|s| s.checked_sub(len)).filter(|&slack| slack < SLACK && len < u64::from(u32::MAX));
        let Some(shard) = self.texts.shards.get(number) else { return };
        match (slack, self.packed.get_mut(number), self.wide.get_mut(number)) {
            (Some(slack), Some(packed), _) => {
                packed.push(key_of(hash) << 39 | slack << 32 | u64::from(object));
                if packed.len() >= PIECE {
                    hand_over(packed, |piece| lock(shard).packed.push(piece));
                }
            }
            (None, _, Some(wide)) => {
                let len = u32::try_from(len).unwrap_or(u32::MAX);
                wide.push([hash, u64::from(object) << 32 | u64::from(len)]);
                if wide.len() >= PIECE {
                    hand_over(wide, |piece| lock(shard).wide.push(piece));
                }
            }
            _ => {}
        }
    }
}

impl Drop for TextWriter<'_> {
    fn drop(&mut self) {
        for ((shard, packed), wide) in self.texts.shards.iter().zip(&mut self.packed).zip(&mut self.wide) {
            hand_over(packed, |piece| lock(shard).packed.push(piece));
            hand_over(wide, |piece| lock(shard).wide.push(piece));
        }
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hand_over<T: Pod>(buffer: &mut Vec<T>, to: impl FnOnce(Array<T>)) {
    if !buffer.is_empty() {
        to(Array::short_lived(buffer));
        buffer.clear();
    }
}

/// Hash of `len` bytes at `data`; `scratch` is for bytes that lie in pieces.
pub(super) fn hash_of(memory: &dyn Memory, data: u64, len: u64, scratch: &mut Vec<u8>) -> Option<u64> {
    let mut hasher = FxHasher::default();
    hasher.write_u64(len);
    let mut done = 0;
    while done < len {
        let n = (len - done).min(WINDOW);
        hasher.write(memory.view(data.checked_add(done)?, n as usize, scratch).ok()?);
        done += n;
    }
    Some(hasher.finish())
}

/// The same of bytes that lie in one piece.
pub(super) fn hash_of_bytes(bytes: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write_u64(bytes.len() as u64);
    bytes.chunks(WINDOW as usize).for_each(|window| hasher.write(window));
    hasher.finish()
}

/// How many records a shard has, and those whose key another one has too, by hash and object. Few are left: only they
/// are hashed again and sorted.
fn repeated(graph: &HeapGraph<'_>, shard: Shard) -> (u64, Vec<TextRecord>) {
    let Shard { packed, wide } = shard;
    let count: usize = packed.iter().map(|p| p.len()).sum::<usize>() + wide.iter().map(|p| p.len()).sum::<usize>();
    // A bit for each of 16 times as many keys, as far as keys go.
    let bits = (16 * count.max(64)).next_power_of_two().trailing_zeros().min(KEY_BITS);
    let packed_key = |r: &u64| (r >> 39 >> (KEY_BITS - bits)) as u32;
    let wide_key = |r: &[u64; 2]| (key_of(r[0]) >> (KEY_BITS - bits)) as u32;
    let (mut once, mut again) = (Bits::new(1 << bits), Bits::new(1 << bits));
    let keys = packed.iter().flat_map(|p| p.iter()).map(packed_key);
    for key in keys.chain(wide.iter().flat_map(|p| p.iter()).map(wide_key)) {
        if !once.insert(key) {
            again.insert(key);
        }
    }
    drop(once);
    let mut scratch = Vec::new();
    let mut records = Vec::new();
    for &r in packed.iter().flat_map(|p| p.iter()).filter(|r| again.get(packed_key(r))) {
        let (object, slack) = (r as u32, r >> 32 & (SLACK - 1));
        let (address, size) = (graph.objects.address(object), graph.objects.size(object));
        if let Some((address, len)) = address.zip(size.and_then(|s| s.checked_sub(slack)))
            && let Some(hash) = hash_of(graph.runtime.memory, address, len, &mut scratch)
        {
            records.push((hash, object, u32::try_from(len).unwrap_or(u32::MAX)));
        }
    }
    drop(packed);
    let wide = wide.iter().flat_map(|p| p.iter()).filter(|r| again.get(wide_key(r)));
    records.extend(wide.map(|[hash, of]| (*hash, (of >> 32) as u32, *of as u32)));
    records.sort_unstable();
    (count as u64, records)
}

/// Counts equal contents.
pub(super) fn duplicates(graph: &HeapGraph<'_>, texts: Texts, options: &ContainerOptions) -> Duplicates {
    let shards =
        texts.shards.into_par_iter().map(|s| repeated(graph, s.into_inner().unwrap_or_else(PoisonError::into_inner)));
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
