//! The state of each goroutine and since when: what exports of a trace draw. Owns what "since when" means where a
//! goroutine is met in the middle of things. Refuses: sums, and keeping goroutines that have ended.

use crate::names::{Name, Names};
use rustc_hash::FxHashMap;
use trace::{Detail, Event, Generation, GoState, NONE};

/// A state of a goroutine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Which.
    pub kind: GoState,
    /// When it was entered, in nanoseconds of the trace's clock.
    pub since: i64,
    /// Why, in the runtime's words; 0 where the trace does not say.
    pub reason: Name,
    /// Where the goroutine stood; 0 where the trace does not say.
    pub stack: Name,
}

/// A goroutine leaves a state and enters another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The goroutine.
    pub goroutine: i64,
    /// The function that it began with; 0 where not known.
    pub function: Name,
    /// It was not known before: created, or met.
    pub first: bool,
    /// It was created just now, not met.
    pub created: bool,
    /// What it leaves; undetermined when it was not known.
    pub left: State,
    /// What it enters. One that is met was in its state since the generation began: that is its `since`.
    pub entered: State,
    /// When.
    pub at: i64,
    /// The proc of the event.
    pub proc: i64,
    /// The goroutine that did it: who unblocked or created this one; itself when it stops or blocks; [`NONE`] for
    /// none.
    pub by: i64,
}

/// Follows the goroutines of a trace.
#[derive(Debug, Default)]
pub struct Tracker {
    /// Functions, reasons and stacks.
    pub names: Names,
    goroutines: FxHashMap<i64, (Name, State)>,
    generation: Option<(u64, i64)>,
}

impl Tracker {
    /// Nothing was told yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, with stacks kept whole: up to 128 frames, as against 32.
    #[must_use]
    pub fn deep() -> Self {
        Tracker { names: Names::deep(), ..Self::default() }
    }

    /// When the generation at hand began, in nanoseconds of the trace's clock.
    #[must_use]
    pub fn generation_start(&self) -> i64 {
        self.generation.map_or(0, |g| g.1)
    }

    /// The function that a goroutine began with, and its state.
    #[must_use]
    pub fn get(&self, goroutine: i64) -> Option<(Name, State)> {
        self.goroutines.get(&goroutine).copied()
    }

    /// Goroutines that have not ended, in no order.
    pub fn alive(&self) -> impl Iterator<Item = (i64, Name, State)> + '_ {
        self.goroutines.iter().map(|(id, (function, state))| (*id, *function, *state))
    }

    /// Takes the next event; every event of the trace must be told.
    pub fn event(&mut self, event: &Event<'_>, generation: &Generation) -> Option<Change> {
        if self.generation.is_none_or(|g| g.0 != generation.number()) {
            self.generation = Some((generation.number(), event.time));
        }
        let Detail::Goroutine { id, from, to, reason, stack } = event.detail(generation) else { return None };
        let known = self.get(id);
        let function = match known {
            Some((function, _)) if function != 0 => function,
            _ => self.names.outermost(stack, generation).unwrap_or(0),
        };
        let unknown = State { kind: GoState::Undetermined, since: event.time, reason: 0, stack: 0 };
        let left = known.map_or(unknown, |k| k.1);
        if known.is_some() && left.kind == to && from == to {
            // The status of a new generation tells nothing new but perhaps where the goroutine began.
            self.goroutines.insert(id, (function, left));
            return None;
        }
        let met = known.is_none() && from == GoState::Undetermined;
        let entered = State {
            kind: to,
            since: if met { self.generation_start() } else { event.time },
            reason: self.names.string(reason, generation),
            // A new goroutine's stack tells where it begins.
            stack: if from == GoState::NotExist { 0 } else { self.names.stack(stack, generation) },
        };
        if to == GoState::NotExist {
            self.goroutines.remove(&id);
        } else {
            self.goroutines.insert(id, (function, entered));
        }
        let created = from == GoState::NotExist;
        let by = if event.goroutine == id && created { NONE } else { event.goroutine };
        let Event { time: at, proc, .. } = *event;
        Some(Change { goroutine: id, function, first: known.is_none(), created, left, entered, at, proc, by })
    }
}
