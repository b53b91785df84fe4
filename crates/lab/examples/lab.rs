//! Specimens by hand: `list`, or `run NAME [--go VERSION] [ARGS...]`, which prints the address and
//! the truth each second until interrupted. Refuses to diagnose.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command")]

use lab::{LabError, Specimen, Toolchain, default_cache_dir};
use model::GoVersion;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["list"] => list(),
        ["run", name, "--go", version, rest @ ..] => run(name, Some(version), rest),
        ["run", name, rest @ ..] => run(name, None, rest),
        _ => {
            eprintln!("usage: lab list | lab run NAME [--go VERSION] [ARGS...]");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("lab: {e}");
            ExitCode::FAILURE
        }
    }
}

fn list() -> Result<(), LabError> {
    for specimen in Specimen::all()?.into_iter().chain(Specimen::of_time()?) {
        println!("{:20} {}", specimen.name(), specimen.truth().summary);
    }
    Ok(())
}

fn run(name: &str, version: Option<&str>, args: &[&str]) -> Result<(), LabError> {
    let want = version.and_then(|v| GoVersion::parse(&format!("go{}", v.trim_start_matches("go"))));
    let cache = default_cache_dir();
    let go = Toolchain::find_or_fetch(want.as_ref(), &cache, &mut |p| eprintln!("{p}"))?;
    let specimen = Specimen::by_name(name)?;
    let binary = specimen.build(&go, &cache.join("lab"))?;
    let running = specimen.start(&binary, args)?;
    println!("{} pid {}", running.url(), running.pid());
    loop {
        let t = running.truth()?;
        println!(
            "{:6.1} s  {:?}  entries {}  held {} MiB  allocated {} MiB  goroutines {}  requests {} ({} failed)",
            t.uptime_seconds,
            t.phase,
            t.entries,
            t.held_bytes >> 20,
            t.allocated_bytes >> 20,
            t.goroutines,
            t.requests,
            t.failed
        );
        std::thread::sleep(Duration::from_secs(1));
    }
}
