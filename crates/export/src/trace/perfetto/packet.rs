//! Packets of Perfetto's trace format, written as they come. Owns field numbers and the rule that a packet is one
//! field of the file; what a packet says is the caller's business.
//!
//! Source: protos/perfetto/trace/perfetto_trace.proto (Perfetto 59).

use profile::protobuf::{put_bytes, put_fixed64, put_present, put_uint, put_varint};
use std::io::{self, Write};

/// The one sequence of packets that is written: names are numbered within it.
const SEQUENCE: u64 = 1;
/// `SEQ_INCREMENTAL_STATE_CLEARED` and `SEQ_NEEDS_INCREMENTAL_STATE`.
const CLEARED: u64 = 1;
const NEEDS_STATE: u64 = 2;
/// Bytes that are gathered before they are written.
const CHUNK: usize = 1 << 16;

/// Types of track events (`TrackEvent.Type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Begin = 1,
    End = 2,
    Instant = 3,
    Counter = 4,
}

/// Name of an event.
#[derive(Clone, Copy, Debug)]
pub(super) enum Title<'a> {
    None,
    Interned(u64),
    Text(&'a str),
}

/// Names of debug annotations. They are numbered from 1 in this order.
#[derive(Clone, Copy, Debug)]
pub(super) enum Note {
    Goroutine,
    Reason,
    Stack,
    By,
    Cycle,
    HeapInUse,
    HeapGoal,
    Task,
    Parent,
    Message,
    Swept,
    Reclaimed,
    Unfinished,
    Resumed,
}

/// Their texts.
const NOTES: [&str; 14] = [
    "goroutine",
    "reason",
    "stack",
    "by goroutine",
    "cycle",
    "heap in use",
    "heap goal",
    "task",
    "parent task",
    "message",
    "swept bytes",
    "reclaimed bytes",
    "unfinished",
    "resumed",
];

/// Value of a debug annotation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Int(i64),
    Uint(u64),
    True,
    Interned(u64),
    Text(&'a str),
}

/// What happens on a track.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrackEvent<'a> {
    pub(super) kind: Type,
    pub(super) time: i64,
    pub(super) track: u64,
    pub(super) title: Title<'a>,
    pub(super) notes: &'a [(Note, Value<'a>)],
    /// An arrow that leaves here.
    pub(super) flow: Option<u64>,
    /// An arrow that ends here.
    pub(super) flow_end: Option<u64>,
    pub(super) counter: Option<u64>,
}

impl<'a> TrackEvent<'a> {
    pub(super) fn new(kind: Type, time: i64, track: u64) -> Self {
        TrackEvent { kind, time, track, title: Title::None, notes: &[], flow: None, flow_end: None, counter: None }
    }

    pub(super) fn title(self, title: Title<'a>) -> Self {
        TrackEvent { title, ..self }
    }

    pub(super) fn notes(self, notes: &'a [(Note, Value<'a>)]) -> Self {
        TrackEvent { notes, ..self }
    }
}

/// What a track is.
#[derive(Clone, Copy, Debug)]
pub(super) enum TrackKind<'a> {
    /// Slices, instants, or other tracks.
    Plain,
    /// A counter; its unit (`CounterDescriptor.Unit`): 2 counts, 3 bytes.
    Counter(u64),
    /// A process of this number.
    Process(u64, &'a str),
}

/// Kinds of interned data: field numbers of `InternedData`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Interned {
    EventName = 2,
    AnnotationName = 3,
    FunctionName = 5,
    MappingPath = 17,
    SourcePath = 18,
    AnnotationText = 29,
}

/// Writes packets.
pub(super) struct Packets<W> {
    out: W,
    chunk: Vec<u8>,
    packet: Vec<u8>,
    event: Vec<u8>,
    part: Vec<u8>,
    small: Vec<u8>,
    /// Interned data that the next packet carries.
    interned: Vec<u8>,
    cleared: bool,
    first: bool,
    error: Option<io::Error>,
    pub(super) packets: u64,
    pub(super) bytes: u64,
}

impl<W: Write> Packets<W> {
    pub(super) fn new(out: W) -> Self {
        let mut packets = Packets {
            out,
            chunk: Vec::with_capacity(2 * CHUNK),
            packet: Vec::new(),
            event: Vec::new(),
            part: Vec::new(),
            small: Vec::new(),
            interned: Vec::new(),
            cleared: false,
            first: true,
            error: None,
            packets: 0,
            bytes: 0,
        };
        packets.clear();
        packets
    }

    /// Forgets all interned data, here and in the reader of the file.
    pub(super) fn clear(&mut self) {
        self.cleared = true;
        self.interned.clear();
        for (number, name) in (1..).zip(NOTES) {
            self.intern(Interned::AnnotationName, number, name.as_bytes());
        }
    }

    /// Says that a number stands for a text.
    pub(super) fn intern(&mut self, kind: Interned, number: u64, text: &[u8]) {
        self.part.clear();
        put_uint(&mut self.part, 1, number);
        put_bytes(&mut self.part, 2, text);
        put_bytes(&mut self.interned, kind as u32, &self.part);
    }

    /// The mapping that all frames lie in.
    pub(super) fn intern_mapping(&mut self, number: u64, path: u64) {
        self.part.clear();
        put_uint(&mut self.part, 1, number);
        put_uint(&mut self.part, 7, path);
        put_bytes(&mut self.interned, 19, &self.part);
    }

    /// A frame: its function, mapping, file and line.
    pub(super) fn intern_frame(&mut self, number: u64, function: u64, mapping: u64, file: u64, line: u32) {
        self.part.clear();
        put_uint(&mut self.part, 1, number);
        put_uint(&mut self.part, 2, function);
        put_uint(&mut self.part, 3, mapping);
        // Frames are told apart by their address; the trace's lines stand in for it.
        put_uint(&mut self.part, 4, number);
        put_uint(&mut self.part, 5, file);
        put_uint(&mut self.part, 6, u64::from(line));
        put_bytes(&mut self.interned, 6, &self.part);
    }

    /// A stack, the outermost frame first.
    pub(super) fn intern_callstack(&mut self, number: u64, frames: impl Iterator<Item = u64>) {
        self.part.clear();
        put_uint(&mut self.part, 1, number);
        frames.for_each(|frame| put_present(&mut self.part, 2, frame));
        put_bytes(&mut self.interned, 7, &self.part);
    }

    /// Describes a track below another (0: below none). Of tracks with the same parent, those of lower rank come
    /// first where the parent orders them.
    pub(super) fn track(&mut self, uuid: u64, parent: u64, name: &str, rank: u64, kind: TrackKind<'_>) {
        self.event.clear();
        put_uint(&mut self.event, 1, uuid);
        put_uint(&mut self.event, 5, parent);
        put_bytes(&mut self.event, 2, name.as_bytes());
        put_uint(&mut self.event, 12, rank);
        self.part.clear();
        match kind {
            TrackKind::Plain => {}
            TrackKind::Counter(unit) => {
                put_uint(&mut self.part, 3, unit);
                put_bytes(&mut self.event, 8, &self.part);
            }
            TrackKind::Process(pid, name) => {
                put_uint(&mut self.part, 1, pid);
                put_bytes(&mut self.part, 6, name.as_bytes());
                put_bytes(&mut self.event, 3, &self.part);
            }
        }
        // `EXPLICIT`: children by rank.
        put_uint(&mut self.event, 11, 3);
        self.packet.clear();
        let event = std::mem::take(&mut self.event);
        put_bytes(&mut self.packet, 60, &event);
        self.event = event;
        self.finish_packet();
    }

    /// The trace's clock against the others: monotonic and wall clock, nanoseconds.
    pub(super) fn clocks(&mut self, trace: i64, monotonic: u64, wall: u64) {
        self.event.clear();
        // Boot time is the clock of time stamps that name none; the trace's own stands for it.
        for (clock, time) in [(6, stamp(trace)), (3, monotonic), (1, wall)] {
            self.part.clear();
            put_uint(&mut self.part, 1, clock);
            put_present(&mut self.part, 2, time);
            put_bytes(&mut self.event, 1, &self.part);
        }
        put_uint(&mut self.event, 2, 6);
        self.packet.clear();
        put_present(&mut self.packet, 8, stamp(trace));
        put_bytes(&mut self.packet, 6, &self.event);
        self.finish_packet();
    }

    /// A CPU sample of a thread of process `pid`.
    pub(super) fn sample(&mut self, time: i64, (pid, thread, proc): (u64, u64, Option<u64>), callstack: u64) {
        self.event.clear();
        if let Some(proc) = proc {
            put_present(&mut self.event, 1, proc);
        }
        put_present(&mut self.event, 2, pid);
        put_present(&mut self.event, 3, thread);
        put_uint(&mut self.event, 4, callstack);
        // `MODE_USER`.
        put_uint(&mut self.event, 5, 2);
        self.packet.clear();
        put_present(&mut self.packet, 8, stamp(time));
        put_bytes(&mut self.packet, 66, &self.event);
        self.finish_packet();
    }

    pub(super) fn event(&mut self, e: &TrackEvent<'_>) {
        let event = &mut self.event;
        event.clear();
        put_uint(event, 9, e.kind as u64);
        put_uint(event, 11, e.track);
        match e.title {
            Title::None => {}
            Title::Interned(number) => put_uint(event, 10, number),
            Title::Text(text) => put_bytes(event, 23, text.as_bytes()),
        }
        for (note, value) in e.notes {
            self.small.clear();
            put_uint(&mut self.small, 1, *note as u64 + 1);
            match *value {
                Value::Int(n) => put_present(&mut self.small, 4, n.cast_unsigned()),
                Value::Uint(n) => put_present(&mut self.small, 3, n),
                Value::True => put_present(&mut self.small, 2, 1),
                Value::Interned(number) => put_present(&mut self.small, 17, number),
                Value::Text(text) => put_bytes(&mut self.small, 6, text.as_bytes()),
            }
            put_bytes(event, 4, &self.small);
        }
        if let Some(value) = e.counter {
            put_present(event, 30, value.min(i64::MAX.cast_unsigned()));
        }
        if let Some(flow) = e.flow {
            put_fixed64(event, 47, flow);
        }
        if let Some(flow) = e.flow_end {
            put_fixed64(event, 48, flow);
        }
        self.packet.clear();
        put_present(&mut self.packet, 8, stamp(e.time));
        put_bytes(&mut self.packet, 11, &self.event);
        self.finish_packet();
    }

    /// Adds what every packet has, and puts it into the file.
    fn finish_packet(&mut self) {
        put_present(&mut self.packet, 10, SEQUENCE);
        let flags = if std::mem::take(&mut self.cleared) { CLEARED | NEEDS_STATE } else { NEEDS_STATE };
        put_present(&mut self.packet, 13, flags);
        if std::mem::take(&mut self.first) {
            put_present(&mut self.packet, 87, 1);
        }
        if !self.interned.is_empty() {
            put_bytes(&mut self.packet, 12, &self.interned);
            self.interned.clear();
        }
        let before = self.chunk.len();
        put_varint(&mut self.chunk, 1 << 3 | 2);
        put_varint(&mut self.chunk, self.packet.len() as u64);
        self.chunk.extend_from_slice(&self.packet);
        self.packets += 1;
        self.bytes += (self.chunk.len() - before) as u64;
        if self.chunk.len() >= CHUNK {
            self.flush();
        }
    }

    /// After an error nothing more is written.
    fn flush(&mut self) {
        if self.error.is_none() {
            self.error = self.out.write_all(&self.chunk).err();
        }
        self.chunk.clear();
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        self.flush();
        match self.error {
            Some(error) => Err(error),
            None => self.out.flush().map(|()| self.out),
        }
    }
}

/// A time that the format can hold: nothing lies before 0.
fn stamp(time: i64) -> u64 {
    u64::try_from(time).unwrap_or(0)
}
