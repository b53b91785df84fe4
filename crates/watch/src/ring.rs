//! The ring of heap profiles taken before there is trouble, on disk: for each target the newest few, each with what
//! `/proc` and the control group said at that moment.
//!
//! Taken on a thread of its own: a slow disk delays profiles, never samples.

use crate::shared::{Shared, lock, say};
use bundle::sampling::{HeapRing, RingProfile};
use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use target::{ProcFile, Process};

/// A profile this soon after the last one must have something new.
const SAME_MS: i64 = 8000;
/// Requests that wait.
const QUEUE: usize = 1024;

/// One moment of the ring.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// By the clock that never jumps: milliseconds since boot. Grows from entry to entry.
    pub monotonic_ms: i64,
    /// Files of the moment; the profile ends in `.pb.gz`.
    pub stem: PathBuf,
    pub in_use: u64,
    pub notes: Vec<String>,
}

/// The ring of one process.
pub(crate) struct Ring {
    process: Process,
    dir: PathBuf,
    reader: Mutex<Reader>,
    entries: Mutex<VecDeque<Entry>>,
    /// What the latest profile said of maps.
    pub map_share: Mutex<Option<f64>>,
    /// Why there are no profiles.
    pub error: Mutex<Option<String>>,
}

enum Reader {
    Unopened,
    Open(Box<HeapRing>),
    /// Not before this many further requests.
    Failed(u32),
}

impl Ring {
    pub(crate) fn new(process: Process, dir: PathBuf) -> Self {
        Self {
            process,
            dir,
            reader: Mutex::new(Reader::Unopened),
            entries: Mutex::default(),
            map_share: Mutex::default(),
            error: Mutex::default(),
        }
    }

    /// The moments that are kept, oldest first.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        lock(&self.entries).iter().cloned().collect()
    }

    /// Takes a profile now; nothing when no collection published new counts.
    pub(crate) fn take(&self, keep: usize) {
        let taken = {
            let mut reader = lock(&self.reader);
            self.read(&mut reader)
        };
        match taken {
            Ok(Some(profile)) => {
                *lock(&self.error) = None;
                *lock(&self.map_share) = Some(profile.map_share);
                if let Err(e) = self.store(&profile, keep) {
                    *lock(&self.error) = Some(format!("{}: {e}", self.dir.display()));
                }
            }
            Ok(None) => {}
            Err(e) => *lock(&self.error) = Some(e),
        }
    }

    fn read(&self, reader: &mut Reader) -> Result<Option<RingProfile>, String> {
        match reader {
            Reader::Failed(rest) if *rest > 0 => {
                *rest -= 1;
                return Ok(None);
            }
            Reader::Open(_) => {}
            _ => match HeapRing::open(&self.process) {
                Ok(ring) => *reader = Reader::Open(Box::new(ring)),
                Err(e) => {
                    *reader = Reader::Failed(5);
                    return Err(e);
                }
            },
        }
        let Reader::Open(ring) = reader else { return Ok(None) };
        ring.take()
    }

    fn store(&self, profile: &RingProfile, keep: usize) -> io::Result<()> {
        let monotonic_ms = crate::worker::monotonic_ms();
        // A collection that published nothing to speak of since the last moment tells nothing new, and would look like
        // a pause of the growth.
        let same = lock(&self.entries).back().is_some_and(|last| {
            monotonic_ms - last.monotonic_ms < SAME_MS && profile.in_use.abs_diff(last.in_use) < last.in_use / 100
        });
        if same {
            return Ok(());
        }
        fs::create_dir_all(&self.dir)?;
        let stem = self.dir.join(format!("{monotonic_ms:015}"));
        // The profile last: it says that the moment is whole.
        // The walk of the page tables (`smaps`) is left to the captures.
        for (file, ending) in [(ProcFile::Status, "status"), (ProcFile::Stat, "stat")] {
            if let Ok(bytes) = self.process.read(file) {
                fs::write(stem.with_extension(ending), bytes)?;
            }
        }
        if let Ok(files) = self.process.cgroup_files() {
            fs::write(stem.with_extension("cgroup"), procfs::cgroup_dump(files.version, &files.levels))?;
        }
        let part = stem.with_extension("part");
        fs::write(&part, &profile.bytes)?;
        fs::rename(&part, stem.with_extension("pb.gz"))?;
        let mut entries = lock(&self.entries);
        entries.push_back(Entry { monotonic_ms, stem, in_use: profile.in_use, notes: profile.notes.clone() });
        while entries.len() > keep {
            // Of the middle every second one goes first, so that the ring reaches further back than it is long.
            let at = thin(&entries);
            if let Some(old) = entries.remove(at) {
                remove(&old.stem);
            }
        }
        Ok(())
    }
}

impl Drop for Ring {
    /// The process has ended, and every incident that wanted its moments: a target that restarts for ever would fill the
    /// disk with them.
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Which moment to give up: the inner one whose neighbours are closest against their age.
fn thin(entries: &VecDeque<Entry>) -> usize {
    let newest = entries.back().map_or(0, |e| e.monotonic_ms);
    let mut best = (f64::INFINITY, 0);
    for i in 1..entries.len().saturating_sub(1) {
        let (Some(a), Some(b)) = (entries.get(i - 1), entries.get(i + 1)) else { continue };
        let gap = (b.monotonic_ms - a.monotonic_ms) as f64;
        let age = (newest - a.monotonic_ms).max(1) as f64;
        if gap / age < best.0 {
            best = (gap / age, i);
        }
    }
    best.1
}

fn remove(stem: &Path) {
    for ending in ["pb.gz", "status", "stat", "cgroup", "part"] {
        let _ = fs::remove_file(stem.with_extension(ending));
    }
}

/// Takes profiles when asked.
#[derive(Clone)]
pub(crate) struct RingThread {
    send: SyncSender<(Arc<Ring>, usize)>,
}

impl RingThread {
    pub(crate) fn start(shared: &Arc<Shared>) -> Self {
        let (send, receive) = sync_channel::<(Arc<Ring>, usize)>(QUEUE);
        let own = Arc::clone(shared);
        let spawned = std::thread::Builder::new().name("ring".into()).spawn(move || {
            while let Ok((ring, keep)) = receive.recv() {
                if own.stopped() {
                    return;
                }
                ring.take(keep);
            }
        });
        if let Err(e) = spawned {
            say(&format!("no thread for heap profiles: {e}"));
        }
        Self { send }
    }

    /// Asks for a profile; never waits.
    pub(crate) fn ask(&self, ring: &Arc<Ring>, keep: usize) {
        let _ = self.send.try_send((Arc::clone(ring), keep));
    }
}
