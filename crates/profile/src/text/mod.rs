//! The text forms of `net/http/pprof` (`?debug=1`), told apart by their first line. The grammar is
//! that of Go `src/runtime/pprof/pprof.go` (1.19 to 1.27): record lines with addresses, followed
//! by `#` lines that name the frames. `go tool pprof` reads the addresses and ignores the names;
//! both are read here. `goroutine?debug=2` is no profile: see [`crate::GoroutineDump`].

mod heap;
mod memstats;
mod records;
mod symbols;

pub(crate) use records::{Quoted, split_place};

pub use memstats::read_memstats;
pub use symbols::read_symbols;

use crate::ProfileError;
use crate::columns::Columns;
use crate::gaps::Gaps;

/// `None` when this is none of the text forms.
pub(crate) fn read(data: &[u8], gaps: &mut Gaps) -> Result<Option<Columns>, ProfileError> {
    let first = first_line(data);
    if first.starts_with(b"heap profile:") {
        return heap::read(data, gaps).map(Some);
    }
    for (prefix, kind) in [
        (&b"goroutine profile:"[..], "goroutine"),
        (b"goroutineleak profile:", "goroutineleak"),
        (b"threadcreate profile:", "threadcreate"),
    ] {
        if first.starts_with(prefix) {
            return records::read_counts(data, kind, gaps).map(Some);
        }
    }
    if first.starts_with(b"--- mutex:") || first.starts_with(b"--- contention:") {
        return records::read_contention(data, gaps).map(Some);
    }
    if first.starts_with(b"goroutine ") && first.ends_with(b":") {
        return Err(ProfileError::WrongText {
            expected: "a profile",
            found: "a goroutine dump (goroutine?debug=2); read it as one",
        });
    }
    Ok(None)
}

fn first_line(data: &[u8]) -> &[u8] {
    let start = data.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(data.len());
    let line = data[start..].split(|b| *b == b'\n').next().unwrap_or(b"");
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Lines with their offsets, without line ends.
pub(crate) struct Lines<'a> {
    data: &'a [u8],
    pos: usize,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { data, pos: 0 }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.data.get(self.pos..).filter(|r| !r.is_empty())?;
        let at = self.pos;
        let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        self.pos += len + 1;
        let line = &rest[..len];
        Some((at, line.strip_suffix(b"\r").unwrap_or(line)))
    }
}

/// Takes a decimal number (with a sign) off the front of `s`.
pub(crate) fn take_i64(s: &mut &[u8]) -> Option<i64> {
    *s = s.trim_ascii_start();
    let digits = s.iter().enumerate().take_while(|(i, b)| b.is_ascii_digit() || (*i == 0 && **b == b'-')).count();
    let (number, rest) = s.split_at_checked(digits)?;
    let v = std::str::from_utf8(number).ok()?.parse().ok()?;
    *s = rest;
    Some(v)
}

/// Takes `token` off the front, skipping blanks before it.
pub(crate) fn take(s: &mut &[u8], token: &[u8]) -> Option<()> {
    *s = s.trim_ascii_start().strip_prefix(token)?;
    Some(())
}

/// `0x1f` at the front.
pub(crate) fn take_hex(s: &mut &[u8]) -> Option<u64> {
    take(s, b"0x")?;
    let digits = s.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let (number, rest) = s.split_at_checked(digits)?;
    let v = u64::from_str_radix(std::str::from_utf8(number).ok()?, 16).ok()?;
    *s = rest;
    Some(v)
}
