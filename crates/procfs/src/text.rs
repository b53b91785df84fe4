//! Line and number helpers shared by the readers of this crate. Owns no format of its own.

use model::{Bytes, Gap};

/// Lines with their byte offsets, without the line ends.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut offset = 0u64;
    bytes.split_inclusive(|&b| b == b'\n').map(move |raw| {
        let at = offset;
        offset = offset.saturating_add(raw.len() as u64);
        (at, raw.strip_suffix(b"\n").unwrap_or(raw))
    })
}

/// A decimal number, surrounded by nothing but blanks.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()
}

/// A hexadecimal number without prefix.
pub(crate) fn hex(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    // from_str_radix would take a sign.
    if text.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(text, 16).ok()
}

/// `  1234 kB` in bytes.
pub(crate) fn kib(value: &[u8]) -> Option<Bytes> {
    let value = value.trim_ascii();
    let digits = value.strip_suffix(b"kB").unwrap_or(value);
    number(digits).map(Bytes::kib)
}

/// `Key:   value` as its two halves.
pub(crate) fn key_value(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|&b| b == b':')?;
    let (key, rest) = line.split_at(colon);
    Some((key, rest.get(1..).unwrap_or_default()))
}

/// The next blank-separated field and the rest after it.
pub(crate) fn field(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.trim_ascii_start();
    if text.is_empty() {
        return None;
    }
    let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    Some(text.split_at(end))
}

/// The number after `key` in lines of `key number`; where the file writes `key: number`, the colon is part of the key.
#[must_use]
pub fn keyed(bytes: &[u8], key: &str) -> Option<u64> {
    keyed_by(bytes, key, number)
}

/// As [`keyed`], of sizes: `key: 1234 kB` in bytes.
#[must_use]
pub fn keyed_size(bytes: &[u8], key: &str) -> Option<Bytes> {
    keyed_by(bytes, key, kib)
}

fn keyed_by<T>(bytes: &[u8], key: &str, read: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
    lines(bytes).find_map(|(_, line)| {
        let (name, rest) = field(line)?;
        (name == key.as_bytes()).then(|| read(rest))?
    })
}

/// Text for messages and names: at most 80 characters of it.
pub(crate) fn show(bytes: &[u8]) -> String {
    let head = bytes.get(..80).unwrap_or(bytes);
    String::from_utf8_lossy(head).into_owned()
}

/// Gaps of one file, capped so that a hostile file cannot grow them without bound.
#[derive(Default)]
pub(crate) struct Gaps(Vec<Gap>);

impl Gaps {
    const MOST: usize = 16;

    pub(crate) fn push(&mut self, gap: Gap) {
        if self.0.len() < Self::MOST {
            self.0.push(gap);
        } else if self.0.len() == Self::MOST {
            self.0.push(Gap::of("further unreadable lines are not listed"));
        }
    }

    pub(crate) fn into_vec(self) -> Vec<Gap> {
        self.0
    }
}

/// Undoes the octal escapes (`\040`) that the kernel writes into paths.
pub(crate) fn unescape(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'\\'
            && let Some(&[a, b, c]) = tail.first_chunk::<3>()
            && [a, b, c].iter().all(|d| (b'0'..=b'7').contains(d))
        {
            let value = u16::from(a - b'0') * 64 + u16::from(b - b'0') * 8 + u16::from(c - b'0');
            if let Ok(byte) = u8::try_from(value) {
                out.push(byte);
                rest = tail.get(3..).unwrap_or_default();
                continue;
            }
        }
        out.push(first);
        rest = tail;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod keyed_tests {
    use super::*;

    #[test]
    fn keys_are_whole_words() {
        let text = b"total_rss_huge 5\ntotal_rss 42\nVmRSS:\t  17 kB\nThreads:\t3\nbad x\n";
        assert_eq!(keyed(text, "total_rss"), Some(42));
        assert_eq!(keyed(text, "Threads:"), Some(3));
        assert_eq!(keyed_size(text, "VmRSS:"), Some(Bytes::kib(17)));
        assert_eq!(keyed(text, "bad"), None);
        assert_eq!(keyed(text, "total"), None);
    }
}
