//! Owns flame graphs: folded stacks in, an aggregated tree with a stated cut, an interactive SVG or
//! a speedscope file out. Refuses to read profiles: stacks come folded, one a line.

mod speedscope;
mod svg;
mod tree;

pub use speedscope::{speedscope, speedscope_of};
pub use svg::flame_svg;
pub(crate) use tree::{Cut, Tree};

/// Folded stacks of one sample type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flame {
    /// What it shows: `inuse_space`, `growth`, `alloc_space`.
    pub name: String,
    /// `bytes`, `nanoseconds` or `count`.
    pub unit: String,
    /// Lines `root;..;leaf N`, N below zero where a difference shrank. Lines of another form are
    /// counted and left out.
    pub collapsed: String,
    /// One sentence for the reader: which profiles, taken when.
    pub note: String,
}

/// Why a flame graph could not be drawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlameError {
    /// No line holds a stack with a value other than zero.
    #[error("flame graph `{0}`: no stacks with a value")]
    Empty(String),
    /// The drawing library failed.
    #[error("flame graph `{name}`: {source}")]
    Draw {
        /// Which one.
        name: String,
        /// What it said.
        source: std::io::Error,
    },
}

/// One folded line as its stack and value; `None` for an empty stack or no number at the end.
pub(crate) fn parse_line(line: &str) -> Option<(&str, i64)> {
    let (stack, n) = line.trim_end().rsplit_once(' ')?;
    let stack = stack.trim();
    (!stack.is_empty()).then_some((stack, n.parse().ok()?))
}

/// A frame's function without the directories of its import path.
pub(crate) fn short_name(frame: &str) -> String {
    crate::terminal::short_function(frame)
}
