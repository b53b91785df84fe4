//! The tracks of procs. Owns that slices nest: a run is the outermost, and what ends closes all that began within it.

use super::packet::{Note, Packets, TrackEvent, TrackKind, Type, Value};
use super::track;
use rustc_hash::FxHashMap;
use std::io::Write;

/// A slice that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Open {
    Run,
    Assist,
    Sweep,
    /// What a background worker says it is.
    Label,
}

#[derive(Debug)]
struct Proc {
    track: u64,
    open: Vec<Open>,
    /// Time of the last event on the track.
    last: i64,
}

impl Proc {
    /// Closes the slices from a depth on; the outermost of them has the notes.
    fn close<W: Write>(&mut self, depth: usize, at: i64, notes: &[(Note, Value<'_>)], packets: &mut Packets<W>) {
        while self.open.len() > depth {
            self.open.pop();
            let end = TrackEvent::new(Type::End, at, self.track);
            packets.event(&if self.open.len() == depth { end.notes(notes) } else { end });
        }
        self.last = self.last.max(at);
    }
}

#[derive(Debug)]
pub(super) struct Procs {
    of: FxHashMap<i64, Proc>,
    most: usize,
}

impl Procs {
    pub(super) fn new(most: usize) -> Self {
        Procs { of: FxHashMap::default(), most }
    }

    fn get<W: Write>(&mut self, id: i64, next_track: &mut u64, packets: &mut Packets<W>) -> Option<&mut Proc> {
        if id < 0 || (self.of.len() >= self.most && !self.of.contains_key(&id)) {
            return None;
        }
        let proc = self.of.entry(id).or_insert_with(|| {
            *next_track += 1;
            let rank = u64::try_from(id).unwrap_or(0).saturating_add(1).min(1 << 19);
            packets.track(*next_track, track::PROCS, &format!("P{id}"), rank, TrackKind::Plain);
            Proc { track: *next_track, open: Vec::new(), last: i64::MIN }
        });
        Some(proc)
    }

    /// The track of a proc, or the one of what has none.
    pub(super) fn track<W: Write>(&mut self, id: i64, at: i64, next_track: &mut u64, packets: &mut Packets<W>) -> u64 {
        self.get(id, next_track, packets).map_or(track::NO_PROC, |p| {
            p.last = p.last.max(at);
            p.track
        })
    }

    /// Begins a slice; whether there is a track for it. A run begins anew what nests; what is open already goes on.
    pub(super) fn begin<W: Write>(
        &mut self,
        id: i64,
        open: Open,
        slice: TrackEvent<'_>,
        next_track: &mut u64,
        packets: &mut Packets<W>,
    ) -> bool {
        let Some(proc) = self.get(id, next_track, packets) else { return false };
        let time = slice.time.max(proc.last);
        if open == Open::Run {
            proc.close(0, time, &[], packets);
        } else if proc.open.contains(&open) {
            return false;
        }
        proc.open.push(open);
        proc.last = time;
        packets.event(&TrackEvent { track: proc.track, time, ..slice });
        true
    }

    /// Ends a slice and all within it, if it is open.
    pub(super) fn end<W: Write>(
        &mut self,
        id: i64,
        open: Open,
        at: i64,
        notes: &[(Note, Value<'_>)],
        packets: &mut Packets<W>,
    ) {
        if let Some(proc) = self.of.get_mut(&id)
            && let Some(depth) = proc.open.iter().rposition(|o| *o == open)
        {
            proc.close(depth, at, notes, packets);
        }
    }

    /// Ends all slices of a proc.
    pub(super) fn close<W: Write>(&mut self, id: i64, at: i64, packets: &mut Packets<W>) {
        if let Some(proc) = self.of.get_mut(&id) {
            proc.close(0, at, &[], packets);
        }
    }

    /// Ends all slices, as unfinished.
    pub(super) fn close_all<W: Write>(&mut self, at: i64, packets: &mut Packets<W>) {
        let mut procs: Vec<&mut Proc> = self.of.values_mut().collect();
        procs.sort_unstable_by_key(|p| p.track);
        procs.into_iter().for_each(|p| p.close(0, at, &[(Note::Unfinished, Value::True)], packets));
    }
}
