//! Strings and stacks of the whole trace: each generation numbers its own anew. Owns numbers that stay.

use model::Frame;
use rustc_hash::FxHashMap;
use trace::{Generation, StackId, StringId};

/// Number of a string or a stack; 0 is the empty one.
pub type Name = u32;

/// Most frames of a stack that are kept, the innermost; the format has up to 128.
const MOST_FRAMES: usize = 32;
const ALL_FRAMES: usize = 128;

/// A frame: function, file, line.
pub type Place = (Name, Name, u32);

/// Everything that was named. Memory grows with the different strings and stacks that are asked for.
#[derive(Debug)]
pub struct Names {
    strings: Vec<String>,
    numbers: FxHashMap<String, Name>,
    stacks: Vec<Box<[Place]>>,
    stack_numbers: FxHashMap<Box<[Place]>, Name>,
    most_frames: usize,
    /// What the generation at hand calls them.
    generation: u64,
    strings_here: FxHashMap<StringId, Name>,
    stacks_here: FxHashMap<StackId, Name>,
}

impl Default for Names {
    fn default() -> Self {
        let mut names = Names {
            strings: Vec::new(),
            numbers: FxHashMap::default(),
            stacks: vec![Box::default()],
            stack_numbers: FxHashMap::default(),
            most_frames: MOST_FRAMES,
            generation: 0,
            strings_here: FxHashMap::default(),
            stacks_here: FxHashMap::default(),
        };
        names.of("");
        names
    }
}

impl Names {
    /// Names that keep stacks whole.
    #[must_use]
    pub fn deep() -> Self {
        Names { most_frames: ALL_FRAMES, ..Names::default() }
    }

    /// The number of a text.
    pub(crate) fn of(&mut self, text: &str) -> Name {
        if let Some(&known) = self.numbers.get(text) {
            return known;
        }
        let number = self.strings.len() as Name;
        self.strings.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }

    /// The number of a generation's string.
    pub fn string(&mut self, id: StringId, generation: &Generation) -> Name {
        self.enter(generation);
        if let Some(&known) = self.strings_here.get(&id) {
            return known;
        }
        let text = String::from_utf8_lossy(generation.string(id).unwrap_or_default()).into_owned();
        let number = self.of(&text);
        self.strings_here.insert(id, number);
        number
    }

    /// The number of a generation's stack; 0 for none.
    pub fn stack(&mut self, id: StackId, generation: &Generation) -> Name {
        self.enter(generation);
        if id == 0 {
            return 0;
        }
        if let Some(&known) = self.stacks_here.get(&id) {
            return known;
        }
        let frames: Vec<trace::Frame> =
            generation.stack(id).map(|frames| frames.take(self.most_frames).collect()).unwrap_or_default();
        let places = frames.iter().map(|f| {
            let (function, file) = (self.string(f.function, generation), self.string(f.file, generation));
            (function, file, u32::try_from(f.line).unwrap_or(0))
        });
        let places: Box<[Place]> = places.collect();
        let next = self.stacks.len() as Name;
        let number = if places.is_empty() { 0 } else { *self.stack_numbers.entry(places.clone()).or_insert(next) };
        if number == next {
            self.stacks.push(places);
        }
        self.stacks_here.insert(id, number);
        number
    }

    /// The function that a generation's stack began with: its outermost frame.
    pub fn outermost(&mut self, id: StackId, generation: &Generation) -> Option<Name> {
        let last = generation.stack(id)?.last()?;
        Some(self.string(last.function, generation)).filter(|name| *name != 0)
    }

    fn enter(&mut self, generation: &Generation) {
        if self.generation != generation.number() {
            self.generation = generation.number();
            self.strings_here.clear();
            self.stacks_here.clear();
        }
    }

    /// The text of a number.
    #[must_use]
    pub fn text(&self, name: Name) -> &str {
        self.strings.get(name as usize).map_or("", String::as_str)
    }

    /// Whether a function in the stack is of some kind.
    pub(crate) fn has_function(&self, stack: Name, is: impl Fn(&str) -> bool) -> bool {
        self.places(stack).iter().any(|place| is(self.text(place.0)))
    }

    /// The frames of a stack as numbers, innermost first.
    #[must_use]
    pub fn places(&self, stack: Name) -> &[Place] {
        self.stacks.get(stack as usize).map(|s| &s[..]).unwrap_or_default()
    }

    /// The frames of a stack, innermost first.
    #[must_use]
    pub fn frames(&self, stack: Name) -> Vec<Frame> {
        let frame = |&(function, file, line): &Place| Frame {
            function: self.text(function).to_owned(),
            file: self.text(file).to_owned(),
            line,
        };
        self.places(stack).iter().map(frame).collect()
    }
}
