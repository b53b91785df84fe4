//! The pointers of a whole stack, as the garbage collector finds them (`scanstack` of
//! `src/runtime/mgcmark.go`): the slots of each frame, and of the stack objects those that something
//! points to. It owns the closure over stack objects.

use super::slots::{FrameSlots, ObjectAt, frame_slots};
use super::words::Words;
use super::{StackEnd, StackSource, StackStart, StackWalk};
use std::ops::Range;

/// A word of a stack that holds something other than nil.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackWord {
    /// Where it lies.
    pub address: u64,
    /// What it holds: a pointer out of the stack.
    pub value: u64,
    /// Number of its frame, from the innermost.
    pub frame: u32,
    /// Whether it only may be a pointer.
    pub conservative: bool,
    /// Whether it lies in a local whose address is taken.
    pub in_object: bool,
}

/// What a stack holds.
#[derive(Clone, Debug)]
pub struct StackWords {
    /// Number of physical frames.
    pub frames: u32,
    /// Why the walk ended.
    pub end: StackEnd,
    /// Frames whose stack maps were missing or did not fit.
    pub incomplete: u32,
    /// Stack objects, and how many of them something points to.
    pub objects: u32,
    /// Stack objects that are alive.
    pub live_objects: u32,
}

struct Object {
    at: ObjectAt,
    frame: u32,
    seen: bool,
}

/// What is still to be followed: a pointer into the stack.
struct Found {
    precise: Vec<u64>,
    conservative: Vec<u64>,
}

/// Walks the stack and gives `each` its words that point out of it, frame by frame and then those of
/// live stack objects. `more` are pointers from elsewhere that may lead into the stack: `g.sched.ctxt`,
/// `fn` and `link` of the deferred calls, `g._panic`.
pub fn scan_stack(
    source: StackSource<'_, '_>,
    stack: Range<u64>,
    start: StackStart,
    more: &[u64],
    mut each: impl FnMut(StackWord),
) -> StackWords {
    let mut walk = StackWalk::new(source, stack.clone(), start);
    let mut scan = Scan {
        words: Words::new(source.memory),
        found: Found {
            precise: more.iter().copied().filter(|p| stack.contains(p)).collect(),
            conservative: Vec::new(),
        },
        stack: stack.clone(),
        each: &mut each,
    };
    let mut out = StackWords { frames: 0, end: StackEnd::Complete, incomplete: 0, objects: 0, live_objects: 0 };
    let mut objects = Vec::new();
    let mut slots = FrameSlots::default();
    for frame in walk.by_ref() {
        frame_slots(&source, &frame, stack.end, &mut slots);
        for &address in &slots.pointers {
            scan.word(address, out.frames, false, false);
        }
        for range in &slots.conservative {
            for address in (range.start..range.end).step_by(8) {
                scan.word(address, out.frames, true, false);
            }
        }
        objects.extend(slots.objects.iter().map(|&at| Object { at, frame: out.frames, seen: false }));
        out.incomplete += u32::from(slots.incomplete);
        out.frames += 1;
    }
    out.end = walk.end().unwrap_or(StackEnd::Complete);
    out.objects = u32::try_from(objects.len()).unwrap_or(u32::MAX);
    objects.sort_by_key(|o| o.at.address);
    while let Some((pointer, conservative)) = scan.found.pop() {
        if let Some(object) = find_object(&mut objects, pointer) {
            object.seen = true;
            out.live_objects += 1;
            match object.at.pointers(source.memory) {
                None => out.incomplete += 1,
                Some(pointers) => pointers.into_iter().for_each(|a| scan.word(a, object.frame, conservative, true)),
            }
        }
    }
    out
}

/// The object that `pointer` leads into, if it was not seen before.
fn find_object(objects: &mut [Object], pointer: u64) -> Option<&mut Object> {
    let after = objects.partition_point(|o| o.at.address <= pointer);
    let object = objects.get_mut(after.checked_sub(1)?)?;
    let inside = pointer - object.at.address < u64::from(object.at.size);
    (inside && !object.seen).then_some(object)
}

impl Found {
    /// Precise ones first, so that an object that both kinds lead to is precise.
    fn pop(&mut self) -> Option<(u64, bool)> {
        self.precise.pop().map(|p| (p, false)).or_else(|| self.conservative.pop().map(|p| (p, true)))
    }
}

struct Scan<'m, 'e> {
    words: Words<'m>,
    found: Found,
    stack: Range<u64>,
    each: &'e mut dyn FnMut(StackWord),
}

impl Scan<'_, '_> {
    fn word(&mut self, address: u64, frame: u32, conservative: bool, in_object: bool) {
        let Some(value) = self.words.get(address).filter(|v| *v != 0) else { return };
        if !self.stack.contains(&value) {
            (self.each)(StackWord { address, value, frame, conservative, in_object });
        } else if conservative {
            self.found.conservative.push(value);
        } else {
            self.found.precise.push(value);
        }
    }
}
