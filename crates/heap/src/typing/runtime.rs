//! What the runtime itself says of objects: types in front of them, special records, goroutines and what they wait
//! on, channels, timers.

use super::Typer;
use crate::shapes::Shape;
use gobinary::TypeId;
use gobinary::types::Detail;
use goruntime::{Fields, Goroutines, ObjectId, PointerBits, QueuedFinalizer, Says, Specials};

/// Longest queue of goroutines that wait on a channel.
const MOST_WAITING: u32 = 10_000_000;

impl Typer<'_> {
    /// Descriptors of goroutines, and what they wait on.
    pub(super) fn goroutines(&mut self, goroutines: &Goroutines) {
        for goroutine in &goroutines.list {
            self.propose(goroutine.address, Shape::Goroutine);
            self.propose(goroutine.waiting_on, Shape::WaitRecord);
        }
    }

    /// The records of a `select` follow each other.
    pub(super) fn wait_record(&mut self, at: u64) {
        if let Ok(next) = self.heap.memory.u64(at.saturating_add(u64::from(self.layout.sudog.waitlink))) {
            self.propose(next, Shape::WaitRecord);
        }
    }

    /// What special records say of their objects.
    pub(super) fn specials(&mut self, specials: &Specials, queued: &[QueuedFinalizer]) {
        for record in &specials.list {
            match record.says {
                Says::Finalizer { pointer_type, .. } if record.offset == self.first_byte(record.object) => {
                    self.has_finalizer(record.object, pointer_type);
                }
                Says::Cleanup { func, argument, call } => {
                    for closure in [func, call] {
                        self.function_value(closure);
                    }
                    self.propose(argument, Shape::CleanupArgument);
                }
                Says::Weak { handle } => self.propose(handle, Shape::WeakHandle),
                _ => {}
            }
        }
        for one in queued {
            self.has_finalizer(one.object, one.pointer_type);
        }
    }

    fn has_finalizer(&mut self, object: ObjectId, pointer_type: u64) {
        let types = self.heap.types;
        if let Some(Detail::Pointer { elem }) = types.get(types.id(pointer_type)).map(|t| &t.detail) {
            self.set(object, Shape::Value(*elem));
        }
    }

    /// Timers that run, with what they call.
    pub(super) fn timers(&mut self) {
        let types = self.heap.types;
        let mut ids = (0..types.len()).map(|i| TypeId(i as u32));
        let named = ids.find(|&id| types.get(id).is_some_and(|t| t.named) && types.name(id) == "time.Timer");
        let arg = u64::from(self.layout.timer.arg);
        for timer in self.heap.timers() {
            let word = |at: u64| self.heap.memory.u64(timer.saturating_add(at)).unwrap_or(0);
            let (typ, data) = (types.id(word(arg)), word(arg + 8));
            if let Some(found) = self.heap.objects.find(timer) {
                // Package time's have a channel in front; those of the runtime itself have not.
                let own = found.offset == self.first_byte(found.object);
                match named.filter(|_| !own) {
                    Some(id) => self.set(found.object, Shape::Value(id)),
                    None => self.set(found.object, Shape::Timer),
                }
            }
            if typ != TypeId::NONE {
                self.interface(typ, data);
            }
        }
    }

    /// Types that the runtime wrote: in front of objects, in spans of one object.
    pub(super) fn headers(&mut self) {
        let objects = self.heap.objects;
        for (i, span) in objects.spans().iter().enumerate() {
            match span.pointers {
                PointerBits::Large(typ) if typ != 0 => {
                    for (object, _) in objects.of_span(i as u32) {
                        self.header(object, typ, span.elem_size);
                    }
                }
                PointerBits::Header => {
                    for (object, slot) in objects.of_span(i as u32) {
                        if let Ok(typ) = self.heap.memory.u64(span.start + u64::from(slot) * span.elem_size) {
                            self.header(object, typ, span.elem_size - 8);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn header(&mut self, object: ObjectId, typ: u64, len: u64) {
        let id = self.heap.types.id(typ);
        let Some(typ) = self.heap.types.get(id) else { return };
        if typ.size == 0 || typ.size > len {
            return;
        }
        let shape = match self.maps.get(&id) {
            Some(&map) => self.map_slots(map),
            // The header names the element; whether it is one value or several shows by the room.
            None if len / typ.size >= 2 => Shape::Array(id),
            None => Shape::Value(id),
        };
        self.set(object, shape);
    }

    pub(super) fn channel(&mut self, at: u64, chan: TypeId) {
        let Some(&Detail::Chan { elem, .. }) = self.heap.types.get(chan).map(|t| &t.detail) else { return };
        let h = &self.layout.hchan;
        let mut copy = [0; 128];
        let Some(copy) = copy.get_mut(..h.size as usize) else { return };
        if self.heap.memory.read(at, copy).is_err() {
            return;
        }
        let (f, first) = (Fields(copy), self.layout.waitq.first);
        self.propose(f.u64(h.buf), Shape::Array(elem));
        self.waiting(f.u64(h.recvq + first), None);
        self.waiting(f.u64(h.sendq + first), Some(elem));
    }

    /// A queue of goroutines that wait on a channel; senders hold an element each, mostly on their stacks.
    fn waiting(&mut self, mut at: u64, sent: Option<TypeId>) {
        let s = &self.layout.sudog;
        for _ in 0..MOST_WAITING {
            let word = |offset: u32| self.heap.memory.u64(at.checked_add(u64::from(offset))?).ok();
            let Some(next) = word(s.next).filter(|_| at != 0) else { return };
            let value = word(s.elem.offset).filter(|&v| v != 0);
            // Queues have two ends: a record whose successor does not know it is no queue.
            let linked = next == 0 || self.heap.memory.u64(next.saturating_add(u64::from(s.prev))) == Ok(at);
            self.propose(at, Shape::WaitRecord);
            if let (Some(elem), Some(value)) = (sent, value) {
                match self.heap.objects.find(value) {
                    Some(_) => self.propose(value, Shape::Value(elem)),
                    None => self.values_at(value, elem, 1),
                }
            }
            if !linked {
                return;
            }
            at = next;
        }
    }
}
