//! A control group with a limit of memory, v1 or v2: made, joined before a program's first page, read, resized,
//! removed when it is dropped. Refuses to work without swap off (a program that is swapped out does not die at its
//! limit) and to remove a group in which something lives: it kills that first.

use crate::LabError;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// Groups of the lab are children of this one, at the root of the hierarchy.
const PARENT: &str = "oomph-lab";
/// The kernel lets go of the dead some milliseconds after they have been waited for.
const REMOVE_TRIES: u32 = 200;

/// A control group of the memory controller. It is removed when this value is dropped, and what lives in it is killed.
#[derive(Debug)]
pub struct MemoryCgroup {
    directory: PathBuf,
    names: &'static Names,
}

/// Names of the interface files, and the key of the counter of kills.
#[derive(Debug)]
struct Names {
    limit: &'static str,
    usage: &'static str,
    events: &'static str,
    /// Files that turn swap off, with what to write; those that are not there are passed over.
    no_swap: &'static [(&'static str, &'static str)],
}

static V1: Names = Names {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    events: "memory.oom_control",
    no_swap: &[("memory.swappiness", "0")],
};
static V2: Names = Names {
    limit: "memory.max",
    usage: "memory.current",
    events: "memory.events",
    no_swap: &[("memory.swap.max", "0")],
};

impl MemoryCgroup {
    /// Makes a group below the root of the memory hierarchy, with a limit in bytes and without swap. The name is
    /// for people; a number makes it unique.
    ///
    /// # Errors
    /// [`LabError::NoCgroup`] where the controller is not mounted or may not be used.
    pub fn create(name: &str, limit: u64) -> Result<Self, LabError> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let (root, names) = hierarchy()?;
        let parent = root.join(PARENT);
        let denied = |what: &Path| {
            let what = what.display().to_string();
            move |e: io::Error| LabError::NoCgroup { reason: format!("{what}: {e}") }
        };
        fs::create_dir_all(&parent).map_err(denied(&parent))?;
        if names.limit == V2.limit {
            for above in [&root, &parent] {
                let file = above.join("cgroup.subtree_control");
                fs::write(&file, "+memory").map_err(denied(&file))?;
            }
        }
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let directory = parent.join(format!("{name}-{}-{number}", std::process::id()));
        fs::create_dir(&directory).map_err(denied(&directory))?;
        // From here on an error removes it.
        let made = Self { directory, names };
        for (file, value) in names.no_swap {
            let file = made.directory.join(file);
            if file.exists() {
                fs::write(&file, value).map_err(denied(&file))?;
            }
        }
        made.set_limit(limit)?;
        Ok(made)
    }

    /// Its directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A command that runs a binary inside the group from its first page on: a shell joins the group and becomes
    /// the binary, with the same process id.
    #[must_use]
    pub fn command(&self, binary: &Path) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", r#"echo $$ > "$0" && exec "$@""#]).arg(self.directory.join("cgroup.procs")).arg(binary);
        command
    }

    /// The limit in bytes (the kernel rounds it down to whole pages).
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn limit(&self) -> Result<u64, LabError> {
        self.number(self.names.limit)
    }

    /// Sets another limit in bytes, as a resize in place does. The kernel refuses one that it cannot reclaim down to.
    ///
    /// # Errors
    /// When it is refused.
    pub fn set_limit(&self, limit: u64) -> Result<(), LabError> {
        let file = self.directory.join(self.names.limit);
        fs::write(&file, limit.to_string()).map_err(LabError::io(format!("writing {limit} to {}", file.display())))
    }

    /// Bytes charged to the group now, page cache included.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn usage(&self) -> Result<u64, LabError> {
        self.number(self.names.usage)
    }

    /// How many processes of the group the kernel has killed for want of memory.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn oom_kills(&self) -> Result<u64, LabError> {
        let text = self.read(self.names.events)?;
        let missing = || self.unexpected(self.names.events, "a line `oom_kill N`", &text);
        value(&text, "oom_kill").ok_or_else(missing)
    }

    /// A line of `memory.stat`, such as `rss` (v1) or `anon` (v2), in bytes; `None` where the kernel has no such line.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn stat(&self, key: &str) -> Result<Option<u64>, LabError> {
        Ok(value(&self.read("memory.stat")?, key))
    }

    /// Bytes of anonymous memory: what no reclaim frees without swap. Exact where usage is batched (v1).
    ///
    /// # Errors
    /// As [`MemoryCgroup::stat`].
    pub fn anonymous(&self) -> Result<u64, LabError> {
        let text = self.read("memory.stat")?;
        let missing = || self.unexpected("memory.stat", "a line `anon N` or `rss N`", &text);
        value(&text, "anon").or_else(|| value(&text, "rss")).ok_or_else(missing)
    }

    fn number(&self, name: &str) -> Result<u64, LabError> {
        let text = self.read(name)?;
        text.trim().parse().map_err(|_| self.unexpected(name, "a number of bytes", &text))
    }

    fn read(&self, name: &str) -> Result<String, LabError> {
        let file = self.directory.join(name);
        fs::read_to_string(&file).map_err(LabError::io(format!("reading {}", file.display())))
    }

    fn unexpected(&self, name: &str, expected: &str, found: &str) -> LabError {
        let found: String = found.chars().take(80).collect();
        let source = io::Error::new(io::ErrorKind::InvalidData, format!("expected {expected}, found {found:?}"));
        LabError::Io { what: format!("reading {}", self.directory.join(name).display()), source }
    }
}

impl Drop for MemoryCgroup {
    fn drop(&mut self) {
        for _ in 0..REMOVE_TRIES {
            match fs::remove_dir(&self.directory) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {}
                _ => return,
            }
            let procs = fs::read_to_string(self.directory.join("cgroup.procs")).unwrap_or_default();
            let pids: Vec<&str> = procs.split_whitespace().collect();
            if !pids.is_empty() {
                let _ = Command::new("kill").arg("-9").args(pids).output();
            }
            // Nothing tells when the kernel has let go of the last of them.
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The value of `key VALUE` in a file of such lines.
fn value(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// The root of the memory hierarchy, by this process's mounts: v1 wins where both are mounted and the controller is
/// on it; on v2 the controller has to be there to be handed on.
fn hierarchy() -> Result<(PathBuf, &'static Names), LabError> {
    let bytes = fs::read("/proc/self/mountinfo").map_err(LabError::io("reading /proc/self/mountinfo"))?;
    let (mounts, _) = procfs::mountinfo(&bytes);
    if let Some(v1) = mounts.iter().find(|m| m.fs_type == "cgroup" && m.has_option("memory")) {
        return Ok((PathBuf::from(&v1.mount_point), &V1));
    }
    let Some(v2) = mounts.iter().find(|m| m.fs_type == "cgroup2") else {
        return Err(LabError::NoCgroup { reason: "no cgroup file system is mounted".to_owned() });
    };
    let root = PathBuf::from(&v2.mount_point);
    let file = root.join("cgroup.controllers");
    let controllers = fs::read_to_string(&file).map_err(LabError::io(format!("reading {}", file.display())))?;
    if !controllers.split_whitespace().any(|c| c == "memory") {
        let reason = format!("{} does not name memory", file.display());
        return Err(LabError::NoCgroup { reason });
    }
    Ok((root, &V2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_whole_keys_only() {
        let v1 = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(value(v1, "oom_kill"), Some(3));
        let v2 = "low 0\nhigh 0\nmax 12\noom 2\noom_kill 1\noom_group_kill 0\n";
        assert_eq!(value(v2, "oom_kill"), Some(1));
        assert_eq!(value(v2, "oom_kil"), None);
        assert_eq!(value("oom_kill x\n", "oom_kill"), None);
    }

    /// The files of v2, as a kernel writes them; a directory of files is left alone when the group is dropped.
    #[test]
    fn reads_the_files_of_v2() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text);
        write("memory.max", "268435456\n")?;
        write("memory.current", "1048576\n")?;
        write("memory.events", "low 0\nhigh 0\nmax 12\noom 2\noom_kill 1\noom_group_kill 0\n")?;
        write("memory.stat", "anon 4096\nfile 8192\nkernel 100\n")?;
        let group = std::mem::ManuallyDrop::new(MemoryCgroup { directory: dir.path().to_owned(), names: &V2 });
        assert_eq!((group.limit()?, group.usage()?, group.oom_kills()?), (268_435_456, 1_048_576, 1));
        assert_eq!((group.anonymous()?, group.stat("rss")?), (4096, None));
        group.set_limit(4096)?;
        assert_eq!(group.limit()?, 4096);
        write("memory.max", "max\n")?;
        let told = group.limit().map_err(|e| e.to_string());
        assert!(told.as_ref().is_err_and(|e| e.contains("memory.max") && e.contains("a number of bytes")), "{told:?}");
        Ok(())
    }
}
