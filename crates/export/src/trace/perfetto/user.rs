//! Tasks, regions and log messages of runtime/trace. Their names are the program's own and may be many: they are
//! written out each time.

use super::PerfettoWriter;
use super::lanes::Lanes;
use super::packet::{Note, Packets, Title, TrackEvent, TrackKind, Type, Value};
use super::track;
use rustc_hash::FxHashMap;
use std::io::Write;
use trace::{Event, Generation, NO_TASK, Phase, StringId};

/// Most tracks of tasks.
const MOST_TASK_TRACKS: usize = 2000;
/// Types of tasks that have tracks of their own.
const MOST_TYPES: usize = 1 << 10;
/// Most regions of a goroutine that are drawn one within another.
pub(super) const MOST_REGIONS: u32 = 256;
/// The type of tasks of further types.
const OTHERS: &str = "other tasks";

/// Tasks that have not ended.
#[derive(Debug)]
pub(super) struct Tasks {
    open: FxHashMap<u64, (u32, u64)>,
    types: FxHashMap<String, u32>,
    lanes: Lanes<u32>,
}

impl Tasks {
    pub(super) fn new() -> Self {
        Tasks { open: FxHashMap::default(), types: FxHashMap::default(), lanes: Lanes::new(MOST_TASK_TRACKS) }
    }

    /// The number of a type.
    fn kind<'a>(&mut self, name: &'a str) -> (u32, &'a str) {
        if let Some(&known) = self.types.get(name) {
            return (known, name);
        }
        if self.types.len() >= MOST_TYPES {
            return (u32::MAX, OTHERS);
        }
        let number = self.types.len() as u32;
        self.types.insert(name.to_owned(), number);
        (number, name)
    }

    pub(super) fn end<W: Write>(&mut self, task: u64, at: i64, packets: &mut Packets<W>) {
        if let Some((kind, track)) = self.open.remove(&task) {
            packets.event(&TrackEvent::new(Type::End, at, track));
            self.lanes.give_back(kind, track, at);
        }
    }

    /// Tracks of tasks that have not ended.
    pub(super) fn open(&self) -> impl Iterator<Item = u64> + '_ {
        self.open.values().map(|(_, track)| *track)
    }

    pub(super) fn left_out(&self) -> u64 {
        self.lanes.left_out
    }
}

impl<W: Write> PerfettoWriter<W> {
    pub(super) fn task_begin(&mut self, at: i64, (task, parent): (u64, u64), name: StringId, generation: &Generation) {
        if self.tasks.open.contains_key(&task) {
            return;
        }
        let name = text(name, generation);
        let (kind, shown) = self.tasks.kind(&name);
        let Some(lane) = self.tasks.lanes.take(&kind, at, &mut self.next_track) else { return };
        if lane.new {
            self.packets.track(lane.track, track::TASKS, shown, 0, TrackKind::Plain);
        }
        self.tasks.open.insert(task, (kind, lane.track));
        let notes = [(Note::Task, Value::Uint(task)), (Note::Parent, Value::Uint(parent))];
        let notes = if parent == NO_TASK || parent == 0 { &notes[..1] } else { &notes[..] };
        self.packets.event(&TrackEvent::new(Type::Begin, at, lane.track).title(Title::Text(&name)).notes(notes));
    }

    /// The track of a goroutine's regions and messages, below its own.
    fn user_track(&mut self, id: i64, at: i64) -> Option<u64> {
        let g = self.goroutines.get_mut(&id)?;
        if let Some((track, _)) = g.regions {
            return Some(track);
        }
        if g.has_no_track() {
            return None;
        }
        let taken = self.region_lanes.take(&g.function, at, &mut self.next_track)?;
        g.regions = Some((taken.track, 0));
        if taken.new {
            let name = format!("{}: regions", self.tracker.names.text(g.function));
            self.packets.track(taken.track, track::GOROUTINES, &name, 0, TrackKind::Plain);
        }
        Some(taken.track)
    }

    pub(super) fn region(
        &mut self,
        event: &Event<'_>,
        phase: Phase,
        task: u64,
        name: StringId,
        generation: &Generation,
    ) {
        let (id, at) = (event.goroutine, event.time);
        if phase == Phase::End {
            // One that began before the trace has no slice.
            if let Some((track, open)) = self.goroutines.get_mut(&id).and_then(|g| g.regions.as_mut())
                && let Some(rest) = open.checked_sub(1)
            {
                *open = rest;
                if rest < MOST_REGIONS {
                    self.packets.event(&TrackEvent::new(Type::End, at, *track));
                }
            }
            return;
        }
        let Some(track) = self.user_track(id, at) else { return };
        if let Some((_, open)) = self.goroutines.get_mut(&id).and_then(|g| g.regions.as_mut()) {
            *open = open.saturating_add(1);
            if *open > MOST_REGIONS {
                return;
            }
        }
        let name = text(name, generation);
        let notes = [(Note::Goroutine, Value::Int(id)), (Note::Task, Value::Uint(task))];
        let notes = if task == 0 || task == NO_TASK { &notes[..1] } else { &notes[..] };
        self.packets.event(&TrackEvent::new(Type::Begin, at, track).title(Title::Text(&name)).notes(notes));
    }

    pub(super) fn log(
        &mut self,
        event: &Event<'_>,
        task: u64,
        (category, message): (StringId, StringId),
        generation: &Generation,
    ) {
        let (category, message) = (text(category, generation), text(message, generation));
        let track = match self.user_track(event.goroutine, event.time) {
            Some(track) => track,
            None => self.procs.track(event.proc, event.time, &mut self.next_track, &mut self.packets),
        };
        let notes = [
            (Note::Message, Value::Text(&message)),
            (Note::Goroutine, Value::Int(event.goroutine)),
            (Note::Task, Value::Uint(task)),
        ];
        let title = if category.is_empty() { "log" } else { &category };
        let instant = TrackEvent::new(Type::Instant, event.time, track).title(Title::Text(title));
        self.packets.event(&instant.notes(&notes));
    }
}

/// A string of the program's.
fn text(id: StringId, generation: &Generation) -> String {
    String::from_utf8_lossy(generation.string(id).unwrap_or_default()).into_owned()
}
