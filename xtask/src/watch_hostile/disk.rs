//! The state directory on a file system that is filled to the last byte while a service grows towards its limit, and
//! emptied again; then a state directory that can only be read.

use super::scene::{MIB, Scene, Served, damage, gap_row, memory, series, unreadable};
use super::table::Row;
use crate::Result;
use crate::growth::course;
use crate::specimens::Runs;
use crate::watch_matrix::live::pause;
use lab::Specimen;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const CONFIG: &str = r#"
[watch]
listen = "127.0.0.1:0"
interval = "1s"

[watch.capture]
cool-down = "1s"
per-hour = 100000
max-total-bytes = 4194304

[[watch.rule]]
name = "always"
when = "process.rss > 0.0"
level = "warning"

[alerts]
group-wait = "0s"
group-wait-critical = "0s"
"#;
const SIZE: &str = "size=8m";
const BEFORE: Duration = Duration::from_secs(15);
const FULL: Duration = Duration::from_secs(40);
const AFTER: Duration = Duration::from_secs(45);

/// A file system that is unmounted when this value is dropped.
struct Mount(PathBuf);

impl Mount {
    fn tmpfs(at: &Path, options: &str) -> Result<Self> {
        fs::create_dir_all(at)?;
        crate::tools::run(Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at))?;
        Ok(Self(at.into()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

pub(crate) fn run(scene: &Scene) -> Result<Vec<Row>> {
    let mount = Mount::tmpfs(&scene.dir.join("state"), SIZE)?;
    let healthy = scene.start(&["steady", &scene.host])?;
    let specimen = Specimen::by_name("linear-slow")?;
    let work = Runs::once(&scene.go).work(&[specimen], &scene.dir)?;
    let growing = course::start(work.first().ok_or("no specimen")?, 256 << 20, 600)?;
    let targets = format!(
        "{CONFIG}\n[[watch.target]]\nname = \"healthy\"\ntarget = \"{}\"\n\n[[watch.target]]\nname = \"growing\"\ntarget \
         = \"{}\"\n",
        healthy.pid(),
        growing.pid()
    );
    let path = scene.config(&targets)?;
    let served = Served::start(scene, &path, &[], &[])?;
    let state = served.watch.state.clone();
    pause(BEFORE);
    let baseline = served.rss();
    let before = served.status()?.watcher;
    // New alerts of rules that were not there before.
    let mut more = targets;
    for i in 0..20 {
        let _ =
            write!(more, "\n[[watch.rule]]\nname = \"full-{i}\"\nwhen = \"process.rss > 1.0\"\nlevel = \"notice\"\n");
    }
    let filler = state.join("filler");
    let mut writable = 1.0_f64;
    let begin = Instant::now();
    let mut told = false;
    while begin.elapsed() < FULL {
        fill(&filler)?;
        if !told {
            scene.config(&more)?;
            told = true;
        }
        writable = writable.min(served.metric("oomph_watch_outbox_writable")?);
        pause(Duration::from_millis(250));
    }
    let full = served.status()?.watcher;
    let (unwritten, health) = (served.metric("oomph_watch_samples_unwritten_total"), served.page("/healthz")?);
    fs::remove_file(&filler)?;
    let room = course::millis(std::time::SystemTime::now());
    pause(AFTER);
    let after = served.metric("oomph_watch_outbox_writable")?;
    let peak = memory(served.watch.child.id(), "VmHWM:").unwrap_or_default();
    drop(growing);
    pause(Duration::from_secs(5));
    let (_, wrong) = served.stop()?;
    let mut rows = vec![Row::new(
        "sampling goes on while the disk is full for 40 s (two targets, each second)",
        format!("{} samples meanwhile", full.samples - before.samples),
        full.samples - before.samples >= 70,
    )];
    rows.extend(told_of(scene, unwritten, writable, after, &health));
    rows.push(Row::new(
        "at most 30 MiB above before",
        format!("{:.1} MiB before, at most {:.1} MiB", baseline as f64 / MIB, peak as f64 / MIB),
        peak.saturating_sub(baseline) as f64 <= 30.0 * MIB,
    ));
    rows.extend(left(scene, &state, room)?);
    rows.push(Row::none("what is wrong with its end", 1, &wrong.into_iter().collect::<Vec<_>>()));
    rows.push(Row::none("processes left over", 1, &scene.orphans()?));
    drop(mount);
    rows.push(read_only(scene)?);
    Ok(rows)
}

/// Takes all the room there is.
fn fill(path: &Path) -> Result<()> {
    let mut file = File::options().create(true).append(true).open(path)?;
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    Ok(())
}

fn told_of(scene: &Scene, unwritten: Result<f64>, writable: f64, after: f64, health: &str) -> Vec<Row> {
    let once = |what: &str, most: usize| {
        let lines = scene.said(what);
        Row::new(format!("stderr says: {what}"), format!("{lines} times"), (1..=most).contains(&lines))
    };
    vec![
        once("samples cannot be written", 2),
        once("samples are written to disk again", 2),
        once("outbox: ", 2),
        match unwritten {
            Ok(n) => Row::new("/metrics counts samples that were not written", format!("{n}"), n > 0.0),
            Err(e) => Row::missed("/metrics counts samples that were not written", e),
        },
        Row::new(
            "/metrics says that the outbox is not written, and that it is again",
            format!("oomph_watch_outbox_writable {writable}, then {after}"),
            writable == 0.0 && after == 1.0,
        ),
        Row::new("/healthz says so in words", health.trim(), health.contains("No space left")),
        Row::new(
            "captures that failed for want of room are told",
            format!("{} lines on stderr", scene.said("No space left")),
            (1..60).contains(&scene.said("No space left")),
        ),
    ]
}

/// What is on disk at the end.
fn left(scene: &Scene, state: &Path, room: i64) -> Result<Vec<Row>> {
    let series = series(scene, state)?;
    let (damaged, files) = damage(state)?;
    let newer = series.get("healthy").map_or(0, |s| s.iter().filter(|s| s.at > room + 2000).count());
    let (problems, incidents) = unreadable(scene, state)?;
    let staging = fs::read_dir(state.join("staging")).map_or(0, Iterator::count);
    let mut later = series;
    later.values_mut().for_each(|s| s.retain(|s| s.at > room + 2000));
    Ok(vec![
        Row::new(
            "samples are on disk again when there is room",
            format!("{newer} in {} s", AFTER.as_secs() + 5),
            newer as u64 >= AFTER.as_secs() - 5,
        ),
        gap_row("the healthy one from then on", &later, "healthy", 1.5),
        Row::new(
            "what is on disk of samples is whole",
            format!("{damaged} damaged bytes, {files} files"),
            damaged == 0 && files <= 8,
        ),
        Row::none("incidents that do not open or are not intact", incidents, &problems),
        Row::new("nothing half-made is left of incidents", format!("{staging} directories"), staging == 0),
    ])
}

/// A state directory that cannot be written is told at the start.
fn read_only(scene: &Scene) -> Result<Row> {
    const GOAL: &str = "a state directory that can only be read: exit 2, and what to do";
    let at = scene.dir.join("read-only");
    let _mount = Mount::tmpfs(&at, "ro")?;
    let mut child = Command::new(&scene.oomph)
        .args(["watch", "--state-dir"])
        .arg(&at)
        .arg(std::process::id().to_string())
        .stderr(Stdio::piped())
        .spawn()?;
    let begin = Instant::now();
    while child.try_wait()?.is_none() && begin.elapsed() < Duration::from_secs(5) {
        pause(Duration::from_millis(50));
    }
    let ended = child.try_wait()?;
    if ended.is_none() {
        child.kill()?;
    }
    let out = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&out.stderr).trim().replace('\n', " ");
    let met = ended.and_then(|s| s.code()) == Some(2) && said.contains("--state-dir");
    Ok(Row::new(GOAL, format!("{}: {said}", ended.map_or("it runs".into(), |s| s.to_string())), met))
}
