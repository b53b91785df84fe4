//! The specimen of these tests: built once, started, asked.

#![allow(dead_code, reason = "each test program uses its part")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

pub(crate) const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

/// The Go toolchains at hand: the first found, and others in the cache.
pub(crate) fn toolchains() -> Vec<lab::Toolchain> {
    let cache = lab::default_cache_dir();
    let mut out: Vec<lab::Toolchain> = lab::Toolchain::find(None, &cache).expect("a Go").into_iter().collect();
    for want in ["go1.23.9", "go1.26.6", "go1.27.3"] {
        let want = model::GoVersion::parse(want).unwrap();
        out.extend(lab::Toolchain::find(Some(&want), &cache).ok().flatten());
    }
    out.dedup();
    out
}

/// Builds the specimen with a toolchain.
pub(crate) fn build(go: &lab::Toolchain, flags: &[&str], to: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/specimen/main.go");
    let dir = to.parent().unwrap();
    let mut args = vec!["build"];
    args.extend(flags);
    args.extend(["-o", to.to_str().unwrap(), source.to_str().unwrap()]);
    go.run(dir, &args).expect("the specimen builds");
}

/// The specimen of the first toolchain.
pub(crate) fn specimen() -> &'static Path {
    static BUILT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = BUILT.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("specimen");
        let go = lab::Toolchain::find_or_fetch(None, &lab::default_cache_dir(), &mut |_| {}).expect("a Go");
        build(&go, &[], &path);
        (dir, path)
    });
    path
}

/// A running specimen. It ends with its standard input.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) pid: u32,
    pub(crate) pattern: u64,
    pub(crate) words: u64,
    pub(crate) counter: u64,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut command = Command::new(specimen());
        command.args(args);
        Self::spawn(&mut command)
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the specimen starts");
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let number = |key: &str| value(&line, key);
        let pid = child.id();
        Self {
            pid,
            pattern: number("pattern"),
            words: number("words"),
            counter: number("counter"),
            child,
            input,
            output,
        }
    }

    /// Its report, by key.
    pub(crate) fn ask(&mut self) -> Report {
        writeln!(self.input).unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(line.contains("ops="), "the specimen has ended: {line:?}");
        Report(line)
    }

    pub(crate) fn request_abort(&mut self) {
        writeln!(self.input).unwrap();
    }

    pub(crate) fn process(&self) -> target::Process {
        target::Process::open(self.pid).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Report(String);

impl Report {
    pub(crate) fn get(&self, key: &str) -> u64 {
        value(&self.0, key)
    }
}

fn value(line: &str, key: &str) -> u64 {
    let text = line.split_whitespace().find_map(|w| w.strip_prefix(key)?.strip_prefix('='));
    let text = text.unwrap_or_else(|| panic!("no {key} in {line:?}"));
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).unwrap(),
        None => text.parse().unwrap(),
    }
}

/// Whether memory holds the specimen's pattern.
pub(crate) fn check_pattern(memory: &dyn gobinary::Memory, at: u64, words: u64) {
    let mut scratch = Vec::new();
    let bytes = memory.view(at, usize::try_from(words * 8).unwrap(), &mut scratch).unwrap();
    for (i, word) in bytes.chunks_exact(8).enumerate() {
        let word = u64::from_le_bytes(word.try_into().unwrap());
        assert_eq!(word, (i as u64).wrapping_mul(FACTOR), "word {i}");
    }
}
