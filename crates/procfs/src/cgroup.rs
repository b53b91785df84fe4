//! The memory files of a control group, v1 and v2, from the process's own group up to the root.
//!
//! Also the text form in which those files are kept together: `==> PATH/NAME <==` before each
//! file, as head(1) prints several files.

use crate::text::{Gaps, keyed, lines, number, show};
use model::{Bytes, Cgroup, CgroupVersion, Gap};

/// The files of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CgroupLevel {
    /// Path inside the hierarchy; the root is `/`.
    pub path: String,
    /// Name (`memory.max`) and content of each file that could be read.
    pub files: Vec<(String, Vec<u8>)>,
}

impl CgroupLevel {
    fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.iter().find(|(n, _)| n == name).map(|(_, b)| b.as_slice())
    }
}

/// cgroup v1 writes "no limit" as `i64::MAX` rounded down to its page size (4 to 64 KiB).
const V1_NO_LIMIT: u64 = (i64::MAX as u64) - (64 << 10);

/// What the memory controller says. `levels` run from the process's own group to the root: usage,
/// peak and statistics are those of the first, limits are the lowest of all.
#[must_use]
pub fn cgroup(version: CgroupVersion, levels: &[CgroupLevel]) -> (Cgroup, Vec<Gap>) {
    let mut gaps = Gaps::default();
    let mut size = |level: &CgroupLevel, name: &str| {
        let bytes = level.file(name)?;
        match limit(bytes) {
            Some(limit) => limit,
            None => {
                gaps.push(Gap::of(format!(
                    "{}/{name}: expected a number of bytes or `max`, found `{}`",
                    level.path.trim_end_matches('/'),
                    show(bytes.trim_ascii())
                )));
                None
            }
        }
    };
    let (limit_name, high_name, usage_name, peak_name) = match version {
        CgroupVersion::V1 => ("memory.limit_in_bytes", "", "memory.usage_in_bytes", "memory.max_usage_in_bytes"),
        CgroupVersion::V2 => ("memory.max", "memory.high", "memory.current", "memory.peak"),
    };
    let mut lowest = None;
    let mut lowest_high = None;
    for level in levels {
        lowest = min_limit(lowest, size(level, limit_name));
        lowest_high = min_limit(lowest_high, size(level, high_name));
    }
    let own = levels.first();
    let usage = own.and_then(|l| size(l, usage_name));
    let peak = own.and_then(|l| size(l, peak_name));
    let stat = |key: &str| {
        let bytes = own?.file("memory.stat")?;
        keyed(bytes, key).map(Bytes)
    };
    let (anon, inactive_file, oom_kills) = match version {
        // The total_ forms include child groups, as the limit does.
        CgroupVersion::V1 => (
            stat("total_rss").or_else(|| stat("rss")),
            stat("total_inactive_file").or_else(|| stat("inactive_file")),
            own.and_then(|l| keyed(l.file("memory.oom_control")?, "oom_kill")),
        ),
        CgroupVersion::V2 => {
            (stat("anon"), stat("inactive_file"), own.and_then(|l| keyed(l.file("memory.events")?, "oom_kill")))
        }
    };
    if version == CgroupVersion::V1
        && let Some(hierarchical) = stat("hierarchical_memory_limit")
        && hierarchical.0 < V1_NO_LIMIT
    {
        // Also counts the parents that a cgroup namespace hides.
        lowest = min_limit(lowest, Some(hierarchical));
    }
    let facts = Cgroup {
        version,
        path: own.map_or_else(|| "/".to_owned(), |l| l.path.clone()),
        limit: lowest,
        high: lowest_high,
        usage,
        peak,
        anon,
        inactive_file,
        oom_kills,
    };
    (facts, gaps.into_vec())
}

fn min_limit(a: Option<Bytes>, b: Option<Bytes>) -> Option<Bytes> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

/// `Some(None)` = no limit, `None` = unreadable.
fn limit(bytes: &[u8]) -> Option<Option<Bytes>> {
    let text = bytes.trim_ascii();
    if text == b"max" {
        return Some(None);
    }
    number(text).map(|n| (n < V1_NO_LIMIT).then_some(Bytes(n)))
}

/// All files of all levels as one text, own group first; [`parse_cgroup_dump`] reads it back.
#[must_use]
pub fn cgroup_dump(version: CgroupVersion, levels: &[CgroupLevel]) -> Vec<u8> {
    let mut out = match version {
        CgroupVersion::V1 => b"cgroup v1\n".to_vec(),
        CgroupVersion::V2 => b"cgroup v2\n".to_vec(),
    };
    for level in levels {
        for (name, bytes) in &level.files {
            let path = level.path.trim_end_matches('/');
            out.extend_from_slice(format!("==> {path}/{name} <==\n").as_bytes());
            out.extend_from_slice(bytes);
            if !bytes.is_empty() && !bytes.ends_with(b"\n") {
                out.push(b'\n');
            }
        }
    }
    out
}

/// Reads what [`cgroup_dump`] wrote.
///
/// # Errors
/// A gap when the first line does not name the version. Lines outside a file are left out.
pub fn parse_cgroup_dump(bytes: &[u8]) -> Result<(CgroupVersion, Vec<CgroupLevel>), Gap> {
    let mut all = lines(bytes);
    let version = match all.next().map(|(_, l)| l) {
        Some(b"cgroup v1") => CgroupVersion::V1,
        Some(b"cgroup v2") => CgroupVersion::V2,
        _ => return Err(Gap::at(0, "cgroup: expected `cgroup v1` or `cgroup v2`")),
    };
    let mut levels: Vec<CgroupLevel> = Vec::new();
    for (_, line) in all {
        let head = line.strip_prefix(b"==> ").and_then(|l| l.strip_suffix(b" <==")).map(String::from_utf8_lossy);
        if let Some((path, name)) = head.as_deref().and_then(|h| h.rsplit_once('/')) {
            let path = match path.trim_end_matches('/') {
                "" => "/",
                path => path,
            };
            if levels.last().is_none_or(|l| l.path != path) {
                levels.push(CgroupLevel { path: path.to_owned(), files: Vec::new() });
            }
            if let Some(level) = levels.last_mut() {
                level.files.push((name.to_owned(), Vec::new()));
            }
        } else if let Some((_, content)) = levels.last_mut().and_then(|l| l.files.last_mut()) {
            content.extend_from_slice(line);
            content.push(b'\n');
        }
    }
    Ok((version, levels))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(path: &str, files: &[(&str, &str)]) -> CgroupLevel {
        CgroupLevel {
            path: path.to_owned(),
            files: files.iter().map(|(n, b)| ((*n).to_owned(), b.as_bytes().to_vec())).collect(),
        }
    }

    #[test]
    fn v2_takes_the_lowest_limit_on_the_way_up() {
        let levels = [
            level(
                "/kubepods/pod1/app",
                &[
                    ("memory.max", "max\n"),
                    ("memory.high", "800000\n"),
                    ("memory.current", "500000\n"),
                    ("memory.stat", "anon 400000\nfile 9\ninactive_file 4096\n"),
                    ("memory.events", "low 0\nhigh 3\nmax 4\noom 1\noom_kill 2\noom_group_kill 0\n"),
                ],
            ),
            level("/kubepods/pod1", &[("memory.max", "1000000\n"), ("memory.high", "max\n")]),
            level("/kubepods", &[("memory.max", "2000000\n")]),
            level("/", &[]),
        ];
        let (c, gaps) = cgroup(CgroupVersion::V2, &levels);
        assert_eq!(gaps, []);
        assert_eq!(c.limit, Some(Bytes(1_000_000)));
        assert_eq!(c.high, Some(Bytes(800_000)));
        assert_eq!(c.usage, Some(Bytes(500_000)));
        assert_eq!(c.anon, Some(Bytes(400_000)));
        assert_eq!(c.inactive_file, Some(Bytes(4096)));
        assert_eq!(c.oom_kills, Some(2));
        let dump = cgroup_dump(CgroupVersion::V2, &levels);
        let (version, back) = parse_cgroup_dump(&dump).unwrap();
        // Levels without files leave no trace in the text.
        assert_eq!((version, back.as_slice()), (CgroupVersion::V2, &levels[..3]));
    }

    #[test]
    fn v1_knows_its_no_limit_and_hidden_parents() {
        let mut levels = vec![level(
            "/docker/x",
            &[
                ("memory.limit_in_bytes", "9223372036854771712\n"),
                ("memory.usage_in_bytes", "77\n"),
                ("memory.stat", "rss 5\ntotal_rss 6\nhierarchical_memory_limit 9223372036854771712\n"),
                ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
            ],
        )];
        let (c, gaps) = cgroup(CgroupVersion::V1, &levels);
        assert_eq!(gaps, []);
        assert_eq!((c.limit, c.usage, c.anon), (None, Some(Bytes(77)), Some(Bytes(6))));
        assert_eq!(c.oom_kills, Some(3));
        levels[0].files[2].1 = b"hierarchical_memory_limit 4096\n".to_vec();
        assert_eq!(cgroup(CgroupVersion::V1, &levels).0.limit, Some(Bytes(4096)));
    }

    #[test]
    fn nonsense_is_a_gap() {
        let (c, gaps) = cgroup(CgroupVersion::V2, &[level("/", &[("memory.max", "many")])]);
        assert_eq!(c.limit, None);
        assert_eq!(gaps.len(), 1);
        assert!(parse_cgroup_dump(b"x").is_err());
    }

    #[test]
    fn an_empty_file_stays_empty() {
        let levels = vec![level("/", &[("memory.max", ""), ("memory.current", "1\n")])];
        let dump = cgroup_dump(CgroupVersion::V2, &levels);
        assert_eq!(parse_cgroup_dump(&dump), Ok((CgroupVersion::V2, levels)));
    }

    #[test]
    fn slashes_at_the_end_of_a_path_do_not_count() {
        let dump = b"cgroup v2\n==> /x//memory.max <==\nmax\n==> ///memory.max <==\n1\n";
        let (version, levels) = parse_cgroup_dump(dump).unwrap();
        assert_eq!(levels.iter().map(|l| l.path.as_str()).collect::<Vec<_>>(), ["/x", "/"]);
        assert_eq!(parse_cgroup_dump(&cgroup_dump(version, &levels)), Ok((version, levels)));
    }
}
