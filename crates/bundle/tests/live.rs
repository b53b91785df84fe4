//! Real Go services, from collection to facts, against what the service itself counts.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "tests")]

mod common;

use bundle::{Bundle, CollectOptions, Facts, GcPolicy};
use common::{GoServer, build_go, get, quick, run, run_until};
use model::MappingKind;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Holds 64 MiB, grows by 1 MiB a tick, keeps 100 goroutines on a channel; `-prefix P` mounts pprof
/// below P with a mux of its own, `-nopprof` not at all.
const SERVER: &str = r#"package main

import (
	"expvar"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

var held [][]byte
var grow [][]byte

//go:noinline
func hold() { for i := 0; i < 64; i++ { b := make([]byte, 1<<20); for j := range b { b[j] = 1 }; held = append(held, b) } }

//go:noinline
func wait(c chan int) { <-c }

func main() {
	prefix := flag.String("prefix", "", "")
	none := flag.Bool("nopprof", false, "")
	token := flag.String("token", "", "")
	_ = token
	flag.Parse()
	hold()
	c := make(chan int)
	for i := 0; i < 100; i++ { go wait(c) }
	go func() { for range time.Tick(20 * time.Millisecond) { grow = append(grow, make([]byte, 1<<20)); if len(grow) > 200 { grow = nil } } }()
	mux := http.NewServeMux()
	if !*none {
		mux.HandleFunc(*prefix+"/debug/pprof/", func(w http.ResponseWriter, r *http.Request) {
			r.URL.Path = r.URL.Path[len(*prefix):]
			pprof.Index(w, r)
		})
		mux.HandleFunc(*prefix+"/debug/pprof/cmdline", pprof.Cmdline)
		mux.Handle(*prefix+"/debug/vars", expvar.Handler())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil { panic(err) }
	fmt.Println(l.Addr())
	panic(http.Serve(l, mux))
}
"#;

fn server() -> PathBuf {
    static EXE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, exe) = EXE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let exe = build_go(dir.path(), "holder", SERVER);
        (dir, exe)
    });
    exe.clone()
}

fn two_samples() -> CollectOptions {
    CollectOptions { duration: Duration::from_millis(800), samples: 2, ..quick() }
}

/// What must hold of a bundle of the server above.
fn check(facts: &Facts, pid: u32) {
    assert_eq!(facts.target.pid, Some(pid));
    assert_eq!(facts.samples.len(), 2);
    let version = facts.build.as_ref().unwrap().value.go_version.as_ref().unwrap();
    assert!(version.at_least(21), "{version}");
    assert_eq!(facts.build.as_ref().unwrap().value.main_module.as_deref(), Some("example.com/holder"));
    let mut apart = Vec::new();
    for (i, s) in facts.samples.iter().enumerate() {
        let before = &s.memstats.as_ref().expect("memstats").value;
        let after = &s.memstats_after_gc.as_ref().expect("memstats after gc").value;
        assert!(before.heap_alloc.0 > 64 << 20 && after.heap_alloc.0 > 64 << 20);
        assert!(before.pause_total_ns.is_some(), "from expvar");
        assert!(after.num_forced_gc.unwrap() > i as u64, "our own cycle is counted");
        assert_eq!(s.forced_gcs_before, i as u32);
        assert_eq!(before.num_forced_gc, Some(i as u64), "nobody else forces cycles here");
        assert_eq!(before.gogc_percent, Some(150));
        assert_eq!(before.gomemlimit.unwrap().0, 900 << 20);
        let heap = &s.heap.as_ref().unwrap().value;
        let held: i64 = heap
            .stacks
            .iter()
            .filter(|st| st.frames.iter().any(|f| heap.frames[*f as usize].function == "main.hold"))
            .map(|st| st.inuse_bytes)
            .sum();
        // Objects of 1 MiB are above the sampling rate: nearly all of them are in the profile.
        let share = held as f64 / f64::from(64 << 20);
        assert!((0.75..=1.25).contains(&share), "{share}");
        assert!(s.heap_after_gc);
        assert!(s.goroutine_count.as_ref().unwrap().value >= 102);
        let smaps = &s.smaps.as_ref().unwrap().value;
        let rss: u64 = smaps.iter().map(|(m, _)| m.rss.0).sum();
        let rollup = s.smaps_rollup.as_ref().unwrap().value.rss.0;
        apart.push(rss.abs_diff(rollup));
        let arena: u64 = smaps.iter().filter(|(_, k)| *k == MappingKind::GoArena).map(|(m, _)| m.rss.0).sum();
        assert!(arena > 64 << 20, "the heap is in arenas: {arena}");
        assert!(s.status.as_ref().unwrap().value.vm_rss.0 > 64 << 20);
        assert!(s.cpu_seconds.as_ref().unwrap().value >= 0.0);
        assert!(s.uptime_seconds.as_ref().unwrap().value < 300.0);
        let lag = s.smaps.as_ref().unwrap().at.seconds_since(s.memstats.as_ref().unwrap().at);
        assert!((0.0..1.0).contains(&lag), "smaps {lag} s after memstats");
    }
    // Between the two reads the runtime may give memory back, but not each time.
    assert!(apart.iter().any(|d| *d < 16 << 20), "smaps and smaps_rollup are apart by {apart:?}");
    let env = &facts.environment.as_ref().unwrap().value;
    assert_eq!((env.gogc.as_deref(), env.gomemlimit.as_deref()), (Some("150"), Some("900MiB")));
}

const ENV: [(&str, &str); 3] = [("GOGC", "150"), ("GOMEMLIMIT", "900MiB"), ("DB_PASSWORD", "hunter2")];

#[test]
fn from_a_loopback_address_proc_joins() {
    let go = GoServer::start(&server(), &["-token=hunter2"], &ENV);
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("b");
    run(&go.address, &to, &two_samples()).unwrap();
    let bundle = Bundle::open(&to).unwrap();
    assert!(bundle.verify().unwrap().is_ok());
    check(&bundle.facts(), go.pid());
    assert_eq!(bundle.manifest().artifacts.iter().filter(|a| a.forced_gc).count(), 2);
    // Neither the environment nor the arguments leak a secret.
    for a in &bundle.manifest().artifacts {
        let bytes = fs::read(to.join(&a.path)).unwrap();
        assert!(!bytes.windows(7).any(|w| w == b"hunter2"), "{}", a.path);
    }
    // The same as one file, read elsewhere: the same facts.
    let zip = dir.path().join("b.oomph");
    bundle::pack(&to, &zip).unwrap();
    let (a, b) = (bundle.facts(), Bundle::open(&zip).unwrap().facts());
    assert_eq!(format!("{a:?}"), format!("{b:?}"));
}

#[test]
fn from_a_pid_its_pprof_is_found() {
    let go = GoServer::start(&server(), &[], &ENV);
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("b.oomph");
    let done = run(&go.pid().to_string(), &to, &two_samples()).unwrap();
    assert_eq!(done.manifest.target.url.as_deref(), Some(format!("http://{}/debug/pprof/", go.address).as_str()));
    check(&Bundle::open(&to).unwrap().facts(), go.pid());
}

#[test]
fn from_a_pid_without_pprof_proc_and_memory_remain() {
    let go = GoServer::start(&server(), &["-nopprof"], &ENV);
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("b");
    run(&go.pid().to_string(), &to, &two_samples()).unwrap();
    let facts = Bundle::open(&to).unwrap().facts();
    assert!(facts.samples[1].smaps.is_some());
    let heap = facts.samples.iter().find_map(|s| s.heap.as_ref()).expect("a collection has finished");
    // How much was held at the end of that collection depends on when it was.
    assert!(heap.value.frames.iter().any(|f| f.function == "main.hold"), "{:?}", heap.value.frames);
    let waiting = facts.samples[1].goroutines.as_ref().unwrap().value.groups();
    assert!(waiting.iter().any(|g| (&*g.state, g.count) == ("chan receive", 100)), "{waiting:?}");
    assert!(facts.limits.iter().any(|l| l.contains("no listening port")), "{:?}", facts.limits);
}

#[test]
fn a_prefix_is_found_from_its_root() {
    let go = GoServer::start(&server(), &["-prefix", "/ops"], &ENV);
    let dir = tempfile::tempdir().unwrap();
    for (i, form) in ["/ops", "/ops/debug/pprof", "/ops/debug/pprof/heap?debug=1"].iter().enumerate() {
        let options = CollectOptions { gc: GcPolicy::Never, ..quick() };
        let to = dir.path().join(i.to_string());
        let done = run(&format!("http://{}{form}", go.address), &to, &options).unwrap();
        assert!(done.manifest.artifact("stats/expvar-1.json").is_some());
        assert!(done.manifest.artifacts.iter().all(|a| !a.forced_gc));
        assert!(done.manifest.artifact("profiles/heap-1-after.txt").is_none());
    }
    // Without a forced cycle the service's own count shows none.
    let text = String::from_utf8(get(&go.address, "/ops/debug/pprof/heap?debug=1")).unwrap();
    assert!(text.contains("# NumForcedGC = 0\n"), "no cycle was forced");
}

/// Run by the test below in a process of its own.
#[test]
#[ignore = "collects for a minute; killed before"]
fn collector_to_be_killed() {
    let target = std::env::var("OOMPH_TEST_TARGET").unwrap();
    let to = PathBuf::from(std::env::var("OOMPH_TEST_BUNDLE").unwrap());
    let options = CollectOptions { duration: Duration::from_secs(60), samples: 3, ..CollectOptions::default() };
    run_until(&target, &to, &options, &Arc::default(), |p| println!("{p:?}")).unwrap();
}

#[test]
fn killed_in_the_middle_leaves_a_valid_bundle() {
    let go = GoServer::start(&server(), &[], &ENV);
    // Killed after the k-th stored artifact, and at some moment soon after.
    for k in [1, 4, 9, 14] {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("b");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "collector_to_be_killed", "--ignored", "--nocapture"])
            .env("OOMPH_TEST_TARGET", &go.address)
            .env("OOMPH_TEST_BUNDLE", &to)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let stored = lines.map_while(Result::ok).filter(|l| l.starts_with("Stored")).take(k).count();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(stored, k);
        let b = Bundle::open(&to).unwrap();
        let v = b.verify().unwrap();
        assert!(v.is_ok() && !v.finished && v.intact >= k, "{v:?}");
        let limits = b.facts().limits;
        assert!(limits.iter().any(|l| l.contains("killed")), "{limits:?}");
    }
}

#[test]
fn bare_files_make_samples_in_time_order() {
    let go = GoServer::start(&server(), &[], &ENV);
    let dir = tempfile::tempdir().unwrap();
    let mut paths = vec![];
    for (name, path) in [
        ("z.pb.gz", "/debug/pprof/heap?gc=1"),
        ("a.pb.gz", "/debug/pprof/heap?gc=1"),
        ("d.txt", "/debug/pprof/goroutine?debug=2"),
        ("m.txt", "/debug/pprof/heap?debug=1"),
        ("v.json", "/debug/vars"),
    ] {
        let p = dir.path().join(name);
        fs::write(&p, get(&go.address, path)).unwrap();
        paths.push(p);
    }
    paths.reverse();
    let facts = Facts::of_files(&paths, None).unwrap();
    assert_eq!(facts.target.kind, "profile");
    assert_eq!(facts.samples.len(), 2);
    assert!(facts.samples[0].heap.as_ref().unwrap().artifact.ends_with("z.pb.gz"));
    assert!(facts.samples[1].heap.as_ref().unwrap().artifact.ends_with("a.pb.gz"));
    assert!(facts.samples[0].goroutines.is_some());
    assert!(facts.samples[0].memstats.as_ref().unwrap().value.pause_total_ns.is_some());
    let junk = dir.path().join("junk");
    fs::write(&junk, b"\x00\x01\x02").unwrap();
    assert!(Facts::of_files(&[junk], None).is_err());
}

/// What each mechanism looks like in compiled code; `-buildmode=pie` moves all addresses.
const MECHANISMS: &str = r#"package main

import (
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
	"strconv"
)

var m = map[string]int{}
var s [][]byte
var grown []int
var boxed []any

//go:noinline
func insert() { for i := 0; i < 300000; i++ { m["key-"+strconv.Itoa(i)] = i } }

//go:noinline
func made(n int) { for i := 0; i < 32; i++ { s = append(s, make([]byte, n)) } }

//go:noinline
func appended() { for i := 0; i < 4000000; i++ { grown = append(grown, i) } }

//go:noinline
func box(v [512]int) { boxed = append(boxed, v) }

func main() {
	insert()
	made(1 << 20)
	appended()
	for i := 0; i < 2000; i++ { box([512]int{i}) }
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil { panic(err) }
	fmt.Println(l.Addr())
	panic(http.Serve(l, nil))
}
"#;

#[test]
fn mechanisms_are_told_offline_as_well() {
    use model::Mechanism as M;
    let dir = tempfile::tempdir().unwrap();
    for mode in ["exe", "pie"] {
        let exe = common::build_go_with(dir.path(), mode, MECHANISMS, &[&format!("-buildmode={mode}")]);
        let go = GoServer::start(&exe, &[], &[]);
        let to = dir.path().join(format!("{mode}.oomph"));
        run(&go.address, &to, &quick()).unwrap();
        // Neither the process nor its executable are needed from here on.
        drop(go);
        fs::remove_file(&exe).unwrap();
        let facts = Bundle::open(&to).unwrap().facts();
        let heap = &facts.samples[0].heap.as_ref().unwrap().value;
        // The mechanism that holds most bytes at a function's own line.
        let of = |function: &str| {
            let mut by: std::collections::BTreeMap<M, i64> = Default::default();
            for st in &heap.stacks {
                let user = st.user.map(|u| &heap.frames[st.frames[u as usize] as usize]);
                if user.is_some_and(|f| f.function == function) {
                    *by.entry(st.mechanism).or_default() += st.inuse_bytes;
                }
            }
            by.into_iter().max_by_key(|(_, b)| *b).map(|(m, _)| m)
        };
        assert!(matches!(of("main.insert"), Some(M::MapGrowth | M::MapInsert)), "{mode}: {:?}", of("main.insert"));
        assert_eq!(of("main.made"), Some(M::MakeSlice), "{mode}");
        assert_eq!(of("main.appended"), Some(M::SliceGrowth), "{mode}");
        assert_eq!(of("main.box"), Some(M::Boxing), "{mode}");
    }
}

/// A memory control group (v1 or v2) of its own for a process; `None` where that is not permitted.
struct Group(PathBuf);

impl Group {
    fn around(pid: u32, limit: u64) -> Option<Self> {
        for (root, file) in [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")] {
            let dir = PathBuf::from(format!("{root}/oomph-test-{pid}"));
            let made = fs::create_dir(&dir)
                .and_then(|()| fs::write(dir.join(file), limit.to_string()))
                .and_then(|()| fs::write(dir.join("cgroup.procs"), pid.to_string()));
            if made.is_ok() {
                return Some(Self(dir));
            }
            let _ = fs::remove_dir(&dir);
        }
        None
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Succeeds once the process has gone; the test drops the process first.
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn no_cycle_is_forced_near_the_memory_limit() {
    let dir = tempfile::tempdir().unwrap();
    let exe = build_go(dir.path(), "near", NEAR);
    let (mut child, address) = {
        let mut go = GoServer::start(&exe, &[], &[]);
        (std::mem::replace(&mut go.child, Command::new("true").spawn().unwrap()), go.address.clone())
    };
    let Some(group) = Group::around(child.id(), 128 << 20) else {
        eprintln!("skipped: no permission to make a memory control group");
        let _ = child.kill();
        let _ = child.wait();
        return;
    };
    // 118 of 128 MiB, allocated inside the group.
    assert_eq!(get(&address, "/fill?mib=118"), b"ok");
    let to = dir.path().join("b");
    let done = run(&address, &to, &quick());
    let facts = Bundle::open(&to).map(|b| b.facts());
    let text = String::from_utf8(get(&address, "/debug/pprof/heap?debug=1")).unwrap();
    let _ = child.kill();
    let _ = child.wait();
    drop(group);
    let done = done.unwrap();
    assert!(done.manifest.artifacts.iter().all(|a| !a.forced_gc), "{:?}", done.manifest.artifacts);
    assert!(text.contains("# NumForcedGC = 0\n"));
    let facts = facts.unwrap();
    assert!(facts.limits.iter().any(|l| l.contains("of its memory limit")), "{:?}", facts.limits);
    let cgroup = &facts.samples[0].cgroup.as_ref().unwrap().value;
    assert_eq!(cgroup.limit.unwrap().0, 128 << 20);
    assert!(cgroup.usage.unwrap().0 > 110 << 20);
    assert!(facts.samples[0].heap.is_some() || !done.manifest.artifacts.is_empty());
}

/// Fills memory on demand.
const NEAR: &str = r#"package main

import (
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
	"strconv"
)

var held [][]byte

func main() {
	http.HandleFunc("/fill", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("mib"))
		for i := 0; i < n; i++ { b := make([]byte, 1<<20); for j := range b { b[j] = 1 }; held = append(held, b) }
		fmt.Fprint(w, "ok")
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil { panic(err) }
	fmt.Println(l.Addr())
	panic(http.Serve(l, nil))
}
"#;
