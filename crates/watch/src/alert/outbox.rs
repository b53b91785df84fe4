//! The alerts on disk: one file of checksummed lines, appended to, replaced by a fresh one when it has grown.
//! Owns the file, its format and its bound; refuses to be the reason that anything waits: a thread of its own
//! writes, and when the disk is full or gone alerting goes on in memory and says so.
//!
//! A line is `CRC32 JSON\n`: eight hexadecimal digits of the JSON's CRC-32, a space, one [`Record`]. A line that
//! was cut or damaged is passed over and counted; the lines around it count.

use super::record::{Kept, Record, replay};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

/// Name of the file in the state directory.
const FILE: &str = "alerts.log";
/// Most bytes of one line.
const MOST_LINE: usize = 256 << 10;
/// Most bytes that are read of a file, whatever the configuration says now.
const MOST_READ: u64 = 256 << 20;
/// Size from which a file is replaced when most of it is history.
const COMPACT_FROM: u64 = 256 << 10;

/// What was found in a file.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Found {
    /// The alerts.
    pub kept: Vec<Kept>,
    /// Lines that were damaged.
    pub damaged: u64,
}

/// The outbox of one state directory.
#[derive(Debug)]
pub(crate) struct Outbox {
    dir: PathBuf,
    file: Option<File>,
    /// Bytes of whole lines in the file.
    size: u64,
    /// Bytes when it was last made anew.
    fresh: u64,
    most: u64,
    /// Why nothing is written, if nothing is.
    broken: Option<String>,
    /// Held while this process lives.
    held: Option<File>,
}

impl Outbox {
    /// Opens the outbox of `dir`, which is made when it is not there, and reads what an earlier run left.
    /// Without a usable directory there is an outbox all the same: one that says why it writes nothing.
    pub(crate) fn open(dir: &Path, most: u64) -> (Self, Found) {
        let mut out = Self { dir: dir.to_owned(), file: None, size: 0, fresh: 0, most, broken: None, held: None };
        match out.lock() {
            Ok(lock) => out.held = Some(lock),
            Err(why) => {
                out.broken = Some(why);
                return (out, Found::default());
            }
        }
        let found = match out.read() {
            Ok(found) => found,
            Err(e) => {
                out.broken = Some(out.failed("read", &e));
                Found::default()
            }
        };
        // What is there is made anew: damage, a cut end and history are gone, and appending is safe.
        out.rewrite(&found.kept);
        (out, found)
    }

    fn path(&self) -> PathBuf {
        self.dir.join(FILE)
    }

    fn failed(&self, what: &str, e: &io::Error) -> String {
        format!("cannot {what} {}: {e}; undelivered alerts are kept in memory only", self.path().display())
    }

    /// Two watchers with one directory would overwrite each other.
    fn lock(&self) -> Result<File, String> {
        std::fs::create_dir_all(&self.dir).map_err(|e| self.failed("make the directory of", &e))?;
        let path = self.dir.join("alerts.lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let file = file.map_err(|e| self.failed("lock", &e))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(format!(
                "{} is in use by another process; undelivered alerts are kept in memory only",
                self.dir.display()
            )),
            Err(TryLockError::Error(e)) => Err(self.failed("lock", &e)),
        }
    }

    fn read(&self) -> io::Result<Found> {
        match File::open(self.path()) {
            Ok(file) => Ok(read_records(BufReader::new(file.take(MOST_READ)))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Found::default()),
            Err(e) => Err(e),
        }
    }

    /// Whether the file should be made anew before more is written: it is mostly history, nearly full, or
    /// writing failed and may work again.
    pub(crate) fn wants_rewrite(&self) -> bool {
        let grown = self.size > COMPACT_FROM && self.size > self.fresh.saturating_mul(4);
        self.broken.is_some() || grown || (self.size > self.most / 2 && self.size > self.fresh.saturating_mul(2))
    }

    /// Appends records; on failure nothing of them stays in the file, and it is broken until made anew.
    pub(crate) fn append(&mut self, records: &[Record]) {
        if self.broken.is_some() || records.is_empty() {
            return;
        }
        let lines = encode(records);
        let Some(file) = &mut self.file else { return };
        if self.size.saturating_add(lines.len() as u64) > self.most {
            self.broken = Some(format!("{} has reached outbox-max-bytes", self.path().display()));
            return;
        }
        match file.write_all(&lines).and_then(|()| file.sync_data()) {
            Ok(()) => self.size += lines.len() as u64,
            Err(e) => {
                // Half a line would hide nothing: readers pass over it. Cutting it off is tidiness.
                let _ = file.set_len(self.size);
                self.broken = Some(self.failed("write", &e));
            }
        }
    }

    /// Replaces the file by one with these alerts. The old one stays until the new one is whole.
    pub(crate) fn rewrite(&mut self, kept: &[Kept]) {
        if self.held.is_none() {
            // Somebody else's, or no directory: tried again, since both may change.
            match self.lock() {
                Ok(lock) => self.held = Some(lock),
                Err(why) => {
                    self.broken = Some(why);
                    return;
                }
            }
        }
        let mut lines = Vec::new();
        // The most urgent first: what does not fit is the least.
        let mut order: Vec<&Kept> = kept.iter().collect();
        order.sort_by_key(|k| (k.resolved_at.is_some(), std::cmp::Reverse(k.alert.level)));
        for kept in order {
            let line = encode(&[Record::Alert(Box::new(kept.clone()))]);
            if (lines.len() + line.len()) as u64 > self.most / 2 {
                break;
            }
            lines.extend(line);
        }
        match self.replace(&lines) {
            Ok(file) => {
                self.file = Some(file);
                self.size = lines.len() as u64;
                self.fresh = self.size;
                self.broken = None;
            }
            Err(e) => self.broken = Some(self.failed("write", &e)),
        }
    }

    fn replace(&self, lines: &[u8]) -> io::Result<File> {
        let new = self.dir.join("alerts.log.new");
        let result = (|| {
            let mut file = File::create(&new)?;
            file.write_all(lines)?;
            file.sync_all()?;
            std::fs::rename(&new, self.path())?;
            File::open(&self.dir)?.sync_all()?;
            Ok(file)
        })();
        if result.is_err() {
            // Its bytes may be the ones that are missing.
            let _ = std::fs::remove_file(&new);
        }
        result
    }

    /// Why nothing is written; `None` while all is well.
    pub(crate) fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    pub(crate) const fn set_most(&mut self, most: u64) {
        self.most = most;
    }
}

/// Records as lines.
fn encode(records: &[Record]) -> Vec<u8> {
    let mut out = Vec::new();
    for record in records {
        // A record is made of texts and finite numbers: it can be written.
        let Ok(json) = serde_json::to_string(record) else { continue };
        if json.len() + 10 <= MOST_LINE {
            out.extend(format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes())).into_bytes());
        }
    }
    out
}

/// The records of whole, undamaged lines, in their order.
fn read_records(mut from: impl BufRead) -> Found {
    let mut damaged = 0;
    let mut line = Vec::new();
    let records = std::iter::from_fn(|| {
        loop {
            line.clear();
            // A line without end is read in pieces of bounded size, each of them damaged.
            let n = from.by_ref().take(MOST_LINE as u64).read_until(b'\n', &mut line).unwrap_or(0);
            if n == 0 {
                return None;
            }
            match decode(&line) {
                Some(record) => return Some(record),
                None => damaged += 1,
            }
        }
    });
    let kept = replay(records);
    Found { kept, damaged }
}

/// A record from its line; `None` when the line is cut or damaged.
fn decode(line: &[u8]) -> Option<Record> {
    let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (crc, json) = line.split_once(' ')?;
    let whole = crc.len() == 8 && u32::from_str_radix(crc, 16).ok()? == crc32fast::hash(json.as_bytes());
    whole.then(|| serde_json::from_str(json).ok())?
}

#[cfg(test)]
mod tests {
    use super::super::types::tests::alert;
    use super::*;
    use model::{UnixMillis, WatchLevel};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn kept(target: &str, version: u64) -> Kept {
        let alert = alert(target, "rule", None, WatchLevel::Warning);
        Kept { peak: alert.level, alert, version, resolved_at: None, told: BTreeMap::new() }
    }

    fn raised(target: &str, version: u64) -> Record {
        Record::Alert(Box::new(kept(target, version)))
    }

    fn told(target: &str, version: u64) -> Record {
        let told = super::super::record::Told { version, at: UnixMillis(5) };
        Record::Told { sink: "s".into(), key: kept(target, 1).alert.key, told }
    }

    #[test]
    fn reads_back_what_was_written_and_passes_over_damage() {
        let dir = tempfile::tempdir().unwrap();
        let (mut outbox, found) = Outbox::open(dir.path(), 1 << 20);
        assert_eq!((found, outbox.broken()), (Found::default(), None));
        outbox.append(&[raised("a", 1), raised("b", 1), told("b", 1), raised("c", 1)]);
        outbox.append(&[raised("a", 2), Record::Forget { key: kept("c", 1).alert.key }]);
        drop(outbox);
        // One byte of b's first record, and half a record at the end.
        let path = dir.path().join(FILE);
        let mut bytes = std::fs::read(&path).unwrap();
        let half = encode(&[raised("d", 1)]);
        bytes.extend(&half[..half.len() / 2]);
        let b = bytes.windows(12).position(|w| w == b"\"target\":\"b\"").unwrap();
        bytes[b + 10] = b'x';
        std::fs::write(&path, &bytes).unwrap();
        let (outbox, found) = Outbox::open(dir.path(), 1 << 20);
        assert_eq!((found.damaged, found.kept), (2, vec![kept("a", 2)]));
        drop(outbox);
        let (_, found) = Outbox::open(dir.path(), 1 << 20);
        assert_eq!((found.damaged, found.kept), (0, vec![kept("a", 2)]));
    }

    #[test]
    fn stays_within_its_bound_and_recovers() {
        let dir = tempfile::tempdir().unwrap();
        let (mut outbox, _) = Outbox::open(dir.path(), 64 << 10);
        for version in 0..1000 {
            if outbox.wants_rewrite() {
                outbox.rewrite(&[kept("a", version)]);
            }
            outbox.append(&[raised("a", version)]);
            assert!(std::fs::metadata(dir.path().join(FILE)).unwrap().len() <= 64 << 10);
            assert_eq!(outbox.broken(), None);
        }
        // More than fits: the most urgent stay.
        let mut all: Vec<Kept> = (0..500).map(|i| kept(&format!("t{i}"), 1)).collect();
        all[499].alert.level = WatchLevel::Critical;
        outbox.rewrite(&all);
        assert!(outbox.size() <= 32 << 10 && outbox.size() > 16 << 10, "{}", outbox.size());
        drop(outbox);
        let (_, found) = Outbox::open(dir.path(), 64 << 10);
        assert!(found.kept.iter().any(|k| k.alert.level == WatchLevel::Critical));
    }

    #[test]
    fn one_process_writes_and_no_directory_is_survived() {
        let dir = tempfile::tempdir().unwrap();
        let (first, _) = Outbox::open(dir.path(), 1 << 20);
        let (mut second, _) = Outbox::open(dir.path(), 1 << 20);
        assert!(second.broken().unwrap().contains("another process"));
        second.append(&[raised("a", 1)]);
        drop(first);
        second.rewrite(&[kept("a", 1)]);
        assert_eq!(second.broken(), None);
        let (mut none, _) = Outbox::open(&dir.path().join("alerts.log/x"), 1 << 20);
        assert!(none.broken().unwrap().contains("memory only"));
        none.append(&[raised("a", 1)]);
        none.rewrite(&[]);
        assert!(none.broken().is_some());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let found = read_records(bytes.as_slice());
            prop_assert!(found.kept.is_empty());
        }

        /// Cut anywhere, what lies before the cut is read.
        #[test]
        fn a_cut_costs_only_what_lies_behind_it(at in 0_usize..2000) {
            let bytes = encode(&[raised("a", 1), raised("b", 1), raised("c", 1)]);
            let cut = &bytes[..at.min(bytes.len())];
            let whole = cut.iter().filter(|b| **b == b'\n').count();
            prop_assert_eq!(read_records(cut).kept.len(), whole);
        }
    }
}
