//! Goroutine dumps of 100 MB: captured whole hundreds of times, offered ten thousand times to a watch, and of a process
//! that really has so many goroutines.

use super::scene::{Go, MIB, Scene, Served, memory, size, unreadable};
use super::table::Row;
use crate::Result;
use crate::watch_matrix::live::pause;
use bundle::{Bundle, BundleWriter, Manifest, OptionsRecord, TargetRecord};
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Of a dump, MiB: more than 100 MB.
const DUMP_MIB: &str = "96";
/// Goroutines and the depth of their stacks: about 100 MB as text.
const GOROUTINES: (&str, &str) = ("14000", "100");
/// Targets that offer their dumps at the same time, ten times a second each.
const TARGETS: usize = 10;
const OFFERS: u64 = 10_000;
const CAP: u64 = 1 << 30;
const PER_CAPTURE: u64 = 256 << 20;
const LONGEST: Duration = Duration::from_secs(300);

pub(crate) fn run(scene: &Scene) -> Result<Vec<Row>> {
    let server = scene.start(&["dump", &scene.host, DUMP_MIB])?;
    let mut rows = whole(scene, &server)?;
    let goal = "the case runs to its end";
    rows.extend(offered(scene, &server).unwrap_or_else(|e| vec![Row::missed(goal, e)]));
    drop(server);
    rows.extend(real(scene).unwrap_or_else(|e| vec![Row::missed(goal, e)]));
    rows.push(Row::none("processes left over", 1, &scene.orphans()?));
    Ok(rows)
}

/// How a capture went.
struct Captured {
    seconds: f64,
    peak: u64,
    error: Option<String>,
}

/// Runs `oomph watch-capture` as a watch does.
fn capture(scene: &Scene, dir: &Path, args: &[&str]) -> Result<Captured> {
    let begin = Instant::now();
    let mut child = Command::new(&scene.oomph)
        .args(["watch-capture", "--dir"])
        .arg(dir)
        .args(["--max-bytes", &PER_CAPTURE.to_string(), "--parent", &std::process::id().to_string()])
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut peak = 0;
    let status = loop {
        peak = peak.max(memory(child.id(), "VmHWM:").unwrap_or_default());
        if let Some(status) = child.try_wait()? {
            break status;
        }
        pause(Duration::from_millis(4));
    };
    let mut said = String::new();
    child.stderr.take().ok_or("no stderr")?.read_to_string(&mut said)?;
    let error = (!matches!(status.code(), Some(0 | 1))).then(|| format!("{status}: {}", said.trim()));
    Ok(Captured { seconds: begin.elapsed().as_secs_f64(), peak, error })
}

fn create(dir: &Path) -> Result<()> {
    let options = OptionsRecord { duration_ms: 0, samples: 0, gc: "never".into() };
    BundleWriter::create(dir, Manifest::new(TargetRecord::default(), options))?.finish(false)?;
    Ok(())
}

/// Whole dumps, three captures to a bundle: the third meets the cap.
fn whole(scene: &Scene, server: &Go) -> Result<Vec<Row>> {
    let url = format!("http://{}", server.at("http")?);
    let (mut times, mut peak, mut problems) = (Vec::new(), 0, Vec::new());
    let (mut bytes, mut cut, mut said, mut largest, mut bundles) = (0, 0, String::new(), 0, 0);
    let mut diagnosis = (0.0_f64, 0);
    while times.len() < scene.dumps as usize {
        let dir = scene.dir.join("whole");
        let _ = fs::remove_dir_all(&dir);
        create(&dir)?;
        for _ in 0..3 {
            let seen = capture(scene, &dir, &["--url", &url])?;
            times.push(seen.seconds);
            peak = peak.max(seen.peak);
            problems.extend(seen.error);
        }
        bundles += 1;
        if bundles % 10 == 1 {
            let seen = capture(scene, &dir, &["--diagnose"])?;
            diagnosis = (diagnosis.0.max(seen.seconds), diagnosis.1.max(seen.peak));
            problems.extend(seen.error.map(|e| format!("diagnosis: {e}")));
        }
        let bundle = Bundle::open(&dir)?;
        let dumps = bundle
            .manifest()
            .artifacts
            .iter()
            .filter(|a| a.path.starts_with("goroutines/") && a.path.ends_with(".txt"));
        for dump in dumps {
            bytes += dump.bytes.0;
            if dump.cut {
                cut += 1;
                said = dump.notes.join("; ");
            }
        }
        largest = largest.max(size(&dir));
    }
    times.sort_by(f64::total_cmp);
    let truth = ask(server, "/truth")?;
    let slowest = times.last().copied().unwrap_or_default();
    let _ = fs::remove_dir_all(scene.dir.join("whole"));
    Ok(vec![
        Row::none(
            &format!(
                "captures of a dump of 100 MB that failed, each by a process of its own (server: {})",
                truth.trim()
            ),
            times.len(),
            &problems,
        ),
        Row::new(
            "each capture within its budget of 60 s",
            format!(
                "median {:.2} s, longest {slowest:.2} s, {:.1} GiB of dumps stored",
                times[times.len() / 2],
                bytes as f64 / MIB / 1024.0
            ),
            slowest < 60.0,
        ),
        Row::new(
            "a capturing process below 64 MiB",
            format!("{:.1} MiB", peak as f64 / MIB),
            peak as f64 <= 64.0 * MIB,
        ),
        Row::new(
            "a diagnosis of up to 256 MiB of dumps below 1 GiB",
            format!("longest {:.1} s, at most {:.1} MiB", diagnosis.0, diagnosis.1 as f64 / MIB),
            diagnosis.1 as f64 <= 1024.0 * MIB,
        ),
        Row::new(
            "the third dump of a bundle meets the cap of 256 MiB, and the manifest says so",
            format!("{cut} of {bundles}: {said}; the largest bundle {:.1} MiB", largest as f64 / MIB),
            cut == bundles && said.contains("cap") && largest <= PER_CAPTURE + (1 << 20),
        ),
    ])
}

fn ask(server: &Go, path: &str) -> Result<String> {
    let mut to = TcpStream::connect(server.at("http")?)?;
    write!(to, "GET {path} HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    to.read_to_string(&mut answer)?;
    Ok(answer.split_once("\r\n\r\n").map_or(String::new(), |a| a.1.to_owned()))
}

/// Ten targets whose rule holds at each sample, ten samples a second.
fn offered(scene: &Scene, server: &Go) -> Result<Vec<Row>> {
    let mut config = format!(
        "[watch]\nlisten = \"127.0.0.1:0\"\ninterval = \"100ms\"\n\n[watch.capture]\ncool-down = \"0s\"\nper-hour = \
         1000000\nmax-total-bytes = {CAP}\nmax-bytes = {PER_CAPTURE}\n\n[[watch.rule]]\nname = \"always\"\nwhen = \
         \"heap.alloc > 0.0\"\nlevel = \"warning\"\ncapture = true\n"
    );
    for i in 0..TARGETS {
        let _ = write!(config, "\n[[watch.target]]\nname = \"dump-{i}\"\ntarget = \"http://{}\"\n", server.at("http")?);
    }
    let path = scene.config(&config)?;
    let served = Served::start(scene, &path, &[], &[])?;
    let (state, pid) = (served.watch.state.clone(), served.watch.child.id());
    let (mut disk, mut child) = (0, 0);
    let begin = Instant::now();
    let mut offers = 0;
    while offers < OFFERS && begin.elapsed() < LONGEST {
        pause(Duration::from_millis(50));
        child = child.max(children(pid).into_iter().filter_map(|c| memory(c, "VmHWM:")).max().unwrap_or_default());
        disk = disk.max(size(&state.join("incidents")));
        offers = served.status()?.targets.iter().filter(|t| !t.firing.is_empty()).map(|t| t.samples).sum();
    }
    let status = served.status()?.watcher;
    let peak = memory(pid, "VmHWM:").unwrap_or_default();
    let (took, wrong) = served.stop()?;
    let (problems, incidents) = unreadable(scene, &state)?;
    let (dumps, notes) = stored(&state)?;
    fs::remove_dir_all(&state)?;
    // Two captures run at the same time, each with its own bound.
    let most = CAP + 2 * PER_CAPTURE;
    Ok(vec![
        Row::new(
            "ten thousand samples whose rule asks for evidence, ten targets, ten a second each",
            format!(
                "{offers} in {:.0} s; {} incidents, {dumps} dumps kept, {} captures failed",
                begin.elapsed().as_secs_f64(),
                incidents,
                status.failed_captures
            ),
            offers >= OFFERS,
        ),
        Row::new("the watch below 60 MiB", format!("{:.1} MiB", peak as f64 / MIB), peak as f64 <= 60.0 * MIB),
        Row::new("its children below 1 GiB", format!("{:.1} MiB", child as f64 / MIB), child as f64 <= 1024.0 * MIB),
        Row::new(
            "evidence within max-total-bytes of 1 GiB and two captures of 256 MiB in progress",
            format!("at most {:.1} MiB", disk as f64 / MIB),
            disk <= most,
        ),
        Row::new("what was cut or left out is in the manifests", notes.clone(), !notes.is_empty()),
        Row::none("incidents that do not open or are not intact", incidents, &problems),
        Row::new(
            "SIGTERM ends the watch within 5 s, captures in progress",
            wrong.clone().unwrap_or_else(|| format!("{:.1} s", took.as_secs_f64())),
            wrong.is_none() && took.as_secs_f64() <= 5.0,
        ),
    ])
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.map(|t| fs::read_to_string(t.path().join("children")).unwrap_or_default());
    lists.flat_map(|l| l.split_whitespace().filter_map(|p| p.parse().ok()).collect::<Vec<_>>()).collect()
}

/// Dumps in all incidents, and what the manifests say is missing, each once.
fn stored(state: &Path) -> Result<(usize, String)> {
    let (mut dumps, mut notes) = (0, std::collections::BTreeSet::new());
    for dir in crate::watch_matrix::left::incident_directories(state)? {
        let bundle = Bundle::open(&dir)?;
        let m = bundle.manifest();
        dumps += m.artifacts.iter().filter(|a| a.path.starts_with("goroutines/") && a.path.ends_with(".txt")).count();
        notes.extend(
            m.failures
                .iter()
                .filter(|f| f.reason.contains("cap") || f.reason.contains("room"))
                .map(|f| f.reason.clone()),
        );
    }
    Ok((dumps, notes.into_iter().take(3).collect::<Vec<_>>().join("; ")))
}

/// A process whose goroutines fill a dump of about 100 MB.
fn real(scene: &Scene) -> Result<Vec<Row>> {
    let process = scene.start(&["goroutines", &scene.host, GOROUTINES.0, GOROUTINES.1])?;
    let pid = process.pid().to_string();
    let url = format!("http://{}", process.at("http")?);
    let mut rows = Vec::new();
    for (how, args) in [("from outside", ["--pid", pid.as_str()]), ("by its endpoint", ["--url", url.as_str()])] {
        let dir = scene.dir.join("real");
        let _ = fs::remove_dir_all(&dir);
        create(&dir)?;
        let seen = capture(scene, &dir, &args)?;
        let bundle = Bundle::open(&dir)?;
        let dump =
            bundle.manifest().artifacts.iter().find(|a| a.path.starts_with("goroutines/") && a.path.ends_with(".txt"));
        let (bytes, said) = dump.map_or((0, String::new()), |d| (d.bytes.0, d.notes.join("; ")));
        let error = seen.error.unwrap_or_default();
        rows.push(Row::new(
            format!(
                "{} goroutines with {} frames each, 100 MB of text, {how}: what Go itself would print (64 MiB) within 60 s and 512 MiB of memory",
                GOROUTINES.0, GOROUTINES.1
            ),
            format!(
                "{:.1} MiB in {:.1} s, {:.1} MiB of memory {said} {error}",
                bytes as f64 / MIB,
                seen.seconds,
                seen.peak as f64 / MIB
            ),
            bytes > 60 << 20 && seen.seconds < 60.0 && seen.peak as f64 <= 512.0 * MIB && error.is_empty(),
        ));
    }
    Ok(rows)
}
