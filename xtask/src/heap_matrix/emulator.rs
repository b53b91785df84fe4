//! Runs programs of another processor by QEMU's user mode and has them end with a core file, as a service does that
//! gets SIGABRT with `GOTRACEBACK=crash`. Owns where the emulator is and what its core files are called; refuses to
//! read them.

use crate::Result;
use lab::{HeapProgram, HeapRunning};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Processors that programs can be built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Arch {
    Amd64,
    Arm64,
}

impl Arch {
    /// `GOARCH`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Names of QEMU's program, and the environment variable that names another one.
    const fn emulators(self) -> ([&'static str; 2], &'static str) {
        match self {
            Self::Amd64 => (["qemu-x86_64", "qemu-x86_64-static"], "QEMU_X86_64"),
            Self::Arm64 => (["qemu-aarch64", "qemu-aarch64-static"], "QEMU_AARCH64"),
        }
    }

    const fn is_here(self) -> bool {
        match self {
            Self::Amd64 => cfg!(target_arch = "x86_64"),
            Self::Arm64 => cfg!(target_arch = "aarch64"),
        }
    }
}

/// What runs programs.
#[derive(Clone, Debug)]
pub(super) enum Machine {
    /// This one.
    Here,
    /// An emulator, for this processor.
    Emulator { arch: Arch, path: PathBuf },
}

impl Machine {
    /// For a processor; this machine's own when none is wanted.
    ///
    /// # Errors
    /// What is missing, when there is no emulator.
    pub(super) fn of(wanted: Option<Arch>) -> std::result::Result<Self, String> {
        let Some(arch) = wanted.filter(|a| !a.is_here()) else { return Ok(Self::Here) };
        let (names, variable) = arch.emulators();
        let named = std::env::var_os(variable).map(PathBuf::from);
        let on_path = || {
            let path = std::env::var_os("PATH")?;
            std::env::split_paths(&path).flat_map(|d| names.map(|n| d.join(n))).find(|p| p.is_file())
        };
        let found = named.or_else(on_path).filter(|p| p.is_file());
        let path =
            found.ok_or_else(|| format!("no {} on PATH, and {variable} names none (Debian: qemu-user)", names[0]))?;
        Ok(Self::Emulator { arch, path: std::path::absolute(&path).unwrap_or(path) })
    }

    /// Whether the C library's loader is there, which Go links position-independent programs to. QEMU looks for it
    /// below `QEMU_LD_PREFIX` (Debian: libc6-arm64-cross, `/usr/aarch64-linux-gnu`).
    pub(super) fn has_loader(&self) -> bool {
        self.emulated().is_none() || std::env::var_os("QEMU_LD_PREFIX").is_some()
    }

    /// Whether programs are emulated, for which processor.
    pub(super) const fn emulated(&self) -> Option<Arch> {
        match self {
            Self::Here => None,
            Self::Emulator { arch, .. } => Some(*arch),
        }
    }
}

/// Starts a program by the emulator, with core files allowed, in a directory of its own.
pub(super) fn start(
    program: &HeapProgram,
    emulator: &Path,
    binary: &Path,
    args: &[&str],
    dir: &Path,
) -> Result<HeapRunning> {
    std::fs::create_dir_all(dir)?;
    let mut command = Command::new("sh");
    // The shell becomes the emulator: the process id stays.
    command.args(["-c", r#"ulimit -c unlimited && exec "$@""#, "sh"]).arg(emulator).arg(binary).args(args);
    command.current_dir(dir).env("GOTRACEBACK", "crash");
    Ok(program.start_by(command)?)
}

/// Ends the program; the core file is the one that the emulator wrote of it.
pub(super) fn core_of(running: &mut HeapRunning, dir: &Path) -> Result<PathBuf> {
    let sent = Command::new("kill").arg("-ABRT").arg(running.pid().to_string()).status()?;
    if !sent.success() {
        return Err(format!("kill -ABRT: {sent}").into());
    }
    let status = running.wait()?;
    let mut cores = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        // `core_dump_filename` of QEMU's `linux-user/elfload.c`.
        if path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("qemu_")) {
            cores.push(path);
        }
    }
    match cores.pop() {
        Some(core) if cores.is_empty() => Ok(core),
        Some(_) => Err(format!("several core files in {}", dir.display()).into()),
        None => Err(format!("the emulator ({status}) wrote no core file into {}", dir.display()).into()),
    }
}
