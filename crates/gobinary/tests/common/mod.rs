//! Go toolchains at hand, and programs built with them.

#![allow(
    dead_code,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "each test file uses a part; a skipped test says so"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Name and arguments of the builds that are compared.
pub(crate) const BUILDS: [(&str, &[&str]); 4] = [
    ("plain", &[]),
    ("stripped", &["-ldflags=-s -w", "-trimpath"]),
    ("pie", &["-buildmode=pie"]),
    ("pie-stripped", &["-buildmode=pie", "-ldflags=-s -w"]),
];

/// A Go toolchain.
pub(crate) struct Go {
    pub(crate) name: String,
    program: PathBuf,
}

impl Go {
    /// A command that takes no other toolchain.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=mod").env_remove("GOROOT");
        command
    }
}

/// `OOMPH_GO` or the `go` on the PATH, and what earlier runs fetched.
pub(crate) fn toolchains() -> Vec<Go> {
    let first = std::env::var_os("OOMPH_GO").map_or_else(|| PathBuf::from("go"), PathBuf::from);
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))
        .map(|c| c.join("oomph/go"));
    let cached = cache.and_then(|c| std::fs::read_dir(c).ok()).into_iter().flatten().flatten();
    let mut cached: Vec<PathBuf> = cached.map(|d| d.path().join("go/bin/go")).filter(|p| p.exists()).collect();
    cached.sort();
    let mut out: Vec<Go> = Vec::new();
    for program in std::iter::once(first).chain(cached) {
        let go = Go { name: String::new(), program };
        let Ok(said) = go.command().args(["env", "GOVERSION"]).output() else { continue };
        let name = String::from_utf8_lossy(&said.stdout).trim().to_owned();
        // One of each minor version is enough.
        let minor = |n: &str| n.split('.').take(2).collect::<Vec<_>>().join(".");
        if said.status.success() && !out.iter().any(|g| minor(&g.name) == minor(&name)) {
            out.push(Go { name, ..go });
        }
    }
    if out.is_empty() {
        eprintln!("skipped: no Go toolchain (set OOMPH_GO or put go on the PATH)");
    }
    out
}

/// Builds the program in `dir`.
pub(crate) fn build(go: &Go, dir: &Path, name: &str, args: &[&str]) -> PathBuf {
    let exe = dir.join(format!("{}-{name}", go.name));
    let mut command = go.command();
    command.current_dir(dir).env("CGO_ENABLED", "0").args(["build", "-o"]).arg(&exe).args(args).arg(".");
    let out = command.output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    exe
}

/// What a command prints.
pub(crate) fn lines_of(command: &mut Command) -> Vec<String> {
    let out = command.output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().lines().map(str::to_owned).collect()
}
