//! Channels (`runtime.hchan`, `src/runtime/chan.go`): what is buffered, who waits.

use super::{Collector, ContainerFacts, ContainerKind, Note};
use crate::program::HeapGraph;
use crate::shapes::Shape;
use gobinary::TypeId;
use gobinary::types::Detail;
use goruntime::{Fields, ObjectId};

/// Longest queue of goroutines that is walked.
const MOST_WAITING: u64 = 10_000_000;
/// Numbers of goroutines that are kept.
const SHOWN: usize = 8;

impl HeapGraph<'_> {
    pub(super) fn channels_into(&self, collector: &mut Collector) {
        for i in 0..self.objects.spans().len() as u32 {
            for (object, _) in self.objects.of_span(i) {
                if let Shape::Channel(typ) = self.shapes.of(object)
                    && let Some(facts) = self.channel(object, typ)
                {
                    collector.add(facts);
                }
            }
        }
    }

    fn channel(&self, object: ObjectId, typ: TypeId) -> Option<ContainerFacts> {
        let types = &self.runtime.types;
        let Detail::Chan { elem, .. } = types.get(typ)?.detail else { return None };
        let h = &self.runtime.layout().hchan;
        let address = self.objects.address(object)?;
        let mut copy = [0; 128];
        let copy = copy.get_mut(..h.size as usize)?;
        self.runtime.memory.read(address, copy).ok()?;
        let f = Fields(copy);
        // What was taken for a channel by a stale pointer has another word there; one without a buffer gives nothing
        // else to check by.
        if types.address(elem) != Some(f.u64(h.elemtype)) {
            return None;
        }
        let (count, size) = (f.u64(h.qcount), f.u64(h.dataqsiz));
        let elem_size = types.get(elem)?.size;
        let mut facts = ContainerFacts {
            object: Some(object),
            address,
            entries: count,
            capacity: size,
            own_bytes: self.objects.size(object)?,
            content_bytes: count.saturating_mul(elem_size),
            retained: self.tree.retained(object),
            ..ContainerFacts::new(ContainerKind::Channel, types.name(typ))
        };
        if count > size {
            facts.notes.push(Note::Damaged);
            facts.entries = size;
        }
        facts.waste = (size - facts.entries).saturating_mul(elem_size);
        if let Some(buffer) = self.objects.find(f.u64(h.buf))
            && buffer.object != object
        {
            facts.own_bytes = facts.own_bytes.saturating_add(self.objects.size(buffer.object).unwrap_or(0));
        }
        if f.u32(h.closed) != 0 {
            facts.notes.push(Note::Closed);
        }
        let first = self.runtime.layout().waitq.first;
        let mut goroutines = Vec::new();
        let receivers = self.waiting(f.u64(h.recvq + first), &mut goroutines);
        let senders = self.waiting(f.u64(h.sendq + first), &mut goroutines);
        if receivers + senders > 0 {
            facts.notes.push(Note::Blocked { receivers, senders, goroutines });
        }
        Some(facts)
    }

    /// Goroutines in a queue of `runtime.sudog`.
    fn waiting(&self, mut at: u64, goroutines: &mut Vec<u64>) -> u64 {
        let (s, g) = (&self.runtime.layout().sudog, &self.runtime.layout().g);
        let word = |at: u64, offset: u32| self.runtime.memory.u64(at.checked_add(u64::from(offset))?).ok();
        let mut count = 0;
        while at != 0 && count < MOST_WAITING {
            count += 1;
            if goroutines.len() < SHOWN
                && let Some(descriptor) = word(at, s.g)
                && let Some(id) = word(descriptor, g.goid)
            {
                goroutines.push(id);
            }
            let Some(next) = word(at, s.next) else { break };
            // Queues have two ends: a record whose successor does not know it is no queue.
            if next != 0 && word(next, s.prev) != Some(at) {
                break;
            }
            at = next;
        }
        count
    }
}
