//! The disk that evidence may take: what is oldest is thinned first (traces, graphs, dumps), then removed; the newest
//! incident is never touched, nor one that is written to.

use crate::shared::lock;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Parts of a bundle that go before the whole does, in this order.
const LARGE: [&str; 3] = ["traces", "heap", "goroutines"];

/// What a capture may take although all the room is taken.
const LEAST: u64 = 1 << 20;

/// Bytes of everything below a directory.
pub(super) fn total(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries
        .flatten()
        .map(|e| match e.file_type() {
            Ok(t) if t.is_dir() => total(&e.path()),
            Ok(t) if t.is_file() => e.metadata().map(|m| m.len()).unwrap_or(0),
            _ => 0,
        })
        .sum()
}

/// The incidents of a state directory, and the disk that they may take.
#[derive(Debug)]
pub(crate) struct Room {
    dir: PathBuf,
    /// Those begun by this watcher in their order, and whether they are written to: the time of day in a name says
    /// nothing of the order once the clock was set back.
    begun: Mutex<Vec<(PathBuf, bool)>>,
}

impl Room {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, begun: Mutex::default() }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn begin(&self, incident: &Path) {
        lock(&self.begun).push((incident.into(), true));
    }

    pub(super) fn end(&self, incident: &Path) {
        lock(&self.begun).iter_mut().filter(|b| b.0 == incident).for_each(|b| b.1 = false);
    }

    /// The incidents, the oldest first, and whether they may be thinned: neither the newest nor one that is written to.
    fn incidents(&self) -> Vec<(PathBuf, bool)> {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let mut all: Vec<PathBuf> = entries.map(|e| e.path()).filter(|p| p.is_dir()).collect();
        let mut begun = lock(&self.begun);
        begun.retain(|b| b.1 || b.0.is_dir());
        let place = |p: &PathBuf| begun.iter().position(|b| b.0 == *p);
        // Those of earlier watchers come first, by name.
        all.sort_by_cached_key(|p| (place(p), p.clone()));
        let newest = all.last().cloned();
        all.into_iter()
            .map(|p| {
                let written = begun.iter().any(|b| b.0 == p && b.1);
                let free = !written && newest.as_ref() != Some(&p);
                (p, free)
            })
            .collect()
    }

    /// Brings the directory below `most` bytes as far as that can be; its size then.
    pub(super) fn enforce(&self, most: u64) -> u64 {
        let mut now = total(&self.dir);
        if now <= most {
            return now;
        }
        let all = self.incidents();
        let old = || all.iter().filter(|i| i.1).map(|i| i.0.as_path());
        for part in LARGE {
            for incident in old() {
                if now <= most {
                    return now;
                }
                let path = incident.join(part);
                let size = total(&path);
                if size > 0 && drop_part(incident, part).is_ok() && fs::remove_dir_all(&path).is_ok() {
                    now = now.saturating_sub(size);
                }
            }
        }
        for incident in old() {
            if now <= most {
                break;
            }
            let size = total(incident);
            if fs::remove_dir_all(incident).is_ok() {
                now = now.saturating_sub(size);
            }
        }
        now
    }

    /// Bytes that the bundle of an incident may have in all: what all together may, less what the others have. Where that
    /// is nothing, a little: the newest evidence is the most telling.
    pub(super) fn of_one(&self, incident: &Path, each: u64, all: u64) -> u64 {
        let (now, own) = (self.enforce(all), total(incident));
        let free = all.saturating_sub(now).max(LEAST);
        each.min(own.saturating_add(free))
    }
}

/// Takes the artifacts of a part out of the manifest, so that the bundle stays whole without them.
fn drop_part(incident: &Path, part: &str) -> Result<(), bundle::BundleError> {
    let mut writer = bundle::BundleWriter::resume(incident)?;
    let prefix = format!("{part}/");
    writer.update(|m| {
        m.artifacts.retain(|a| !a.path.starts_with(&prefix));
        m.failures.push(bundle::Failure {
            source: part.to_owned(),
            sample: None,
            reason: "removed later to make room for newer evidence".to_owned(),
            hides: "what was in it".to_owned(),
        });
        m.finished = Some(bundle::now());
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident(dir: &Path, name: &str) -> PathBuf {
        let path = dir.join(name);
        let manifest = bundle::Manifest::new(bundle::TargetRecord::default(), bundle::OptionsRecord::default());
        let mut w = bundle::BundleWriter::create(&path, manifest).unwrap();
        for (file, kind) in [
            ("traces/trace-1.out", bundle::ArtifactKind::Trace),
            ("profiles/heap-1.pb.gz", bundle::ArtifactKind::HeapProfile),
        ] {
            w.add(file, &[0; 100_000], bundle::ArtifactMeta::new(kind, Some(1), "test")).unwrap();
        }
        path
    }

    fn there(room: &Room) -> Vec<PathBuf> {
        room.incidents().into_iter().map(|i| i.0).collect()
    }

    #[test]
    fn the_oldest_are_thinned_then_removed_and_the_newest_stays() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["1", "2", "3"] {
            incident(dir.path(), name);
        }
        let room = Room::new(dir.path().into());
        // Room for all but one trace.
        assert!(room.enforce(550_000) <= 550_000);
        assert!(!dir.path().join("1/traces").exists() && dir.path().join("1/profiles").exists());
        assert!(dir.path().join("2/traces").exists());
        assert!(bundle::Bundle::open(&dir.path().join("1")).unwrap().verify().unwrap().damaged.is_empty());
        // Room for nothing: the newest stays whole.
        room.enforce(0);
        assert_eq!(there(&room), vec![dir.path().join("3")]);
        assert!(dir.path().join("3/traces/trace-1.out").exists());
    }

    /// The clock was set back: what began last has the smallest name.
    #[test]
    fn the_newest_is_the_one_that_began_last() {
        let dir = tempfile::tempdir().unwrap();
        let room = Room::new(dir.path().into());
        let paths = ["20261122T1", "20261123T1", "19700101T1"].map(|n| incident(dir.path(), n));
        for p in &paths {
            room.begin(p);
            room.end(p);
        }
        assert_eq!(there(&room), paths);
        room.enforce(450_000);
        assert!(!paths[0].join("traces").exists() && paths[2].join("traces").exists());
        room.enforce(0);
        assert_eq!(there(&room), vec![paths[2].clone()]);
    }

    #[test]
    fn one_that_is_written_to_is_left_alone_and_new_evidence_has_a_little_room() {
        let dir = tempfile::tempdir().unwrap();
        let room = Room::new(dir.path().into());
        let paths = ["1", "2", "3"].map(|n| incident(dir.path(), n));
        room.begin(&paths[0]);
        room.enforce(0);
        assert_eq!(
            there(&room),
            vec![paths[2].clone(), paths[0].clone()].into_iter().filter(|p| p.is_dir()).collect::<Vec<_>>()
        );
        assert!(paths[0].join("traces/trace-1.out").exists());
        let own = total(&paths[0]);
        assert_eq!(room.of_one(&paths[0], 1 << 30, 0), own + LEAST);
        let all = total(dir.path());
        assert_eq!(room.of_one(&paths[0], 1 << 30, all + (5 << 20)), own + (5 << 20));
        assert_eq!(room.of_one(&paths[0], 1000, u64::MAX), 1000);
    }
}
