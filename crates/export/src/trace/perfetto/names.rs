//! Names, stacks and frames by the numbers that the file gives them: each is written once, where it is first used.
//! Memory is bounded: when too many are known, all are forgotten, here and in the reader of the file.

use super::packet::{Interned, Packets};
use rustc_hash::FxHashMap;
use std::fmt::Write as _;
use std::io::Write;
use timeline::{Name, Names, Place};

/// Most names, stacks and frames that are known at a time.
const MOST: usize = 1 << 17;
/// Number of the mapping that all frames lie in, and of its path.
const MAPPING: u64 = 1;

/// What an interned text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Text {
    /// A wait: `waiting: chan receive`.
    Waiting(Name),
    /// The text itself, as the name of an event.
    Plain(Name),
    /// One that is always the same.
    Fixed(&'static str),
    /// The creation of a goroutine: `go main.worker`.
    Creates(Name),
    /// The text itself, as the value of an annotation.
    Value(Name),
    /// A stack as text, a frame a line, the innermost first.
    Stack(Name),
}

/// The name of a goroutine, as long as it lives.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct GoroutineName {
    number: u64,
    age: u32,
}

#[derive(Debug, Default)]
pub(super) struct Numbers {
    texts: FxHashMap<Text, u64>,
    functions: FxHashMap<Name, u64>,
    files: FxHashMap<Name, u64>,
    frames: FxHashMap<Place, u64>,
    stacks: FxHashMap<Name, u64>,
    mapping: bool,
    next: u64,
    /// How often everything was forgotten, plus 1.
    age: u32,
    scratch: String,
}

impl Numbers {
    pub(super) fn new() -> Self {
        // Numbers that were never given are 0; 1 is the mapping's.
        Numbers { next: MAPPING + 1, age: 1, ..Numbers::default() }
    }

    /// Forgets what is known when that is too much. To be called before the parts of an event are named.
    pub(super) fn bound<W: Write>(&mut self, packets: &mut Packets<W>) {
        let known = self.texts.len() + self.frames.len() + self.stacks.len();
        if known > MOST {
            let (next, age) = (self.next, self.age.wrapping_add(1));
            *self = Numbers { next, age, ..Numbers::default() };
            packets.clear();
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// The number of a text.
    pub(super) fn text<W: Write>(&mut self, text: Text, names: &Names, packets: &mut Packets<W>) -> u64 {
        if let Some(&number) = self.texts.get(&text) {
            return number;
        }
        let number = self.number();
        self.texts.insert(text, number);
        self.scratch.clear();
        let s = &mut self.scratch;
        // Writing to a string cannot fail.
        let _ = match text {
            Text::Waiting(0) => write!(s, "waiting"),
            Text::Waiting(reason) => write!(s, "waiting: {}", names.text(reason)),
            Text::Creates(0) => write!(s, "go"),
            Text::Creates(function) => write!(s, "go {}", short(names.text(function))),
            Text::Plain(name) | Text::Value(name) => write!(s, "{}", names.text(name)),
            Text::Fixed(text) => write!(s, "{text}"),
            Text::Stack(stack) => stack_text(s, stack, names),
        };
        let kind = match text {
            Text::Value(_) | Text::Stack(_) => Interned::AnnotationText,
            _ => Interned::EventName,
        };
        packets.intern(kind, number, self.scratch.as_bytes());
        number
    }

    /// The number of `G12 main.worker`.
    pub(super) fn goroutine<W: Write>(
        &mut self,
        known: &mut GoroutineName,
        id: i64,
        function: &str,
        packets: &mut Packets<W>,
    ) -> u64 {
        if known.age != self.age {
            let number = self.number();
            *known = GoroutineName { number, age: self.age };
            self.scratch.clear();
            let space = if function.is_empty() { "" } else { " " };
            let _ = write!(self.scratch, "G{id}{space}{}", short(function));
            packets.intern(Interned::EventName, number, self.scratch.as_bytes());
        }
        known.number
    }

    /// The number of a stack of frames, as samples name it.
    pub(super) fn callstack<W: Write>(&mut self, stack: Name, names: &Names, packets: &mut Packets<W>) -> u64 {
        if let Some(&number) = self.stacks.get(&stack) {
            return number;
        }
        if !std::mem::replace(&mut self.mapping, true) {
            packets.intern(Interned::MappingPath, MAPPING, b"go");
            packets.intern_mapping(MAPPING, MAPPING);
        }
        let frames: Vec<u64> = names.places(stack).iter().map(|p| self.frame(*p, names, packets)).collect();
        let number = self.number();
        self.stacks.insert(stack, number);
        packets.intern_callstack(number, frames.iter().rev().copied());
        number
    }

    fn frame<W: Write>(&mut self, place: Place, names: &Names, packets: &mut Packets<W>) -> u64 {
        if let Some(&number) = self.frames.get(&place) {
            return number;
        }
        let (function, file, line) = place;
        let number = self.number();
        let mut part = |kind, name: Name, known: &mut FxHashMap<Name, u64>| {
            *known.entry(name).or_insert_with(|| {
                packets.intern(kind, number, names.text(name).as_bytes());
                number
            })
        };
        let function = part(Interned::FunctionName, function, &mut self.functions);
        let file = part(Interned::SourcePath, file, &mut self.files);
        packets.intern_frame(number, function, MAPPING, file, line);
        self.frames.insert(place, number);
        number
    }
}

/// A function without the directories of its import path, or a file without its own.
fn short(function: &str) -> &str {
    function.rsplit('/').next().unwrap_or(function)
}

/// A frame a line: `main.worker (main.go:12)`.
fn stack_text(out: &mut String, stack: Name, names: &Names) -> std::fmt::Result {
    for (i, &(function, file, line)) in names.places(stack).iter().enumerate() {
        let newline = if i == 0 { "" } else { "\n" };
        let file = names.text(file);
        write!(out, "{newline}{} ({}:{line})", names.text(function), short(file))?;
    }
    Ok(())
}
