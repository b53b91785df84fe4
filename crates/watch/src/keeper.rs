//! The thread that writes samples to disk. Sampling hands over and goes on: when the disk is slow, samples wait in
//! a bounded queue; when it is too slow, the newest are counted as unwritten and stay in memory only.

use crate::series::{Record, SeriesHead, SeriesWriter};
use crate::shared::{Shared, count, lock, say};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// Samples that wait for the disk.
const QUEUE: usize = 4096;
/// Targets whose samples are kept, those that ended included; more where more may be watched.
const MOST_DIRECTORIES: usize = 1000;
/// Trouble is told at most so often.
const QUIET: Duration = Duration::from_secs(60);

enum Message {
    Open { key: u64, dir: PathBuf, most: u64, head: Box<SeriesHead> },
    Sample { key: u64, record: Box<Record> },
    Close { key: u64 },
}

/// Hands samples to the writing thread.
#[derive(Clone)]
pub(crate) struct Keeper {
    send: SyncSender<Message>,
    shared: Arc<Shared>,
}

impl Keeper {
    pub(crate) fn start(shared: Arc<Shared>) -> Self {
        let (send, receive) = sync_channel(QUEUE);
        let own = Arc::clone(&shared);
        let _ = std::thread::Builder::new().name("series".into()).spawn(move || write(&receive, &own));
        Self { send, shared }
    }

    pub(crate) fn open(&self, key: u64, dir: PathBuf, most: u64, head: SeriesHead) {
        self.give(Message::Open { key, dir, most, head: Box::new(head) });
    }

    pub(crate) fn sample(&self, key: u64, record: &Record) {
        self.give(Message::Sample { key, record: Box::new(*record) });
    }

    pub(crate) fn close(&self, key: u64) {
        self.give(Message::Close { key });
    }

    fn give(&self, m: Message) {
        if let Err(TrySendError::Full(_)) = self.send.try_send(m) {
            count(&self.shared.counts.unwritten);
        }
    }
}

fn write(from: &Receiver<Message>, shared: &Shared) {
    let mut writers: HashMap<u64, SeriesWriter> = HashMap::new();
    let mut trouble = Trouble::default();
    while let Ok(m) = from.recv() {
        match m {
            Message::Open { key, dir, most, head } => {
                let most_targets = shared.settings().file.watch.max_targets;
                let open: HashSet<&Path> = writers.values().map(SeriesWriter::dir).collect();
                forget_oldest(&dir, &open, most_targets.max(MOST_DIRECTORIES));
                writers.insert(key, SeriesWriter::new(&dir, most, *head));
            }
            Message::Close { key } => {
                writers.remove(&key);
                trouble.failing.remove(&key);
            }
            Message::Sample { key, record } => {
                let Some(w) = writers.get_mut(&key) else { continue };
                match w.append(&record) {
                    Ok(()) => {
                        trouble.failing.remove(&key);
                    }
                    Err(e) => {
                        count(&shared.counts.unwritten);
                        trouble.failing.insert(key);
                        trouble.last = e.to_string();
                    }
                }
            }
        }
        trouble.tell(shared, Instant::now());
    }
}

/// Whether samples reach the disk, and whether that was said. On a disk that is nearly full each target has its turn:
/// what is said of it changes at most once a minute.
#[derive(Debug, Default)]
struct Trouble {
    failing: HashSet<u64>,
    last: String,
    /// Whether the views show it.
    shown: bool,
    /// What was said last, and when.
    said: Option<(bool, Instant)>,
}

impl Trouble {
    fn tell(&mut self, shared: &Shared, now: Instant) {
        let fails = !self.failing.is_empty();
        let told = self.said.is_some_and(|s| s.0);
        if fails != self.shown {
            self.shown = fails;
            *lock(&shared.unwritten_why) = fails.then(|| self.last.clone());
        }
        // The first time at once.
        let early = self.said.is_some_and(|s| now.duration_since(s.1) < QUIET);
        if fails == told || early && fails {
            return;
        }
        self.said = Some((fails, now));
        if fails {
            say(&format!("samples cannot be written and are kept in memory only: {}", self.last));
        } else {
            say("samples are written to disk again");
        }
    }
}

/// Makes room for one more target: each that has ended leaves its samples, and there may be ever new ones.
fn forget_oldest(dir: &Path, open: &HashSet<&Path>, most: usize) {
    if dir.is_dir() {
        return;
    }
    let Some(all) = dir.parent().and_then(|p| std::fs::read_dir(p).ok()) else { return };
    let newest = |p: &Path| {
        let files = std::fs::read_dir(p).into_iter().flatten().flatten();
        files.filter_map(|f| f.metadata().ok()?.modified().ok()).max()
    };
    let mut all: Vec<PathBuf> = all.flatten().map(|e| e.path()).filter(|p| p.is_dir()).collect();
    if all.len() < most {
        return;
    }
    // Some more at once, so that this is not done for each new target.
    let surplus = all.len() - most + most / 10 + 1;
    all.retain(|p| !open.contains(p.as_path()));
    all.sort_by_cached_key(|p| newest(p));
    for old in all.iter().take(surplus) {
        let _ = std::fs::remove_dir_all(old);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ever_new_targets_leave_a_bounded_number_of_directories() {
        let dir = tempfile::tempdir().unwrap();
        let open = dir.path().join("t-0");
        for i in 0..50 {
            let own = dir.path().join(format!("t-{i}"));
            forget_oldest(&own, &HashSet::from([open.as_path()]), 10);
            std::fs::create_dir_all(&own).unwrap();
            let file = std::fs::File::create(own.join("00000001.series")).unwrap();
            file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(i)).unwrap();
            assert!(std::fs::read_dir(dir.path()).unwrap().count() <= 10);
        }
        assert!(dir.path().join("t-49").is_dir() && !dir.path().join("t-30").is_dir());
        assert!(open.is_dir(), "samples of a running target");
    }
}
