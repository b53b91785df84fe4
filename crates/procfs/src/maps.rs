//! `/proc/PID/maps`: one line per mapping. Also reads the head lines of `smaps`.

use crate::text::{Gaps, field, hex, lines, number, show, unescape};
use model::{Gap, Mapping};

/// Reads `/proc/PID/maps`. Lines that are no mapping become gaps.
#[must_use]
pub fn maps(bytes: &[u8]) -> (Vec<Mapping>, Vec<Gap>) {
    let mut out = Vec::new();
    let mut gaps = Gaps::default();
    for (offset, line) in lines(bytes) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match mapping(line) {
            Some(m) => out.push(m),
            None => gaps.push(Gap::at(
                offset,
                format!("maps: expected `start-end perms offset device inode path`, found `{}`", show(line)),
            )),
        }
    }
    (out, gaps.into_vec())
}

/// One line of `maps`, or the first line of an `smaps` entry.
pub(crate) fn mapping(line: &[u8]) -> Option<Mapping> {
    let (range, rest) = field(line)?;
    let dash = range.iter().position(|&b| b == b'-')?;
    let start = hex(range.get(..dash)?)?;
    let end = hex(range.get(dash + 1..)?)?;
    let (perms, rest) = field(rest)?;
    if end < start || perms.len() != 4 || !perms.is_ascii() {
        return None;
    }
    let (offset, rest) = field(rest)?;
    let offset = hex(offset)?;
    let (_device, rest) = field(rest)?;
    let (inode, rest) = field(rest)?;
    let inode = number(inode)?;
    Some(Mapping {
        start,
        end,
        perms: String::from_utf8_lossy(perms).into_owned(),
        offset,
        inode,
        path: unescape(rest.trim_ascii_start()),
    })
}

/// A path as `maps` and `/proc/PID/exe` print it, without the ` (deleted)` that marks a file
/// replaced or removed since it was mapped.
#[must_use]
pub fn path_without_deleted(path: &str) -> &str {
    path.strip_suffix(" (deleted)").unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines_of_every_shape() {
        let text = b"00400000-0063d000 r-xp 00000000 fe:00 1062                               /usr/bin/my app (deleted)\nc000000000-c000400000 rw-p 00000000 00:00 0 \nffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n7f00-7e00 rw-p 0 00:00 0\nnonsense\n";
        let (m, gaps) = maps(text);
        assert_eq!(m.len(), 3);
        assert_eq!(m[0].path, "/usr/bin/my app (deleted)");
        assert_eq!(path_without_deleted(&m[0].path), "/usr/bin/my app");
        assert_eq!((m[0].start, m[0].end, m[0].inode), (0x40_0000, 0x63_d000, 1062));
        assert_eq!((m[1].path.as_str(), m[1].perms.as_str()), ("", "rw-p"));
        assert_eq!(m[2].path, "[vsyscall]");
        assert_eq!(gaps.len(), 2);
    }

    #[test]
    fn reads_this_process() {
        let text = std::fs::read("/proc/self/maps").unwrap();
        let (m, gaps) = maps(&text);
        assert_eq!(gaps, []);
        assert_eq!(m.len(), text.split(|&b| b == b'\n').count() - 1);
    }
}
