//! Endurance of live snapshots: thousands of them of one program under load, and a tracer killed at
//! random moments. After each the program is looked at: it runs, no thread is stopped or traced,
//! signal masks and handlers are as before, no child of ours runs. Also measures pauses, as the
//! tracer and as a 1 ms ticker inside the program sees them.

use crate::{Result, root};
use gobinary::Memory;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use target::Process;
use target::memory::{Snapshot, SnapshotOptions};

/// Gaps of the ticker that are measured without snapshots.
const MOST_WITHOUT: u32 = 200;
/// Longest pauses that are told with their parts.
const SLOWEST: usize = 6;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Snapshots to take
    #[arg(long, default_value_t = 10_000)]
    cycles: u32,
    /// Tracers to kill
    #[arg(long, default_value_t = 500)]
    kills: u32,
    /// Stop after so many seconds for each part
    #[arg(long, default_value_t = u64::MAX)]
    seconds: u64,
    /// Flags for the program: `-mb 1024 -thp -load 2 -net -exec -wait4 -threads 100`
    #[arg(long, default_value = "-mb 64 -load 2 -net", allow_hyphen_values = true)]
    program: String,
    /// Put the program's heap into huge pages first (`oomph --collapse`)
    #[arg(long)]
    collapse: bool,
    /// Run as the tracer that is to be killed: snapshots of this process without end
    #[arg(long, hide = true)]
    tracer: Option<u32>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if let Some(pid) = args.tracer {
        return trace(pid);
    }
    let dir = std::env::temp_dir().join(format!("oomph-soak-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    let result = soak(args, &dir);
    fs::remove_dir_all(&dir)?;
    result
}

fn soak(args: &Args, dir: &std::path::Path) -> Result<()> {
    let go = lab::Toolchain::find_or_fetch(None, &lab::default_cache_dir(), &mut |p| println!("{p}"))?;
    let exe = dir.join("specimen");
    let source = root().join("crates/target/tests/specimen/main.go");
    let path = |p: &std::path::Path| p.to_string_lossy().into_owned();
    go.run(dir, &["build", "-o", &path(&exe), &path(&source)])?;
    let mut program = Program::start(&exe, &args.program)?;
    println!("program: {} (pid {})", args.program, program.pid);
    let within = Duration::from_secs(args.seconds);
    if args.collapse {
        let began = Instant::now();
        let done = target::memory::collapse(&Process::open(program.pid)?)?;
        println!("{} put into huge pages in {:.1?}, {} left as it was", done.done, began.elapsed(), done.left);
    }
    if args.cycles > 0 {
        cycles(args.cycles, within, &mut program)?;
    }
    kills(args.kills, within, &mut program)
}

/// What must be the same before and after: masks, handlers, tracer and state of all threads.
fn signals(pid: u32) -> Result<BTreeMap<String, u32>> {
    let mut out = BTreeMap::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
        let Ok(text) = fs::read_to_string(task.path().join("status")) else { continue };
        let keys = ["SigBlk", "SigIgn", "SigCgt", "TracerPid"];
        let lines: Vec<_> = text.lines().filter(|l| keys.iter().any(|k| l.starts_with(k))).collect();
        *out.entry(lines.join(" ")).or_default() += 1;
        if text.lines().any(|l| l.starts_with("State:\tt") || l.starts_with("State:\tT")) {
            *out.entry("stopped".to_owned()).or_default() += 1;
        }
    }
    Ok(out)
}

/// The same once no thread blocks all signals, as the Go runtime does for a moment when it starts one.
fn settled_signals(pid: u32) -> Result<BTreeMap<String, u32>> {
    for _ in 0..10_000 {
        let now = signals(pid)?;
        if !now.keys().any(|k| k.contains("fffffffffffbfeff")) {
            return Ok(now);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err("a thread is left with all signals blocked".into())
}

/// Kinds of masks and handlers that were not there before.
fn new_kinds(pid: u32, before: &BTreeMap<String, u32>) -> Result<Vec<String>> {
    Ok(signals(pid)?.into_keys().filter(|k| !before.contains_key(k)).collect())
}

/// Children that have our program's image and are no zombies, and zombies.
fn children(pid: u32) -> (Vec<u32>, Vec<u32>) {
    let (mut alive, mut dead) = (Vec::new(), Vec::new());
    let name = |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let text = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in text.split_whitespace().filter_map(|c| c.parse::<u32>().ok()) {
            let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
            // A zombie that exec has not replaced; processes the program starts itself have other names.
            if status.contains("State:\tZ") {
                dead.push(child);
            } else if name(child) == name(pid) {
                alive.push(child);
            }
        }
    }
    (alive, dead)
}

fn cycles(n: u32, within: Duration, program: &mut Program) -> Result<()> {
    let before = settled_signals(program.pid)?;
    let start = program.ask()?;
    let process = Process::open(program.pid)?;
    let plan = Snapshot::plan(&process)?;
    println!("plan: {plan:?}");
    let (mut pauses, mut gaps, mut stops, mut left) = (Vec::new(), Vec::new(), 0, 0);
    let mut slowest: Vec<(Duration, u32, String)> = Vec::new();
    println!("load average before: {}", load());
    let mut without = Vec::new();
    for _ in 0..n.min(MOST_WITHOUT) {
        without.push(program.gap()?);
    }
    let began = Instant::now();
    for i in 0..n {
        if began.elapsed() > within {
            break;
        }
        let snapshot = Snapshot::fork(&process, &plan, &SnapshotOptions::default())?;
        let pause = snapshot.pause();
        pauses.push(pause.total);
        slowest.push((pause.total, i, format!("{pause:.1?}")));
        slowest.sort_unstable_by(|a, b| b.cmp(a));
        slowest.truncate(SLOWEST);
        stops += snapshot.pause().stops - 1;
        snapshot.u64(program.counter).map_err(|e| format!("cycle {i}: {e}"))?;
        left += u32::from(!snapshot.remove());
        gaps.push(program.gap().map_err(|e| format!("cycle {i}: {e}"))?);
    }
    let (cycles, end) = (pauses.len(), program.ask()?);
    println!("{cycles} snapshots in {:.0?}; {stops} stops repeated; {left} not reaped", began.elapsed());
    println!("pause by the tracer:    {}", spread(&mut pauses));
    println!("pause by the program:   {}", spread(&mut gaps));
    println!("without snapshots:      {}", spread(&mut without));
    println!("load average after: {}", load());
    slowest.iter().for_each(|(_, i, parts)| println!("slow: snapshot {i}: {parts}"));
    let done = |key: &str| end[key] - start[key];
    println!(
        "meanwhile: {} requests, {} operations, {} processes started, {} SIGCHLD, {} children seen by wait4(-1), {} errors",
        done("requests"),
        done("ops"),
        done("execs"),
        done("children"),
        done("wait4"),
        end["errs"]
    );
    settle(0, program, &before)?;
    println!("children left {:?}, no new signal state", children(program.pid));
    Ok(())
}

/// Of the last 1, 5 and 15 minutes.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn spread(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |share: usize| times.get((times.len().saturating_sub(1)) * share / 100).copied().unwrap_or_default();
    format!("min {:.2?} median {:.2?} p99 {:.2?} max {:.2?}", at(0), at(50), at(99), at(100))
}

/// A tracer that is killed: takes snapshots as fast as it can.
fn trace(pid: u32) -> Result<()> {
    let process = Process::open(pid)?;
    let plan = Snapshot::plan(&process)?;
    println!("tracing");
    loop {
        let snapshot = Snapshot::fork(&process, &plan, &SnapshotOptions::default())?;
        let mut page = [0; 4096];
        for region in snapshot.regions().iter().filter(|r| r.readable).take(20) {
            let _ = snapshot.read(region.start, &mut page);
        }
    }
}

fn kills(n: u32, within: Duration, program: &mut Program) -> Result<()> {
    let before = settled_signals(program.pid)?;
    let began = Instant::now();
    let (mut done, mut most_dead) = (0, 0);
    let mut random = std::collections::hash_map::RandomState::new();
    for i in 0..n {
        if began.elapsed() > within {
            break;
        }
        let mut tracer = Command::new(std::env::current_exe()?);
        tracer.args(["soak", "--tracer", &program.pid.to_string()]).stdout(Stdio::piped());
        let mut tracer = tracer.spawn()?;
        let mut line = String::new();
        BufReader::new(tracer.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        std::thread::sleep(some_time(&mut random));
        tracer.kill()?;
        tracer.wait()?;
        let report = program.ask().map_err(|e| format!("kill {i}: {e}"))?;
        if report["errs"] > 0 {
            return Err(format!("kill {i}: the program found {} errors in itself", report["errs"]).into());
        }
        settle(i, program, &before)?;
        most_dead = most_dead.max(children(program.pid).1.len());
        done += 1;
    }
    let report = program.ask()?;
    println!("{done} tracers killed; the program lives: {report:?}");
    println!("zombies left: {most_dead}");
    Ok(())
}

/// Waits until no child lives and all signal states are known ones.
fn settle(i: u32, program: &Program, before: &BTreeMap<String, u32>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let (alive, _) = children(program.pid);
        let new = new_kinds(program.pid, before)?;
        if alive.is_empty() && new.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("{i}: children {alive:?} live, new signal states {new:?}").into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Up to 100 ms.
fn some_time(random: &mut std::collections::hash_map::RandomState) -> Duration {
    use std::hash::BuildHasher;
    *random = std::collections::hash_map::RandomState::new();
    Duration::from_micros(random.hash_one(0) % 100_000)
}

/// The program under load.
struct Program {
    child: Child,
    pid: u32,
    counter: u64,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Program {
    fn start(exe: &std::path::Path, flags: &str) -> Result<Self> {
        let mut command = Command::new(exe);
        let mut child = command.args(flags.split_whitespace()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().ok_or("no input")?;
        let mut output = BufReader::new(child.stdout.take().ok_or("no output")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let counter = line.trim().rsplit_once("counter=0x").ok_or("no counter")?.1;
        let counter = u64::from_str_radix(counter, 16)?;
        Ok(Self { pid: child.id(), child, counter, input, output })
    }

    fn ask(&mut self) -> Result<BTreeMap<String, u64>> {
        writeln!(self.input)?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.is_empty() {
            return Err(format!("the program has ended: {:?}", self.child.wait()?).into());
        }
        let pairs = line.split_whitespace().filter_map(|w| w.split_once('='));
        pairs.map(|(k, v)| Ok((k.to_owned(), v.parse()?))).collect()
    }
}

impl Program {
    /// The longest time between two ticks since it was last asked, once two more ticks are over: the first of
    /// them may have begun in the pause.
    fn gap(&mut self) -> Result<Duration> {
        let mut first = None;
        let mut longest = 0;
        loop {
            let report = self.ask()?;
            if report["errs"] > 0 {
                return Err(format!("the program found {} errors in itself", report["errs"]).into());
            }
            longest = longest.max(report["gap_ns"]);
            if report["ticks"] >= *first.get_or_insert(report["ticks"]) + 2 {
                return Ok(Duration::from_nanos(longest));
            }
            // A pace for asking: each question keeps the program from its work.
            std::thread::sleep(Duration::from_micros(300));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
