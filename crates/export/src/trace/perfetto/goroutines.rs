//! What goroutines do: their runs on the procs' tracks, their states on their own, the arrows between them.

use super::names::{GoroutineName, Text};
use super::packet::{Note, Title, TrackEvent, TrackKind, Type, Value};
use super::procs::Open;
use super::user::MOST_REGIONS;
use super::{PerfettoWriter, counted, track};
use std::io::Write;
use timeline::{Change, Name};
use trace::{Event, Generation, GoState, Phase};

/// What is known of a goroutine that is alive.
#[derive(Debug, Default)]
pub(super) struct Goroutine {
    pub(super) name: GoroutineName,
    pub(super) function: Name,
    /// Since when it lives, and who created it.
    since: i64,
    by: Option<i64>,
    /// It has a track, or there was none for it.
    placed: bool,
    /// Its track.
    pub(super) lane: Option<u64>,
    /// States before it had one: the function that it began with was not known.
    held: Vec<Held>,
    /// The track of its regions, and how many are open.
    pub(super) regions: Option<(u64, u32)>,
    /// A slice of its state is open.
    state: bool,
    /// The proc it runs on.
    on: Option<i64>,
    /// It is in a mark assist, and where that began.
    assist: Option<Name>,
    /// The arrow that ends where it runs next.
    flow: Option<u64>,
}

/// A state that is written when the goroutine has a track.
#[derive(Clone, Copy, Debug)]
struct Held {
    text: Text,
    since: i64,
    /// When it ended; none while it lasts.
    end: Option<i64>,
    stack: Name,
    by: Option<i64>,
}

/// States that are held back at most.
const MOST_HELD: usize = 16;

impl Goroutine {
    /// There was no track left for it.
    pub(super) const fn has_no_track(&self) -> bool {
        self.placed && self.lane.is_none()
    }

    /// Tracks of slices that are open, once for each.
    pub(super) fn open(&self) -> impl Iterator<Item = u64> {
        let (track, regions) = self.regions.unwrap_or_default();
        let regions = regions.min(MOST_REGIONS);
        let life = self.lane.into_iter().flat_map(|lane| std::iter::repeat_n(lane, 1 + usize::from(self.state)));
        life.chain(std::iter::repeat_n(track, regions as usize)).collect::<Vec<_>>().into_iter()
    }
}

impl<W: Write> PerfettoWriter<W> {
    pub(super) fn change(&mut self, change: &Change, event: &Event<'_>, generation: &Generation) {
        for (state, by) in [(change.left.kind, -1), (change.entered.kind, 1)] {
            if let Some(count) = counted(state).and_then(|i| self.counts.get_mut(i)) {
                *count += by;
            }
        }
        let mut g = self.goroutines.remove(&change.goroutine).unwrap_or_default();
        if g.function == 0 && change.function != 0 {
            (g.function, g.name) = (change.function, GoroutineName::default());
        }
        if change.first {
            g.since = change.entered.since;
            g.by = change.created.then_some(change.by);
        }
        if change.entered.kind == GoState::Runnable && (change.created || change.left.kind == GoState::Waiting) {
            self.unblock(&mut g, change, event, generation);
        }
        self.leave(&mut g, change);
        let over = change.entered.kind == GoState::NotExist;
        if !g.placed && (g.function != 0 || over || g.held.len() >= MOST_HELD) {
            self.place(&mut g, change.goroutine);
        }
        if over {
            self.die(&mut g, change);
            return;
        }
        self.enter(&mut g, change);
        self.goroutines.insert(change.goroutine, g);
    }

    /// `G12 main.worker`, as a number.
    fn name(&mut self, g: &mut Goroutine, id: i64) -> u64 {
        let function = self.tracker.names.text(g.function);
        self.numbers.goroutine(&mut g.name, id, function, &mut self.packets)
    }

    /// A goroutine gets a track, with all it did so far.
    fn place(&mut self, g: &mut Goroutine, id: i64) {
        g.placed = true;
        let held = std::mem::take(&mut g.held);
        let Some(lane) = self.lanes.take(&g.function, g.since, &mut self.next_track) else { return };
        if lane.new {
            let name = match self.tracker.names.text(g.function) {
                "" => "function not known",
                function => function,
            };
            self.packets.track(lane.track, track::GOROUTINES, name, 0, TrackKind::Plain);
        }
        g.lane = Some(lane.track);
        let title = Title::Interned(self.name(g, id));
        let notes = [(Note::Goroutine, Value::Int(id)), (Note::By, Value::Int(g.by.unwrap_or(-1)))];
        let notes = if g.by.is_some() { &notes[..] } else { &notes[..1] };
        self.packets.event(&TrackEvent::new(Type::Begin, g.since, lane.track).title(title).notes(notes));
        for state in held {
            self.state(lane.track, &state);
            if let Some(end) = state.end {
                self.packets.event(&TrackEvent::new(Type::End, end, lane.track));
            }
        }
    }

    /// Gives tracks to goroutines that have none yet, at the end of the trace.
    pub(super) fn place_all(&mut self) {
        let mut waiting: Vec<i64> = self.goroutines.iter().filter(|(_, g)| !g.placed).map(|(id, _)| *id).collect();
        waiting.sort_unstable();
        for id in waiting {
            if let Some(mut g) = self.goroutines.remove(&id) {
                self.place(&mut g, id);
                self.goroutines.insert(id, g);
            }
        }
    }

    /// A state begins on the goroutine's track.
    fn state(&mut self, lane: u64, state: &Held) {
        let title = Title::Interned(self.numbers.text(state.text, &self.tracker.names, &mut self.packets));
        let stack = self.stack_note(state.stack);
        let mut notes: Vec<_> = stack.map(|s| (Note::Stack, Value::Interned(s))).into_iter().collect();
        notes.extend(state.by.map(|by| (Note::By, Value::Int(by))));
        self.packets.event(&TrackEvent::new(Type::Begin, state.since, lane).title(title).notes(&notes));
    }

    /// A goroutine ends.
    fn die(&mut self, g: &mut Goroutine, change: &Change) {
        if let Some((track, open)) = g.regions {
            for _ in 0..open.min(MOST_REGIONS) {
                self.packets.event(&TrackEvent::new(Type::End, change.at, track));
            }
            self.region_lanes.give_back(g.function, track, change.at);
        }
        if let Some(lane) = g.lane {
            self.packets.event(&TrackEvent::new(Type::End, change.at, lane));
            self.lanes.give_back(g.function, lane, change.at);
        }
    }

    /// An instant where a goroutine is created or unblocked, and the arrow from there.
    fn unblock(&mut self, g: &mut Goroutine, change: &Change, event: &Event<'_>, generation: &Generation) {
        let stack = self.tracker.names.stack(event.stack(), generation);
        let text = if change.created { Text::Creates(g.function) } else { Text::Fixed("unblock") };
        let title = Title::Interned(self.numbers.text(text, &self.tracker.names, &mut self.packets));
        let mut notes = vec![(Note::Goroutine, Value::Int(change.goroutine))];
        notes.extend(self.stack_note(stack).map(|s| (Note::Stack, Value::Interned(s))));
        self.next_flow += 1;
        g.flow = Some(self.next_flow);
        let track = self.procs.track(change.proc, change.at, &mut self.next_track, &mut self.packets);
        let instant = TrackEvent::new(Type::Instant, change.at, track).title(title).notes(&notes);
        self.packets.event(&TrackEvent { flow: g.flow, ..instant });
    }

    /// It leaves the state that it was in.
    fn leave(&mut self, g: &mut Goroutine, change: &Change) {
        if let Some(proc) = g.on.take() {
            let mut notes = Vec::new();
            if change.entered.reason != 0 {
                let reason =
                    self.numbers.text(Text::Value(change.entered.reason), &self.tracker.names, &mut self.packets);
                notes.push((Note::Reason, Value::Interned(reason)));
            }
            notes.extend(self.stack_note(change.entered.stack).map(|s| (Note::Stack, Value::Interned(s))));
            self.procs.end(proc, Open::Run, change.at, &notes, &mut self.packets);
        }
        if std::mem::take(&mut g.state) {
            match (g.lane, g.held.last_mut()) {
                (Some(lane), _) => self.packets.event(&TrackEvent::new(Type::End, change.at, lane)),
                (None, Some(state)) => state.end = Some(change.at),
                (None, None) => {}
            }
        }
    }

    /// It enters another.
    fn enter(&mut self, g: &mut Goroutine, change: &Change) {
        let since = change.entered.since;
        let text = match change.entered.kind {
            GoState::Running => return self.run(g, change),
            GoState::Waiting => Text::Waiting(change.entered.reason),
            GoState::Runnable => Text::Fixed("runnable"),
            GoState::Syscall => Text::Fixed("system call"),
            GoState::Undetermined | GoState::NotExist => return,
        };
        let by = (change.entered.kind == GoState::Runnable && change.by >= 0 && change.by != change.goroutine)
            .then_some(change.by);
        let state = Held { text, since, end: None, stack: change.entered.stack, by };
        g.state = true;
        match g.lane {
            Some(lane) => self.state(lane, &state),
            None if !g.placed => g.held.push(state),
            None => {}
        }
    }

    /// It runs: a slice on the proc's track, and within it the assist that it was in.
    fn run(&mut self, g: &mut Goroutine, change: &Change) {
        let title = Title::Interned(self.name(g, change.goroutine));
        let notes = [(Note::Goroutine, Value::Int(change.goroutine))];
        let slice = TrackEvent::new(Type::Begin, change.entered.since, 0).title(title).notes(&notes);
        let slice = TrackEvent { flow_end: g.flow.take(), ..slice };
        if !self.procs.begin(change.proc, Open::Run, slice, &mut self.next_track, &mut self.packets) {
            return;
        }
        g.on = Some(change.proc);
        if let Some(stack) = g.assist {
            self.assist_slice(change.proc, change.entered.since, stack, "mark assist, resumed");
        }
    }

    pub(super) fn assist(&mut self, event: &Event<'_>, phase: Phase, id: i64, generation: &Generation) {
        let stack = self.tracker.names.stack(event.stack(), generation);
        let Some(g) = self.goroutines.get_mut(&id) else { return };
        let on = g.on;
        if phase == Phase::End {
            g.assist = None;
            if let Some(proc) = on {
                self.procs.end(proc, Open::Assist, event.time, &[], &mut self.packets);
            }
            return;
        }
        g.assist = g.assist.or(Some(stack));
        let name = if phase == Phase::Begin { "mark assist" } else { "mark assist, resumed" };
        if let Some(proc) = on {
            self.assist_slice(proc, event.time, stack, name);
        }
    }

    fn assist_slice(&mut self, proc: i64, at: i64, stack: Name, name: &'static str) {
        let title = Title::Interned(self.fixed(name));
        let notes: Vec<_> = self.stack_note(stack).map(|s| (Note::Stack, Value::Interned(s))).into_iter().collect();
        let slice = TrackEvent::new(Type::Begin, at, 0).title(title).notes(&notes);
        self.procs.begin(proc, Open::Assist, slice, &mut self.next_track, &mut self.packets);
    }

    /// A background worker of the collector says what kind it is: a slice within its run.
    pub(super) fn label(&mut self, event: &Event<'_>, label: trace::StringId, generation: &Generation) {
        let label = self.tracker.names.string(label, generation);
        let title = Title::Interned(self.numbers.text(Text::Plain(label), &self.tracker.names, &mut self.packets));
        let slice = TrackEvent::new(Type::Begin, event.time, 0).title(title);
        let Some(proc) = self.goroutines.get(&event.goroutine).and_then(|g| g.on) else { return };
        self.procs.end(proc, Open::Label, event.time, &[], &mut self.packets);
        self.procs.begin(proc, Open::Label, slice, &mut self.next_track, &mut self.packets);
    }
}
