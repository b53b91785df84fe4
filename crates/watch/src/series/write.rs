//! Appending samples: never waits for the disk to be sure (a killed watcher loses nothing that was written; a
//! host that loses power loses seconds), and mends its own file after a failure.

use super::codec::{DIFFERENCE, HEAD, Numbers, WHOLE, frame};
use super::{Record, SeriesHead};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Bytes of a segment.
const SEGMENT: u64 = 1 << 20;
/// Records from one whole one to the next.
const WHOLE_EVERY: u32 = 64;
/// Segments of one target: each process begins one, and a target may restart for ever.
const MOST_SEGMENTS: usize = 256;

/// Writes the samples of one target.
#[derive(Debug)]
pub struct SeriesWriter {
    dir: PathBuf,
    most: u64,
    head: SeriesHead,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    len: u64,
    before: Numbers,
    until_whole: u32,
}

impl SeriesWriter {
    /// A writer into `dir`, which holds at most `most` bytes. Nothing is touched yet.
    #[must_use]
    pub fn new(dir: &Path, most: u64, head: SeriesHead) -> Self {
        Self { dir: dir.into(), most: most.max(2 * SEGMENT), head, open: None }
    }

    /// Where it writes.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Appends a record.
    ///
    /// # Errors
    /// As the file system says. The next record is tried anew.
    pub fn append(&mut self, record: &Record) -> io::Result<()> {
        let result = self.try_append(record);
        if result.is_err()
            && let Some(mut open) = self.open.take()
            // Half a record may be there: it is cut off, and the next one is whole. A new segment for each failure would
            // leave as many files as there are failures.
            && open.file.set_len(open.len).is_ok()
        {
            open.until_whole = 0;
            self.open = Some(open);
        }
        result
    }

    fn try_append(&mut self, record: &Record) -> io::Result<()> {
        if self.open.as_ref().is_none_or(|o| o.len >= SEGMENT) {
            self.open = Some(self.begin()?);
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        let numbers = Numbers::of(record);
        let whole = open.until_whole == 0;
        let before = if whole { Numbers::default() } else { open.before };
        let (mut payload, mut bytes) = (Vec::with_capacity(128), Vec::with_capacity(136));
        numbers.encode(&before, &mut payload);
        frame(if whole { WHOLE } else { DIFFERENCE }, &payload, &mut bytes);
        open.file.write_all(&bytes)?;
        open.len += bytes.len() as u64;
        open.before = numbers.over(&before);
        open.until_whole = if whole { WHOLE_EVERY } else { open.until_whole - 1 };
        Ok(())
    }

    /// A new segment; the oldest go when there are too many.
    fn begin(&self) -> io::Result<Open> {
        fs::create_dir_all(&self.dir)?;
        let mut numbers = segments(&self.dir)?;
        let next = numbers.last().map_or(1, |n| n.0 + 1);
        let mut total: u64 = numbers.iter().map(|n| n.1).sum();
        while !numbers.is_empty() && (total + SEGMENT > self.most || numbers.len() >= MOST_SEGMENTS) {
            let (n, size) = numbers.remove(0);
            fs::remove_file(segment(&self.dir, n))?;
            total -= size;
        }
        let mut bytes = Vec::new();
        let head = serde_json::to_vec(&self.head).map_err(io::Error::other)?;
        frame(HEAD, &head, &mut bytes);
        let path = segment(&self.dir, next);
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        if let Err(e) = file.write_all(&bytes) {
            let _ = fs::remove_file(&path);
            return Err(e);
        }
        Ok(Open { file, len: bytes.len() as u64, before: Numbers::default(), until_whole: 0 })
    }
}

pub(super) fn segment(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:08}.series"))
}

/// Numbers and sizes of the segments, in order.
pub(super) fn segments(dir: &Path) -> io::Result<Vec<(u64, u64)>> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(number) = name.to_str().and_then(|n| n.strip_suffix(".series")?.parse().ok()) else { continue };
        out.push((number, entry.metadata().map(|m| m.len()).unwrap_or(0)));
    }
    out.sort_unstable();
    Ok(out)
}
