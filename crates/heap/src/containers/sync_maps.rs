//! `sync.Map`: a trie from Go 1.24 on (`src/internal/sync/hashtriemap.go`), two maps that share their entries before
//! (`src/sync/map.go`). Found by the objects that only they have; the `sync.Map` itself mostly lies in the
//! program's data or in another object.

use super::walk::{Known, Seen};
use super::{Collector, ContainerFacts, ContainerKind, ContainerOptions, Note, keys, map_facts};
use crate::graph::Bits;
use crate::program::HeapGraph;
use crate::roots::RootGroup;
use crate::shapes::Shape;
use crate::typing::known::{CHILDREN, Library, Trie};
use gobinary::TypeId;
use gobinary::types::{Detail, MapSlots};
use goruntime::ObjectId;
use rustc_hash::{FxHashMap, FxHashSet};

/// From `sync.Map` to the pointer to its root (`HashTrieMap.root`).
const TRIE_ROOT: u64 = 16;
/// Deepest trie: 64 bits of hash, 4 a node.
const MOST_DEEP: u32 = 16;
/// Keys of one map that are sampled.
const MOST_KEYS: usize = 256;
/// Most buckets in a chain.
const MOST_CHAIN: u32 = 1 << 20;

/// What a walk over a map adds up.
#[derive(Default)]
struct Sum {
    entries: u64,
    deleted: u64,
    bytes: u64,
    keys: Vec<Vec<u8>>,
    parts: u64,
    damaged: bool,
}

impl HeapGraph<'_> {
    pub(super) fn sync_maps_into(&self, collector: &mut Collector, seen: &Seen, options: &ContainerOptions) {
        let library = Library::find(&self.runtime.types);
        let mut tries = Vec::new();
        let mut classic = Vec::new();
        for i in 0..self.objects.spans().len() as u32 {
            for (object, _) in self.objects.of_span(i) {
                let Shape::Value(id) = self.shapes.of(object) else { continue };
                if let Some(trie) = library.tries.get(&id).filter(|t| t.any) {
                    tries.push((object, *trie));
                } else if let Some((_, map)) = library.read_only.filter(|r| r.0 == id) {
                    classic.push((object, map));
                }
            }
        }
        if let Some((id, map)) = library.read_only {
            classic.extend(self.never_read(id, map).into_iter().map(|object| (object, map)));
        }
        tries.retain(|(object, trie)| self.word_of(*object, u64::from(trie.parent)) == Some(0));
        let all: FxHashSet<ObjectId> = tries.iter().map(|t| t.0).chain(classic.iter().map(|c| c.0)).collect();
        if all.is_empty() {
            return;
        }
        let owners = self.owners(&all, seen);
        for (root, trie) in tries {
            let facts = self.trie_map(root, &trie, owners.get(&root).copied(), options);
            collector.add(facts);
        }
        for (read, map) in classic {
            let facts = self.classic_map(read, map, owners.get(&read).copied(), options);
            collector.add(facts);
        }
    }

    /// Maps among the variables of which all entries are new: the read-only part has no map, only the flag that
    /// there is another one, which the next word of the `sync.Map` leads to.
    fn never_read(&self, read_only: TypeId, map: TypeId) -> Vec<ObjectId> {
        let mut found = Vec::new();
        for (i, group) in self.roots.groups.iter().enumerate() {
            let RootGroup::Global { address } = *group else { continue };
            for &object in self.roots.roots.members(i) {
                let amended = self.word_of(object, 8).is_some_and(|w| w & 0xff == 1);
                let known = self.shapes.of(object) == Shape::Value(read_only);
                if known || self.objects.size(object) != Some(16) || self.word_of(object, 0) != Some(0) || !amended {
                    continue;
                }
                let Ok(dirty) = self.runtime.memory.u64(address.saturating_add(8)) else { continue };
                let Some(facts) = self.objects.find(dirty).and_then(|_| map_facts(&self.view(), map, dirty)) else {
                    continue;
                };
                let mut sum = Sum { parts: u64::from(self.objects.count()), ..Sum::default() };
                let walked = self.entries_of(dirty, map, &mut sum, &mut Vec::new(), &mut FxHashSet::default());
                let counted = sum.entries + sum.deleted;
                if walked.is_some() && counted > 0 && counted == facts.entries && facts.found == counted {
                    found.push(object);
                }
            }
        }
        found
    }

    /// The word at an offset of an object's contents.
    fn word_of(&self, object: ObjectId, offset: u64) -> Option<u64> {
        let start = self.objects.address(object)?.checked_add(u64::from(self.first_byte(object)))?;
        self.runtime.memory.u64(start.checked_add(offset)?).ok()
    }

    /// The `sync.Map`s whose parts these objects are: typed ones, and words of the data.
    fn owners(&self, parts: &FxHashSet<ObjectId>, seen: &Seen) -> FxHashMap<ObjectId, u64> {
        let at = self.pointer_offset();
        let mut owners = FxHashMap::default();
        for (i, group) in self.roots.groups.iter().enumerate() {
            let RootGroup::Global { address } = *group else { continue };
            for object in self.roots.roots.members(i).iter().filter(|o| parts.contains(o)) {
                owners.insert(*object, address.saturating_sub(at));
            }
        }
        for place in seen.places.iter().filter(|p| p.known == Known::SyncMap) {
            if let Ok(word) = self.runtime.memory.u64(place.address.saturating_add(at))
                && let Some(found) = self.objects.find(word)
            {
                owners.insert(found.object, place.address);
            }
        }
        owners
    }

    /// From a `sync.Map` to the pointer to its first object. Up to 1.19 `read` is an `atomic.Value`.
    fn pointer_offset(&self) -> u64 {
        match self.runtime.layout().minor {
            ..=19 => 16,
            20..=23 => 8,
            _ => TRIE_ROOT,
        }
    }

    fn sample(&self, sum: &Sum, options: &ContainerOptions, notes: &mut Vec<Note>) {
        notes.extend(keys::describe(&sum.keys, options).map(Note::Keys));
        if sum.damaged {
            notes.push(Note::Damaged);
        }
    }

    fn trie_map(&self, root: ObjectId, trie: &Trie, owner: Option<u64>, options: &ContainerOptions) -> ContainerFacts {
        let mut sum = Sum { parts: u64::from(self.objects.count()), ..Sum::default() };
        let mut pending = vec![(self.objects.address(root).unwrap_or(0), 0)];
        while let Some((at, deep)) = pending.pop() {
            self.trie_node(at, deep, trie, &mut sum, &mut pending);
        }
        let mut facts = ContainerFacts {
            object: Some(root),
            address: owner.unwrap_or_else(|| self.objects.address(root).unwrap_or(0)),
            entries: sum.entries,
            own_bytes: sum.bytes,
            content_bytes: sum.entries * 32,
            retained: self.tree.retained(root),
            ..ContainerFacts::new(ContainerKind::SyncMap, "sync.Map".to_owned())
        };
        self.sample(&sum, options, &mut facts.notes);
        facts
    }

    fn trie_node(&self, at: u64, deep: u32, trie: &Trie, sum: &mut Sum, pending: &mut Vec<(u64, u32)>) {
        let Some(found) = self.objects.find(at).filter(|f| f.offset == 0) else {
            sum.damaged = true;
            return;
        };
        let Some(parts) = sum.parts.checked_sub(1).filter(|_| deep <= MOST_DEEP) else {
            sum.damaged = true;
            return;
        };
        sum.parts = parts;
        sum.bytes += self.objects.size(found.object).unwrap_or(0);
        let word = |offset: u32| self.runtime.memory.u64(at.saturating_add(u64::from(offset))).unwrap_or(0);
        if self.runtime.memory.u8(at) == Ok(0) {
            let children = (0..CHILDREN as u32).map(|i| word(trie.children + 8 * i));
            pending.extend(children.filter(|&c| c != 0).map(|c| (c, deep + 1)));
            return;
        }
        sum.entries += 1;
        if sum.keys.len() < MOST_KEYS
            && let Some(key) = self.boxed_key(at.saturating_add(u64::from(trie.key)))
        {
            sum.keys.push(key);
        }
        // Entries with one hash follow each other, as deep as this one.
        let next = word(trie.overflow);
        if next != 0 {
            pending.push((next, deep));
        }
    }

    /// The key in an interface value.
    fn boxed_key(&self, at: u64) -> Option<Vec<u8>> {
        let types = &self.runtime.types;
        let typ = types.id(self.runtime.memory.u64(at).ok()?);
        let data = self.runtime.memory.u64(at.checked_add(8)?).ok()?;
        if types.get(typ)?.direct_iface { None } else { keys::key_text(&self.view(), typ, data) }
    }

    fn classic_map(
        &self,
        read: ObjectId,
        map: TypeId,
        owner: Option<u64>,
        options: &ContainerOptions,
    ) -> ContainerFacts {
        let at = self.pointer_offset();
        let word = |address: u64| self.runtime.memory.u64(address).ok();
        let mut sum = Sum { parts: u64::from(self.objects.count()), ..Sum::default() };
        sum.bytes = self.objects.size(read).unwrap_or(0);
        let mut members: Vec<ObjectId> = vec![read];
        let mut met = FxHashSet::default();
        let dirty = owner.and_then(|o| word(o.saturating_add(at + 8)));
        let headers = [self.word_of(read, 0), dirty].into_iter().flatten().filter(|&h| h != 0);
        let mut slots = 0;
        for header in headers {
            let Some(facts) = map_facts(&self.view(), map, header) else {
                sum.damaged = true;
                continue;
            };
            slots = slots.max(facts.slots);
            sum.bytes += facts.bytes;
            members.extend(self.objects.find(header).map(|f| f.object));
            if self.entries_of(header, map, &mut sum, &mut members, &mut met).is_none() {
                sum.damaged = true;
            }
        }
        // Read and dirty map share entries and keys: what the two hold together is what is under none but them.
        let mine: Bits = members.iter().copied().collect();
        let members: FxHashSet<ObjectId> = members.into_iter().collect();
        let above = |node: &ObjectId| {
            !self.tree.path_to_root(*node).skip(1).take(8).any(|d| d < self.objects.count() && mine.get(d))
        };
        let retained = members.iter().filter(|n| above(n)).map(|&n| self.tree.retained(n)).fold(0, u64::saturating_add);
        let mut facts = ContainerFacts {
            object: Some(read),
            address: owner.unwrap_or_else(|| self.objects.address(read).unwrap_or(0)),
            entries: sum.entries,
            capacity: slots,
            own_bytes: sum.bytes,
            content_bytes: sum.entries * 32,
            retained,
            ..ContainerFacts::new(ContainerKind::SyncMap, "sync.Map".to_owned())
        };
        let misses = owner.and_then(|o| word(o.saturating_add(at + 16))).unwrap_or(0);
        facts.notes.push(Note::Misses { misses, deleted: sum.deleted });
        self.sample(&sum, options, &mut facts.notes);
        facts
    }

    /// Counts the entries of one of the two maps that were not counted yet.
    fn entries_of(
        &self,
        header: u64,
        map: TypeId,
        sum: &mut Sum,
        members: &mut Vec<ObjectId>,
        met: &mut FxHashSet<u64>,
    ) -> Option<()> {
        let Some(Detail::Map(m)) = self.runtime.types.get(map).map(|t| &t.detail) else { return None };
        let MapSlots::Buckets { bucket_size, key_size, .. } = m.slots else { return None };
        let h = self.runtime.layout().hmap?;
        let word = |at: u64| self.runtime.memory.u64(at).ok();
        let b = self.runtime.memory.u8(header.checked_add(u64::from(h.b))?).ok().filter(|&b| b <= 40)?;
        let arrays = [(h.buckets, 1_u64 << b), (h.oldbuckets, 1 << b.saturating_sub(1))];
        for (offset, count) in arrays {
            let array = word(header.checked_add(u64::from(offset))?)?;
            if array == 0 {
                continue;
            }
            sum.parts = sum.parts.saturating_add(1024).checked_sub(count)?;
            for i in 0..count {
                let mut bucket = array.checked_add(i.checked_mul(u64::from(bucket_size))?)?;
                let mut chain = 0;
                while bucket != 0 && chain < MOST_CHAIN {
                    let top = word(bucket)?.to_le_bytes();
                    for (j, _) in top.iter().enumerate().filter(|(_, t)| **t >= 5) {
                        let key = bucket.checked_add(8 + j as u64 * u64::from(key_size))?;
                        let value = bucket.checked_add(8 + 8 * u64::from(key_size) + 8 * j as u64)?;
                        self.entry(key, word(value)?, sum, members, met);
                    }
                    bucket = word(bucket.checked_add(u64::from(bucket_size) - 8)?)?;
                    chain += 1;
                }
            }
        }
        Some(())
    }

    /// An entry: a pointer to an interface value; nil or to a nil one when it is deleted.
    fn entry(&self, key: u64, entry: u64, sum: &mut Sum, members: &mut Vec<ObjectId>, met: &mut FxHashSet<u64>) {
        let Some(found) = self.objects.find(entry) else { return };
        let word = |at: u64| self.runtime.memory.u64(at).unwrap_or(0);
        members.extend(self.objects.find(word(key.saturating_add(8))).map(|f| f.object));
        if !met.insert(entry) {
            return;
        }
        members.push(found.object);
        sum.bytes += self.objects.size(found.object).unwrap_or(0);
        let value = word(entry);
        if value == 0 || word(value) == 0 {
            sum.deleted += 1;
            return;
        }
        sum.entries += 1;
        sum.bytes += self.objects.find(value).and_then(|f| self.objects.size(f.object)).unwrap_or(0);
        if sum.keys.len() < MOST_KEYS
            && let Some(text) = self.boxed_key(key)
        {
            sum.keys.push(text);
        }
    }
}
