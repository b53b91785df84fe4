//! `/proc/PID/cgroup` and `/proc/PID/mountinfo`: which control groups a process is in and where
//! their files are.

use crate::text::{Gaps, field, lines, show, unescape};
use model::Gap;

/// One line of `/proc/PID/cgroup` (cgroups(7)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupEntry {
    /// Hierarchy number; 0 is cgroup v2.
    pub hierarchy: u32,
    /// Controllers (`memory`, `name=systemd`); empty for v2.
    pub controllers: Vec<String>,
    /// Path of the group inside the hierarchy, as the reader's cgroup namespace shows it.
    pub path: String,
}

/// Reads `/proc/PID/cgroup`.
#[must_use]
pub fn pid_cgroup(bytes: &[u8]) -> (Vec<CgroupEntry>, Vec<Gap>) {
    let mut out = Vec::new();
    let mut gaps = Gaps::default();
    for (offset, line) in lines(bytes) {
        let text = String::from_utf8_lossy(line);
        let mut parts = text.splitn(3, ':');
        let entry = (|| {
            Some(CgroupEntry {
                hierarchy: parts.next()?.parse().ok()?,
                controllers: parts.next()?.split(',').filter(|c| !c.is_empty()).map(str::to_owned).collect(),
                path: parts.next().filter(|p| p.starts_with('/'))?.to_owned(),
            })
        })();
        match entry {
            Some(e) => out.push(e),
            None if line.is_empty() => {}
            None => gaps.push(Gap::at(
                offset,
                format!("cgroup: expected `hierarchy:controllers:/path`, found `{}`", show(line)),
            )),
        }
    }
    (out, gaps.into_vec())
}

/// One line of `/proc/PID/mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The directory inside the file system that is mounted.
    pub root: String,
    /// Where it is mounted.
    pub mount_point: String,
    /// `cgroup`, `cgroup2`, `ext4`, ...
    pub fs_type: String,
    /// Options of the file system (`rw,memory`).
    pub super_options: String,
}

impl Mount {
    /// Whether the options name `controller` (cgroup v1).
    #[must_use]
    pub fn has_option(&self, controller: &str) -> bool {
        self.super_options.split(',').any(|o| o == controller)
    }
}

/// Reads `/proc/PID/mountinfo`.
#[must_use]
pub fn mountinfo(bytes: &[u8]) -> (Vec<Mount>, Vec<Gap>) {
    let mut out = Vec::new();
    let mut gaps = Gaps::default();
    for (offset, line) in lines(bytes) {
        match mount(line) {
            Some(m) => out.push(m),
            None if line.is_empty() => {}
            None => gaps.push(Gap::at(offset, format!("mountinfo: `{}` is no mount", show(line)))),
        }
    }
    (out, gaps.into_vec())
}

/// `36 35 98:0 /root /mount/point options optional... - type source super-options`.
fn mount(line: &[u8]) -> Option<Mount> {
    let mut rest = line;
    let mut next = || {
        let (f, tail) = field(rest)?;
        rest = tail;
        Some(f)
    };
    let (_id, _parent, _device) = (next()?, next()?, next()?);
    let root = next()?;
    let mount_point = next()?;
    let _options = next()?;
    while next()? != b"-" {}
    let fs_type = next()?;
    let _source = next()?;
    let super_options = next().unwrap_or_default();
    Some(Mount {
        root: unescape(root),
        mount_point: unescape(mount_point),
        fs_type: unescape(fs_type),
        super_options: unescape(super_options),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_interfaces() {
        let (e, gaps) = pid_cgroup(b"4:memory:/kube/pod:1\n9:name=systemd:/\n0::/user.slice\nbad\n");
        assert_eq!(e.len(), 3);
        assert_eq!(e[0].controllers, ["memory"]);
        assert_eq!(e[0].path, "/kube/pod:1");
        assert_eq!((e[2].hierarchy, e[2].controllers.len()), (0, 0));
        assert_eq!(gaps.len(), 1);
    }

    #[test]
    fn reads_mounts_with_optional_fields_and_escapes() {
        let (m, gaps) = mountinfo(
            b"36 35 0:30 / /sys/fs/cgroup\\040x rw,nosuid shared:9 master:1 - cgroup2 cgroup2 rw,nsdelegate\n37 35 0:31 /kube /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n1 2 3\n",
        );
        assert_eq!(m.len(), 2);
        assert_eq!(m[0].mount_point, "/sys/fs/cgroup x");
        assert_eq!(m[0].fs_type, "cgroup2");
        assert!(m[1].has_option("memory") && !m[1].has_option("mem"));
        assert_eq!(m[1].root, "/kube");
        assert_eq!(gaps.len(), 1);
    }
}
