//! The reader: generation after generation, every event to a visitor in the order of Go's own reader.
//!
//! Memory does not grow with the trace: per thread one batch and one chunk of decoded events, per generation its
//! strings, stacks and the places of its batches. What cannot be read becomes a [`Gap`], and reading goes on with
//! the next generation where there is one. Refuses: I/O, and keeping events.
//!
//! Source: GOROOT/src/internal/trace/reader.go (Go 1.27.3).

use crate::{
    ahead::{Ahead, group, with_threads},
    columns::{EventHead, Progress, Unit},
    cursor::Cursor,
    error::{Broken, Gap, TraceError},
    event::{Event, Kind, NONE},
    frontier::{Frontier, Head},
    header::{HEADER_LEN, Version},
    index::{End, Index},
    order::{Fault, Order, Step, Thread},
    source::Source,
    stream::names_stacks,
    tables::{CpuSample, Generation},
    wire::Wire,
};

/// Who is told the events.
pub trait Visitor {
    /// The next event. Its strings and stacks are in the tables of `generation`.
    fn event(&mut self, event: &Event<'_>, generation: &Generation);
}

impl<F: FnMut(&Event<'_>, &Generation)> Visitor for F {
    #[inline]
    fn event(&mut self, event: &Event<'_>, generation: &Generation) {
        self(event, generation);
    }
}

/// What was read.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Version of the format.
    pub version: Version,
    /// Events told, those included that Go's reader derives (syncs, the parts of a coroutine switch).
    pub events: u64,
    /// Generations whose events were told, wholly or in part.
    pub generations: u64,
    /// What could not be read, in file order; empty for a sound trace.
    pub gaps: Vec<Gap>,
}

/// Most gaps kept: a trace with more is not worth a longer list.
const MAX_GAPS: usize = 1000;

/// How to read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Threads to use, the caller's included: 1 for only that, 0 for as many as are of use on this machine.
    pub threads: usize,
}

/// Threads beside the caller's that are of use: decoding is faster than the order, which is one thread's work.
const MOST_AHEAD: usize = 2;

impl Options {
    fn ahead(self) -> usize {
        let threads = match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        };
        threads.saturating_sub(1).min(MOST_AHEAD)
    }
}

/// Reads a trace to its end and tells each event, on the caller's thread.
///
/// ```
/// use trace::{Detail, Event, Generation, Options, read};
///
/// fn longest_reason(bytes: &[u8]) -> Result<usize, trace::TraceError> {
///     let mut longest = 0;
///     let summary = read(bytes, &Options::default(), &mut |event: &Event<'_>, generation: &Generation| {
///         if let Detail::Goroutine { reason, .. } = event.detail(generation) {
///             longest = longest.max(generation.string(reason).map_or(0, <[u8]>::len));
///         }
///     })?;
///     assert!(summary.gaps.is_empty());
///     Ok(longest)
/// }
/// # assert!(longest_reason(b"no trace").is_err());
/// ```
///
/// # Errors
/// If it is no trace, in a format that is not read, or the source fails. A trace that is cut off or damaged is
/// not an error: what is readable is told, the rest is in [`Summary::gaps`].
pub fn read<S: Source + ?Sized, V: Visitor>(
    source: &S,
    options: &Options,
    visitor: &mut V,
) -> Result<Summary, TraceError> {
    let mut head = [0; HEADER_LEN];
    let len = source.read_at(0, &mut head).map_err(|source| TraceError::Io { offset: 0, source })?;
    let version = Version::of_header(head.get(..len).unwrap_or_default())?;
    with_threads(source, options.ahead(), |ahead| {
        let mut session = Session {
            source,
            ahead,
            order: Order::new(),
            frontier: Frontier::default(),
            cursors: Vec::new(),
            sink: Sink { visitor, clock: Clock { last_time: 0, events: 0 }, syncs: 0 },
            unit: Unit::new(0.0),
            summary: Summary { version, events: 0, generations: 0, gaps: Vec::new() },
        };
        session.all()?;
        session.summary.events = session.sink.clock.events;
        Ok(session.summary)
    })
}

/// Where events go.
struct Sink<'v, V> {
    visitor: &'v mut V,
    clock: Clock,
    syncs: u64,
}

/// Counts events and makes their times rise. The reader's inner loop has a copy of its own, in registers.
#[derive(Clone, Copy, Debug)]
struct Clock {
    last_time: i64,
    events: u64,
}

impl Clock {
    #[inline(always)]
    fn tell<V: Visitor>(&mut self, visitor: &mut V, event: &Event<'_>, generation: &Generation) {
        let time = event.time.max(self.last_time.wrapping_add(1));
        self.last_time = time;
        self.events += 1;
        visitor.event(&Event { time, ..*event }, generation);
    }
}

impl<V: Visitor> Sink<'_, V> {
    fn tell(&mut self, event: &Event<'_>, generation: &Generation) {
        self.clock.tell(self.visitor, event, generation);
    }

    fn sync(&mut self, time: i64, generation: &Generation) {
        self.syncs += 1;
        let args = &[self.syncs, 0, 0, 0];
        let sync = Event { kind: Kind::Sync, time, thread: NONE, proc: NONE, goroutine: NONE, args };
        self.tell(&sync, generation);
    }

    fn sample(&mut self, s: CpuSample, generation: &Generation) {
        let args = &[s.stack, 0, 0, 0];
        let CpuSample { time, thread, proc, goroutine, .. } = s;
        self.tell(&Event { kind: Kind::CpuSample, time, thread, proc, goroutine, args }, generation);
    }
}

struct Session<'s, 'v, S: ?Sized, V> {
    source: &'s S,
    ahead: Option<Ahead>,
    order: Order,
    frontier: Frontier,
    cursors: Vec<Cursor>,
    sink: Sink<'v, V>,
    /// Unit of time stamps in the generation at hand, or the one before; 0 before the first.
    unit: Unit,
    summary: Summary,
}

/// Why a thread's run of events ended.
enum Run {
    /// Its next event, at this time, is later than another thread's.
    Later(i64),
    /// Its next event, at this time, has to wait for another thread's.
    Waits(i64),
    /// It has no more events.
    Ended,
}

/// Trouble that ends a generation, or all.
enum Stop {
    Broken(Broken),
    Error(TraceError),
}

impl From<TraceError> for Stop {
    fn from(error: TraceError) -> Self {
        Self::Error(error)
    }
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl<S: Source + ?Sized, V: Visitor> Session<'_, '_, S, V> {
    fn all(&mut self) -> Result<(), TraceError> {
        let mut generation = Generation::default();
        let mut index = Index::default();
        let mut offset = HEADER_LEN as u64;
        let mut sound = true;
        loop {
            let found = index.scan(self.source, self.summary.version, offset, &mut generation)?;
            let number = generation.number;
            if let Some(gap) = found.experiment {
                self.gap(gap);
            }
            if found.any {
                sound = match found.fault {
                    Some(gap) => {
                        self.gap(gap);
                        false
                    }
                    None => {
                        let cut_off = matches!(found.end, End::Broken(_));
                        self.generation(&mut generation, &mut index, offset, cut_off)?
                    }
                };
                if !sound {
                    self.order.reset();
                }
            }
            match found.end {
                End::Next(next) => offset = next,
                End::File => break,
                End::Broken(broken) => {
                    self.gap(broken.in_generation(number));
                    break;
                }
            }
        }
        // Go's reader ends with a sync, unless the order broke before.
        if sound {
            generation.clear(0);
            self.sink.sync(self.sink.clock.last_time, &generation);
        }
        Ok(())
    }

    fn gap(&mut self, gap: Gap) {
        if self.summary.gaps.len() < MAX_GAPS {
            self.summary.gaps.push(gap);
        }
    }

    /// Tells the events of a generation; false if they could not all be told.
    fn generation(
        &mut self,
        generation: &mut Generation,
        index: &mut Index,
        offset: u64,
        cut_off: bool,
    ) -> Result<bool, TraceError> {
        let number = generation.number;
        if let Err(broken) = generation.complete(self.summary.version, offset, cut_off, self.unit.factor()) {
            self.gap(broken.in_generation(number));
            return Ok(false);
        }
        // Stacks are among the last things written of a generation; without an end mark nothing else tells of the cut.
        if !cut_off && !generation.has_stacks() && names_stacks(self.source, &index.threads) {
            self.gap(Broken::new(offset, "expected stacks, found none").in_generation(number));
        }
        self.summary.generations += 1;
        match self.ordered(generation, index) {
            Ok(()) => Ok(true),
            Err(Stop::Error(error)) => Err(error),
            Err(Stop::Broken(broken)) => {
                self.gap(broken.in_generation(number));
                Ok(false)
            }
        }
    }

    fn ordered(&mut self, generation: &mut Generation, index: &mut Index) -> Result<(), Stop> {
        self.order.begin(generation.number);
        self.unit = Unit::new(generation.unit);
        self.sink.sync(generation.nanoseconds(generation.min_time.unwrap_or(0)), generation);
        self.start(index)?;
        let mut sample = 0;
        loop {
            let head = self.frontier.get(0);
            let mut until = i64::MAX;
            while let Some(&s) = generation.samples.get(sample) {
                if head.is_some_and(|h| s.time >= h.time) {
                    until = s.time;
                    break;
                }
                self.sink.sample(s, generation);
                sample += 1;
            }
            let Some(head) = head else { return Ok(()) };
            match self.run(head.cursor, self.frontier.bound().min(until), generation)? {
                Run::Later(time) => self.frontier.update(0, time),
                Run::Ended => self.frontier.remove(0),
                Run::Waits(time) => {
                    self.frontier.update(0, time);
                    self.others(generation)?;
                }
            }
        }
    }

    /// Puts each thread's first event into the frontier.
    fn start(&mut self, index: &mut Index) -> Result<(), Stop> {
        self.frontier.clear();
        if let Some(ahead) = &mut self.ahead {
            ahead.drain();
            ahead.group = group(index.threads.len());
        }
        for (i, t) in index.threads.drain(..).enumerate() {
            if self.cursors.len() <= i {
                self.cursors.push(Cursor::new());
            }
            let Some(cursor) = self.cursors.get_mut(i) else { break };
            cursor.start(self.order.thread(t.thread), t.batches);
            if cursor.refill(i, self.source, self.unit, self.ahead.as_mut())??
                && let Some(time) = cursor.time()
            {
                self.frontier.insert(Head { time, cursor: i as u32 });
            }
        }
        Ok(())
    }

    /// Tells the events of one thread as long as they come before those of all others.
    fn run(&mut self, cursor: u32, until: i64, generation: &mut Generation) -> Result<Run, Stop> {
        let Some(c) = self.cursors.get_mut(cursor as usize) else { return Ok(Run::Ended) };
        let mut now = self.order.context(c.thread);
        let mut clock = self.sink.clock;
        let thread = c.thread;
        let end = 'run: loop {
            let rows = c.chunk.rows();
            let mut next = c.next;
            while let Some(time) = rows.time(next) {
                let stop = if time > until {
                    Ok(Run::Later(time))
                } else {
                    let visitor = &mut *self.sink.visitor;
                    let Some((wire, args)) = rows.get(next) else { break 'run Ok(Run::Ended) };
                    match step(&mut self.order, visitor, &mut clock, (time, wire, args), c.thread, &mut now, generation)
                    {
                        Ok(true) => {
                            next += 1;
                            continue;
                        }
                        Ok(false) => Ok(Run::Waits(time)),
                        Err(fault) => Err(Broken::new(c.offset_of(self.source, next), fault.0).into()),
                    }
                };
                c.next = next;
                break 'run stop;
            }
            if self.ahead.is_none()
                && let Some(batch) = c.here(self.source)
                && let Err(broken) = direct(
                    batch,
                    (until, self.unit),
                    &mut self.order,
                    self.sink.visitor,
                    &mut clock,
                    thread,
                    &mut now,
                    generation,
                )
            {
                break Err(broken.into());
            }
            match c.refill(cursor as usize, self.source, self.unit, self.ahead.as_mut()) {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => break Ok(Run::Ended),
                Ok(Err(broken)) => break Err(broken.into()),
                Err(error) => break Err(error.into()),
            }
        };
        self.sink.clock = clock;
        self.order.set_context(c.thread, now);
        end
    }

    /// Takes one event of another thread, the earliest that may come next.
    #[cold]
    fn others(&mut self, generation: &mut Generation) -> Result<(), Stop> {
        self.frontier.sort();
        for i in 1..self.frontier.len() {
            let Some(head) = self.frontier.get(i) else { break };
            let Some(c) = self.cursors.get_mut(head.cursor as usize) else { break };
            let mut now = self.order.context(c.thread);
            let (visitor, clock) = (&mut *self.sink.visitor, &mut self.sink.clock);
            let Some((wire, args)) = c.chunk.rows().get(c.next) else { break };
            match step(&mut self.order, visitor, clock, (head.time, wire, args), c.thread, &mut now, generation) {
                Ok(true) => c.next += 1,
                Ok(false) => continue,
                Err(fault) => return Err(Broken::new(c.offset_of(self.source, c.next), fault.0).into()),
            }
            self.order.set_context(c.thread, now);
            if c.time().is_none() {
                c.refill(head.cursor as usize, self.source, self.unit, self.ahead.as_mut())??;
            }
            match c.time() {
                Some(time) => self.frontier.update(i, time),
                None => self.frontier.remove(i),
            }
            return Ok(());
        }
        let stuck = self.frontier.get(0).and_then(|h| self.cursors.get(h.cursor as usize));
        let offset = stuck.map_or(0, |c| c.offset_of(self.source, c.next));
        Err(Broken::new(offset, "expected an event of any thread that may come next, found none").into())
    }
}

/// Tells the events of a batch as they are decoded, up to the first that is too late or has to wait, or the end.
#[expect(clippy::too_many_arguments, reason = "the inner loop keeps each of them in a register")]
fn direct<V: Visitor>(
    (bytes, progress, offset): (&[u8], &mut Progress, u64),
    (until, unit): (i64, Unit),
    order: &mut Order,
    visitor: &mut V,
    clock: &mut Clock,
    slot: u32,
    now: &mut Thread,
    generation: &mut Generation,
) -> Result<(), Broken> {
    let (mut at, mut own, mut ticks) = (*progress, *now, *clock);
    let end = loop {
        // What is no event, or near the end of the batch, is left to the chunk.
        let Some(head) = EventHead::of(bytes, at.pos) else { break Ok(()) };
        let time = at.time.wrapping_add(unit.nanoseconds(head.dt));
        if time > until {
            break Ok(());
        }
        let mut args = [0; 4];
        // The three events that most traces consist of have a copy of the code each, in which the event is known: one
        // jump that the processor has to foresee in place of two.
        macro_rules! tell {
            ($wire:expr, $count:expr) => {
                match head.arguments($count, &mut args) {
                    Some(len) => {
                        let event = (time, $wire, &args);
                        (step(order, visitor, &mut ticks, event, slot, &mut own, generation), len)
                    }
                    None => break Ok(()),
                }
            };
        }
        let (step, len) = match head.wire {
            Wire::GoUnblock => tell!(Wire::GoUnblock, 3),
            Wire::GoStart => tell!(Wire::GoStart, 2),
            Wire::GoBlock => tell!(Wire::GoBlock, 2),
            other => tell!(other, head.count),
        };
        match step {
            Ok(true) => at = Progress { pos: at.pos + len, time },
            Ok(false) => break Ok(()),
            Err(fault) => break Err(Broken::new(offset.saturating_add(at.pos as u64), fault.0)),
        }
    };
    (*progress, *now, *clock) = (at, own, ticks);
    end
}

/// Tells an event of a thread if it may come next; true if so.
#[inline(always)]
fn step<V: Visitor>(
    order: &mut Order,
    visitor: &mut V,
    clock: &mut Clock,
    (time, wire, args): (i64, Wire, &[u64; 4]),
    slot: u32,
    now: &mut Thread,
    generation: &mut Generation,
) -> Result<bool, Fault> {
    let Thread { id: thread, proc, goroutine, .. } = *now;
    match order.advance(slot, now, wire, args, generation)? {
        Step::Wait => return Ok(false),
        Step::Taken => {
            clock.tell(visitor, &Event { kind: Kind::Wire(wire), time, thread, proc, goroutine, args }, generation);
        }
        Step::Altered => {
            for altered in &order.altered {
                clock.tell(visitor, &altered.event(time), generation);
            }
        }
    }
    Ok(true)
}
