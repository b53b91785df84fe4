//! Every reader takes any bytes: random ones, and real files with bytes changed or cut.

use procfs::*;
use proptest::prelude::*;

fn all(bytes: &[u8]) {
    let _ = status(bytes);
    let _ = maps(bytes);
    let (mappings, _) = smaps(bytes);
    for cgo in [None, Some(false), Some(true)] {
        let kinds = classify_mappings(&mappings, None, None, cgo);
        assert_eq!(kinds.len(), mappings.len());
        let _ = go_arena_spans(&mappings, &kinds);
    }
    let _ = smaps_rollup(bytes);
    let _ = stat(bytes);
    let _ = boot_time(bytes);
    let _ = go_environment_text(&environ(bytes));
    let _ = cmdline(bytes);
    let _ = pid_cgroup(bytes);
    let _ = mountinfo(bytes);
    let _ = pressure(bytes);
    let _ = net_tcp(bytes);
    if let Ok((version, levels)) = parse_cgroup_dump(bytes) {
        let _ = cgroup(version, &levels);
        // What was read is written so that it reads the same.
        let dump = cgroup_dump(version, &levels);
        assert_eq!(parse_cgroup_dump(&dump), Ok((version, levels)));
    }
}

proptest! {
    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        all(&bytes);
    }

    #[test]
    fn random_lines(text in "([0-9a-f]{1,16}-[0-9a-f]{1,16} (rw-p|---p|r-xp) 0 00:00 [0-9]{1,20} (\\[heap\\]|/a\\.so|)?\nRss: [0-9]{1,20} kB\n){0,8}") {
        all(text.as_bytes());
    }

    #[test]
    fn cgroup_texts(text in "cgroup v[12]\n(==> /(a/)?memory\\.(max|current|stat) <==\n([0-9]{1,25}|max|anon [0-9]{1,25})?\n){0,6}") {
        all(text.as_bytes());
    }

    #[test]
    fn changed_real_files(which in 0usize..7, at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let name = ["status", "maps", "smaps", "stat", "mountinfo", "cgroup", "net/tcp"][which];
        let mut bytes = std::fs::read(format!("/proc/self/{name}")).unwrap();
        let i = at.index(bytes.len());
        bytes[i] = byte;
        bytes.truncate(cut.index(bytes.len()) + 1);
        all(&bytes);
    }
}
