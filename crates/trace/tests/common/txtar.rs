//! The `.test` files of GOROOT/src/internal/trace/testdata/tests: an expectation and a trace as text, which becomes
//! the bytes that `internal/trace/raw` writes.

use trace::Wire;

/// A test file.
pub(crate) struct Case {
    /// `SUCCESS`, or `FAILURE` with a regular expression.
    pub(crate) expect: String,
    /// The trace in wire format.
    pub(crate) bytes: Vec<u8>,
}

/// Reads a test file.
pub(crate) fn read(text: &str) -> Case {
    let (_, rest) = text.split_once("-- expect --\n").unwrap();
    let (expect, trace) = rest.split_once("-- trace --\n").unwrap();
    Case { expect: expect.trim().to_owned(), bytes: encode(trace) }
}

/// Turns the text form of a trace into bytes.
fn encode(text: &str) -> Vec<u8> {
    let mut lines = text.lines().map(|l| l.split('#').next().unwrap().trim()).filter(|l| !l.is_empty());
    let minor = lines.next().unwrap().strip_prefix("Trace Go1.").unwrap();
    let mut out = format!("go 1.{minor} trace\0\0\0").into_bytes();
    while let Some(line) = lines.next() {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap();
        let args: Vec<u64> = words.map(|w| w.split_once('=').unwrap().1.parse().unwrap()).collect();
        out.push(number(name));
        for &a in &args {
            leb(&mut out, a);
        }
        match name {
            "Stack" => {
                for _ in 0..args[1] {
                    for w in lines.next().unwrap().split_whitespace() {
                        leb(&mut out, w.split_once('=').unwrap().1.parse().unwrap());
                    }
                }
            }
            "String" | "ExperimentalBatch" => {
                let data = unquote(lines.next().unwrap().strip_prefix("data=").unwrap());
                leb(&mut out, data.len() as u64);
                out.extend(data);
            }
            _ => {}
        }
    }
    out
}

fn number(name: &str) -> u8 {
    let structural = [
        ("EventBatch", 1),
        ("Stacks", 2),
        ("Stack", 3),
        ("Strings", 4),
        ("String", 5),
        ("CPUSamples", 6),
        ("CPUSample", 7),
        ("Frequency", 8),
        ("ExperimentalBatch", 49),
        ("Sync", 50),
        ("ClockSnapshot", 51),
        ("EndOfGeneration", 52),
    ];
    if let Some((_, n)) = structural.iter().find(|(s, _)| *s == name) {
        return *n;
    }
    (0..=255).find(|&n| Wire::from_number(n).is_some_and(|w| w.name() == name)).unwrap_or_else(|| panic!("{name}"))
}

pub(crate) fn leb(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

/// A Go string literal; only the escapes that occur.
fn unquote(s: &str) -> Vec<u8> {
    let inner = s.strip_prefix('"').and_then(|s| s.strip_suffix('"')).unwrap();
    let mut out = Vec::new();
    let mut bytes = inner.bytes();
    while let Some(b) = bytes.next() {
        if b != b'\\' {
            out.push(b);
            continue;
        }
        match bytes.next().unwrap() {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'x' => {
                let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
                out.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
            }
            other => out.push(other),
        }
    }
    out
}
