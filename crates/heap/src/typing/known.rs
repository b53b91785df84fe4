//! Types of the standard library whose objects are reached by pointers without a type, found by name: the nodes
//! of `sync.Map` (`src/internal/sync/hashtriemap.go` from Go 1.24, `src/sync/map.go` before). Also finds them in
//! objects that nothing typed leads to, by what their fields must hold.

use super::Typer;
use crate::shapes::Shape;
use gobinary::types::{Detail, Kind};
use gobinary::{RuntimeTypes, TypeId};
use goruntime::{Fields, ObjectId, PointerBits};
use rustc_hash::FxHashMap;
use std::rc::Rc;

/// Packages that have a trie, by the names of its types.
const TRIES: [&str; 3] = ["sync", "concurrent", "unique"];
/// How deep structs nest whose hidden fields are followed.
const MOST_DEEP: u32 = 16;
/// Most elements of an array whose hidden fields are followed, and most hidden fields of a type.
const MOST_HIDDEN: u64 = 256;

/// Children of a node of the trie (`nChildren`).
pub(crate) const CHILDREN: u64 = 16;

/// The node types of one instance of `HashTrieMap`. Offsets in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trie {
    /// `entry[K, V]`.
    pub entry: TypeId,
    pub parent: u32,
    pub children: u32,
    pub overflow: u32,
    pub key: u32,
    /// Keys and values are `any`: it is that of `sync.Map`.
    pub any: bool,
}

/// Types found by name.
#[derive(Debug, Default)]
pub(crate) struct Library {
    /// By the type of inner nodes (`indirect[K, V]`).
    pub tries: FxHashMap<TypeId, Trie>,
    /// `sync.readOnly`: its map and the type of that.
    pub read_only: Option<(TypeId, TypeId)>,
    /// `sync.poolLocal`.
    pub pool_local: Option<TypeId>,
}

impl Library {
    /// Looks through the types that were met.
    pub(crate) fn find(types: &RuntimeTypes<'_>) -> Self {
        let (mut inner, mut entries) = (Vec::new(), FxHashMap::default());
        let mut library = Self::default();
        for i in 0..types.len() as u32 {
            let id = TypeId(i);
            if types.get(id).is_none_or(|t| t.kind != Kind::Struct || !t.named) {
                continue;
            }
            let Some(name) = types.stored_name(id) else { continue };
            // Package unique has one of its own from Go 1.25 on; in 1.23 it was in `internal/concurrent`.
            if let Some((package, arguments)) = name.split_once(".indirect[")
                && TRIES.contains(&package)
            {
                inner.push((id, (package.to_owned(), arguments.to_owned())));
            } else if let Some((package, arguments)) = name.split_once(".entry[")
                && TRIES.contains(&package)
            {
                entries.insert((package.to_owned(), arguments.to_owned()), id);
            } else if name == "sync.readOnly"
                && let Some(map) = field(types, id, "m")
            {
                library.read_only = Some((id, map.1));
            } else if name == "sync.poolLocal" {
                library.pool_local = Some(id);
            }
        }
        for (id, arguments) in inner {
            if let Some(trie) = entries.get(&arguments).and_then(|&entry| trie(types, id, entry)) {
                library.tries.insert(id, trie);
            }
        }
        library
    }
}

fn trie(types: &RuntimeTypes<'_>, inner: TypeId, entry: TypeId) -> Option<Trie> {
    let offset = |id, name| u32::try_from(field(types, id, name)?.0).ok();
    let is_any = |name| {
        let typ = field(types, entry, name)?.1;
        Some(matches!(types.get(typ)?.detail, Detail::Interface { methods: 0, .. }))
    };
    let trie = Trie {
        entry,
        parent: offset(inner, "parent")?,
        children: offset(inner, "children")?,
        overflow: offset(entry, "overflow")?,
        key: offset(entry, "key")?,
        any: is_any("key") == Some(true) && is_any("value") == Some(true),
    };
    (u64::from(trie.children) + 8 * CHILDREN <= types.get(inner)?.size).then_some(trie)
}

/// Offset and type of a struct's field.
pub(crate) fn field(types: &RuntimeTypes<'_>, id: TypeId, name: &str) -> Option<(u64, TypeId)> {
    let Detail::Struct { fields } = &types.get(id)?.detail else { return None };
    let field = fields.iter().find(|f| types.name_at(f.name).is_some_and(|n| n.text == name))?;
    Some((field.offset, field.typ))
}

impl Typer<'_> {
    /// Fields of a type that are `unsafe.Pointer`, with what they point to: offsets in bytes.
    pub(super) fn hidden(&mut self, id: TypeId) -> Rc<[(u64, Shape)]> {
        if let Some(known) = self.hidden.get(&id) {
            return Rc::clone(known);
        }
        let mut found = Vec::new();
        self.hidden_from(id, 0, MOST_DEEP, &mut found);
        let found: Rc<[(u64, Shape)]> = found.into();
        self.hidden.insert(id, Rc::clone(&found));
        found
    }

    /// `Pool.local` and `Pool.victim` point to an array of `poolLocal` (`src/sync/pool.go`), `weak.Pointer.u` to a
    /// handle (`src/weak/pointer.go`).
    fn hidden_from(&self, id: TypeId, at: u64, deep: u32, found: &mut Vec<(u64, Shape)>) {
        let types = self.heap.types;
        let (Some(typ), Some(deep)) = (types.get(id), deep.checked_sub(1)) else { return };
        if typ.ptr_bytes == 0 || found.len() as u64 >= MOST_HIDDEN {
            return;
        }
        match &typ.detail {
            Detail::Struct { fields } => {
                let name = if typ.named { types.stored_name(id).unwrap_or_default() } else { String::new() };
                let shape = match name.as_str() {
                    "sync.Pool" => self.library.pool_local.map(Shape::Array),
                    _ if name.starts_with("weak.Pointer[") => Some(Shape::WeakHandle),
                    _ => None,
                };
                for f in fields {
                    let at = at.saturating_add(f.offset);
                    match (shape, types.get(f.typ).map(|t| t.kind)) {
                        (Some(shape), Some(Kind::UnsafePointer)) => found.push((at, shape)),
                        _ => self.hidden_from(f.typ, at, deep, found),
                    }
                }
            }
            Detail::Array { elem, len } => {
                let size = types.get(*elem).map_or(0, |t| t.size);
                for i in 0..(*len).min(MOST_HIDDEN) {
                    self.hidden_from(*elem, at.saturating_add(i.saturating_mul(size)), deep, found);
                    // Where the first has none, none has.
                    if found.is_empty() {
                        break;
                    }
                }
            }
            _ => {}
        }
    }

    /// The children of an inner node: what each is its first byte says.
    pub(super) fn trie_children(&mut self, at: u64, inner: TypeId) {
        let Some(trie) = self.library.tries.get(&inner).copied() else { return };
        for i in 0..CHILDREN {
            let word = at.saturating_add(u64::from(trie.children) + 8 * i);
            let Some(child) = self.heap.memory.u64(word).ok().filter(|&c| c != 0) else { continue };
            match self.heap.memory.u8(child) {
                Ok(0) => self.propose(child, Shape::Value(inner)),
                Ok(1) => self.propose(child, Shape::Value(trie.entry)),
                _ => {}
            }
        }
    }

    /// Nodes of `sync.Map` among objects of which nothing is known.
    pub(super) fn sync_maps_in_unknown(&mut self) {
        let tries: Vec<_> = self.library.tries.iter().filter(|(_, t)| t.any).map(|(&id, &t)| (id, t)).collect();
        let read_only = self.library.read_only;
        let objects = self.heap.objects;
        for (i, span) in objects.spans().iter().enumerate() {
            if matches!(span.pointers, PointerBits::NoScan | PointerBits::Header | PointerBits::Large(_)) {
                continue;
            }
            let fits =
                |id| self.heap.types.get(id).is_some_and(|t| t.size <= span.elem_size && span.elem_size < t.size + 32);
            let trie = tries.iter().find(|(id, _)| fits(*id)).copied();
            let read_only = read_only.filter(|(id, _)| fits(*id));
            if trie.is_none() && read_only.is_none() {
                continue;
            }
            let unknown: Vec<(ObjectId, u32)> =
                objects.of_span(i as u32).filter(|(o, _)| self.shapes.number(*o) == 0).collect();
            for (object, slot) in unknown {
                let at = span.start + u64::from(slot) * span.elem_size;
                if let Some((inner, trie)) = trie
                    && self.is_trie_node(at, inner, &trie)
                {
                    self.set(object, Shape::Value(inner));
                }
                if let Some((id, map)) = read_only
                    && self.is_read_only(at, map)
                {
                    self.set(object, Shape::Value(id));
                }
            }
        }
    }

    /// Flags are 0 or 1, every child is an entry of types or a node that names this one as its parent.
    fn is_trie_node(&self, at: u64, inner: TypeId, trie: &Trie) -> bool {
        let Some(size) = self.heap.types.get(inner).map(|t| t.size) else { return false };
        let mut copy = [0; 512];
        let Some(copy) = copy.get_mut(..size as usize) else { return false };
        if self.heap.memory.read(at, copy).is_err() {
            return false;
        }
        let f = Fields(copy);
        let word = |at: u64| self.heap.memory.u64(at).ok();
        let starts_object = |at: u64| self.heap.objects.find(at).is_some_and(|f| f.offset == 0);
        let parent = f.u64(trie.parent);
        if f.u8(0) != 0 || (parent != 0 && !starts_object(parent)) {
            return false;
        }
        let mut children = 0;
        for i in 0..CHILDREN as u32 {
            let child = f.u64(trie.children + 8 * i);
            if child == 0 {
                continue;
            }
            children += 1;
            let fits = starts_object(child)
                && match self.heap.memory.u8(child) {
                    Ok(1) => word(child.saturating_add(u64::from(trie.key)))
                        .is_some_and(|t| self.heap.types.looks_like_type(t)),
                    Ok(0) => word(child.saturating_add(u64::from(trie.parent))) == Some(at),
                    _ => false,
                };
            if !fits {
                return false;
            }
        }
        children > 0
    }

    /// A map whose header holds together, then a flag.
    fn is_read_only(&self, at: u64, map: TypeId) -> bool {
        let Some(h) = self.heap.types.layout().hmap else { return false };
        let word = |at: u64| self.heap.memory.u64(at).ok();
        let amended = self.heap.memory.u8(at.saturating_add(8));
        let Some(header) = word(at).filter(|&m| m != 0) else { return false };
        let Some(found) = self.heap.objects.find(header) else { return false };
        if found.offset != 0 || !amended.is_ok_and(|a| a <= 1) {
            return false;
        }
        match self.shapes.of(found.object) {
            Shape::MapHeader(typ) => return typ == map,
            Shape::Unknown => {}
            _ => return false,
        }
        let b = self.heap.memory.u8(header.saturating_add(u64::from(h.b))).unwrap_or(u8::MAX);
        let count = word(header).unwrap_or(0);
        let buckets = word(header.saturating_add(u64::from(h.buckets))).unwrap_or(0);
        // The first key of the first bucket in use must be an interface value, its value a pointer to 8 bytes.
        if b > 40 || count == 0 || count > 13 << b || buckets == 0 {
            return false;
        }
        let Some(Detail::Map(m)) = self.heap.types.get(map).map(|t| &t.detail) else { return false };
        let gobinary::types::MapSlots::Buckets { bucket_size, key_size, .. } = m.slots else { return false };
        for i in 0..(1_u64 << b).min(64) {
            let bucket = buckets.saturating_add(i * u64::from(bucket_size));
            let Some(top) = word(bucket).map(u64::to_le_bytes) else { return false };
            if let Some(j) = top.iter().position(|&t| t >= 5) {
                let key = bucket.saturating_add(8 + j as u64 * u64::from(key_size));
                let value = bucket.saturating_add(8 + 8 * u64::from(key_size) + 8 * j as u64);
                return word(key).is_some_and(|t| self.heap.types.looks_like_type(t))
                    && word(value).is_some_and(|e| self.heap.objects.find(e).is_some_and(|f| f.offset == 0));
            }
        }
        false
    }
}
