//! Follows the pointers of typed values: what each says of its target.

use super::{MOST_REPEATS, Typer, WINDOW};
use crate::shapes::Shape;
use gobinary::TypeId;
use gobinary::types::PointerKind;
use goruntime::{Fields, PointerBits, Span};

impl Typer<'_> {
    /// Follows the pointers of one value, or of values behind each other.
    pub(super) fn values(&mut self, (span, start, len): (Span, u64, u64), id: TypeId, many: bool) {
        let types = self.heap.types;
        let Some(size) = types.get(id).map(|t| t.size).filter(|&s| s > 0 && s <= len) else { return };
        if span.pointers == PointerBits::NoScan {
            return;
        }
        self.values_at(start, id, if many { len / size } else { 1 });
    }

    /// Follows the pointers of values behind each other.
    pub(super) fn values_at(&mut self, start: u64, id: TypeId, count: u64) {
        let types = self.heap.types;
        let Some(size) = types.get(id).map(|t| t.size).filter(|&s| s > 0) else { return };
        if count.checked_mul(size).and_then(|n| start.checked_add(n)).is_none() {
            return;
        }
        let Some(program) = types.program(id) else { return };
        if program.slots.is_empty() && program.repeats.is_empty() {
            return;
        }
        let hidden = self.hidden(id);
        let mut data = std::mem::take(&mut self.data);
        // Whole values at a time, as many as fit a window.
        let per_window = (WINDOW / size).max(1);
        let mut done = 0;
        while done < count {
            let n = per_window.min(count - done);
            let at = start + done * size;
            // A value longer than any window is followed through its long arrays only.
            if let Ok(bytes) = self.heap.memory.view(at, (n * size) as usize, &mut data) {
                for value in bytes.chunks_exact(size as usize) {
                    self.value(value, id, 0);
                    for &(offset, shape) in hidden.iter() {
                        self.propose(Fields(value).u64(offset as u32), shape);
                    }
                }
            }
            done += n;
        }
        self.data = data;
    }

    pub(super) fn value(&mut self, value: &[u8], id: TypeId, deep: u32) {
        let types = self.heap.types;
        let Some(program) = types.program(id) else { return };
        let f = Fields(value);
        let mut before = None;
        for slot in &program.slots {
            let at = 8 * slot.word;
            let word = f.u64(at + 8 * slot.kind.pointer_word());
            if word == 0 {
                continue;
            }
            if slot.kind == PointerKind::Unsafe
                && before.is_some_and(|b: (u32, PointerKind)| {
                    b.0 + 1 == slot.word && self.descriptor.is_some_and(|d| b.1 == PointerKind::Ptr(d))
                })
            {
                self.reflect_value(f.u64(at - 8), word, f.u64(at + 8));
            }
            // Type and data, each an `unsafe.Pointer`: the queues of `sync.Pool` (`eface`, `src/sync/poolqueue.go`).
            let adjacent = slot.word.checked_sub(1).is_some_and(|w| before == Some((w, slot.kind)));
            if slot.kind == PointerKind::Unsafe && adjacent {
                let typ = f.u64(at - 8);
                if types.looks_like_type(typ) {
                    self.interface(types.id(typ), word);
                }
            }
            before = Some((slot.word, slot.kind));
            self.follow(slot.kind, [f.u64(at), f.u64(at + 8), f.u64(at + 16)]);
        }
        if deep > 32 {
            return;
        }
        for repeat in &program.repeats {
            for i in 0..u64::from(repeat.count).min(MOST_REPEATS) {
                let at = 8 * (u64::from(repeat.word) + i * u64::from(repeat.stride)) as usize;
                let Some(part) = value.get(at..).filter(|p| !p.is_empty()) else { break };
                self.value(part, repeat.elem, deep + 1);
            }
        }
    }

    /// What a pointer of this kind says of its target; `words` are those of the value it is part of.
    pub(super) fn follow(&mut self, kind: PointerKind, words: [u64; 3]) {
        let [first, second, _] = words;
        match kind {
            PointerKind::Ptr(elem) => self.propose(first, Shape::Value(elem)),
            PointerKind::Slice(elem) => self.propose(first, Shape::Array(elem)),
            PointerKind::String => self.propose(first, Shape::Text),
            PointerKind::Map(map) => self.propose(first, Shape::MapHeader(map)),
            PointerKind::Chan(chan) => self.propose(first, Shape::Channel(chan)),
            PointerKind::Func(_) => self.function_value(first),
            PointerKind::Iface(_) => {
                if let Some(itab) = self.heap.types.itab_at(first) {
                    self.interface(itab.typ, second);
                }
            }
            PointerKind::Eface => {
                let typ = self.heap.types.id(first);
                if typ != TypeId::NONE {
                    self.interface(typ, second);
                }
            }
            PointerKind::Unsafe => {}
        }
    }

    /// What a function value points to: a closure, whose first word is its code.
    pub(super) fn function_value(&mut self, at: u64) {
        if self.heap.objects.find(at).is_some()
            && let Ok(code) = self.heap.memory.u64(at)
            && (self.is_code_entry)(code)
        {
            self.propose(at, Shape::Closure(code));
        }
    }
}
