//! Shared by the tests of the binary: running it, and writing profiles field by field.
//! Owns no assertions on what the binary prints.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "a test; each test file uses a part of it")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How a run ended.
#[derive(Debug)]
pub struct Run {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Run {
    /// Neither a signal nor a panic, and one of the documented codes.
    pub fn is_orderly(&self) -> bool {
        matches!(self.code, Some(0..=2)) && !self.err.contains("panicked") && !self.out.contains("a bug in oomph")
    }
}

/// The binary, without what the environment of the test may set.
pub fn oomph() -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_oomph"));
    c.env_remove("COLUMNS").env_remove("NO_COLOR").stdin(Stdio::null());
    c
}

/// Runs it to its end.
pub fn run(args: &[&str]) -> Run {
    finish(oomph().args(args))
}

/// Runs it with at most `kib` KiB of address space.
pub fn run_within(kib: u64, args: &[&str]) -> Run {
    let script = format!("ulimit -v {kib} && exec \"$0\" \"$@\"");
    finish(Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_oomph")]).args(args).stdin(Stdio::null()))
}

/// Runs a command to its end.
pub fn finish(c: &mut Command) -> Run {
    let done = c.output().unwrap();
    Run {
        code: done.status.code(),
        out: String::from_utf8_lossy(&done.stdout).into_owned(),
        err: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

/// A file below `dir`.
pub fn file(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// gzip at its fastest.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut w = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    w.write_all(bytes).unwrap();
    w.finish().unwrap()
}

/// A base 128 varint.
pub fn varint(mut v: u64) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = (v & 0x7f) as u8;
        v >>= 7;
        if v == 0 {
            out.push(low);
            return out;
        }
        out.push(low | 0x80);
    }
}

/// A numeric field.
pub fn number(field: u64, v: u64) -> Vec<u8> {
    [varint(field << 3), varint(v)].concat()
}

/// A field of bytes.
pub fn bytes(field: u64, b: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(b.len() as u64), b.to_vec()].concat()
}

fn packed(field: u64, values: impl IntoIterator<Item = u64>) -> Vec<u8> {
    bytes(field, &values.into_iter().flat_map(varint).collect::<Vec<_>>())
}

/// A `profile.proto` being written; the caller may append anything to `body`.
#[derive(Default)]
pub struct Proto {
    /// All fields but the string table.
    pub body: Vec<u8>,
    strings: Vec<Vec<u8>>,
}

impl Proto {
    /// A heap profile's header.
    pub fn heap() -> Self {
        let mut p = Self { body: Vec::new(), strings: vec![Vec::new()] };
        let types = [
            ("alloc_objects", "count"),
            ("alloc_space", "bytes"),
            ("inuse_objects", "count"),
            ("inuse_space", "bytes"),
        ];
        for (kind, unit) in types {
            p.value_type(1, kind, unit);
        }
        p.value_type(11, "space", "bytes");
        p.body.extend(number(12, 512 << 10));
        p
    }

    /// A CPU profile's header.
    pub fn cpu() -> Self {
        let mut p = Self { body: Vec::new(), strings: vec![Vec::new()] };
        p.value_type(1, "samples", "count");
        p.value_type(1, "cpu", "nanoseconds");
        p.value_type(11, "cpu", "nanoseconds");
        p.body.extend(number(12, 10_000_000));
        p
    }

    fn value_type(&mut self, field: u64, kind: &str, unit: &str) {
        let (k, u) = (self.string(kind.as_bytes()), self.string(unit.as_bytes()));
        self.body.extend(bytes(field, &[number(1, k), number(2, u)].concat()));
    }

    /// Index of a string.
    pub fn string(&mut self, s: &[u8]) -> u64 {
        if let Some(i) = self.strings.iter().position(|t| t == s) {
            return i as u64;
        }
        self.strings.push(s.to_vec());
        self.strings.len() as u64 - 1
    }

    /// A function and a location of the same id on it, line 1.
    pub fn function(&mut self, id: u64, name: &str) {
        let (n, f) = (self.string(name.as_bytes()), self.string(b"/src/app/main.go"));
        self.body.extend(bytes(5, &[number(1, id), number(2, n), number(3, n), number(4, f)].concat()));
        self.location(id, id, 1);
    }

    /// A location on a line of a function.
    pub fn location(&mut self, id: u64, function: u64, line: u64) {
        let at = bytes(4, &[number(1, function), number(2, line)].concat());
        self.body
            .extend(bytes(4, &[number(1, id), number(3, id.wrapping_mul(16).wrapping_add(0x40_0000)), at].concat()));
    }

    /// A sample, leaf first.
    pub fn sample(&mut self, stack: impl IntoIterator<Item = u64>, values: &[i64]) {
        let values = values.iter().map(|v| *v as u64);
        self.body.extend(bytes(2, &[packed(1, stack), packed(2, values)].concat()));
    }

    /// The message.
    pub fn finish(&self) -> Vec<u8> {
        let mut out = self.body.clone();
        for s in &self.strings {
            out.extend(bytes(6, s));
        }
        out
    }

    /// Three functions, each allocating `n` MiB.
    pub fn small(n: i64) -> Vec<u8> {
        let mut p = Self::heap();
        for (id, name) in [(1, "main.main"), (2, "app/store.(*Store).Put"), (3, "app/http.serve")] {
            p.function(id, name);
        }
        p.sample([2, 3, 1], &[64 * n, n << 20, 64 * n, n << 20]);
        p.sample([3, 1], &[8, 1 << 20, 8, 1 << 20]);
        p.finish()
    }
}
