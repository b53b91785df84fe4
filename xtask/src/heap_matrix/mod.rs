//! `cargo xtask heap-matrix`: builds the programs of `lab/heap` with several Go releases in the forms that programs
//! are shipped in, reads each one's heap while it stands still and holds it against what the program says of itself.

mod emulator;
mod holder;
mod judge;
mod read;
mod rules;

use crate::{Result, root};
use emulator::{Arch, Machine};
use judge::{Judged, judge, judge_growth};
use lab::{HeapBuild, HeapProgram, Symbols, Toolchain};
use model::GoVersion;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Go releases
    #[arg(long, value_delimiter = ',', default_value = "1.21.13,1.22.10,1.23.9,1.24.11,1.25.5,1.26.6,1.27.3")]
    go: Vec<String>,
    /// Only these programs
    #[arg(long, value_delimiter = ',')]
    program: Vec<String>,
    /// Only these forms: dwarf, no-dwarf, stripped, dwarf-pie, stripped-pie
    #[arg(long, value_delimiter = ',')]
    form: Vec<String>,
    /// Programs read at the same time
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// How memory is read, for all: snapshot, stop or core; else the three take turns
    #[arg(long)]
    way: Option<Way>,
    /// Processor that programs are built for; another one than this machine's is emulated, and read from core files
    #[arg(long)]
    arch: Option<Arch>,
    /// Write the table here
    #[arg(long)]
    output: Option<PathBuf>,
}

/// How a program's memory is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Way {
    Snapshot,
    Stop,
    Core,
}

/// A form: its place in [`HeapBuild::forms`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Form(usize);

impl Form {
    fn build(self) -> HeapBuild {
        HeapBuild::forms().into_iter().nth(self.0).unwrap_or_default()
    }

    fn has_dwarf(self) -> bool {
        self.build().symbols == Symbols::Dwarf
    }
}

/// Programs too large for so many runs get fewer entries.
const SCALES: [(&str, &str); 2] = [("peerheap", "0.1"), ("millions", "0.5")];
/// An emulator takes many times as long.
const EMULATED_SCALES: [(&str, &str); 2] = [("peerheap", "0.01"), ("millions", "0.05")];

/// One program of one release in one form.
struct Work<'a> {
    go: &'a (String, Toolchain),
    machine: &'a Machine,
    program: HeapProgram,
    form: Form,
    way: Way,
}

impl Work<'_> {
    fn build(&self) -> HeapBuild {
        HeapBuild { arch: self.machine.emulated().map(|a| a.name().to_owned()), ..self.form.build() }
    }
}

struct Cell {
    program: String,
    go: String,
    form: Form,
    way: Way,
    judged: Judged,
    seconds: f64,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let since = Instant::now();
    let dir = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let dir = dir.join("heap-matrix");
    std::fs::create_dir_all(&dir)?;
    let machine = match Machine::of(args.arch) {
        Ok(machine) => machine,
        Err(missing) => {
            println!("skipped: {missing}");
            return Ok(());
        }
    };
    let releases = releases(&args.go)?;
    let work = work(&releases, &machine, args)?;
    let cells = all(&work, args.jobs, &dir)?;
    let missed = cells.iter().filter(|c| !c.judged.misses.is_empty()).count();
    let text = table(&cells, &args.go, &machine);
    if let Some(path) = &args.output {
        std::fs::write(path, text)?;
    }
    println!("{} programs read in {:.0} s, {missed} with misses", cells.len(), since.elapsed().as_secs_f64());
    if missed == 0 {
        Ok(())
    } else {
        Err(format!("{missed} of {} programs were not read as they are", cells.len()).into())
    }
}

fn releases(wanted: &[String]) -> Result<Vec<(String, Toolchain)>> {
    let mut releases = Vec::new();
    for version in wanted {
        let want = GoVersion::parse(&format!("go{version}")).ok_or_else(|| format!("{version} is no Go version"))?;
        let go = Toolchain::find_or_fetch(Some(&want), &lab::default_cache_dir(), &mut |p| println!("{p}"))?;
        releases.push((version.clone(), go));
    }
    Ok(releases)
}

fn work<'a>(releases: &'a [(String, Toolchain)], machine: &'a Machine, args: &Args) -> Result<Vec<Work<'a>>> {
    let mut programs: Vec<HeapProgram> = HeapProgram::all();
    if machine.emulated().is_some() {
        if args.way.is_some_and(|w| w != Way::Core) {
            return Err("an emulated program can be read from a core file only".into());
        }
        // There may be no C compiler for that processor.
        programs.retain(|p| !p.needs_cgo());
    }
    for name in &args.program {
        HeapProgram::by_name(name)?;
    }
    let labels: Vec<String> = HeapBuild::forms().iter().map(HeapBuild::label).collect();
    if let Some(unknown) = args.form.iter().find(|f| !labels.contains(f)) {
        return Err(format!("{unknown} is no form: {}", labels.join(", ")).into());
    }
    let mut work = Vec::new();
    for (g, go) in releases.iter().enumerate() {
        for (f, label) in labels.iter().enumerate() {
            let left_out = Form(f).build().pie && !machine.has_loader();
            let wanted = if args.form.is_empty() { !left_out } else { args.form.contains(label) };
            if !wanted {
                continue;
            }
            for (p, program) in programs.iter().enumerate() {
                if args.program.is_empty() || args.program.iter().any(|n| n == program.name()) {
                    let way = match machine {
                        Machine::Here => args.way.unwrap_or_else(|| way(p + g + f)),
                        Machine::Emulator { .. } => Way::Core,
                    };
                    work.push(Work { go, machine, program: program.clone(), form: Form(f), way });
                }
            }
        }
    }
    Ok(work)
}

/// The ways are shared out over the programs, releases and forms: each comes up for each of them.
fn way(turn: usize) -> Way {
    match turn % 5 {
        0 => Way::Core,
        1 => Way::Stop,
        _ => Way::Snapshot,
    }
}

/// Reads all, some at the same time; in the order of the work.
fn all(work: &[Work<'_>], jobs: usize, dir: &Path) -> Result<Vec<Cell>> {
    let next = AtomicUsize::new(0);
    let cells: Mutex<Vec<(usize, std::result::Result<Cell, String>)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(w) = work.get(i) else { return };
                    let label = w.form.build().label();
                    let cell = one(w, dir).map_err(|e| format!("{} {} {label}: {e}", w.program.name(), w.go.0));
                    if let Ok(cell) = &cell {
                        println!("{}", line(cell));
                    }
                    cells.lock().unwrap_or_else(PoisonError::into_inner).push((i, cell));
                }
            });
        }
    });
    let mut cells = cells.into_inner().unwrap_or_else(PoisonError::into_inner);
    cells.sort_by_key(|c| c.0);
    Ok(cells.into_iter().map(|c| c.1).collect::<std::result::Result<Vec<Cell>, String>>()?)
}

fn one(w: &Work<'_>, dir: &Path) -> Result<Cell> {
    let since = Instant::now();
    let name = w.program.name();
    let build = w.build();
    let binary = w.program.build(&w.go.1, dir, &build)?;
    let scales = if w.machine.emulated().is_some() { EMULATED_SCALES } else { SCALES };
    let scale = scales.iter().find(|s| s.0 == name).map(|s| s.1);
    let arguments: Vec<&str> = scale.map(|s| vec!["-scale", s]).unwrap_or_default();
    let judged = match w.machine {
        Machine::Here => here(w, &binary, &arguments, dir)?,
        Machine::Emulator { path, .. } => {
            let scratch = dir.join("emulated").join(format!("{name}-{}-{}", w.go.0, build.label()));
            emulated(w, path, &binary, &arguments, &scratch)?
        }
    };
    let seconds = since.elapsed().as_secs_f64();
    Ok(Cell { program: name.to_owned(), go: w.go.0.clone(), form: w.form, way: w.way, judged, seconds })
}

/// Whether a step of growth is to be seen.
fn grows(c: &lab::HeapContainer) -> bool {
    c.rules.iter().any(|r| r == "unbounded-map")
}

/// Reads a program, lets it grow where its containers do, and reads it again.
fn here(w: &Work<'_>, binary: &Path, arguments: &[&str], dir: &Path) -> Result<Judged> {
    let mut running = w.program.start(binary, arguments)?;
    let look = |heap: &bundle::ProgramHeap<'_>| judge(heap, running.truth(), w.form);
    let mut judged = read::read(&running, binary, w.way, dir, look)?;
    let before = judged.overview.take();
    if let Some(before) = before.filter(|_| running.truth().containers.iter().any(grows)) {
        running.grow()?;
        let look = |heap: &bundle::ProgramHeap<'_>| judge_growth(heap, running.truth(), w.form, &before);
        judged.misses.extend(read::read(&running, binary, Way::Snapshot, dir, look)?);
    }
    running.stop()?;
    Ok(judged)
}

/// Reads the core file that a program of another processor leaves: of its growth nothing is seen.
fn emulated(w: &Work<'_>, emulator: &Path, binary: &Path, arguments: &[&str], scratch: &Path) -> Result<Judged> {
    // A core file of a run that was broken off.
    if scratch.exists() {
        std::fs::remove_dir_all(scratch)?;
    }
    let mut running = emulator::start(&w.program, emulator, binary, arguments, scratch)?;
    let core = emulator::core_of(&mut running, scratch)?;
    let look = |heap: &bundle::ProgramHeap<'_>| judge(heap, running.truth(), w.form);
    let judged = read::core(&core, binary, look)?;
    std::fs::remove_dir_all(scratch)?;
    Ok(judged)
}

fn line(c: &Cell) -> String {
    let way = format!("{:?}", c.way).to_lowercase();
    let mut text = format!(
        "{:<10} {:<7} {:<12} {way:<8} {:>3} containers {:>6.2} % typed {:>6.1} s  {}",
        c.program,
        c.go,
        c.form.build().label(),
        c.judged.containers,
        100.0 * c.judged.typed,
        c.seconds,
        if c.judged.misses.is_empty() { "ok" } else { "MISSED" }
    );
    for miss in &c.judged.misses {
        let _ = write!(text, "\n    {miss}");
    }
    text
}

fn head(machine: &Machine) -> String {
    let Some(arch) = machine.emulated() else {
        return String::from(
            "# Heaps of the laboratory's programs\n\nEach program of `lab/heap` builds containers that it knows all about, says what they are in one document and stands \
         still (`busy` goes on reading it). Each was built with each Go release in each form, read (from a snapshot, a copy or a core file, which take turns) and held against its own document: \
         entries and slots exactly, bytes and retained size within 1 %, the holder with its fields, at least 99.5 % of live bytes with a type with debug information and \
         90 % without, live objects and bytes within 0.1 % of `MemStats`. Written by `cargo xtask heap-matrix --output docs/heap-matrix.md`.\n\n",
        );
    };
    format!(
        "## linux/{0}\n\nThe same programs built for {0}, run by QEMU's user mode and ended by SIGABRT with `GOTRACEBACK=crash`; \
         the core file that QEMU wrote was read. Written by `cargo xtask heap-matrix --arch {0}`.\n\n",
        arch.name()
    )
}

/// One row per program and release, the forms as columns; the misses below.
fn table(cells: &[Cell], releases: &[String], machine: &Machine) -> String {
    let forms: Vec<Form> =
        (0..HeapBuild::forms().len()).map(Form).filter(|f| cells.iter().any(|c| c.form == *f)).collect();
    let missed = cells.iter().filter(|c| !c.judged.misses.is_empty()).count();
    let containers: usize = cells.iter().map(|c| c.judged.containers).sum();
    let mut out = head(machine);
    let _ = writeln!(
        out,
        "{} programs with {containers} containers were read; {missed} programs have misses.\n",
        cells.len()
    );
    let heads: Vec<String> = forms.iter().map(|f| f.build().label()).collect();
    let _ = writeln!(out, "A cell says which share of live bytes has a type, and how many misses there are.\n");
    let _ = writeln!(out, "| program | Go | {} |\n|---|---|{}", heads.join(" | "), "---|".repeat(heads.len()));
    let mut programs: Vec<&str> = cells.iter().map(|c| c.program.as_str()).collect();
    programs.sort_unstable();
    programs.dedup();
    for program in &programs {
        for go in releases {
            let of = |form: &Form| {
                let cell = cells.iter().find(|c| c.program == *program && c.go == *go && c.form == *form);
                cell.map_or_else(
                    || "-".to_owned(),
                    |c| match c.judged.misses.len() {
                        0 => format!("{:.1} %", 100.0 * c.judged.typed),
                        n => format!("{:.1} %, **{n} missed**", 100.0 * c.judged.typed),
                    },
                )
            };
            let row: Vec<String> = forms.iter().map(of).collect();
            let _ = writeln!(out, "| {program} | {go} | {} |", row.join(" | "));
        }
    }
    out.push_str(&misses(cells));
    out
}

fn misses(cells: &[Cell]) -> String {
    let mut out = String::new();
    for c in cells.iter().filter(|c| !c.judged.misses.is_empty()) {
        if out.is_empty() {
            out.push_str("\n## Misses\n\n");
        }
        let _ = writeln!(out, "- {} {} {}: {}", c.program, c.go, c.form.build().label(), c.judged.misses.join("; "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Programs with hundreds of megabytes, and the one that needs a C compiler, are for the whole matrix.
    const LEFT_OUT: [&str; 3] = ["millions", "peerheap", "cgo"];

    /// What is missed of these programs, or of all.
    fn read_all(go: Toolchain, machine: &Machine, programs: &[&str], forms: &[&str]) -> Vec<String> {
        let release = go.release();
        let releases = [(release.clone(), go)];
        let dir = root().join("target/heap-matrix");
        std::fs::create_dir_all(&dir).unwrap();
        let wanted = |n: &str| programs.contains(&n) || (programs.is_empty() && !LEFT_OUT.contains(&n));
        let names = HeapProgram::all().into_iter().map(|p| p.name().to_owned()).filter(|n| wanted(n));
        let args = Args {
            go: vec![release],
            program: names.collect(),
            form: forms.iter().map(|&f| f.to_owned()).collect(),
            jobs: 2,
            way: machine.emulated().is_none().then_some(Way::Snapshot),
            arch: None,
            output: None,
        };
        let cells = all(&work(&releases, machine, &args).unwrap(), args.jobs, &dir).unwrap();
        assert_eq!(cells.len(), args.program.len() * forms.len());
        cells.iter().filter(|c| !c.judged.misses.is_empty()).map(line).collect()
    }

    /// The releases that are on this machine: the newest with debug information and as programs are shipped, the
    /// oldest as they are shipped.
    #[test]
    fn heaps_are_what_the_programs_say() {
        let cache = lab::default_cache_dir();
        let newest = Toolchain::find_or_fetch(None, &cache, &mut |_| {}).unwrap();
        let mut missed = read_all(newest, &Machine::Here, &[], &["dwarf", "stripped-pie"]);
        let oldest = GoVersion::parse("go1.21.13");
        if let Some(oldest) = Toolchain::find(oldest.as_ref(), &cache).unwrap() {
            missed.extend(read_all(oldest, &Machine::Here, &[], &["stripped"]));
        }
        assert!(missed.is_empty(), "{}", missed.join("\n"));
    }

    /// Core files of arm64, where QEMU is at hand.
    #[test]
    fn emulated_heaps_are_what_the_programs_say() {
        let machine = match Machine::of(Some(Arch::Arm64)) {
            Ok(machine) => machine,
            Err(missing) => return eprintln!("skipped: {missing}"),
        };
        let go = Toolchain::find_or_fetch(None, &lab::default_cache_dir(), &mut |_| {}).unwrap();
        let missed = read_all(go, &machine, &["lists", "maps", "roots", "values"], &["dwarf", "stripped"]);
        assert!(missed.is_empty(), "{}", missed.join("\n"));
    }
}
