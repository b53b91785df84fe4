//! `goroutine?debug=2` text and crash dumps: every goroutine with state, wait, stack, creation site.
//!
//! The grammar is that of Go `src/runtime/traceback.go` (`goroutineheader`, `traceback2`; 1.19 to
//! 1.27). Frames, states and stacks are interned, so a dump of 100 MB costs a few MB plus a row per
//! goroutine. Arguments and program counters are left out. Refuses text without one goroutine.

use crate::gaps::Gaps;
use crate::text::Lines;
use crate::text::{Quoted, split_place};
use crate::{ProfileError, ReadLimits, container, error, is_standard};
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use model::{Frame, Gap};
use std::hash::BuildHasher;
use std::sync::Arc;

/// net/http/pprof stops a dump at this size (`writeGoroutineStacks`).
const RUNTIME_CUT: usize = 64 << 20;

/// All goroutines of one dump.
#[derive(Clone, Debug, Default)]
pub struct GoroutineDump {
    /// Interned frames.
    pub frames: Vec<Frame>,
    /// In the order of the dump.
    pub goroutines: Vec<Goroutine>,
    /// What had to be left out (a dump cut at the runtime's 64 MiB is told here).
    pub gaps: Vec<Gap>,
}

/// One goroutine.
#[derive(Clone, Debug)]
pub struct Goroutine {
    /// goid.
    pub id: u64,
    /// The state as printed, without wait time: `chan receive`, `select`, `IO wait`, `running`,
    /// `chan receive (leaked)`.
    pub state: Arc<str>,
    /// Whole minutes waited; 0 when not printed.
    pub wait_minutes: u32,
    /// `locked to thread`.
    pub locked_to_thread: bool,
    /// Indexes into frames, leaf first.
    pub stack: Arc<[u32]>,
    /// Frames the runtime left out of the middle of a deep stack (`...N frames elided...`);
    /// `u32::MAX` where it does not say how many.
    pub elided: u32,
    /// `created by` frame.
    pub created_by: Option<u32>,
    /// `in goroutine N` (Go 1.21+).
    pub creator: Option<u64>,
    /// pprof labels (Go 1.26+, `GODEBUG=tracebacklabels=1`; on by default in 1.27).
    pub labels: Arc<[(String, String)]>,
}

impl Goroutine {
    /// Whether the goroutine leak profile marked it: blocked on something nothing can reach.
    #[must_use]
    pub fn is_leaked(&self) -> bool {
        self.state.contains("(leaked)")
    }
}

/// Goroutines with the same state, stack and creation site.
#[derive(Clone, Debug)]
pub struct GoroutineGroup {
    /// State.
    pub state: Arc<str>,
    /// How many.
    pub count: u64,
    /// Longest wait, minutes.
    pub max_wait_minutes: u32,
    /// Median wait, minutes.
    pub median_wait_minutes: u32,
    /// Indexes into [`GoroutineDump::frames`], leaf first.
    pub stack: Arc<[u32]>,
    /// `created by` frame.
    pub created_by: Option<u32>,
    /// Position in `stack` of the first frame outside the standard library: where user code waits.
    pub user: Option<u32>,
}

impl GoroutineDump {
    /// Reads a `goroutine?debug=2` text (gzip is opened too), or the goroutines of a crash log.
    ///
    /// # Errors
    /// When there is no goroutine in it, or it exceeds the limit.
    pub fn read(text: &[u8], limits: &ReadLimits) -> Result<Self, ProfileError> {
        let mut gaps = Gaps::default();
        let data = container::open(text, limits, &mut gaps, Vec::new())?;
        let mut p = Parser::default();
        for (at, line) in Lines::new(&data) {
            p.line(line, at, &mut gaps);
        }
        p.end();
        if p.dump.goroutines.is_empty() {
            return Err(refuse(&data));
        }
        if data.len() == RUNTIME_CUT {
            gaps.push(Gap::at(
                RUNTIME_CUT as u64,
                "the dump ends at the runtime's limit of 64 MiB: goroutines after it are missing",
            ));
        } else if data.last() != Some(&b'\n') {
            gaps.push(Gap::at(data.len() as u64, "the dump ends inside a line: it was cut"));
        }
        p.dump.gaps = gaps.finish();
        Ok(p.dump)
    }

    /// Groups, the largest first.
    #[must_use]
    pub fn groups(&self) -> Vec<GoroutineGroup> {
        // Stacks and states are interned: equal ones share an allocation.
        let mut at: HashMap<(usize, usize, Option<u32>), usize> = HashMap::new();
        let mut groups: Vec<GoroutineGroup> = Vec::new();
        let mut waits: Vec<Vec<u32>> = Vec::new();
        for g in &self.goroutines {
            let key = (g.stack.as_ptr() as usize ^ (g.stack.len() << 48), g.state.as_ptr() as usize, g.created_by);
            let i = *at.entry(key).or_insert_with(|| {
                groups.push(GoroutineGroup {
                    state: g.state.clone(),
                    count: 0,
                    max_wait_minutes: 0,
                    median_wait_minutes: 0,
                    user: self.first_user(&g.stack),
                    stack: g.stack.clone(),
                    created_by: g.created_by,
                });
                waits.push(Vec::new());
                groups.len() - 1
            });
            groups[i].count += 1;
            waits[i].push(g.wait_minutes);
        }
        for (g, w) in groups.iter_mut().zip(&mut waits) {
            w.sort_unstable();
            g.max_wait_minutes = w.last().copied().unwrap_or(0);
            g.median_wait_minutes = w.get(w.len() / 2).copied().unwrap_or(0);
        }
        groups.sort_by(|a, b| {
            (b.count, b.median_wait_minutes).cmp(&(a.count, a.median_wait_minutes)).then_with(|| a.stack.cmp(&b.stack))
        });
        groups
    }

    fn first_user(&self, stack: &[u32]) -> Option<u32> {
        let user = |f: &u32| (self.frames.get(*f as usize)).is_some_and(|f| !is_standard(&f.function));
        stack.iter().position(user).map(|i| i as u32)
    }
}

fn refuse(data: &[u8]) -> ProfileError {
    const EXPECTED: &str = "a goroutine dump (goroutine?debug=2)";
    let found = |found| ProfileError::WrongText { expected: EXPECTED, found };
    let start = data.trim_ascii_start();
    if start.starts_with(b"goroutine profile:") {
        return found("the aggregated text of goroutine?debug=1; read it as a profile");
    }
    if start.starts_with(b"heap profile:") {
        return found("the text of heap?debug=1");
    }
    match error::describe(data) {
        ProfileError::Malformed { .. } => found("binary data without a goroutine header (a profile.proto?)"),
        e => e,
    }
}

/// What the next line is taken for.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Expect {
    /// Outside a goroutine.
    #[default]
    Header,
    /// A function line.
    Function,
    /// The file line of the frame just named.
    Place,
    /// The file line of the creation site.
    CreatedPlace,
    /// Ancestors or register dumps: skipped until a blank line.
    Skip,
}

/// A goroutine being read.
#[derive(Default)]
struct Current {
    id: u64,
    state: Option<Arc<str>>,
    wait_minutes: u32,
    locked: bool,
    elided: u32,
    created_by: Option<u32>,
    creator: Option<u64>,
    labels: Option<Arc<[(String, String)]>>,
}

#[derive(Default)]
struct Parser {
    dump: GoroutineDump,
    hasher: DefaultHashBuilder,
    frames: HashTable<u32>,
    /// Name and place of each frame as printed, in `names`: what `frames` compares.
    raw: Vec<(usize, usize, usize)>,
    names: Vec<u8>,
    states: HashMap<Vec<u8>, Arc<str>>,
    stacks: HashMap<Arc<[u32]>, ()>,
    no_labels: Option<Arc<[(String, String)]>>,
    expect: Expect,
    current: Option<Current>,
    function: Vec<u8>,
    stack: Vec<u32>,
}

impl Parser {
    fn line(&mut self, line: &[u8], at: usize, gaps: &mut Gaps) {
        if line.starts_with(b"goroutine ") && line.ends_with(b":") {
            self.end();
            match self.header(&line[10..]) {
                Some(c) => {
                    self.current = Some(c);
                    self.expect = Expect::Function;
                }
                None => gaps.count(
                    at,
                    "a goroutine header is damaged (expected \"goroutine N [STATE]:\"); the goroutine was left out",
                ),
            }
            return;
        }
        if self.current.is_none() {
            return;
        }
        if line.is_empty() {
            self.end();
            return;
        }
        match self.expect {
            Expect::Header | Expect::Skip => {}
            Expect::Function => self.function_line(line, at, gaps),
            Expect::Place | Expect::CreatedPlace => self.place_line(line, at, gaps),
        }
    }

    fn function_line(&mut self, line: &[u8], at: usize, gaps: &mut Gaps) {
        if line.starts_with(b"...") {
            let mut n = &line[3..];
            let n = crate::text::take_i64(&mut n).and_then(|n| u32::try_from(n).ok());
            if let Some(c) = &mut self.current {
                c.elided = n.unwrap_or(u32::MAX);
            }
        } else if let Some(created) = line.strip_prefix(b"created by ") {
            let marker = b" in goroutine ";
            let (name, id) = match memchr::memmem::rfind(created, marker) {
                Some(i) => (&created[..i], parse_u64(&created[i + marker.len()..])),
                None => (created, None),
            };
            if let Some(c) = &mut self.current {
                c.creator = id;
            }
            self.function.clear();
            self.function.extend_from_slice(name);
            self.expect = Expect::CreatedPlace;
        } else if line.starts_with(b"[originating from goroutine ") {
            self.expect = Expect::Skip;
        } else if line.starts_with(b"\t") {
            // "goroutine running on other thread; stack unavailable".
        } else if let Some(open) = memchr::memrchr(b'(', line) {
            // Arguments hold no parentheses; receivers before them do.
            self.function.clear();
            self.function.extend_from_slice(&line[..open]);
            self.expect = Expect::Place;
        } else {
            gaps.count(at, "expected a function call in a goroutine's stack; line left out");
        }
    }

    fn place_line(&mut self, line: &[u8], at: usize, gaps: &mut Gaps) {
        let created = self.expect == Expect::CreatedPlace;
        self.expect = Expect::Function;
        let Some(place) = line.strip_prefix(b"\t") else {
            gaps.count(at, "a frame has no file line; its place is unknown");
            let f = self.frame(b"");
            self.push(f, created);
            return self.function_line(line, at, gaps);
        };
        // `/src/main.go:12 +0x1b fp=0x...`.
        let end = memchr::memmem::rfind(place, b" +0x").unwrap_or(place.len());
        let f = self.frame(&place[..end]);
        self.push(f, created);
    }

    fn push(&mut self, frame: u32, created: bool) {
        match &mut self.current {
            Some(c) if created => c.created_by = Some(frame),
            _ => self.stack.push(frame),
        }
    }

    /// Interns the frame of `self.function` at `place`.
    fn frame(&mut self, place: &[u8]) -> u32 {
        let hash = self.hasher.hash_one((&self.function[..], place));
        let (raw, names) = (&self.raw, &self.names);
        let parts = |i: u32| {
            let (a, b, c) = raw[i as usize];
            (&names[a..b], &names[b..c])
        };
        let key = (&self.function[..], place);
        if let Some(i) = self.frames.find(hash, |i| parts(*i) == key) {
            return *i;
        }
        let i = self.raw.len() as u32;
        let a = self.names.len();
        self.names.extend_from_slice(&self.function);
        let b = self.names.len();
        self.names.extend_from_slice(place);
        self.raw.push((a, b, self.names.len()));
        let (raw, names, hasher) = (&self.raw, &self.names, &self.hasher);
        self.frames.insert_unique(hash, i, |i| {
            let (a, b, c) = raw[*i as usize];
            hasher.hash_one((&names[a..b], &names[b..c]))
        });
        let (file, number) = split_place(place);
        self.dump.frames.push(Frame {
            function: String::from_utf8_lossy(&self.function).into_owned(),
            file: String::from_utf8_lossy(file).into_owned(),
            line: u32::try_from(number).unwrap_or(0),
        });
        i
    }

    /// `7 [chan receive, 12 minutes, locked to thread]:`, after `goroutine `.
    fn header(&mut self, line: &[u8]) -> Option<Current> {
        let digits = line.iter().take_while(|b| b.is_ascii_digit()).count();
        let id = parse_u64(line.get(..digits)?)?;
        let open = memchr::memchr(b'[', line)?;
        let inside = &line[open + 1..];
        let end = memchr::memchr(b']', inside)?;
        // Go 1.26 prints ` labels:{...}` inside the brackets, 1.27 ` {...}` behind them.
        let inner = memchr::memmem::find(inside, b" labels:{").filter(|i| *i < end);
        let fields = &inside[..inner.unwrap_or(end)];
        let labels = match inner {
            Some(i) => &inside[i + 8..],
            None => &inside[end + 1..],
        };
        let mut c = Current { id, labels: self.labels(labels), ..Current::default() };
        let mut parts = split_commas(fields);
        c.state = Some(self.state(parts.next().unwrap_or(b"")));
        for part in parts {
            if let Some(n) = part.strip_suffix(b" minutes") {
                c.wait_minutes = parse_u64(n).and_then(|n| u32::try_from(n).ok()).unwrap_or(u32::MAX);
            } else if part == b"locked to thread" {
                c.locked = true;
            }
        }
        Some(c)
    }

    fn state(&mut self, state: &[u8]) -> Arc<str> {
        if let Some(s) = self.states.get(state) {
            return s.clone();
        }
        let s: Arc<str> = String::from_utf8_lossy(state).into();
        self.states.insert(state.to_vec(), s.clone());
        s
    }

    fn labels(&mut self, text: &[u8]) -> Option<Arc<[(String, String)]>> {
        let start = memchr::memchr(b'{', text)?;
        let end = memchr::memrchr(b'}', text)?;
        let inside = String::from_utf8_lossy(text.get(start + 1..end)?).into_owned();
        let labels = parse_labels(&inside);
        (!labels.is_empty()).then(|| labels.into())
    }

    fn end(&mut self) {
        self.expect = Expect::Header;
        let Some(c) = self.current.take() else {
            self.stack.clear();
            return;
        };
        let stack = match self.stacks.get_key_value(&self.stack[..]) {
            Some((s, ())) => s.clone(),
            None => {
                let s: Arc<[u32]> = self.stack[..].into();
                self.stacks.insert(s.clone(), ());
                s
            }
        };
        self.stack.clear();
        let no_labels = self.no_labels.get_or_insert_with(|| [].into());
        self.dump.goroutines.push(Goroutine {
            id: c.id,
            state: c.state.unwrap_or_else(|| "".into()),
            wait_minutes: c.wait_minutes,
            locked_to_thread: c.locked,
            stack,
            elided: c.elided,
            created_by: c.created_by,
            creator: c.creator,
            labels: c.labels.unwrap_or_else(|| no_labels.clone()),
        });
    }
}

fn parse_u64(s: &[u8]) -> Option<u64> {
    std::str::from_utf8(s).ok()?.trim().parse().ok()
}

fn split_commas(s: &[u8]) -> impl Iterator<Item = &[u8]> {
    s.split(|b| *b == b',').map(<[u8]>::trim_ascii)
}

/// `"k": "v", k2: v2`: quoted in 1.26, quoted where needed in 1.27.
fn parse_labels(text: &str) -> Vec<(String, String)> {
    let mut words = Vec::new();
    let mut rest = text.trim_start_matches([' ', ',', ':']);
    while !rest.is_empty() && words.len() < 512 {
        if rest.starts_with('"') {
            let mut q = Quoted { rest };
            match q.next() {
                Some(w) => words.push(w),
                None => break,
            }
            rest = q.rest;
        } else {
            let stop = if words.len() % 2 == 0 { ": " } else { ", " };
            let end = rest.find(stop).unwrap_or(rest.len());
            words.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
        rest = rest.trim_start_matches([' ', ',', ':']);
    }
    let mut words = words.into_iter();
    std::iter::from_fn(|| Some((words.next()?, words.next()?))).collect()
}
