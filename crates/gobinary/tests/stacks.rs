//! Stacks of real programs: a program parks goroutines in many ways, says where each of them stands
//! (`runtime.Stack`) and which heap objects only locals of theirs hold, and is stopped. What is
//! unwound from its memory has to be the same. Each Go toolchain that is at hand is used.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use common::{Go, build};
use gobinary::{
    Functions, GoBinary, Memory, ModuleTables, Region, StackEnd, StackFrame, StackSource, StackStart, StackWalk,
    StackWord, Unreadable, printable_name, scan_stack,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = include_str!("stacks.go.txt");
/// Up to Go 1.23 pointers of more than 128 KiB are described by a GC program; from Go 1.24 on a local of
/// more than that is on the heap.
const LARGE: [(&str, &str); 2] = [
    ("old.go", "//go:build !go1.24\n\npackage main\n\nconst largeCount = 9000\n"),
    ("new.go", "//go:build go1.24\n\npackage main\n\nconst largeCount = 300\n"),
];

/// A stopped child; killed at the end, whatever happens.
struct Stopped {
    child: Child,
    said: Vec<String>,
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Stops a process and waits until all of it stands still.
fn stop(pid: u32) {
    assert!(Command::new("kill").args(["-STOP", &pid.to_string()]).status().unwrap().success());
    // The state is the first letter behind the name in brackets.
    let is_stopped = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let state = &stat[stat.rfind(')').unwrap()..];
        assert!(!state.starts_with(") Z"), "the program ended");
        state.starts_with(") T")
    };
    while !is_stopped() {
        std::thread::yield_now();
    }
}

impl Stopped {
    fn start(exe: &Path) -> Self {
        let mut child = Command::new(exe).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if line == "ready" {
                break;
            }
            said.push(line);
        }
        let stopped = Self { child, said };
        stop(stopped.child.id());
        stopped
    }

    /// Lines that start with `word`, as their fields.
    fn lines<'s>(&'s self, word: &'s str) -> impl Iterator<Item = Vec<&'s str>> {
        let fields = |l: &'s String| l.split(' ').collect::<Vec<_>>();
        self.said.iter().map(fields).filter(move |f| f[0] == word).map(|f| f[1..].to_vec())
    }
}

struct ProcessMemory {
    file: File,
    regions: Vec<Region>,
}

impl ProcessMemory {
    fn open(pid: u32) -> Self {
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let region = |line: &str| {
            let (range, rest) = line.split_once(' ').unwrap();
            let (start, end) = range.split_once('-').unwrap();
            Region {
                start: hex(start),
                end: hex(end),
                readable: rest.starts_with('r') && !line.contains("[v"),
                writable: rest[1..].starts_with('w'),
                executable: rest[2..].starts_with('x'),
            }
        };
        let regions = maps.lines().map(region).collect();
        Self { file: File::open(format!("/proc/{pid}/mem")).unwrap(), regions }
    }
}

impl Memory for ProcessMemory {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), Unreadable> {
        self.file.read_exact_at(buf, address).map_err(|_| Unreadable { address })
    }

    fn bytes(&self, _: u64, _: usize) -> Option<&[u8]> {
        None
    }

    fn regions(&self) -> &[Region] {
        &self.regions
    }
}

/// Offsets in `runtime.g` (`src/runtime/runtime2.go`).
struct GLayout {
    lr: u64,
    syscallsp: u64,
    status: u64,
    goid: u64,
    /// `link` in `runtime._defer`.
    link: u64,
}

fn layout(version: &str) -> GLayout {
    let minor: u32 = version.split('.').nth(1).unwrap().parse().unwrap();
    match minor {
        19..=21 => GLayout { lr: 40, syscallsp: 112, status: 144, goid: 152, link: 40 },
        22 => GLayout { lr: 40, syscallsp: 112, status: 144, goid: 152, link: 32 },
        23 | 24 => GLayout { lr: 40, syscallsp: 112, status: 152, goid: 160, link: 32 },
        _ => GLayout { lr: 32, syscallsp: 104, status: 144, goid: 152, link: 32 },
    }
}

const ARCH: gobinary::layout::Arch =
    if cfg!(target_arch = "aarch64") { gobinary::layout::Arch::Arm64 } else { gobinary::layout::Arch::Amd64 };

fn hex(s: &str) -> u64 {
    u64::from_str_radix(s, 16).unwrap()
}

/// A goroutine that does not run.
struct Goroutine {
    id: u64,
    stack: std::ops::Range<u64>,
    start: StackStart,
    more: Vec<u64>,
}

fn goroutines(memory: &dyn Memory, allgs: u64, layout: &GLayout) -> Vec<Goroutine> {
    let word = |a: u64| memory.u64(a).unwrap();
    let mut out = Vec::new();
    for i in 0..word(allgs + 8) {
        let g = word(word(allgs) + 8 * i);
        let status = memory.u32(g + layout.status).unwrap();
        // _Grunnable, _Gsyscall, _Gwaiting
        if !matches!(status, 1 | 3 | 4) {
            continue;
        }
        let syscall = word(g + layout.syscallsp) != 0;
        let (sp, pc, lr) = if syscall {
            (word(g + layout.syscallsp), word(g + layout.syscallsp + 8), 0)
        } else {
            (word(g + 56), word(g + 64), word(g + 56 + layout.lr))
        };
        // sched.ctxt, _panic, and fn and link of each _defer.
        let mut more = vec![word(g + 56 + 24), word(g + 32)];
        let mut deferred = word(g + 40);
        while deferred != 0 {
            let link = word(deferred + layout.link);
            more.extend([word(deferred + 24), link]);
            deferred = link;
        }
        out.push(Goroutine {
            id: word(g + layout.goid),
            stack: word(g)..word(g + 8),
            start: StackStart { pc, sp, lr, syscall, ..StackStart::default() },
            more,
        });
    }
    out
}

/// `showfuncinfo` of `src/runtime/traceback.go`.
fn shown(name: &str, first: bool) -> bool {
    let Some(rest) = name.strip_prefix("runtime.") else { return name.contains('.') };
    name == "runtime.gopanic" && !first || rest.starts_with(|c: char| c.is_ascii_uppercase())
}

/// The frames that `runtime.Stack` shows: function, `file:line`.
fn printed(said: &[String]) -> BTreeMap<u64, Vec<(String, String)>> {
    read_dump(said.iter().skip_while(|l| *l != "dump").skip(1).take_while(|l| *l != "end"))
}

fn read_dump<'s>(mut lines: impl Iterator<Item = &'s String>) -> BTreeMap<u64, Vec<(String, String)>> {
    let mut out = BTreeMap::new();
    while let Some(line) = lines.next() {
        let Some(rest) = line.strip_prefix("goroutine ") else { continue };
        let id: u64 = rest.split(' ').next().unwrap().parse().unwrap();
        let mut frames = Vec::new();
        while let Some(function) = lines.next().filter(|l| !l.is_empty()) {
            if function.starts_with("...") {
                frames.push((function.clone(), String::new()));
                continue;
            }
            let place = lines.next().unwrap().trim().split(' ').next().unwrap().to_owned();
            if !function.starts_with("created by ") {
                let name = &function[..function.rfind('(').unwrap()];
                frames.push((name.to_owned(), place));
            }
        }
        out.insert(id, frames);
    }
    out
}

fn shown_frames(source: &StackSource<'_, '_>, frames: &[StackFrame<'_>]) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    for logical in frames.iter().flat_map(|f| f.logical(source).unwrap()) {
        if shown(logical.function, out.is_empty()) {
            let name = if logical.function == "runtime.gopanic" { "panic" } else { logical.function };
            out.push((printable_name(name).into_owned(), format!("{}:{}", logical.file, logical.line)));
        }
    }
    out
}

#[test]
fn stacks_and_their_pointers_are_those_of_the_program() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("main.go"), PROGRAM).unwrap();
    for (name, text) in LARGE {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    std::fs::write(dir.path().join("go.mod"), "module example.com/stacks\n\ngo 1.21\n").unwrap();
    for go in common::toolchains() {
        for (name, args) in common::BUILDS {
            let exe = build(&go, dir.path(), name, args);
            check(&go, &format!("{} {name}", go.name), &exe);
        }
    }
}

/// `runtime.allgs` has no name in a stripped program: of the slices among the globals it is the one whose
/// elements are goroutines with all the numbers that the program printed.
fn find_allgs(memory: &ProcessMemory, global: u64, layout: &GLayout, ids: &BTreeSet<u64>) -> u64 {
    let near = |r: &&Region| r.readable && r.writable && r.start.abs_diff(global) < 16 << 20;
    let has_all = |data: u64, len: u64| {
        let id = |i: u64| memory.u64(memory.u64(data.checked_add(8 * i)?).ok()?.checked_add(layout.goid)?).ok();
        let found: BTreeSet<u64> = (0..len).map_while(id).collect();
        found.is_superset(ids)
    };
    for region in memory.regions.iter().filter(near) {
        let mut data = vec![0; (region.end - region.start) as usize];
        memory.read(region.start, &mut data).unwrap();
        let words: Vec<u64> = data.chunks_exact(8).map(|w| u64::from_le_bytes(w.try_into().unwrap())).collect();
        for (i, w) in words.windows(3).enumerate() {
            let fits = w[1] >= ids.len() as u64 && w[1] <= w[2] && w[2] < 10_000 && w[0] > 4096;
            if fits && has_all(w[0], w[1]) {
                return region.start + 8 * i as u64;
            }
        }
    }
    panic!("no list of goroutines");
}

fn check(go: &Go, name: &str, exe: &Path) {
    let process = Stopped::start(exe);
    let memory = ProcessMemory::open(process.child.id());
    let ids = printed(&process.said).into_keys().collect();
    let allgs = find_allgs(&memory, hex(process.lines("never").next().unwrap()[0]), &layout(&go.name), &ids);
    let bytes = std::fs::read(exe).unwrap();
    let binary = GoBinary::parse(&bytes).unwrap();
    let main = binary.pclntab().unwrap().functions().find(|f| f.1 == "main.main").unwrap().0;
    let bias = hex(process.lines("base").next().unwrap()[0]) - main;
    let tables = ModuleTables::read(&memory, binary.module_bases().unwrap().moved(bias)).unwrap();
    assert!(tables.copied_bytes() > 100_000 && tables.copied_bytes() < bytes.len(), "{}", tables.copied_bytes());
    let from_file = binary.functions().unwrap().moved(bias);
    for functions in [tables.functions().unwrap(), from_file] {
        stacks(&process, &memory, functions, allgs, &layout(&go.name), name);
    }
}

fn stacks(process: &Stopped, memory: &dyn Memory, functions: Functions<'_>, allgs: u64, layout: &GLayout, name: &str) {
    let modules = [functions];
    let source = StackSource { memory, modules: &modules, arch: ARCH };
    let truth = printed(&process.said);
    let spinning: Vec<u64> = process.lines("spin").map(|f| f[0].parse().unwrap()).collect();
    let deep =
        process.lines("deep").next().map(|f| (f[0].parse::<u64>().unwrap(), f[1].parse::<usize>().unwrap())).unwrap();
    let mut words: BTreeMap<u64, Vec<StackWord>> = BTreeMap::new();
    let (mut compared, mut interrupted) = (0, 0);
    let programs = modules[0].table();
    let programs = (0..programs.len()).filter_map(|i| programs.func(i)).filter(|f| f.name() == "main.largeObject");
    let programs = programs.flat_map(|f| modules[0].stack_objects(&f).iter()).filter(|o| o.gc_program).count();
    let old = ["go1.21", "go1.22", "go1.23"].iter().any(|v| name.starts_with(v));
    assert_eq!(programs, usize::from(old), "{name}");
    for g in goroutines(memory, allgs, layout) {
        let mut walk = StackWalk::new(source, g.stack.clone(), g.start);
        let frames: Vec<StackFrame<'_>> = walk.by_ref().collect();
        assert_eq!(walk.end(), Some(StackEnd::Complete), "{name}: goroutine {}", g.id);
        assert_eq!(frames.last().unwrap().func.name(), "runtime.goexit", "{name}");
        let mut found = Vec::new();
        let all = scan_stack(source, g.stack.clone(), g.start, &g.more, |w| found.push(w));
        assert_eq!((all.incomplete, all.frames as usize), (0, frames.len()), "{name}: goroutine {}", g.id);
        words.insert(g.id, found);
        let Some(said) = truth.get(&g.id) else { continue };
        let shown = shown_frames(&source, &frames);
        if g.id == deep.0 {
            assert_eq!(shown.iter().filter(|f| f.0 == "main.deep").count(), deep.1, "{name}");
        } else if spinning.contains(&g.id) {
            // It went on since it was asked: the same functions at other lines.
            let names = |f: &[(String, String)]| f.iter().map(|f| f.0.clone()).collect::<Vec<_>>();
            assert_eq!(names(&shown), names(said), "{name}");
            interrupted += usize::from(frames.iter().any(StackFrame::is_conservative));
        } else if g.id != 1 {
            assert_eq!(&shown, said, "{name}: goroutine {}", g.id);
        }
        compared += 1;
    }
    // All but the one that runs, if one runs.
    assert!(compared >= truth.len() - 1, "{name}: {compared} of {}", truth.len());
    assert!(interrupted > 0, "{name}: no interrupted goroutine");
    held(process, &words, name);
}

/// Heap objects that only a local holds are found; those of locals that are dead are not.
fn held(process: &Stopped, words: &BTreeMap<u64, Vec<StackWord>>, name: &str) {
    let mut count = 0;
    for f in process.lines("held") {
        let (what, id, address) = (f[0], f[1].parse::<u64>().unwrap(), hex(f[2]));
        let Some(found) = words.get(&id) else { continue };
        let place = found.iter().find(|w| w.value == address);
        match what {
            "dead" => assert_eq!(place, None, "{name}: goroutine {id} {address:x}"),
            "object" => {
                assert!(place.is_some_and(|w| !w.conservative && w.in_object), "{name}: goroutine {id}: {place:?}");
            }
            "spin" => assert!(place.is_some(), "{name}: goroutine {id} {address:x}"),
            _ => assert!(place.is_some_and(|w| !w.conservative), "{name}: {what}, goroutine {id}: {place:?}"),
        }
        count += 1;
    }
    assert!(count > 80, "{name}: {count}");
}

/// A stripped program of another Go, built by others: Debian's Prometheus. The truth is its own
/// goroutine dump, taken a moment before it is stopped.
#[test]
fn stacks_of_a_distributions_program_are_those_of_its_own_dump() {
    let exe = Path::new("/usr/bin/prometheus");
    let Ok(bytes) = std::fs::read(exe) else {
        eprintln!("skipped: {} is not installed", exe.display());
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("prometheus.yml"), "global: {}\n").unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = Command::new(exe)
        .current_dir(dir.path())
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut process = Stopped { child, said: Vec::new() };
    let pid = process.child.id();
    while !get(port, "/-/ready").first().is_some_and(|l| l.contains(" 200 ")) {
        assert!(process.child.try_wait().unwrap().is_none(), "it ended");
        std::thread::yield_now();
    }
    let truth = settled_dump(port);
    stop(pid);
    assert!(truth.len() > 20, "{}", truth.len());
    let memory = ProcessMemory::open(pid);
    let binary = GoBinary::parse(&bytes).unwrap();
    let version = binary.build_info().unwrap().go_version_text;
    let bases = binary.module_bases().unwrap();
    let first = memory.regions.iter().find(|r| r.executable).unwrap().start;
    let bias = if binary.is_position_independent() { first - (bases.text & !0xfff) } else { 0 };
    let tables = ModuleTables::read(&memory, bases.moved(bias)).unwrap();
    let modules = [tables.functions().unwrap()];
    let source = StackSource { memory: &memory, modules: &modules, arch: ARCH };
    let layout = layout(&version);
    let ids: BTreeSet<u64> = truth.keys().copied().collect();
    let global = memory.regions.iter().find(|r| r.writable && r.start > first).unwrap().start;
    let allgs = find_allgs(&memory, global, &layout, &ids);
    let (mut same, mut other) = (0, Vec::new());
    for g in goroutines(&memory, allgs, &layout) {
        let mut walk = StackWalk::new(source, g.stack.clone(), g.start);
        let frames: Vec<StackFrame<'_>> = walk.by_ref().collect();
        assert_eq!(walk.end(), Some(StackEnd::Complete), "goroutine {}", g.id);
        let found = scan_stack(source, g.stack.clone(), g.start, &g.more, |_| {});
        assert_eq!(found.incomplete, 0, "goroutine {}", g.id);
        if let Some(said) = truth.get(&g.id) {
            let shown = shown_frames(&source, &frames);
            if &shown == said { same += 1 } else { other.push((g.id, shown, said)) }
        }
    }
    // One or the other may have gone on between the dump and the stop.
    assert!(same + 3 >= truth.len(), "{same} of {}: {other:#?}", truth.len());
}

/// The goroutines and where they stand, once they stand still.
fn settled_dump(port: u16) -> BTreeMap<u64, Vec<(String, String)>> {
    let dump = || {
        let mut found = read_dump(get(port, "/debug/pprof/goroutine?debug=2").iter());
        // Those that serve the dump itself.
        found.retain(|_, frames| !frames.iter().any(|f| f.0.starts_with("net/http.(*conn")));
        found
    };
    let mut last = dump();
    for _ in 0..1000 {
        let next = dump();
        if next == last {
            return last;
        }
        last = next;
    }
    panic!("it never stands still: {last:#?}");
}

fn get(port: u16, path: &str) -> Vec<String> {
    use std::io::{Read, Write};
    let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) else { return Vec::new() };
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().map(|l| l.trim_end().to_owned()).collect()
}
