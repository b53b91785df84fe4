//! The control group of a process, read each few seconds: of all levels from its own group to the root, the one
//! that leaves least room decides.

use super::KernelFile;
use model::CgroupVersion;
use signals::{Column, Sample};
use std::path::{Path, PathBuf};
use target::Process;

/// A limit from here on is none (v1 writes the largest page-aligned number).
const NO_LIMIT: f64 = 9.0e18;

/// The control group of a process.
#[derive(Debug)]
pub(super) struct Group {
    version: CgroupVersion,
    directory: PathBuf,
    levels: Vec<Level>,
    events: Option<KernelFile>,
    pressure: Option<KernelFile>,
}

#[derive(Debug)]
struct Level {
    limit: KernelFile,
    high: Option<KernelFile>,
    usage: Option<KernelFile>,
    stat: Option<KernelFile>,
}

/// One level's numbers.
#[derive(Clone, Copy, Debug)]
struct Charge {
    usage: f64,
    reclaimable: f64,
    limit: f64,
}

impl Group {
    pub(super) fn open(process: &Process) -> std::io::Result<Self> {
        let files = process.cgroup_files()?;
        let version = files.version;
        let mut levels = Vec::new();
        let mut directory = files.directory.clone();
        for level in &files.levels {
            if let Some(opened) = Level::open(&directory, version) {
                levels.push(opened);
            }
            if level.path == "/" || !directory.pop() {
                break;
            }
        }
        let own = |name: &str| KernelFile::open(files.directory.join(name)).ok();
        let (events, pressure) = match version {
            CgroupVersion::V1 => (own("memory.oom_control"), None),
            CgroupVersion::V2 => (own("memory.events"), own("memory.pressure")),
        };
        let pressure = pressure.or_else(|| KernelFile::open("/proc/pressure/memory").ok());
        Ok(Self { version, directory: files.directory, levels, events, pressure })
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) const fn version(&self) -> CgroupVersion {
        self.version
    }

    /// Fills in what the group says. Whether anything could be read.
    pub(super) fn sample(&self, s: &mut Sample, buf: &mut Vec<u8>) -> bool {
        let mut tightest: Option<Charge> = None;
        let mut high: Option<f64> = None;
        for (i, level) in self.levels.iter().enumerate() {
            let limit = level.limit.number(buf).filter(|l| *l < NO_LIMIT);
            let own_high = level.high.as_ref().and_then(|f| f.number(buf));
            high = [high, own_high].into_iter().flatten().reduce(f64::min);
            // The own group's charge is wanted also without a limit.
            if limit.is_none() && i > 0 {
                continue;
            }
            let Some(charge) = level.charge(self.version, limit.unwrap_or(f64::NAN), buf) else { continue };
            let room = |c: &Charge| c.limit - (c.usage - c.reclaimable);
            let tighter = match &tightest {
                None => true,
                Some(t) => charge.limit.is_finite() && (t.limit.is_nan() || room(&charge) < room(t)),
            };
            if tighter {
                tightest = Some(charge);
            }
        }
        if let Some(c) = tightest {
            s.set(Column::Usage, c.usage);
            s.set(Column::Reclaimable, c.reclaimable);
            s.set(Column::Limit, c.limit);
        }
        s.put(Column::High, high);
        if let Some(text) = self.events.as_ref().and_then(|f| f.read(buf).ok()) {
            s.put(Column::OomKills, procfs::keyed(text, "oom_kill").map(|n| n as f64));
        }
        if let Some(text) = self.pressure.as_ref().and_then(|f| f.read(buf).ok()) {
            let (pressure, _) = procfs::pressure(text);
            if let Some(p) = pressure {
                s.set(Column::Pressure, p.some.avg10 / 100.0);
                s.set(Column::Stalled, p.some.total_us as f64 / 1e6);
            }
        }
        tightest.is_some()
    }
}

impl Level {
    fn open(directory: &Path, version: CgroupVersion) -> Option<Self> {
        let file = |name: &str| KernelFile::open(directory.join(name)).ok();
        Some(match version {
            CgroupVersion::V1 => Self {
                limit: file("memory.limit_in_bytes")?,
                high: None,
                usage: file("memory.usage_in_bytes"),
                stat: file("memory.stat"),
            },
            CgroupVersion::V2 => Self {
                limit: file("memory.max")?,
                high: file("memory.high"),
                usage: file("memory.current"),
                stat: file("memory.stat"),
            },
        })
    }

    fn charge(&self, version: CgroupVersion, limit: f64, buf: &mut Vec<u8>) -> Option<Charge> {
        let usage = self.usage.as_ref()?.number(buf)?;
        let text = self.stat.as_ref().and_then(|f| f.read(buf).ok()).unwrap_or_default();
        let sum = |names: &[&str]| -> f64 { names.iter().filter_map(|n| procfs::keyed(text, n)).sum::<u64>() as f64 };
        // File pages on the reclaim lists (shared memory is on the anonymous ones), but for those not yet written.
        let (file, dirty) = match version {
            CgroupVersion::V1 => {
                (sum(&["total_inactive_file", "total_active_file"]), sum(&["total_dirty", "total_writeback"]))
            }
            CgroupVersion::V2 => {
                (sum(&["inactive_file", "active_file", "slab_reclaimable"]), sum(&["file_dirty", "file_writeback"]))
            }
        };
        Some(Charge { usage, reclaimable: (file - dirty).clamp(0.0, usage), limit })
    }
}
