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
    /// Its track.
    pub(super) lane: Option<u64>,
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

impl Goroutine {
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
        if g.function == 0 {
            g.function = change.function;
        }
        if change.first {
            self.live(&mut g, change);
        }
        if change.entered.kind == GoState::Runnable && (change.created || change.left.kind == GoState::Waiting) {
            self.unblock(&mut g, change, event, generation);
        }
        self.leave(&mut g, change);
        if change.entered.kind == GoState::NotExist {
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

    /// A goroutine is met or created: it gets a track.
    fn live(&mut self, g: &mut Goroutine, change: &Change) {
        let since = change.entered.since;
        let Some(lane) = self.lanes.take(&g.function, since, &mut self.next_track) else { return };
        if lane.new {
            let name = match self.tracker.names.text(g.function) {
                "" => "function not known",
                function => function,
            };
            self.packets.track(lane.track, track::GOROUTINES, name, 0, TrackKind::Plain);
        }
        g.lane = Some(lane.track);
        let title = Title::Interned(self.name(g, change.goroutine));
        let notes = [(Note::Goroutine, Value::Int(change.goroutine)), (Note::By, Value::Int(change.by))];
        let notes = if change.created { &notes[..] } else { &notes[..1] };
        self.packets.event(&TrackEvent::new(Type::Begin, since, lane.track).title(title).notes(notes));
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
        if std::mem::take(&mut g.state)
            && let Some(lane) = g.lane
        {
            self.packets.event(&TrackEvent::new(Type::End, change.at, lane));
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
        let Some(lane) = g.lane else { return };
        let title = Title::Interned(self.numbers.text(text, &self.tracker.names, &mut self.packets));
        let stack = self.stack_note(change.entered.stack);
        let mut notes: Vec<_> = stack.map(|s| (Note::Stack, Value::Interned(s))).into_iter().collect();
        if change.entered.kind == GoState::Runnable && change.by >= 0 && change.by != change.goroutine {
            notes.push((Note::By, Value::Int(change.by)));
        }
        g.state = true;
        self.packets.event(&TrackEvent::new(Type::Begin, since, lane).title(title).notes(&notes));
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
