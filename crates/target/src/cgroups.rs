//! The memory files of a process's control group and of every group above it, v1 and v2.
//!
//! The group's path in `/proc/PID/cgroup` is that of the reader's cgroup namespace; a mount may
//! show only a part of the hierarchy (its root in `mountinfo`). Tried in turn: this program's
//! mounts, then those of the process itself by way of `/proc/PID/root`.

use crate::process::read_capped;
use crate::{ProcFile, Process};
use model::CgroupVersion;
use procfs::{CgroupEntry, CgroupLevel, Mount};
use std::io;
use std::path::{Component, Path, PathBuf};

/// Most bytes taken of one control file.
const MOST_FILE: u64 = 1 << 20;
/// Deepest nesting that is followed.
const MOST_LEVELS: usize = 64;

const V1_FILES: [&str; 5] = [
    "memory.limit_in_bytes",
    "memory.usage_in_bytes",
    "memory.max_usage_in_bytes",
    "memory.stat",
    "memory.oom_control",
];
const V2_FILES: [&str; 7] =
    ["memory.max", "memory.high", "memory.current", "memory.peak", "memory.stat", "memory.events", "memory.pressure"];

/// The memory files of a control group, for [`procfs::cgroup`] and [`procfs::cgroup_dump`].
#[derive(Clone, Debug)]
pub struct CgroupFiles {
    /// Interface version.
    pub version: CgroupVersion,
    /// Directory of the process's own group, as it was opened.
    pub directory: PathBuf,
    /// Own group first, root last.
    pub levels: Vec<CgroupLevel>,
}

impl CgroupFiles {
    /// The group's own `memory.pressure`, where there is one (v2).
    #[must_use]
    pub fn pressure(&self) -> Option<&[u8]> {
        let files = &self.levels.first()?.files;
        files.iter().find(|(name, _)| name == "memory.pressure").map(|(_, bytes)| bytes.as_slice())
    }
}

pub(crate) fn read(process: &Process) -> io::Result<CgroupFiles> {
    let (entries, _) = procfs::pid_cgroup(&process.read(ProcFile::Cgroup)?);
    let own_mounts = mounts("/proc/self/mountinfo".into());
    let its_mounts = mounts(process.path("mountinfo"));
    let its_root = process.path("root");
    let mut tried = Vec::new();
    // The memory controller is in one of the two; a v1 hierarchy for memory wins where it exists.
    for version in [CgroupVersion::V1, CgroupVersion::V2] {
        let Some(entry) = entry(&entries, version) else {
            continue;
        };
        for (mounts, prefix) in [(&own_mounts, Path::new("/")), (&its_mounts, its_root.as_path())] {
            for mount in mounts.iter().filter(|m| is_memory_mount(m, version)) {
                let top = below(prefix, &mount.mount_point);
                let relative = relative_to(&entry.path, &mount.root);
                let levels = levels(&top, &relative, version);
                if levels.iter().any(|l| !l.files.is_empty()) {
                    return Ok(CgroupFiles { version, directory: below(&top, &relative), levels });
                }
                tried.push(below(&top, &relative).display().to_string());
            }
        }
    }
    tried.dedup();
    let places = if tried.is_empty() {
        "no cgroup file system with a memory controller is mounted".to_owned()
    } else {
        format!("no memory files in {}", tried.join(", "))
    };
    Err(io::Error::new(io::ErrorKind::NotFound, places))
}

/// The directories of the process's group for one controller that is not memory: own group first,
/// root last. Empty when the controller is not mounted.
pub(crate) fn directories(process: &Process, controller: &str) -> Vec<PathBuf> {
    let (entries, _) = process.read(ProcFile::Cgroup).map(|b| procfs::pid_cgroup(&b)).unwrap_or_default();
    let all = mounts("/proc/self/mountinfo".into());
    let v1 = entries.iter().find(|e| e.controllers.iter().any(|c| c == controller));
    let found = match v1 {
        Some(entry) => Some((entry, all.iter().find(|m| m.fs_type == "cgroup" && m.has_option(controller)))),
        None => entry(&entries, CgroupVersion::V2).map(|e| (e, all.iter().find(|m| m.fs_type == "cgroup2"))),
    };
    let Some((entry, Some(mount))) = found else { return Vec::new() };
    let top = below(Path::new("/"), &mount.mount_point);
    let mut directory = below(&top, &relative_to(&entry.path, &mount.root));
    let mut out = Vec::new();
    while directory.starts_with(&top) && out.len() < MOST_LEVELS {
        out.push(directory.clone());
        if !directory.pop() {
            break;
        }
    }
    out
}

fn mounts(path: PathBuf) -> Vec<Mount> {
    read_capped(path, 16 << 20).map(|bytes| procfs::mountinfo(&bytes).0).unwrap_or_default()
}

fn entry(entries: &[CgroupEntry], version: CgroupVersion) -> Option<&CgroupEntry> {
    entries.iter().find(|e| match version {
        CgroupVersion::V1 => e.controllers.iter().any(|c| c == "memory"),
        CgroupVersion::V2 => e.hierarchy == 0 && e.controllers.is_empty(),
    })
}

fn is_memory_mount(mount: &Mount, version: CgroupVersion) -> bool {
    match version {
        CgroupVersion::V1 => mount.fs_type == "cgroup" && mount.has_option("memory"),
        CgroupVersion::V2 => mount.fs_type == "cgroup2",
    }
}

/// `path` of the hierarchy as seen below a mount that shows the hierarchy from `root` on.
fn relative_to(path: &str, root: &str) -> String {
    let path = path.trim_end_matches('/');
    let root = root.trim_end_matches('/');
    match path.strip_prefix(root) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest.to_owned(),
        // The mount shows another part (a container's namespace): its top is the nearest known.
        _ => String::new(),
    }
}

/// Joins a path of the hierarchy below `top`; components that lead upwards are left out.
fn below(top: &Path, path: &str) -> PathBuf {
    let mut out = top.to_path_buf();
    for part in Path::new(path).components() {
        if let Component::Normal(name) = part {
            out.push(name);
        }
    }
    out
}

fn levels(top: &Path, relative: &str, version: CgroupVersion) -> Vec<CgroupLevel> {
    let names: &[&str] = match version {
        CgroupVersion::V1 => &V1_FILES,
        CgroupVersion::V2 => &V2_FILES,
    };
    let mut out = Vec::new();
    let mut path = relative.trim_end_matches('/');
    for _ in 0..MOST_LEVELS {
        let directory = below(top, path);
        let files = names
            .iter()
            .filter_map(|name| {
                let bytes = read_capped(directory.join(name), MOST_FILE).ok()?;
                Some(((*name).to_owned(), bytes))
            })
            .collect();
        out.push(CgroupLevel { path: if path.is_empty() { "/" } else { path }.to_owned(), files });
        let Some((parent, _)) = path.rsplit_once('/') else {
            break;
        };
        path = parent;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn paths_are_those_below_the_mount() {
        assert_eq!(relative_to("/kube/pod/app", "/"), "/kube/pod/app");
        assert_eq!(relative_to("/kube/pod/app", "/kube/pod"), "/app");
        assert_eq!(relative_to("/kube/pod", "/kube/pod"), "");
        assert_eq!(relative_to("/kube/pods", "/kube/pod"), "");
        assert_eq!(relative_to("/", "/kube/pod"), "");
        assert_eq!(below(Path::new("/m"), "/../a/../b"), Path::new("/m/a/b"));
    }

    #[test]
    fn reads_every_level_of_a_v2_tree() {
        let dir = tempfile::tempdir().unwrap();
        let app = dir.path().join("kube/app");
        fs::create_dir_all(&app).unwrap();
        fs::write(app.join("memory.max"), "max\n").unwrap();
        fs::write(app.join("memory.current"), "123\n").unwrap();
        fs::write(app.join("memory.pressure"), "some\n").unwrap();
        fs::write(dir.path().join("kube/memory.max"), "4096\n").unwrap();
        let levels = levels(dir.path(), "/kube/app", CgroupVersion::V2);
        let paths: Vec<&str> = levels.iter().map(|l| l.path.as_str()).collect();
        assert_eq!(paths, ["/kube/app", "/kube", "/"]);
        let (facts, gaps) = procfs::cgroup(CgroupVersion::V2, &levels);
        assert_eq!(gaps, []);
        assert_eq!(facts.limit, Some(model::Bytes(4096)));
        assert_eq!(facts.usage, Some(model::Bytes(123)));
        let files = CgroupFiles { version: CgroupVersion::V2, directory: app, levels };
        assert_eq!(files.pressure(), Some(b"some\n".as_slice()));
    }
}
