//! Every table against `go tool pprof`'s own, on profiles of a program built here. Go comes from
//! `OOMPH_GO` or `PATH`; where there is none, the tests say so and pass.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]
#![expect(clippy::print_stderr, reason = "a skipped test says why")]

use profile::{
    Filter, GoroutineDump, Granularity, HeapStacks, Merger, Profile, ProfileKind, ReadLimits, TopOptions, read_memstats,
};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

struct Lab {
    go: PathBuf,
    dir: tempfile::TempDir,
    goroutines: usize,
}

impl Lab {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> Profile {
        let p = Profile::read(&std::fs::read(self.path(name)).unwrap(), &ReadLimits::default()).unwrap();
        assert_eq!(p.gaps(), [], "{name}");
        p
    }

    /// What `go tool pprof` prints. Run in `/`: it trims source paths by the directory it is in.
    fn pprof(&self, args: &[&str], files: &[PathBuf]) -> String {
        let out = Command::new(&self.go)
            .args(["tool", "pprof", "-symbolize=none"])
            .args(args)
            .args(files)
            .current_dir("/")
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }
}

fn lab() -> Option<&'static Lab> {
    static LAB: OnceLock<Option<Lab>> = OnceLock::new();
    LAB.get_or_init(|| {
        let go = std::env::var_os("OOMPH_GO").map_or_else(|| PathBuf::from("go"), PathBuf::from);
        if Command::new(&go).arg("version").output().is_err() {
            eprintln!("skipped: no Go toolchain (set OOMPH_GO or put go on PATH)");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/go/profiles.go");
        let program = dir.path().join("profiles");
        let built = Command::new(&go)
            .args(["build", "-o"])
            .arg(&program)
            .arg(source)
            .env("GOTOOLCHAIN", "local")
            .status()
            .unwrap();
        assert!(built.success());
        let out = Command::new(&program).arg(dir.path()).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let goroutines = String::from_utf8(out.stdout).unwrap().trim().parse().unwrap();
        Some(Lab { go, dir, goroutines })
    })
    .as_ref()
}

const ALL: [&str; 5] = ["-top", "-nodecount=1000000", "-nodefraction=0", "-edgefraction=0", "-compact_labels"];

/// (name, flat, cum) of each row of `-top`, sorted.
fn rows(text: &str, unit: &str) -> Vec<(String, i64, i64)> {
    let mut rows: Vec<_> = text
        .lines()
        .skip_while(|l| !l.trim_start().starts_with("flat"))
        .skip(1)
        .map(|l| {
            let (number, name) = split_columns(l);
            let value = |s: &str| s.trim_end_matches(unit).parse().unwrap_or_else(|_| panic!("{l}"));
            (name.to_owned(), value(number[0]), value(number[3]))
        })
        .collect();
    rows.sort();
    rows
}

fn split_columns(mut line: &str) -> (Vec<&str>, &str) {
    let mut columns = Vec::new();
    for _ in 0..5 {
        line = line.trim_start();
        let end = line.find(' ').unwrap();
        columns.push(&line[..end]);
        line = &line[end..];
    }
    (columns, line.trim_start())
}

fn ours(p: &Profile, options: &TopOptions) -> Vec<(String, i64, i64)> {
    let top = p.top(options).unwrap();
    let mut rows: Vec<_> = (top.rows.into_iter())
        .map(|r| {
            let inline = match r.inlined {
                profile::Inlined::No => "",
                profile::Inlined::Partly => " (partial-inline)",
                profile::Inlined::Always => " (inline)",
            };
            (format!("{}{inline}", r.name), r.flat, r.cum)
        })
        .collect();
    rows.sort();
    rows
}

fn unit_suffix(unit: &str) -> &str {
    match unit {
        "bytes" => "B",
        "nanoseconds" => "ns",
        _ => "",
    }
}

#[test]
fn top_equals_pprof_on_every_sample_type() {
    let Some(lab) = lab() else { return };
    for file in [
        "heap-1.pb.gz",
        "heap-2.pb.gz",
        "allocs.pb.gz",
        "goroutine.pb.gz",
        "mutex.pb.gz",
        "block.pb.gz",
        "threadcreate.pb.gz",
        "cpu.pb.gz",
    ] {
        let p = lab.read(file);
        assert!(p.sample_count() > 0, "{file}");
        for t in p.sample_types() {
            for (flag, granularity) in
                [("-functions", Granularity::Function), ("-lines", Granularity::Line), ("-files", Granularity::File)]
            {
                let index = format!("-sample_index={}", t.kind);
                let unit = format!("-unit={}", t.unit);
                let mut args = ALL.to_vec();
                args.extend([flag, &index, &unit]);
                let theirs = rows(&lab.pprof(&args, &[lab.path(file)]), unit_suffix(&t.unit));
                let options = TopOptions { sample_type: t.kind.clone(), granularity, ..TopOptions::default() };
                assert!(!theirs.is_empty() || p.total(p.sample_index(&t.kind).unwrap()) == 0);
                assert_eq!(ours(&p, &options), theirs, "{file} {} {flag}", t.kind);
            }
        }
    }
}

#[test]
fn filters_equal_pprof() {
    let Some(lab) = lab() else { return };
    let p = lab.read("heap-2.pb.gz");
    let filter = |f: [Option<&str>; 5]| Filter::new(f[0], f[1], f[2], f[3], f[4]).unwrap();
    for (args, f) in [
        (vec!["-focus=recurse"], [Some("recurse"), None, None, None, None]),
        (vec!["-ignore=fmt"], [None, Some("fmt"), None, None, None]),
        (vec!["-hide=^main.inlined$|^fmt"], [None, None, Some("^main.inlined$|^fmt"), None, None]),
        (vec!["-show=^main"], [None, None, None, Some("^main"), None]),
        (vec!["-show_from=allocate"], [None, None, None, None, Some("allocate")]),
        (
            vec!["-focus=allocate", "-ignore=recurse", "-hide=profiles.go"],
            [Some("allocate"), Some("recurse"), Some("profiles.go"), None, None],
        ),
    ] {
        let mut all = ALL.to_vec();
        all.extend(["-unit=bytes", "-sample_index=alloc_space"]);
        all.extend(&args);
        let theirs = rows(&lab.pprof(&all, &[lab.path("heap-2.pb.gz")]), "B");
        let options = TopOptions { sample_type: "alloc_space".to_owned(), filter: filter(f), ..TopOptions::default() };
        assert_eq!(ours(&p, &options), theirs, "{args:?}");
    }
}

#[test]
fn differences_equal_pprof() {
    let Some(lab) = lab() else { return };
    let (a, b) = (lab.read("heap-1.pb.gz"), lab.read("heap-2.pb.gz"));
    for t in b.sample_types() {
        for (flag, d) in [("-diff_base", b.diff(&a).unwrap()), ("-base", b.subtract(&a).unwrap())] {
            let base = format!("{flag}={}", lab.path("heap-1.pb.gz").display());
            let index = format!("-sample_index={}", t.kind);
            let unit = format!("-unit={}", t.unit);
            let mut args = ALL.to_vec();
            args.extend([&base[..], &index, &unit]);
            let text = lab.pprof(&args, &[lab.path("heap-2.pb.gz")]);
            let options = TopOptions { sample_type: t.kind.clone(), ..TopOptions::default() };
            let suffix = unit_suffix(&t.unit);
            assert_eq!(ours(&d, &options), rows(&text, suffix), "{flag} {}", t.kind);
            let top = d.top(&options).unwrap();
            let total = format!("of {}{suffix} total", top.total);
            assert!(text.contains(&total), "{flag} {}: {total}", t.kind);
        }
    }
}

/// The samples, locations and mappings of `-raw`, without times.
fn raw(text: &str) -> String {
    text.lines()
        .filter(|l| !l.starts_with("Time:") && !l.starts_with("Duration:"))
        .map(|l| l.trim_end().to_owned() + "\n")
        .collect()
}

#[test]
fn written_profiles_reopen_equal() {
    let Some(lab) = lab() else { return };
    for file in ["heap-2.pb.gz", "cpu.pb.gz", "goroutine.pb.gz", "mutex.pb.gz"] {
        let p = lab.read(file);
        let theirs = raw(&lab.pprof(&["-raw"], &[lab.path(file)]));
        let out = lab.path(&format!("out-{file}"));
        std::fs::write(&out, p.write()).unwrap();
        assert_eq!(raw(&lab.pprof(&["-raw"], std::slice::from_ref(&out))), theirs, "{file}");
        assert_eq!(raw(&p.raw()), theirs, "{file}");
        let again = Profile::read(&p.write_uncompressed(), &ReadLimits::default()).unwrap();
        assert_eq!(again.raw(), p.raw());
    }
}

#[test]
fn merge_equals_pprof() {
    let Some(lab) = lab() else { return };
    let files = ["heap-1.pb.gz", "heap-2.pb.gz", "heap-1.pb.gz"];
    let mut m = Merger::new();
    for f in files {
        m.add(&lab.read(f)).unwrap();
    }
    let paths: Vec<_> = files.iter().map(|f| lab.path(f)).collect();
    let theirs = raw(&lab.pprof(&["-raw"], &paths));
    assert_eq!(raw(&m.finish().unwrap().raw()), theirs);
    let mut m = Merger::new();
    m.add(&lab.read("heap-1.pb.gz")).unwrap();
    assert!(m.add(&lab.read("cpu.pb.gz")).is_err());
}

#[test]
fn heap_text_has_the_values_pprof_scales_it_to() {
    let Some(lab) = lab() else { return };
    let text = lab.read("heap.txt");
    assert_eq!(text.kind(), ProfileKind::Heap);
    assert_eq!(text.period(), 512);
    let theirs = lab.pprof(&["-raw"], &[lab.path("heap.txt")]);
    let mut theirs: Vec<Vec<i64>> = (theirs.lines())
        .skip_while(|l| !l.starts_with("alloc_objects"))
        .skip(1)
        .take_while(|l| !l.starts_with("Locations"))
        .filter_map(|l| l.split_once(": "))
        .filter(|(v, _)| !v.contains("bytes"))
        .map(|(v, _)| v.split_whitespace().map(|n| n.parse().unwrap()).collect())
        .collect();
    let mut ours: Vec<Vec<i64>> = text.samples().map(|s| s.values().to_vec()).collect();
    theirs.sort();
    ours.sort();
    assert_eq!(ours, theirs);
    // Symbolised by its own # lines: the same functions and bytes as the proto of that moment,
    // the runtime's leading frames apart (text keeps their addresses).
    let h = HeapStacks::of(&text).unwrap();
    let proto = HeapStacks::of(&lab.read("heap-1.pb.gz")).unwrap();
    let by_user = |h: &HeapStacks, name: &str| -> i64 {
        (h.stacks.iter())
            .filter(|s| s.user.is_some_and(|u| h.frames[s.frames[u as usize] as usize].function == name))
            .map(|s| s.inuse_bytes)
            .sum()
    };
    for f in ["main.recurse", "main.inlined", "main.allocate"] {
        assert!(by_user(&h, f) > 0, "{f}");
        assert_eq!(by_user(&h, f), by_user(&proto, f), "{f}");
    }
}

#[test]
fn memstats_block_adds_up() {
    let Some(lab) = lab() else { return };
    let (m, gaps) = read_memstats(&std::fs::read(lab.path("heap.txt")).unwrap()).unwrap();
    assert_eq!(gaps, []);
    assert_eq!(m.heap_sys.0, m.heap_idle.0 + m.heap_inuse.0);
    let sum = m.heap_sys.0 + m.stack_sys.0 + m.runtime_metadata().0;
    assert_eq!(m.sys.0, sum);
    assert!(m.num_forced_gc.unwrap() >= 2);
    assert_eq!(m.recent_pauses_ns.len() as u64, m.num_gc.min(256));
    assert!(m.recent_pause_ends_ns.is_sorted_by(|a, b| a >= b));
    assert_eq!(m.recent_pause_ends_ns[0], m.last_gc_ns);
    assert!(m.max_rss.unwrap().0 > 1 << 20);
}

#[test]
fn goroutine_forms_agree() {
    let Some(lab) = lab() else { return };
    let dump =
        GoroutineDump::read(&std::fs::read(lab.path("goroutine.dump")).unwrap(), &ReadLimits::default()).unwrap();
    assert_eq!(dump.gaps, []);
    assert_eq!(dump.goroutines.len(), lab.goroutines);
    let proto = lab.read("goroutine.pb.gz");
    let text = lab.read("goroutine.txt");
    assert_eq!(proto.total(0), lab.goroutines as i64);
    assert_eq!(text.total(0), lab.goroutines as i64);
    let waiting: Vec<_> = (dump.groups().into_iter())
        .filter(|g| g.user.is_some_and(|u| dump.frames[g.stack[u as usize] as usize].function == "main.wait"))
        .collect();
    assert_eq!(waiting.iter().map(|g| g.count).sum::<u64>(), 13);
    assert!(waiting.iter().all(|g| &*g.state == "chan receive"));
    let created = |g: &profile::GoroutineGroup| &dump.frames[g.created_by.unwrap() as usize].function;
    let by_main: u64 = (waiting.iter()).filter(|g| created(g) == "main.main").map(|g| g.count).sum();
    assert_eq!(by_main, 6);
    assert_eq!(dump.goroutines.iter().filter(|g| g.locked_to_thread).count(), 1);
    assert!(dump.goroutines.iter().all(|g| g.id == 1 || g.creator.is_some()));
    // Labels: 7 of the goroutines inherited them.
    let labelled = |p: &Profile| -> i64 {
        (p.samples())
            .filter(|s| s.labels().any(|l| l.key == "handler" && l.text == Some("burn \"x\"")))
            .map(|s| s.values()[0])
            .sum()
    };
    assert_eq!(labelled(&proto), 7);
    assert_eq!(labelled(&text), 7);
    let in_dump = dump.goroutines.iter().filter(|g| !g.labels.is_empty()).count();
    assert!(in_dump == 0 || in_dump == 7, "{in_dump}");
    // The same symbols in all three.
    let tops = |p: &Profile| {
        ours(p, &TopOptions::default())
            .into_iter()
            .filter(|r| r.0.starts_with("main."))
            .map(|r| (r.0.replace(" (inline)", ""), r.2))
            .collect::<Vec<_>>()
    };
    assert_eq!(tops(&text), tops(&proto));
}

#[test]
fn mutex_text_equals_proto() {
    let Some(lab) = lab() else { return };
    // The runtime's own locks go on contending between the two: the program's do not.
    let contend = |file: &str, sample_type: &str| -> i64 {
        let options = TopOptions { sample_type: sample_type.to_owned(), ..TopOptions::default() };
        let top = lab.read(file).top(&options).unwrap();
        let row = top.rows.into_iter().find(|r| r.name == "main.contend");
        row.map_or(0, |r| r.cum)
    };
    assert!(contend("mutex.txt", "contentions") > 0);
    assert_eq!(contend("mutex.txt", "contentions"), contend("mutex.pb.gz", "contentions"));
    let (a, b) = (contend("mutex.txt", "delay") as f64, contend("mutex.pb.gz", "delay") as f64);
    assert!((a - b).abs() <= 0.001 * b, "{a} {b}");
}
