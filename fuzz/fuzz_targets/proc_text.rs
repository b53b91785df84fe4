//! What Linux prints about a process. The first byte picks the file, the rest is its text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::{Gap, GoVersion, Smap};
use procfs::{
    boot_time, cgroup, cgroup_dump, classify_mappings, cmdline, environ, go_arena_spans, go_environment_text, maps,
    mountinfo, net_tcp, parse_cgroup_dump, path_without_deleted, pid_cgroup, pressure, smaps, smaps_rollup,
    socket_inode, stat, status,
};

fuzz_target!(|data: &[u8]| {
    let Some((&which, text)) = data.split_first() else {
        return;
    };
    match which {
        b'a' => bounded(&status(text).1, text),
        b'b' => {
            let (mappings, gaps) = maps(text);
            bounded(&gaps, text);
            for m in &mappings {
                assert!(m.start <= m.end && m.perms.len() == 4);
                assert!(m.path.starts_with(path_without_deleted(&m.path)));
            }
        }
        b'c' => {
            let (mappings, gaps) = smaps(text);
            bounded(&gaps, text);
            classified(&mappings);
        }
        b'd' => bounded(&smaps_rollup(text).1, text),
        b'e' => {
            if let Ok(s) = stat(text) {
                assert!(s.cpu_seconds() >= 0.0);
            }
            let _ = boot_time(text);
        }
        b'f' => environment(text),
        b'g' => assert!(cmdline(text).len() <= text.len()),
        b'h' => bounded(&pid_cgroup(text).1, text),
        b'i' => {
            let (mounts, gaps) = mountinfo(text);
            bounded(&gaps, text);
            let _ = mounts.iter().filter(|m| m.has_option("memory")).count();
        }
        b'j' => control_groups(text),
        b'k' => {
            let (p, gaps) = pressure(text);
            bounded(&gaps, text);
            for line in p.iter().flat_map(|p| [Some(p.some), p.full]).flatten() {
                assert!([line.avg10, line.avg60, line.avg300].iter().all(|v| (0.0..=100.0).contains(v)));
            }
        }
        b'l' => {
            let _ = net_tcp(text);
            let _ = std::str::from_utf8(text).map(socket_inode);
        }
        _ => {}
    }
});

/// However damaged a file is, its gaps are few and point into it.
fn bounded(gaps: &[Gap], text: &[u8]) {
    assert!(gaps.len() <= 20, "{} gaps", gaps.len());
    assert!(gaps.iter().all(|g| g.what.len() < 500 && g.offset.is_none_or(|o| o <= text.len() as u64)));
}

fn classified(mappings: &[Smap]) {
    for version in [None, GoVersion::parse("go1.23.9"), GoVersion::parse("go1.26.6")] {
        for (exe, cgo) in [(None, None), (Some("/srv/app"), Some(false)), (Some("/srv/app (deleted)"), Some(true))] {
            let kinds = classify_mappings(mappings, exe, version.as_ref(), cgo);
            assert_eq!(kinds.len(), mappings.len());
            let spans = go_arena_spans(mappings, &kinds);
            assert!(spans.iter().all(|s| mappings.iter().any(|m| (m.mapping.start, m.mapping.end) == *s)));
        }
    }
}

/// What may be stored of an environment reads back the same.
fn environment(text: &[u8]) {
    let read = environ(text);
    let stored = go_environment_text(&read);
    assert_eq!(go_environment_text(&environ(stored.as_bytes())), stored);
}

/// What was read is written so that it reads the same.
fn control_groups(text: &[u8]) {
    match parse_cgroup_dump(text) {
        Err(gap) => bounded(&[gap], text),
        Ok((version, levels)) => {
            let (_, gaps) = cgroup(version, &levels);
            assert!(gaps.len() <= 20, "{} gaps", gaps.len());
            let dump = cgroup_dump(version, &levels);
            assert_eq!(parse_cgroup_dump(&dump), Ok((version, levels)));
        }
    }
}
