//! Strings that nothing typed leads to: a pointer to the start of an object without pointers, and behind it the
//! length that such an object is made for.

use super::{Typer, WINDOW};
use crate::code::slot_size;
use crate::shapes::Shape;
use goruntime::{Fields, ObjectId, PointerBits};

/// Shortest text that is told: those below 16 bytes share a slot with others, and small numbers are many.
const LEAST: u64 = 17;

impl Typer<'_> {
    /// Strings in objects of which nothing is known, and among the program's variables.
    pub(super) fn texts_in_unknown(&mut self) {
        let objects = self.heap.objects;
        let mut data = Vec::new();
        for (i, span) in objects.spans().iter().enumerate() {
            if span.pointers == PointerBits::NoScan || span.elem_size < 16 || span.elem_size > WINDOW {
                continue;
            }
            for (object, slot) in objects.of_span(i as u32) {
                if self.shapes.number(object) != 0 {
                    continue;
                }
                let at = span.start + u64::from(slot) * span.elem_size;
                if let Ok(bytes) = self.heap.memory.view(at, span.elem_size as usize, &mut data) {
                    self.text_pairs(bytes, &mut |_| {});
                }
            }
        }
        let modules: Vec<_> = self.heap.types.modules().iter().map(|m| [m.data..m.edata, m.bss..m.ebss]).collect();
        let mut strings = Vec::new();
        for range in modules.into_iter().flatten() {
            let mut at = range.start;
            while at < range.end {
                // Windows overlap by a word.
                let len = (range.end - at).min(WINDOW) & !7;
                if let Ok(bytes) = self.heap.memory.view(at, len as usize, &mut data) {
                    self.text_pairs(bytes, &mut |offset| strings.push(at + offset));
                }
                at = at.saturating_add(len.max(16) - 8);
            }
        }
        self.strings = strings;
    }

    fn text_pairs(&mut self, bytes: &[u8], found: &mut dyn FnMut(u64)) {
        let words = Fields(bytes);
        for i in 1..bytes.len() as u32 / 8 {
            let (pointer, len) = (words.u64(8 * i - 8), words.u64(8 * i));
            if len < LEAST {
                continue;
            }
            if let Some(object) = self.text_of(pointer, len) {
                self.set(object, Shape::Text);
                found(u64::from(8 * i - 8));
            }
        }
    }

    /// The object without type or pointers that was made for so many bytes.
    fn text_of(&self, pointer: u64, len: u64) -> Option<ObjectId> {
        let found = self.heap.objects.find(pointer).filter(|f| f.offset == 0)?;
        let span = self.heap.objects.spans().get(found.span as usize)?;
        let fits = span.pointers == PointerBits::NoScan && slot_size(len) == span.elem_size;
        (fits && self.shapes.number(found.object) == 0).then_some(found.object)
    }
}
