//! A target that restarts each second under its name, one that gets the pid of one that ended, one that is stopped.

use super::scene::{Go, MIB, Scene, Served, gap_row, memory, series, size};
use super::table::Row;
use crate::Result;
use crate::watch_matrix::live::pause;
use std::fs;
use std::time::{Duration, Instant};

const CONFIG: &str = r#"
[watch]
listen = "127.0.0.1:0"
interval = "1s"
discover-interval = "500ms"

[watch.ring]
interval = "1s"

[[watch.target]]
name = "restless"
target = "restless-go"

# Without a name of its own: each process has another one.
[[watch.target]]
target = "nameless-go"
"#;
const LASTS: Duration = Duration::from_secs(60);
const STOPPED: Duration = Duration::from_secs(15);
const LIVES: Duration = Duration::from_secs(1);
/// The last pid that was given (`CONFIG_CHECKPOINT_RESTORE`).
const LAST_PID: &str = "/proc/sys/kernel/ns_last_pid";
/// What one target may leave in the ring: twelve moments.
const MOST_RING: u64 = 12 << 20;

pub(crate) fn run(scene: &Scene) -> Result<Vec<Row>> {
    let healthy = scene.start(&["steady", &scene.host])?;
    let hangs = scene.start(&["steady", &scene.host])?;
    let (restless, nameless) = (scene.named("restless-go")?, scene.named("nameless-go")?);
    let targets = format!(
        "\n[[watch.target]]\nname = \"healthy\"\ntarget = \"{}\"\n\n[[watch.target]]\nname = \"hangs\"\ntarget = \"{}\"\n",
        healthy.pid(),
        hangs.pid()
    );
    let path = scene.config(&format!("{CONFIG}{targets}"))?;
    let served = Served::start(scene, &path, &[], &[])?;
    let state = served.watch.state.clone();
    let begin = Instant::now();
    let mut lives = 0;
    let mut stopped = None;
    let mut most_ring = 0;
    while begin.elapsed() < LASTS {
        let _now = (Go::start(&restless, &["steady", &scene.host])?, Go::start(&nameless, &["steady", &scene.host])?);
        lives += 1;
        if stopped.is_none() && begin.elapsed() > LASTS / 3 {
            hangs.signal("-STOP")?;
            stopped = Some(Instant::now());
        }
        pause(LIVES);
        most_ring = most_ring.max(fs::read_dir(state.join("ring")).map_or(0, Iterator::count));
        if stopped.is_some_and(|t| t.elapsed() > STOPPED) {
            hangs.signal("-CONT")?;
        }
    }
    let peak = memory(served.watch.child.id(), "VmHWM:").unwrap_or_default();
    let ring = size(&state.join("ring"));
    let mut rows = vec![reused(scene, &served, &restless)?];
    let (took, wrong) = served.stop()?;
    let series = series(scene, &state)?;
    rows.push(gap_row("the healthy one beside them", &series, "healthy", 1.5));
    rows.push(gap_row("one that is stopped for 15 s and goes on", &series, "hangs", 1.5));
    let processes = |dir: &str| watch::series::read_series(&state.join("series").join(dir)).map(|s| s.processes.len());
    let seen = processes("restless")?;
    rows.push(Row::new(
        "a target that restarts each second is found again",
        format!("{seen} of {lives} lives have samples"),
        seen * 2 >= lives,
    ));
    rows.push(Row::new(
        "the rings of processes that ended are let go",
        format!("at most {most_ring} rings at a time, {:.1} MiB at the end", ring as f64 / MIB),
        most_ring <= 12 && ring <= 4 * MOST_RING,
    ));
    rows.push(Row::new(
        "the watch stays below 60 MiB",
        format!("{:.1} MiB", peak as f64 / MIB),
        peak as f64 <= 60.0 * MIB,
    ));
    rows.push(Row::new(
        "SIGTERM ends the watch within 5 s",
        wrong.clone().unwrap_or_else(|| format!("{:.1} s", took.as_secs_f64())),
        wrong.is_none() && took.as_secs_f64() <= 5.0,
    ));
    rows.push(Row::none("processes left over", 1, &scene.orphans()?));
    Ok(rows)
}

/// Starts a process with the pid that one of the same name had before, if the kernel lets its pids be chosen.
fn reused(scene: &Scene, served: &Served, program: &std::path::Path) -> Result<Row> {
    const GOAL: &str = "a process with the pid of one that ended is another one";
    let first = Go::start(program, &["steady", &scene.host])?;
    let pid = first.pid();
    let watched = |s: &Served| s.status().is_ok_and(|s| s.targets.iter().any(|t| t.pid == Some(pid) && t.samples > 1));
    if !served.until(Duration::from_secs(10), watched) {
        return Ok(Row::missed(GOAL, "the first one was not watched"));
    }
    drop(first);
    for _ in 0..20 {
        if fs::write(LAST_PID, (pid - 1).to_string()).is_err() {
            return Ok(Row::skipped(GOAL, format!("{LAST_PID} cannot be written here")));
        }
        let second = Go::start(program, &["steady", &scene.host])?;
        if second.pid() != pid {
            continue;
        }
        pause(Duration::from_secs(5));
        let series = watch::series::read_series(&served.watch.state.join("series/restless"))?;
        let own: Vec<_> = series.processes.iter().filter(|p| p.0.pid == Some(pid)).collect();
        let starts: Vec<u64> = own.iter().filter_map(|p| p.0.start_ticks).collect();
        let met = own.len() == 2 && starts.windows(2).all(|w| w[0] != w[1]) && own.iter().all(|p| !p.1.is_empty());
        return Ok(Row::new(GOAL, format!("{} processes of pid {pid}, started at ticks {starts:?}", own.len()), met));
    }
    Ok(Row::skipped(GOAL, "another process took the pid each time"))
}
