//! Traces of real programs, and the text that each Go release's `go tool trace` makes of them.
#![allow(dead_code, clippy::unwrap_used, reason = "tests; each uses its part")]

pub(crate) mod text;
pub(crate) mod txtar;

use std::{
    collections::HashMap,
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{BufRead as _, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use lab::Toolchain;
use trace::{Event, Generation, Options, Summary, read};

use self::text::Dialect;

/// The Go releases whose traces are read, those that are on this machine.
pub(crate) fn toolchains() -> Vec<Toolchain> {
    Toolchain::at_hand(&["1.22.10", "1.23.9", "1.24.11", "1.25.5", "1.26.6", "1.27.3"]).unwrap()
}

/// The program `lab/trace`, built by a release.
pub(crate) struct Program {
    dir: tempfile::TempDir,
    exe: PathBuf,
    pub(crate) go: Toolchain,
}

impl Program {
    pub(crate) fn build(go: &Toolchain) -> Self {
        let dir = tempfile::tempdir().unwrap();
        lab::extract(dir.path()).unwrap();
        let exe = dir.path().join("trace.exe");
        go.run(dir.path(), &["build", "-o", exe.to_str().unwrap(), "./trace"]).unwrap();
        Self { dir, exe, go: go.clone() }
    }

    /// The modes that this release has.
    pub(crate) fn modes(&self) -> Vec<&'static str> {
        let mut modes = vec!["busy", "gc", "syscalls", "sleepers", "profiled"];
        if self.go.version().at_least(23) {
            modes.push("coroutines");
        }
        if self.go.version().at_least(25) {
            modes.push("flight");
        }
        modes
    }

    /// A trace of the program at work.
    pub(crate) fn trace(&self, mode: &str, milliseconds: u32, debug: &str) -> PathBuf {
        let path = self.dir.path().join(format!("{mode}-{milliseconds}{debug}.trace"));
        let mut command = Command::new(&self.exe);
        command.arg(mode).arg(&path).arg(milliseconds.to_string()).env("GODEBUG", debug);
        assert!(command.status().unwrap().success());
        path
    }
}

/// What a comparison found equal.
#[derive(Debug)]
pub(crate) struct Equal {
    pub(crate) events: u64,
    pub(crate) summary: Summary,
    /// What `go tool trace` said to stderr; empty if it read the trace to its end.
    pub(crate) complaint: String,
    /// Events told beyond the text of `go tool trace`.
    pub(crate) beyond: u64,
}

fn debug_mode(go: &Toolchain) -> &'static str {
    if go.version().at_least(24) { "-d=parsed" } else { "-d=1" }
}

/// What `go tool trace` makes of these bytes: its text, and its complaint if it stopped.
pub(crate) fn parsed_by_go(go: &Toolchain, bytes: &[u8]) -> (String, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trace");
    fs::write(&path, bytes).unwrap();
    let mut command = go.command(dir.path());
    let output = command.args(["tool", "trace", debug_mode(go)]).arg(&path).env("TZ", "UTC").output().unwrap();
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Reads the trace and compares, line by line, with `go tool trace -d=parsed` of a release.
pub(crate) fn compare(go: &Toolchain, path: &Path) -> Equal {
    let dialect = Dialect::of(go.version());
    let mut command = go.command(path.parent().unwrap());
    command.args(["tool", "trace", debug_mode(go)]).arg(path).env("TZ", "UTC");
    let errors = tempfile::tempfile().unwrap();
    command.stdout(Stdio::piped()).stderr(errors.try_clone().unwrap());
    let mut child = command.spawn().unwrap();
    let mut theirs = BufReader::with_capacity(1 << 20, child.stdout.take().unwrap());
    let (mut ours, mut buffer) = (String::new(), Vec::new());
    let mut writer = text::Writer::new(dialect);
    let (mut events, mut beyond) = (0, 0);
    let bytes = fs::read(path).unwrap();
    let mut tell = |event: &Event<'_>, generation: &Generation| {
        ours.clear();
        writer.event(event, generation, &mut ours);
        if ours.is_empty() {
            return;
        }
        buffer.resize(ours.len(), 0);
        let n = read_full(&mut theirs, &mut buffer);
        if n == 0 {
            beyond += 1;
            return;
        }
        let told = String::from_utf8_lossy(&buffer[..n]);
        assert!(told == ours, "event {events} of {}:\nours:   {ours}\ntheirs: {told}", path.display());
        events += 1;
    };
    let summary = read(&bytes[..], &Options { threads: 1 }, &mut tell).unwrap();
    assert_eq!(digest(&bytes, 1), digest(&bytes, 2), "{}: one thread and two", path.display());
    let mut rest = String::new();
    theirs.read_to_string(&mut rest).unwrap();
    assert!(rest.is_empty(), "{}: theirs go on after event {events}: {rest:.500}; {:?}", path.display(), summary.gaps);
    child.wait().unwrap();
    let mut complaint = String::new();
    let mut errors = errors;
    std::io::Seek::rewind(&mut errors).unwrap();
    errors.read_to_string(&mut complaint).unwrap();
    Equal { events, summary, complaint, beyond }
}

/// A hash of everything that is told of every event.
fn digest(bytes: &[u8], threads: usize) -> (u64, u64) {
    let mut hasher = DefaultHasher::new();
    let summary = read(bytes, &Options { threads }, &mut |e: &Event<'_>, _: &Generation| {
        (e.kind, e.time, e.thread, e.proc, e.goroutine, e.stack(), e.arguments()).hash(&mut hasher);
    })
    .unwrap();
    (summary.events, hasher.finish())
}

/// For the readers of Go 1.22 and 1.23, which leave the order of events with the same time stamp on different threads
/// to the order of a Go map: compares each thread's events in order, times left out. How many are equal.
pub(crate) fn compare_by_thread(go: &Toolchain, path: &Path) -> u64 {
    let bytes = fs::read(path).unwrap();
    let mut ours = ByThread::default();
    let mut writer = text::Writer::new(Dialect::of(go.version()));
    let mut text = String::new();
    read(&bytes[..], &Options::default(), &mut |e: &Event<'_>, g: &Generation| {
        text.clear();
        writer.event(e, g, &mut text);
        text.split_inclusive('\n').for_each(|line| ours.line(line));
    })
    .unwrap();
    let mut theirs = ByThread::default();
    let mut command = go.command(path.parent().unwrap());
    command.args(["tool", "trace", debug_mode(go)]).arg(path).env("TZ", "UTC").stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::with_capacity(1 << 20, child.stdout.take().unwrap());
    let mut line = String::new();
    while lines.read_line(&mut line).unwrap() > 0 {
        theirs.line(&line);
        line.clear();
    }
    assert!(child.wait().unwrap().success());
    assert!(ours.0 == theirs.0, "{}: a thread's events differ", path.display());
    ours.0.values().map(|v| v.len() as u64).sum()
}

/// Hashes of each thread's events.
#[derive(Default)]
struct ByThread(HashMap<String, Vec<u64>>, String);

impl ByThread {
    fn line(&mut self, line: &str) {
        if line.starts_with("M=") {
            self.1 = line.split(' ').next().unwrap().to_owned();
            self.0.entry(self.1.clone()).or_default().push(0);
        }
        let without: Vec<&str> = line.split(' ').filter(|w| !w.starts_with("Time=")).collect();
        let last = self.0.get_mut(&self.1).unwrap().last_mut().unwrap();
        let mut hasher = DefaultHasher::new();
        (*last, without).hash(&mut hasher);
        *last = hasher.finish();
    }
}

/// Whether `ours` begins with all of `theirs`, thread by thread where Go leaves the order open (see
/// [`compare_by_thread`]); where not, what comes where they part.
pub(crate) fn begins_with(ours: &str, theirs: &str, go: &Toolchain) -> Result<(), String> {
    if !go.version().at_least(24) {
        let by_thread = |text: &str| {
            let mut of = ByThread::default();
            text.split_inclusive('\n').for_each(|line| of.line(line));
            of.0
        };
        let (ours, theirs) = (by_thread(ours), by_thread(theirs));
        let all = |(thread, events): (&String, &Vec<u64>)| ours.get(thread).is_some_and(|o| o.starts_with(events));
        return theirs.iter().find(|of| !all(*of)).map_or(Ok(()), |(thread, _)| Err(format!("events of {thread}")));
    }
    let same = ours.bytes().zip(theirs.bytes()).take_while(|(a, b)| a == b).count();
    if same == theirs.len() {
        return Ok(());
    }
    let next = |text: &str| text.get(same.saturating_sub(80)..).unwrap_or_default().chars().take(400).collect();
    let (here, there): (String, String) = (next(ours), next(theirs));
    Err(format!("Go tells\n{there}\nhere\n{here}"))
}

fn read_full(from: &mut impl Read, buffer: &mut [u8]) -> usize {
    let mut done = 0;
    while done < buffer.len() {
        match from.read(&mut buffer[done..]).unwrap() {
            0 => break,
            n => done += n,
        }
    }
    done
}
