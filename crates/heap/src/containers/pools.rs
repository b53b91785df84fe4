//! `sync.Pool` (`src/sync/pool.go`, `src/sync/poolqueue.go`): what each P keeps, and what is left from before the
//! last collection. Found as typed values, and in the program's data by what its words lead to.

use super::walk::{Known, Seen};
use super::{Collector, ContainerFacts, ContainerKind, Note};
use crate::program::HeapGraph;
use crate::roots::RootGroup;
use rustc_hash::{FxHashMap, FxHashSet};

/// `Pool`: `local`, `localSize`, `victim`, `victimSize` (after a field without size).
const LOCAL: u64 = 0;
const VICTIM: u64 = 16;
const NEW: u64 = 32;
/// Bytes of a `poolLocal`: padded so that Ps do not share cache lines.
const LOCAL_BYTES: u64 = 128;
/// `poolLocal`: `private any`, then `shared`: head and tail.
const SHARED_HEAD: u64 = 16;
const SHARED_TAIL: u64 = 24;
/// `poolChainElt`: `headTail`, `vals` (slice of interface values), `next`, `prev`.
const VALS: u64 = 8;
const NEXT: u64 = 32;
/// Most Ps, most queues of one P.
const MOST_PS: u64 = 1 << 16;
const MOST_QUEUES: u32 = 64;
/// Longest queue (`dequeueLimit`).
const MOST_QUEUE: u64 = 1 << 30;

#[derive(Default)]
struct Sum {
    entries: u64,
    content: u64,
    own: u64,
    types: FxHashMap<u64, u64>,
    met: FxHashSet<u32>,
}

impl HeapGraph<'_> {
    pub(super) fn pools_into(&self, collector: &mut Collector, seen: &Seen) {
        let places = seen.places.iter().filter(|p| p.known == Known::SyncPool).map(|p| p.address);
        let globals = self.roots.groups.iter().filter_map(|group| match group {
            // Either of its two pointers may be the only one.
            RootGroup::Global { address } => Some([address.saturating_sub(LOCAL), address.saturating_sub(VICTIM)]),
            _ => None,
        });
        let mut met = FxHashSet::default();
        let sure: FxHashSet<u64> = places.collect();
        let candidates: Vec<u64> = sure.iter().copied().chain(globals.flatten()).collect();
        for address in candidates {
            if met.contains(&address) {
                continue;
            }
            if let Some(facts) = self.pool(address, sure.contains(&address)) {
                met.insert(address);
                collector.add(facts);
            }
        }
    }

    fn pool(&self, at: u64, sure: bool) -> Option<ContainerFacts> {
        let word = |at: u64| self.runtime.memory.u64(at).ok();
        let two = |from: u64| Some((word(at.checked_add(from)?)?, word(at.checked_add(from + 8)?)?));
        let (local, local_size) = two(LOCAL)?;
        let (victim, victim_size) = two(VICTIM)?;
        if local == 0 && victim == 0 {
            return None;
        }
        let new = word(at.checked_add(NEW)?)?;
        if !sure && new != 0 && self.runtime.memory.u64(new).is_err() {
            return None;
        }
        let (mut now, mut before) = (Sum::default(), Sum::default());
        self.locals(local, local_size, &mut now)?;
        self.locals(victim, victim_size, &mut before)?;
        let retained = [local, victim].into_iter().filter_map(|a| self.objects.find(a));
        let retained = retained.map(|f| self.tree.retained(f.object)).fold(0, u64::saturating_add);
        let mut types: FxHashMap<u64, u64> = now.types;
        for (typ, count) in before.types {
            *types.entry(typ).or_default() += count;
        }
        let most = types.into_iter().max_by_key(|&(typ, count)| (count, typ)).map(|t| t.0);
        let elem = most.map(|t| self.runtime.types.name(self.runtime.types.id(t)));
        let name = elem.map_or_else(|| "sync.Pool".to_owned(), |e| format!("sync.Pool of {e}"));
        let mut facts = ContainerFacts {
            object: self.objects.find(at).map(|f| f.object),
            address: at,
            entries: now.entries + before.entries,
            own_bytes: now.own + before.own,
            content_bytes: now.content + before.content,
            retained,
            ..ContainerFacts::new(ContainerKind::SyncPool, name)
        };
        if before.entries > 0 {
            facts.notes.push(Note::Victims(before.entries));
        }
        Some(facts)
    }

    /// The array of what each P keeps. `None` when it is no such array.
    fn locals(&self, array: u64, count: u64, sum: &mut Sum) -> Option<()> {
        if array == 0 || count == 0 {
            return (array == 0 && count == 0).then_some(());
        }
        let found = self.objects.find(array)?;
        let size = self.objects.size(found.object)?;
        let bytes = count.checked_mul(LOCAL_BYTES).filter(|_| count <= MOST_PS)?;
        // It is an object of its own, as large as its size class asks for.
        if found.offset > 8 || bytes > size || size > bytes + bytes / 4 + 64 {
            return None;
        }
        self.own(array, sum);
        for i in 0..count {
            let at = array + i * LOCAL_BYTES;
            self.value(at, sum)?;
            let word = |from: u64| self.runtime.memory.u64(at.checked_add(from)?).ok();
            let (head, tail) = (word(SHARED_HEAD)?, word(SHARED_TAIL)?);
            if (head == 0) != (tail == 0) {
                return None;
            }
            self.queues(tail, sum)?;
        }
        Some(())
    }

    /// The queues of one P, from the oldest on.
    fn queues(&self, mut at: u64, sum: &mut Sum) -> Option<()> {
        for _ in 0..MOST_QUEUES {
            if at == 0 {
                return Some(());
            }
            self.objects.find(at)?;
            self.own(at, sum);
            let word = |from: u64| self.runtime.memory.u64(at.checked_add(from)?).ok();
            let head_tail = word(0)?;
            let (vals, len, cap) = (word(VALS)?, word(VALS + 8)?, word(VALS + 16)?);
            if len != cap || !len.is_power_of_two() || len > MOST_QUEUE {
                return None;
            }
            self.objects.find(vals)?;
            self.own(vals, sum);
            let (head, tail) = ((head_tail >> 32) as u32, head_tail as u32);
            let queued = u64::from(head.wrapping_sub(tail));
            if queued > len {
                return None;
            }
            for i in 0..queued {
                let slot = (u64::from(tail) + i) & (len - 1);
                self.value(vals.checked_add(16 * slot)?, sum)?;
            }
            at = word(NEXT)?;
        }
        None
    }

    /// An interface value, nil or with a type.
    fn value(&self, at: u64, sum: &mut Sum) -> Option<()> {
        let word = |at: u64| self.runtime.memory.u64(at).ok();
        let (typ, data) = (word(at)?, word(at.checked_add(8)?)?);
        if typ == 0 {
            return (data == 0).then_some(());
        }
        if !self.runtime.types.looks_like_type(typ) {
            return None;
        }
        sum.entries += 1;
        *sum.types.entry(typ).or_default() += 1;
        if let Some(found) = self.objects.find(data)
            && sum.met.insert(found.object)
        {
            sum.content = sum.content.saturating_add(self.objects.size(found.object).unwrap_or(0));
        }
        Some(())
    }

    fn own(&self, at: u64, sum: &mut Sum) {
        if let Some(found) = self.objects.find(at)
            && sum.met.insert(found.object)
        {
            sum.own = sum.own.saturating_add(self.objects.size(found.object).unwrap_or(0));
        }
    }
}
