//! A Perfetto file, decoded by prost. The messages are those of perfetto_trace.proto, as far as they are written.

use prost::Message;
use std::collections::{HashMap, HashSet};

#[derive(Clone, PartialEq, Message)]
struct Trace {
    #[prost(message, repeated, tag = "1")]
    packet: Vec<Packet>,
}

#[derive(Clone, PartialEq, Message)]
struct Packet {
    #[prost(uint64, optional, tag = "8")]
    timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "10")]
    sequence: Option<u32>,
    #[prost(message, optional, tag = "11")]
    track_event: Option<TrackEvent>,
    #[prost(message, optional, tag = "12")]
    interned: Option<Interned>,
    #[prost(uint32, optional, tag = "13")]
    flags: Option<u32>,
    #[prost(message, optional, tag = "60")]
    track: Option<Track>,
    #[prost(message, optional, tag = "66")]
    sample: Option<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct TrackEvent {
    #[prost(message, repeated, tag = "4")]
    notes: Vec<Note>,
    #[prost(int32, optional, tag = "9")]
    kind: Option<i32>,
    #[prost(uint64, optional, tag = "10")]
    name_iid: Option<u64>,
    #[prost(uint64, optional, tag = "11")]
    track: Option<u64>,
    #[prost(string, optional, tag = "23")]
    name: Option<String>,
    #[prost(int64, optional, tag = "30")]
    counter: Option<i64>,
    #[prost(fixed64, repeated, packed = "false", tag = "47")]
    flows: Vec<u64>,
    #[prost(fixed64, repeated, packed = "false", tag = "48")]
    flow_ends: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct Note {
    #[prost(uint64, optional, tag = "1")]
    name: Option<u64>,
    #[prost(uint64, optional, tag = "17")]
    text_iid: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct Interned {
    #[prost(message, repeated, tag = "2")]
    names: Vec<Text>,
    #[prost(message, repeated, tag = "3")]
    notes: Vec<Text>,
    #[prost(message, repeated, tag = "5")]
    functions: Vec<Text>,
    #[prost(message, repeated, tag = "6")]
    frames: Vec<Frame>,
    #[prost(message, repeated, tag = "7")]
    callstacks: Vec<Callstack>,
    #[prost(message, repeated, tag = "29")]
    note_texts: Vec<Text>,
}

#[derive(Clone, PartialEq, Message)]
struct Text {
    #[prost(uint64, tag = "1")]
    iid: u64,
    #[prost(string, tag = "2")]
    text: String,
}

#[derive(Clone, PartialEq, Message)]
struct Frame {
    #[prost(uint64, tag = "1")]
    iid: u64,
    #[prost(uint64, tag = "2")]
    function: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Callstack {
    #[prost(uint64, tag = "1")]
    iid: u64,
    #[prost(uint64, repeated, packed = "false", tag = "2")]
    frames: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct Track {
    #[prost(uint64, optional, tag = "1")]
    uuid: Option<u64>,
    #[prost(string, optional, tag = "2")]
    name: Option<String>,
    #[prost(uint64, optional, tag = "5")]
    parent: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(uint32, optional, tag = "3")]
    thread: Option<u32>,
    #[prost(uint64, optional, tag = "4")]
    callstack: Option<u64>,
}

/// A slice or an instant.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) track: u64,
    pub(crate) name: String,
    /// How many slices of the track it lies in.
    pub(crate) depth: usize,
    pub(crate) instant: bool,
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// What its annotations say, by their names.
    pub(crate) notes: HashMap<String, String>,
}

/// What is in a file.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    pub(crate) packets: u64,
    pub(crate) slices: Vec<Slice>,
    pub(crate) samples: usize,
    tracks: HashMap<u64, (String, u64)>,
    open: HashMap<u64, Vec<usize>>,
    last: HashMap<u64, u64>,
    counters: HashMap<u64, Vec<i64>>,
    names: HashMap<(u32, u64), String>,
    callstacks: HashSet<u64>,
    flows: (HashSet<u64>, HashSet<u64>),
}

impl Decoded {
    /// Decodes, and checks what must hold in every file.
    pub(crate) fn read(file: &[u8]) -> Self {
        let mut d = Decoded::default();
        for (i, packet) in Trace::decode(file).unwrap().packet.into_iter().enumerate() {
            d.packets += 1;
            assert_eq!(packet.sequence, Some(1));
            let flags = packet.flags.unwrap();
            if flags & 1 != 0 {
                d.names.clear();
                d.callstacks.clear();
            }
            assert!(flags & 2 != 0 && (i > 0 || flags & 1 != 0));
            d.interned(packet.interned.unwrap_or_default());
            if let Some(track) = packet.track {
                let (uuid, parent) = (track.uuid.unwrap(), track.parent.unwrap_or(0));
                assert!(parent == 0 || d.tracks.contains_key(&parent), "parents come first");
                assert!(d.tracks.insert(uuid, (track.name.unwrap(), parent)).is_none(), "described once");
            }
            if let Some(sample) = packet.sample {
                assert!(sample.thread.unwrap() > 0);
                assert!(d.callstacks.contains(&sample.callstack.unwrap()));
                d.samples += 1;
            }
            if let Some(event) = packet.track_event {
                d.event(packet.timestamp.unwrap(), &event);
            }
        }
        assert!(d.open.values().all(Vec::is_empty), "every slice ends");
        assert!(d.flows.1.is_subset(&d.flows.0), "arrows begin before they end");
        d
    }

    fn interned(&mut self, data: Interned) {
        let texts = [(2, data.names), (3, data.notes), (5, data.functions), (29, data.note_texts)];
        for (kind, list) in texts {
            for text in list {
                assert!(text.iid > 0);
                assert!(self.names.insert((kind, text.iid), text.text).is_none(), "interned once");
            }
        }
        for frame in &data.frames {
            assert!(self.names.contains_key(&(5, frame.function)));
            self.names.insert((6, frame.iid), String::new());
        }
        for stack in data.callstacks {
            assert!(stack.frames.iter().all(|f| self.names.contains_key(&(6, *f))));
            self.callstacks.insert(stack.iid);
        }
    }

    fn event(&mut self, time: u64, event: &TrackEvent) {
        let track = event.track.unwrap();
        assert!(self.tracks.contains_key(&track), "tracks are described before");
        let notes: HashMap<String, String> = event
            .notes
            .iter()
            .map(|n| {
                let text = n.text_iid.map_or_else(String::new, |iid| self.names[&(29, iid)].clone());
                (self.names[&(3, n.name.unwrap())].clone(), text)
            })
            .collect();
        let last = self.last.entry(track).or_default();
        assert!(time >= *last, "a track's events are in order: {} {time} {last}", self.tracks[&track].0);
        *last = time;
        let open = self.open.entry(track).or_default();
        match event.kind.unwrap() {
            2 => {
                let slice = &mut self.slices[open.pop().expect("a slice to end")];
                slice.end = time;
                slice.notes.extend(notes);
            }
            4 => self.counters.entry(track).or_default().push(event.counter.unwrap()),
            kind => {
                let name = match (&event.name, event.name_iid) {
                    (Some(name), None) => name.clone(),
                    (None, Some(iid)) => self.names[&(2, iid)].clone(),
                    both => panic!("{both:?}"),
                };
                let instant = kind == 3;
                self.slices.push(Slice { track, name, depth: open.len(), instant, start: time, end: time, notes });
                if !instant {
                    open.push(self.slices.len() - 1);
                }
            }
        }
        for flow in &event.flows {
            assert!(self.flows.0.insert(*flow), "an arrow begins once");
        }
        for flow in &event.flow_ends {
            assert!(self.flows.1.insert(*flow), "an arrow ends once");
        }
    }

    /// The name of a track.
    pub(crate) fn track(&self, uuid: u64) -> &str {
        &self.tracks[&uuid].0
    }

    /// The name of the track above.
    pub(crate) fn parent(&self, uuid: u64) -> &str {
        self.tracks.get(&self.tracks[&uuid].1).map_or("", |t| &t.0)
    }

    /// Arrows from one slice to another.
    pub(crate) fn arrows(&self) -> usize {
        self.flows.1.len()
    }

    /// The values of a counter.
    pub(crate) fn counter(&self, name: &str) -> Vec<i64> {
        let values = self.counters.iter().filter(|(track, _)| self.track(**track) == name);
        values.flat_map(|(_, values)| values.iter().copied()).collect()
    }
}
