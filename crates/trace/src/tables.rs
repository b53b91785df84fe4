//! What a generation knows besides its events: strings, stacks, CPU samples, frequency, clocks.
//!
//! Strings are bytes in one arena, frames are interned by program counter, stacks are ranges of one array of frame
//! numbers. Refuses: numbers given twice, strings and stacks longer than the format allows, stacks that name strings
//! the generation does not have.
//!
//! Source: GOROOT/src/internal/trace/generation.go and base.go (Go 1.27.3).

use hashbrown::HashMap;

use crate::{
    allocfree::{self, HeapLayout, HeapType},
    columns::Unit,
    error::Broken,
    header::Version,
    leb,
    wire::{MAX_FRAMES, MAX_STRING, structural},
};

/// Number of a string in its generation; 0 is the empty string.
pub type StringId = u64;
/// Number of a stack in its generation; 0 is no stack.
pub type StackId = u64;

/// One frame of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Program counter.
    pub pc: u64,
    /// Name of the function.
    pub function: StringId,
    /// Source file.
    pub file: StringId,
    /// Line in the file.
    pub line: u64,
}

/// Readings of several clocks at one instant, from Go 1.25 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockSnapshot {
    /// The trace's own clock, in nanoseconds like the times of events.
    pub trace: i64,
    /// The monotonic clock, in nanoseconds.
    pub monotonic: u64,
    /// Wall clock: seconds since 1970.
    pub wall_seconds: u64,
    /// Wall clock: nanoseconds of the second.
    pub wall_nanoseconds: u64,
}

/// A CPU profile sample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuSample {
    pub(crate) time: i64,
    pub(crate) thread: i64,
    pub(crate) proc: i64,
    pub(crate) goroutine: i64,
    pub(crate) stack: StackId,
}

/// Everything a generation tells besides its events.
#[derive(Debug, Default)]
pub struct Generation {
    pub(crate) number: u64,
    /// Nanoseconds per unit of time stamps; 0 until known.
    pub(crate) unit: f64,
    /// Smallest base time of a batch, in units.
    pub(crate) min_time: Option<u64>,
    pub(crate) clock: Option<ClockSnapshot>,
    clock_time: u64,
    pub(crate) samples: Vec<CpuSample>,
    arena: Vec<u8>,
    strings: HashMap<StringId, (u32, u32)>,
    stacks: HashMap<StackId, (u32, u32)>,
    stack_frames: Vec<u32>,
    frames: Vec<Frame>,
    frame_of_pc: HashMap<u64, u32>,
    pub(crate) alloc_free: allocfree::Tables,
    /// Name of the task that ended last: its task may have begun in an earlier generation.
    extra: Vec<u8>,
}

impl Generation {
    /// Its number in the trace; the first is 1 unless the trace was taken by a flight recorder.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Nanoseconds per unit of the file's time stamps.
    #[must_use]
    pub fn unit(&self) -> f64 {
        self.unit
    }

    /// Readings of other clocks, from Go 1.25 on.
    #[must_use]
    pub fn clock(&self) -> Option<ClockSnapshot> {
        self.clock
    }

    /// A string; `None` where the generation has none of that number. Any bytes can stand in it.
    #[must_use]
    pub fn string(&self, id: StringId) -> Option<&[u8]> {
        if id == 0 {
            return Some(b"");
        }
        let &(at, len) = self.strings.get(&id)?;
        self.arena.get(at as usize..)?.get(..len as usize)
    }

    /// The frames of a stack, the innermost first; `None` where the generation has no stack of that number.
    #[must_use]
    pub fn stack(&self, id: StackId) -> Option<impl ExactSizeIterator<Item = Frame> + '_> {
        let (at, len) = if id == 0 { (0, 0) } else { *self.stacks.get(&id)? };
        let numbers = self.stack_frames.get(at as usize..)?.get(..len as usize)?;
        let none = Frame { pc: 0, function: 0, file: 0, line: 0 };
        Some(numbers.iter().map(move |&i| self.frames.get(i as usize).copied().unwrap_or(none)))
    }

    /// How many strings, stacks and different frames it has.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.strings.len(), self.stacks.len(), self.frames.len())
    }

    /// Time in nanoseconds of a time stamp, as Go computes it.
    pub(crate) fn nanoseconds(&self, stamp: u64) -> i64 {
        Unit::new(self.unit).nanoseconds(stamp)
    }

    /// Takes a batch of structure in.
    pub(crate) fn add(
        &mut self,
        version: Version,
        kind: u8,
        time: u64,
        bytes: &[u8],
        offset: u64,
    ) -> Result<(), Broken> {
        let mut r = Reader { bytes, pos: 0, offset };
        match kind {
            structural::STRINGS => self.add_strings(&mut r),
            structural::STACKS => self.add_stacks(&mut r),
            structural::CPU_SAMPLES => self.add_samples(&mut r),
            structural::FREQUENCY if version < Version::Go125 => self.add_sync(&mut r, version, time),
            structural::SYNC if version >= Version::Go125 => {
                r.pos = 1;
                self.add_sync(&mut r, version, time)
            }
            other => Err(Broken::new(offset, format!("expected a timed event, found event {other}"))),
        }
    }

    fn add_strings(&mut self, r: &mut Reader<'_>) -> Result<(), Broken> {
        r.pos = 1;
        while let Some(at) = r.event(structural::STRING, "a string")? {
            let id = r.number("the number of a string")?;
            let len = r.number("the length of a string")?;
            if len > MAX_STRING {
                return Err(Broken::new(
                    at,
                    format!("expected a string of at most {MAX_STRING} bytes, found a length of {len}"),
                ));
            }
            let text = r.take(len as usize).ok_or_else(|| {
                Broken::new(at, format!("expected {len} bytes of string, found the end of the batch"))
            })?;
            if id == 0 || self.strings.contains_key(&id) {
                return Err(Broken::new(at, format!("expected a new string, found number {id} again")));
            }
            let start =
                u32::try_from(self.arena.len()).map_err(|_| Broken::new(at, "expected less than 4 GiB of strings"))?;
            self.arena.extend_from_slice(text);
            self.strings.insert(id, (start, len as u32));
        }
        Ok(())
    }

    fn add_stacks(&mut self, r: &mut Reader<'_>) -> Result<(), Broken> {
        r.pos = 1;
        while let Some(at) = r.event(structural::STACK, "a stack")? {
            let id = r.number("the number of a stack")?;
            let len = r.number("the length of a stack")?;
            if len > MAX_FRAMES {
                return Err(Broken::new(at, format!("expected a stack of at most {MAX_FRAMES} frames, found {len}")));
            }
            let start = u32::try_from(self.stack_frames.len()).map_err(|_| Broken::new(at, "expected fewer frames"))?;
            for _ in 0..len {
                let frame = Frame {
                    pc: r.number("a program counter")?,
                    function: r.number("a function")?,
                    file: r.number("a file")?,
                    line: r.number("a line")?,
                };
                let next = self.frames.len() as u32;
                // The first frame told of a program counter counts, as in Go.
                let number = *self.frame_of_pc.entry(frame.pc).or_insert(next);
                if number == next {
                    self.frames.push(frame);
                }
                self.stack_frames.push(number);
            }
            if id == 0 || self.stacks.contains_key(&id) {
                return Err(Broken::new(at, format!("expected a new stack, found number {id} again")));
            }
            self.stacks.insert(id, (start, len as u32));
        }
        Ok(())
    }

    fn add_samples(&mut self, r: &mut Reader<'_>) -> Result<(), Broken> {
        r.pos = 1;
        while r.event(structural::CPU_SAMPLE, "a CPU sample")?.is_some() {
            let time = r.number("the time of a sample")?.cast_signed();
            let thread = r.number("the thread of a sample")?.cast_signed();
            let proc = r.number("the proc of a sample")?.cast_signed();
            let goroutine = match r.number("the goroutine of a sample")? {
                0 => -1,
                g => g.cast_signed(),
            };
            let stack = r.number("the stack of a sample")?;
            self.samples.push(CpuSample { time, thread, proc, goroutine, stack });
        }
        Ok(())
    }

    fn add_sync(&mut self, r: &mut Reader<'_>, version: Version, time: u64) -> Result<(), Broken> {
        while r.pos < r.bytes.len() {
            let at = r.at();
            match r.take(1).and_then(|b| b.first().copied()).unwrap_or(0) {
                structural::FREQUENCY if self.unit == 0.0 => {
                    let per_second = r.number("a frequency")?;
                    if per_second == 0 {
                        return Err(Broken::new(at, "expected a frequency, found 0 units per second"));
                    }
                    self.unit = 1.0 / (per_second as f64 / 1e9);
                }
                structural::CLOCK_SNAPSHOT if version >= Version::Go125 && self.clock.is_none() => {
                    self.clock_time = time.wrapping_add(r.number("the time of a clock snapshot")?);
                    self.clock = Some(ClockSnapshot {
                        trace: 0,
                        monotonic: r.number("a monotonic time")?,
                        wall_seconds: r.number("seconds")?,
                        wall_nanoseconds: r.number("nanoseconds")?,
                    });
                }
                other => {
                    let what = "expected one frequency and one clock snapshot";
                    return Err(Broken::new(at, format!("{what}, found event {other}")));
                }
            }
        }
        Ok(())
    }

    /// Ends the reading of structure: checks what must be there, turns time stamps into nanoseconds.
    ///
    /// A generation that is cut off (`cut_off`) may lack any of it; the unit of time is then that of the generation
    /// before, for it is the process's.
    pub(crate) fn complete(&mut self, version: Version, offset: u64, cut_off: bool, unit: f64) -> Result<(), Broken> {
        if cut_off && self.unit == 0.0 {
            self.unit = unit;
        }
        if self.unit == 0.0 {
            return Err(Broken::new(offset, "expected the frequency of a generation, found none"));
        }
        if version >= Version::Go125 && self.clock.is_none() && !cut_off {
            return Err(Broken::new(offset, "expected the clock snapshot of a generation, found none"));
        }
        for f in self.frames.iter().filter(|_| !cut_off) {
            for id in [f.function, f.file] {
                if self.string(id).is_none() {
                    let what =
                        format!("expected string {id} of the frame at pc {:#x} in the string table, found none", f.pc);
                    return Err(Broken::new(offset, what));
                }
            }
        }
        let trace = self.nanoseconds(self.clock_time);
        if let Some(clock) = &mut self.clock {
            clock.trace = trace;
        }
        let unit = Unit::new(self.unit);
        for s in &mut self.samples {
            s.time = unit.nanoseconds(s.time.cast_unsigned());
        }
        crate::pdqsort::sort_by_time(&mut self.samples, |s| s.time);
        Ok(())
    }

    /// Whether there is any stack.
    pub(crate) fn has_stacks(&self) -> bool {
        !self.stacks.is_empty()
    }

    /// Makes it ready for the next generation, keeping its memory.
    pub(crate) fn clear(&mut self, number: u64) {
        self.number = number;
        self.unit = 0.0;
        self.min_time = None;
        self.clock = None;
        self.clock_time = 0;
        self.samples.clear();
        self.arena.clear();
        self.strings.clear();
        self.stacks.clear();
        self.stack_frames.clear();
        self.frames.clear();
        self.frame_of_pc.clear();
        self.extra.clear();
        self.alloc_free = allocfree::Tables::default();
    }

    /// The tables of the experiment alloc/free.
    pub(crate) fn alloc_free(&self) -> &allocfree::Tables {
        &self.alloc_free
    }

    /// What numbers of the experiment alloc/free stand for; told only in the generation that the trace began with.
    #[must_use]
    pub fn heap_layout(&self) -> Option<HeapLayout> {
        self.alloc_free.layout
    }

    /// Types of the objects that the experiment alloc/free tells in this generation, by number.
    pub fn heap_types(&self) -> impl ExactSizeIterator<Item = (u64, &HeapType)> {
        self.alloc_free.types.iter().map(|(&id, t)| (id, &**t))
    }

    /// Keeps the name of the task that ends with the event about to be told.
    pub(crate) fn keep_task_name(&mut self, name: &[u8]) {
        self.extra.clear();
        self.extra.extend_from_slice(name);
    }

    /// What [`Self::keep_task_name`] kept last.
    pub(crate) fn task_name(&self) -> &[u8] {
        &self.extra
    }
}

/// Reads the events of a structural batch.
struct Reader<'a> {
    bytes: &'a [u8],
    pos: usize,
    offset: u64,
}

impl<'a> Reader<'a> {
    fn at(&self) -> u64 {
        self.offset.saturating_add(self.pos as u64)
    }

    /// The next event must be of this kind; its offset, or `None` at the end of the batch.
    fn event(&mut self, kind: u8, what: &str) -> Result<Option<u64>, Broken> {
        let at = self.at();
        let Some(&found) = self.bytes.get(self.pos) else { return Ok(None) };
        if found != kind {
            return Err(Broken::new(at, format!("expected {what} (event {kind}), found event {found}")));
        }
        self.pos += 1;
        Ok(Some(at))
    }

    fn number(&mut self, what: &str) -> Result<u64, Broken> {
        let at = self.at();
        leb::read(self.bytes, &mut self.pos).ok_or_else(|| Broken::new(at, format!("expected {what}, found no number")))
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.pos..)?.get(..len)?;
        self.pos += len;
        Some(taken)
    }
}
