//! Core files of `programs/everything.go`, where its structures lie in them, and values that belong nowhere.

#![allow(dead_code, clippy::unwrap_used, clippy::print_stderr, reason = "a test; each test file uses a part of it")]

pub(crate) mod image;
mod structures;

use bundle::{ProgramHeap, ProgramMemory};
use lab::Toolchain;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};

const SOURCES: [(&str, &str); 4] = [
    ("everything.go", include_str!("../programs/everything.go")),
    ("everything_121.go", include_str!("../programs/everything_121.go")),
    ("everything_124.go", include_str!("../programs/everything_124.go")),
    // What a service has: many types.
    ("everything_http.go", include_str!("../programs/everything_http.go")),
];
/// Structures of one kind that are forged, at most.
const MOST_PLACES: usize = 64;

pub(crate) use structures::Places;

/// A word of the program's memory and what is written there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patch {
    pub(crate) place: u64,
    pub(crate) value: u64,
}

/// Numbers without pattern (xorshift64*).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len() as u64) as usize]
    }
}

/// A part of the program's memory, and where it stands: in the core file, or in the executable.
#[derive(Clone, Copy, Debug)]
struct Piece {
    address: u64,
    len: u64,
    offset: u64,
    in_core: bool,
}

/// A core file and its executable.
pub(crate) struct Dump {
    pub(crate) release: String,
    pub(crate) core: PathBuf,
    pub(crate) exe: PathBuf,
    pieces: Vec<Piece>,
    _dir: tempfile::TempDir,
}

/// The oldest Go at hand, which has chained maps, and the newest.
pub(crate) fn toolchains() -> Vec<Toolchain> {
    let mut found = Toolchain::at_hand(&["1.21.13", "1.23.9", "1.27.3"]).unwrap().into_iter();
    let oldest = found.next();
    oldest.into_iter().chain(found.last()).collect()
}

/// Of a Go with chained maps and the newest one; made once.
pub(crate) fn dumps() -> &'static [Dump] {
    static DUMPS: OnceLock<Vec<Dump>> = OnceLock::new();
    DUMPS.get_or_init(|| toolchains().iter().filter_map(|go| Dump::make(go, false)).collect())
}

impl Dump {
    /// `tiny`: without the part of a service, with few objects.
    pub(crate) fn make(go: &Toolchain, tiny: bool) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in SOURCES {
            if !tiny || name != "everything_http.go" {
                fs::write(dir.path().join(name), text).unwrap();
            }
        }
        fs::write(dir.path().join("go.mod"), "module everything\n\ngo 1.21\n").unwrap();
        let exe = dir.path().join("everything");
        go.run(dir.path(), &["build", "-ldflags=-s -w", "-o", exe.to_str().unwrap(), "."]).unwrap();
        let core = dump(dir.path(), &exe, tiny)?;
        let mut pieces = loads(&exe, false);
        // The core file has what the program may have changed: it comes first.
        pieces.splice(0..0, loads(&core, true));
        Some(Self { release: go.release(), core, exe, pieces, _dir: dir })
    }

    /// A copy to be changed.
    pub(crate) fn copy(&self) -> Copy<'_> {
        let dir = tempfile::tempdir().unwrap();
        let copy = |from: &Path| {
            let to = dir.path().join(from.file_name().unwrap());
            let done = Command::new("cp").arg("--sparse=always").arg(from).arg(&to).status().unwrap();
            assert!(done.success());
            to
        };
        let (core, exe) = (copy(&self.core), copy(&self.exe));
        Copy { dump: self, core, exe, written: Mutex::default(), _dir: dir }
    }

    /// Places in the file: anywhere, among the headers, where segments begin and end.
    pub(crate) fn places_to_cut(&self, n: usize, random: &mut Random) -> Vec<u64> {
        let len = fs::metadata(&self.core).unwrap().len();
        let segments: Vec<_> = self.pieces.iter().filter(|p| p.in_core).collect();
        let place = |random: &mut Random| match random.below(4) {
            0 => random.below(len),
            1 => random.below(16 << 10),
            2 => {
                let p = random.pick(&segments);
                p.offset + random.below(p.len)
            }
            _ => random.pick(&segments).offset + random.below(64),
        };
        (0..n).map(|_| place(random).min(len - 1)).collect()
    }

    fn graph<T>(&self, look: impl FnOnce(&ProgramHeap<'_>) -> T) -> T {
        let memory = ProgramMemory::core(&self.core, Some(&self.exe)).unwrap();
        memory.graph(&mut |_| {}, look).unwrap()
    }

    /// The runtime's structures and the program's objects, by kind.
    pub(crate) fn structures(&self) -> BTreeMap<String, Places> {
        let mut kinds = self.graph(|h| structures::of(h.graph));
        for places in kinds.values_mut() {
            places.retain(|&(at, len)| len > 0 && self.place(at).is_some());
            let step = places.len().div_ceil(MOST_PLACES).max(1);
            *places = places.iter().step_by(step).copied().collect();
        }
        kinds.retain(|_, places| !places.is_empty());
        kinds
    }

    /// Words of the list of all spans: where they are, what they say.
    pub(crate) fn span_list(&self) -> Vec<(u64, u64)> {
        self.graph(|h| {
            let (list, count) = h.graph.runtime.anchor.allspans;
            let words = (0..count).map(|i| list + 8 * i);
            words.map(|at| (at, h.graph.runtime.memory.u64(at).unwrap())).collect()
        })
    }

    /// File (0 the executable, 1 the core file) and offset of an address.
    fn place(&self, at: u64) -> Option<(usize, u64)> {
        let piece = self.pieces.iter().find(|p| at >= p.address && at + 8 <= p.address + p.len)?;
        Some((usize::from(piece.in_core), piece.offset + (at - piece.address)))
    }
}

/// A copy of a core file and its executable, with words changed.
pub(crate) struct Copy<'d> {
    dump: &'d Dump,
    pub(crate) core: PathBuf,
    pub(crate) exe: PathBuf,
    written: Mutex<Vec<(usize, u64, [u8; 8])>>,
    _dir: tempfile::TempDir,
}

impl Copy<'_> {
    /// Opened for each access: a file that is open for writing is read in another way.
    fn file(&self, number: usize) -> File {
        let path = if number == 0 { &self.exe } else { &self.core };
        File::options().read(true).write(true).open(path).unwrap()
    }

    /// The word at an address.
    fn word(&self, at: u64) -> Option<u64> {
        let (file, offset) = self.dump.place(at)?;
        let mut word = [0; 8];
        self.file(file).read_exact_at(&mut word, offset).ok()?;
        Some(u64::from_le_bytes(word))
    }

    /// Changes a word; `false` when it stands in neither file.
    pub(crate) fn write(&self, patch: &Patch) -> bool {
        let (Some((file, offset)), Some(old)) = (self.dump.place(patch.place), self.word(patch.place)) else {
            return false;
        };
        self.file(file).write_all_at(&patch.value.to_le_bytes(), offset).unwrap();
        self.written.lock().unwrap().push((file, offset, old.to_le_bytes()));
        true
    }

    /// Puts everything back.
    pub(crate) fn restore(&self) {
        for (file, offset, old) in self.written.lock().unwrap().drain(..).rev() {
            self.file(file).write_all_at(&old, offset).unwrap();
        }
    }

    /// One to four words of one structure, forged.
    pub(crate) fn forge(&self, places: &Places, kinds: &BTreeMap<String, Places>, random: &mut Random) -> Vec<Patch> {
        let all: Vec<&Places> = kinds.values().collect();
        let &(start, len) = random.pick(places);
        let words = 1 + random.below(4);
        let mut patches = Vec::new();
        for _ in 0..words {
            let place = start + random.below(len.div_ceil(8)) * 8;
            let Some(old) = self.word(place) else { continue };
            let value = match random.below(12) {
                0 => 0,
                1 => u64::MAX,
                // Where no address is.
                2 => old | 1 << 63,
                // A circle.
                3 => start,
                4 | 5 => {
                    let places = *random.pick(&all);
                    random.pick(places).0
                }
                6 | 7 => old ^ 1 << random.below(64),
                8 => old.wrapping_add([1, 8, u64::MAX, 4096][random.below(4) as usize]),
                // Lengths beyond reason.
                9 => 1 << random.below(63),
                10 => u64::from(u32::MAX) << random.below(33),
                _ => random.next(),
            };
            patches.push(Patch { place, value });
        }
        patches
    }
}

/// The kernel's core of the program, aborted; gcore's where the kernel gives cores to a program. `None` where
/// neither can be had.
fn dump(dir: &Path, exe: &Path, tiny: bool) -> Option<PathBuf> {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let by_kernel = !pattern.starts_with('|') && !pattern.contains('/');
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "ulimit -c unlimited; exec \"$0\" \"$@\""]).arg(exe).current_dir(dir).process_group(0);
    command.args(tiny.then_some("tiny"));
    command.env("GOTRACEBACK", "crash").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "READY");
    let pid = child.id().to_string();
    if by_kernel {
        let done = Command::new("sh").args(["-c", "kill -ABRT \"$0\"", &pid]).status().unwrap();
        assert!(done.success());
    } else {
        let done = Command::new("gcore").arg("-o").arg(dir.join("core")).arg(&pid).stdout(Stdio::null()).status();
        if !done.is_ok_and(|d| d.success()) {
            eprintln!("skipped: cores go to {pattern}, and gcore is not there");
        }
        child.kill().unwrap();
    }
    child.wait().unwrap();
    let files = fs::read_dir(dir).unwrap().flatten().map(|e| e.path());
    files.into_iter().find(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("core")))
}

/// The loadable segments of an ELF file, as far as the file has their bytes.
fn loads(path: &Path, in_core: bool) -> Vec<Piece> {
    let file = File::open(path).unwrap();
    let read = |at: u64, len: usize| {
        let mut buf = vec![0; len];
        file.read_exact_at(&mut buf, at).unwrap();
        buf
    };
    let header = read(0, 64);
    let word = |b: &[u8], at: usize| u64::from_le_bytes(b[at..at + 8].try_into().unwrap());
    let half = |b: &[u8], at: usize| u64::from(u16::from_le_bytes(b[at..at + 2].try_into().unwrap()));
    let (at, size, count) = (word(&header, 32), half(&header, 54), half(&header, 56));
    (0..count)
        .map(|i| read(at + i * size, 56))
        .filter(|p| p[0] == 1)
        .map(|p| Piece { address: word(&p, 16), len: word(&p, 32), offset: word(&p, 8), in_core })
        .filter(|p| p.len > 0)
        .collect()
}
