//! Containers: what the language, the runtime and the standard library keep for a Go program, decoded and
//! measured, as one flat list of facts. Refuses to judge: rules over the facts are for the floors above.
//!
//! Large heaps have millions of slices and strings. Single containers are listed as far as
//! [`ContainerOptions::most`] goes, largest first; sums by kind and type cover all of them.

mod channels;
mod http;
mod keys;
mod links;
mod maps;
mod pools;
mod slices;
mod sync_maps;
mod texts;
mod timers;
mod values;
mod walk;

pub use keys::MAX_SHAPES;
pub(crate) use links::Part;
pub use maps::{MapFacts, map_facts};
pub use model::{HeapKeys as KeySample, HeapNote as Note};
pub use texts::{DuplicateText, Duplicates};

use crate::paths::Names;
use crate::program::HeapGraph;
use crate::shapes::Shape;
use gobinary::TypeId;
use gobinary::types::Detail;
use goruntime::ObjectId;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContainerKind {
    /// A map.
    Map,
    /// The array behind slices.
    Slice,
    /// The bytes behind strings.
    Text,
    /// Objects of one type, each leading to the next.
    List,
    /// Objects of one type that lead to several others of it.
    Tree,
    /// A channel.
    Channel,
    /// A `sync.Map`.
    SyncMap,
    /// A `sync.Pool`.
    SyncPool,
    /// A `bytes.Buffer` or `strings.Builder`.
    Buffer,
    /// A `big.Int`.
    BigInt,
    /// Contexts, each made from the one before.
    Context,
    /// Timers with one callback.
    Timer,
    /// HTTP connections of one client transport or one server.
    Http,
}

impl ContainerKind {
    /// All kinds.
    pub const ALL: [Self; 13] = [
        Self::Map,
        Self::Slice,
        Self::Text,
        Self::List,
        Self::Tree,
        Self::Channel,
        Self::SyncMap,
        Self::SyncPool,
        Self::Buffer,
        Self::BigInt,
        Self::Context,
        Self::Timer,
        Self::Http,
    ];

    /// The kind of this name, letter case aside.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name().eq_ignore_ascii_case(name))
    }

    /// Its name in tables and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Map => "map",
            Self::Slice => "slice",
            Self::Text => "string",
            Self::List => "list",
            Self::Tree => "tree",
            Self::Channel => "chan",
            Self::SyncMap => "sync.Map",
            Self::SyncPool => "sync.Pool",
            Self::Buffer => "buffer",
            Self::BigInt => "bigint",
            Self::Context => "context",
            Self::Timer => "timer",
            Self::Http => "http",
        }
    }
}

/// One container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerFacts {
    /// What it is.
    pub kind: ContainerKind,
    /// Go's name of its type; of a slice's array `[]T`, of timers the callback.
    pub type_name: String,
    /// Its main object; `None` when it lies in the program's data or is no single object.
    pub object: Option<ObjectId>,
    /// Address of its main part; 0 when there is none.
    pub address: u64,
    /// Entries, elements, nodes.
    pub entries: u64,
    /// Slots for entries; 0 where there is no such number.
    pub capacity: u64,
    /// Bytes of its own objects, rounded up to size classes.
    pub own_bytes: u64,
    /// Bytes of keys and values: in its slots, or the objects that its entries are.
    pub content_bytes: u64,
    /// What would be free without it.
    pub retained: u64,
    /// Bytes that hold nothing the program can reach by it, or nothing yet.
    pub waste: u64,
    /// More.
    pub notes: Vec<Note>,
}

impl ContainerFacts {
    fn new(kind: ContainerKind, type_name: String) -> Self {
        Self {
            kind,
            type_name,
            object: None,
            address: 0,
            entries: 0,
            capacity: 0,
            own_bytes: 0,
            content_bytes: 0,
            retained: 0,
            waste: 0,
            notes: Vec::new(),
        }
    }
}

/// All containers of one kind and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerGroup {
    /// What they are.
    pub kind: ContainerKind,
    /// Go's name of their type.
    pub type_name: String,
    /// How many.
    pub count: u64,
    /// Entries of all.
    pub entries: u64,
    /// Slots of all.
    pub capacity: u64,
    /// Bytes of their own objects; of slices and strings what their capacity and length says.
    pub bytes: u64,
    /// Bytes that hold nothing, of all.
    pub waste: u64,
}

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct ContainerOptions {
    /// Most single containers of each kind by what they retain, and as many by waste.
    pub most: usize,
    /// Keys and texts are shown as they are.
    pub show_keys: bool,
}

impl Default for ContainerOptions {
    fn default() -> Self {
        Self { most: 64, show_keys: false }
    }
}

/// The containers of a heap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Containers {
    /// Single containers, by kind, largest first.
    pub list: Vec<ContainerFacts>,
    /// Sums by kind and type, most bytes first.
    pub groups: Vec<ContainerGroup>,
    /// Strings with the same content.
    pub duplicates: Duplicates,
}

/// Lists, trees and chains of contexts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Links {
    /// Single ones, by kind, largest first.
    pub(crate) list: Vec<ContainerFacts>,
    /// Sums by kind and type.
    groups: Vec<ContainerGroup>,
}

/// Collects the containers of one pass: sums of all, the largest one by one.
#[derive(Debug, Default)]
struct Collector {
    most: usize,
    list: BTreeMap<ContainerKind, Vec<ContainerFacts>>,
    groups: BTreeMap<(ContainerKind, String), ContainerGroup>,
}

impl Collector {
    /// Counts a container in the sums and keeps it if it may be among the largest.
    fn add(&mut self, facts: ContainerFacts) {
        let group = self.group(facts.kind, &facts.type_name);
        group.count += 1;
        group.entries = group.entries.saturating_add(facts.entries);
        group.capacity = group.capacity.saturating_add(facts.capacity);
        group.bytes = group.bytes.saturating_add(facts.own_bytes);
        group.waste = group.waste.saturating_add(facts.waste);
        self.keep(facts);
    }

    /// Keeps a container that is in the sums already.
    fn keep(&mut self, facts: ContainerFacts) {
        let most = self.most.max(1);
        let list = self.list.entry(facts.kind).or_default();
        list.push(facts);
        if list.len() >= 16 * most {
            largest(list, most);
        }
    }

    /// Takes over what was collected before.
    fn take(&mut self, links: &Links) {
        links.list.iter().for_each(|facts| self.keep(facts.clone()));
        let groups = links.groups.iter().map(|g| ((g.kind, g.type_name.clone()), g.clone()));
        self.groups.extend(groups);
    }

    fn group(&mut self, kind: ContainerKind, type_name: &str) -> &mut ContainerGroup {
        self.groups.entry((kind, type_name.to_owned())).or_insert_with(|| ContainerGroup {
            kind,
            type_name: type_name.to_owned(),
            count: 0,
            entries: 0,
            capacity: 0,
            bytes: 0,
            waste: 0,
        })
    }

    fn finish(self) -> (Vec<ContainerFacts>, Vec<ContainerGroup>) {
        let mut list = Vec::new();
        for (_, mut of_kind) in self.list {
            largest(&mut of_kind, self.most);
            list.extend(of_kind);
        }
        let mut groups: Vec<ContainerGroup> = self.groups.into_values().collect();
        groups.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| (a.kind, &a.type_name).cmp(&(b.kind, &b.type_name))));
        (list, groups)
    }
}

/// Keeps those that retain most and those that waste most, `most` of each, the former first.
fn largest(list: &mut Vec<ContainerFacts>, most: usize) {
    list.sort_by_key(|f| (Reverse(f.waste), f.address));
    let wasteful: Vec<ContainerFacts> = list.iter().take(most).filter(|f| f.waste > 0).cloned().collect();
    list.sort_by_key(|f| (Reverse(f.retained), f.address));
    let rest = list.split_off(most.min(list.len()));
    let least = rest.first().map(|f| (Reverse(f.retained), f.address));
    list.extend(wasteful.into_iter().filter(|f| least.is_some_and(|l| (Reverse(f.retained), f.address) >= l)));
    list.sort_by_key(|f| (Reverse(f.retained), f.address));
}

impl HeapGraph<'_> {
    fn maps_into(&self, collector: &mut Collector) {
        for i in 0..self.objects.spans().len() as u32 {
            for (object, _) in self.objects.of_span(i) {
                let Shape::MapHeader(typ) = self.shapes.of(object) else { continue };
                let Some(address) = self.objects.address(object) else { continue };
                let Some(map) = map_facts(&self.view(), typ, address) else { continue };
                let mut facts = ContainerFacts {
                    object: Some(object),
                    address,
                    entries: map.entries,
                    capacity: map.slots,
                    own_bytes: map.bytes,
                    content_bytes: map.used_bytes,
                    retained: self.tree.retained(object),
                    waste: map.ghost(),
                    ..ContainerFacts::new(ContainerKind::Map, self.runtime.types.name(typ))
                };
                facts.notes.push(self.map_parts(typ, &map));
                if map.found != map.entries {
                    facts.notes.push(Note::Damaged);
                }
                collector.add(facts);
            }
        }
    }

    /// What a map is made of, beside its numbers.
    fn map_parts(&self, typ: TypeId, map: &MapFacts) -> Note {
        let types = &self.runtime.types;
        let of = |id: TypeId| types.get(id);
        let detail = of(typ).and_then(|t| if let Detail::Map(m) = t.detail { Some(m) } else { None });
        let pointee = detail.and_then(|m| match of(m.elem)?.detail {
            Detail::Pointer { elem } => Some(of(elem)?.size),
            _ => None,
        });
        Note::MapParts {
            key_bytes: detail.and_then(|m| of(m.key)).map_or(0, |t| t.size),
            value_bytes: detail.and_then(|m| of(m.elem)).map_or(0, |t| t.size),
            pointee_bytes: pointee,
            tombstones: map.tombstones,
            overflow: map.overflow,
            longest_chain: map.longest_chain,
            old_buckets: map.old_buckets,
        }
    }

    /// Samples the keys of the maps that are listed.
    fn sample_keys(&self, list: &mut [ContainerFacts], options: &ContainerOptions) {
        for facts in list.iter_mut().filter(|f| f.kind == ContainerKind::Map) {
            if let Some(Shape::MapHeader(typ)) = facts.object.map(|o| self.shapes.of(o)) {
                let sampled = keys::of_map(&self.view(), typ, facts.address);
                facts.notes.extend(sampled.and_then(|k| keys::describe(&k, options)).map(Note::Keys));
            }
        }
    }

    /// Lists, trees and chains of contexts alone, the `most` largest one by one.
    pub(crate) fn links(&self, most: usize) -> Links {
        let mut collector = Collector { most, ..Collector::default() };
        self.links_into(&mut collector);
        let (list, groups) = collector.finish();
        Links { list, groups }
    }

    /// Finds and measures the containers. Goes over the typed objects a few times, in parallel where it reads
    /// their bytes.
    #[must_use]
    pub fn containers(&self, names: &dyn Names, options: &ContainerOptions) -> Containers {
        self.containers_with(names, options, &self.links(options.most))
    }

    /// The same where lists, trees and chains of contexts were found before, at least [`ContainerOptions::most`].
    pub(crate) fn containers_with(&self, names: &dyn Names, options: &ContainerOptions, links: &Links) -> Containers {
        let mut collector = Collector { most: options.most, ..Collector::default() };
        let texts = texts::Texts::default();
        let seen = walk::walk(self, &self.places, &texts);
        // First of all: they take much memory.
        let duplicates = texts::duplicates(self, texts, options);
        self.maps_into(&mut collector);
        self.slices_into(&mut collector, &seen);
        collector.take(links);
        self.channels_into(&mut collector);
        self.sync_maps_into(&mut collector, &seen, options);
        self.pools_into(&mut collector, &seen);
        self.values_into(&mut collector, &seen);
        self.timers_into(&mut collector, names);
        self.http_into(&mut collector);
        let (mut list, groups) = collector.finish();
        self.sample_keys(&mut list, options);
        Containers { list, groups, duplicates }
    }
}
