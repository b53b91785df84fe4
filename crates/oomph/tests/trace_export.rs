//! `oomph trace export` on a trace of a real program: each file is what its reader expects, and one reading gives all.
#![allow(clippy::unwrap_used, reason = "tests")]

use profile::{Profile, ReadLimits};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output};

fn oomph(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_oomph")).current_dir(dir).args(args).output().unwrap()
}

/// A directory with `trace.out`, of the newest Go at hand.
fn traced() -> tempfile::TempDir {
    let go = lab::Toolchain::at_hand(&["1.26.6", "1.27.3"]).unwrap().pop().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("lab");
    fs::create_dir(&source).unwrap();
    lab::extract(&source).unwrap();
    let exe = dir.path().join("program");
    go.run(&source, &["build", "-o", exe.to_str().unwrap(), "./trace"]).unwrap();
    let done = Command::new(exe).current_dir(dir.path()).args(["profiled", "trace.out", "20"]).status().unwrap();
    assert!(done.success());
    dir
}

fn gunzipped(path: &Path) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::GzDecoder::new(fs::File::open(path).unwrap()).read_to_end(&mut out).unwrap();
    out
}

#[test]
fn all_files_in_one_reading() {
    let dir = traced();
    let path = |name: &str| dir.path().join(name);
    let told = oomph(
        dir.path(),
        &[
            "trace",
            "export",
            "trace.out",
            "--perfetto",
            "a.pftrace",
            "--html",
            "a.html",
            "--json",
            "t.json",
            "--speedscope",
            "a.json",
            "--pprof",
            "blocking=b.pb.gz",
            "--pprof",
            "cpu=c.pb.gz",
        ],
    );
    let notes = String::from_utf8(told.stderr).unwrap();
    assert_eq!((told.status.code(), &told.stdout[..]), (Some(0), &b""[..]), "{notes}");
    assert_eq!(notes.lines().count(), 6, "{notes}");
    // The first field of a trace is a packet.
    let perfetto = fs::read(path("a.pftrace")).unwrap();
    assert_eq!(perfetto[0], 0x0a);
    let again = oomph(dir.path(), &["trace", "export", "trace.out", "--perfetto", "a.pftrace.gz", "-q"]);
    assert_eq!((again.status.code(), &again.stderr[..]), (Some(0), &b""[..]));
    assert_eq!(gunzipped(&path("a.pftrace.gz")), perfetto);

    let page = fs::read_to_string(path("a.html")).unwrap();
    assert!(page.contains("oomph.timeline/1") && page.contains("id=\"timeline-data\"") && !page.contains("http://"));
    let timeline: model::TimelineDocument = serde_json::from_slice(&fs::read(path("t.json")).unwrap()).unwrap();
    assert_eq!((&timeline.schema[..], timeline.procs.is_empty()), ("oomph.timeline/1", false));
    for (file, kind) in [("b.pb.gz", "delay"), ("c.pb.gz", "cpu")] {
        let profile = Profile::read(&fs::read(path(file)).unwrap(), &ReadLimits::default()).unwrap();
        assert!(profile.sample_count() > 0 && profile.default_sample_type() == kind, "{file}");
    }
    let speedscope: serde_json::Value = serde_json::from_slice(&fs::read(path("a.json")).unwrap()).unwrap();
    let names: Vec<_> = speedscope["profiles"].as_array().unwrap().iter().map(|p| p["name"].clone()).collect();
    assert!(names.contains(&"waiting".into()) && names.contains(&"CPU samples".into()), "{names:?}");
}

#[test]
fn errors_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("trace.out"), b"no trace").unwrap();
    fs::write(dir.path().join("real.out"), b"go 1.26 trace\0\0\0").unwrap();
    fs::write(dir.path().join("kept"), b"mine").unwrap();
    for (args, expected) in [
        (&["trace.out"][..], "--perfetto"),
        (&["trace.out", "--pprof", "heap=x"], "net, sync"),
        (&["missing", "--html", "x.html"], "missing"),
        (&["trace.out", "--html", "x.html"], "runtime/trace"),
        (&["trace.out", "--perfetto", "kept"], "runtime/trace"),
        (&["real.out", "--perfetto", "no/such/directory/x"], "cannot write"),
        (&[".", "--html", "x.html"], "is a directory"),
    ] {
        let told = oomph(dir.path(), &[&["trace", "export"][..], args].concat());
        let text = String::from_utf8(told.stderr).unwrap();
        assert_eq!(told.status.code(), Some(2), "{args:?}: {text}");
        assert!(text.contains(expected), "{args:?}: {text}");
    }
    // What is no trace replaces no file.
    assert_eq!(fs::read(dir.path().join("kept")).unwrap(), b"mine");
}
