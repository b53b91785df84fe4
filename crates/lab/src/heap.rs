//! The programs of `lab/heap`: each builds containers it knows all about, says so in one document
//! ([`HeapTruth`]) and stands still. Owns listing, building in the forms that programs are shipped in,
//! starting and commanding them; refuses to read their memory. What they say is checked against
//! `MemStats` by the programs themselves.

use crate::heap_truth::HeapTruth;
use crate::process::Process;
use crate::{LabError, Toolchain, extract, sources};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// Gigabytes take a while to build and to collect on a busy machine; a program that died is noticed
/// at once.
const READY_WITHIN: Duration = Duration::from_secs(900);

/// A program of `lab/heap`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeapProgram {
    name: String,
    cgo: bool,
}

/// What the linker leaves in the binary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Symbols {
    /// DWARF and a symbol table: the default of `go build`.
    #[default]
    Dwarf,
    /// A symbol table, no DWARF: `-ldflags=-w`.
    Table,
    /// Neither: `-ldflags="-s -w"`.
    Stripped,
}

/// How a program is built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HeapBuild {
    /// What the linker leaves in.
    pub symbols: Symbols,
    /// `-buildmode=pie`.
    pub pie: bool,
    /// `GOARCH`, such as `arm64`; that of the toolchain when not set.
    pub arch: Option<String>,
    /// `GOEXPERIMENT`, such as `nogreenteagc`.
    pub experiment: Option<String>,
}

impl HeapBuild {
    /// The forms that a reader has to cope with: with DWARF, without, stripped, as PIE.
    #[must_use]
    pub fn forms() -> Vec<Self> {
        let of = |symbols| Self { symbols, ..Self::default() };
        vec![
            of(Symbols::Dwarf),
            of(Symbols::Table),
            of(Symbols::Stripped),
            Self { pie: true, ..of(Symbols::Dwarf) },
            Self { pie: true, ..of(Symbols::Stripped) },
        ]
    }

    /// A name for the form, such as `stripped-pie`; usable as a directory.
    #[must_use]
    pub fn label(&self) -> String {
        let mut label = match self.symbols {
            Symbols::Dwarf => "dwarf",
            Symbols::Table => "no-dwarf",
            Symbols::Stripped => "stripped",
        }
        .to_owned();
        if self.pie {
            label.push_str("-pie");
        }
        for part in self.arch.iter().chain(&self.experiment) {
            label.push('-');
            label.push_str(part);
        }
        label
    }
}

impl HeapProgram {
    /// All programs, by name.
    #[must_use]
    pub fn all() -> Vec<Self> {
        sources::files()
            .filter_map(|(path, text)| {
                let name = path.strip_prefix("heap/")?.strip_suffix("/main.go")?;
                let cgo = text.starts_with("//go:build cgo");
                (!name.contains('/')).then(|| Self { name: name.to_owned(), cgo })
            })
            .collect()
    }

    /// The program of this name.
    ///
    /// # Errors
    /// When there is none, with the names there are.
    pub fn by_name(name: &str) -> Result<Self, LabError> {
        let mut all = Self::all();
        match all.iter().position(|p| p.name == name) {
            Some(i) => Ok(all.swap_remove(i)),
            None => Err(LabError::UnknownSpecimen {
                name: name.to_owned(),
                known: all.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// Its name: the folder in `lab/heap`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it needs a C compiler.
    #[must_use]
    pub const fn needs_cgo(&self) -> bool {
        self.cgo
    }

    /// Builds it: sources go to `out_dir/lab`, the binary to `out_dir/heap/GOVERSION/FORM/NAME`, whose
    /// path is returned. Quick when nothing changed (Go's build cache).
    ///
    /// # Errors
    /// When the sources cannot be written or `go build` fails.
    pub fn build(&self, go: &Toolchain, out_dir: &Path, how: &HeapBuild) -> Result<PathBuf, LabError> {
        let module = out_dir.join("lab");
        extract(&module)?;
        let bin = out_dir.join("heap").join(go.release()).join(how.label());
        fs::create_dir_all(&bin).map_err(LabError::io(format!("making {}", bin.display())))?;
        let binary =
            std::path::absolute(bin.join(&self.name)).map_err(LabError::io(format!("finding {}", bin.display())))?;
        let mut command = go.command(&module);
        command.arg("build");
        match how.symbols {
            Symbols::Dwarf => {}
            Symbols::Table => {
                command.arg("-ldflags=-w");
            }
            Symbols::Stripped => {
                command.arg("-ldflags=-s -w");
            }
        }
        if how.pie {
            command.arg("-buildmode=pie");
        }
        command.arg("-o").arg(&binary).arg(format!("./heap/{}", self.name));
        if self.cgo {
            command.env("CGO_ENABLED", "1");
        }
        if let Some(arch) = &how.arch {
            command.env("GOARCH", arch);
        }
        if let Some(experiment) = &how.experiment {
            command.env("GOEXPERIMENT", experiment);
        }
        go.finish(command, &format!("go build ./heap/{} ({})", self.name, how.label()))?;
        Ok(binary)
    }

    /// Starts `binary`; returns when its containers are built and it stands still. Arguments:
    /// `-scale F` multiplies the number of entries, `-bare` leaves out the measurements (for large
    /// heaps), `peerheap` knows `-gib F`.
    ///
    /// # Errors
    /// When it does not start, or says something else than a document and `READY`.
    pub fn start(&self, binary: &Path, args: &[&str]) -> Result<HeapRunning, LabError> {
        Self::ready(Process::start(&self.name, binary, args)?)
    }

    /// As [`HeapProgram::start`], by a command that runs the binary: under an emulator, in a directory or with an
    /// environment of its own. The program has to keep the command's process id.
    ///
    /// # Errors
    /// As [`HeapProgram::start`].
    pub fn start_by(&self, command: Command) -> Result<HeapRunning, LabError> {
        Self::ready(Process::spawn(&self.name, command)?)
    }

    fn ready(mut process: Process) -> Result<HeapRunning, LabError> {
        let truth = next(&mut process)?;
        Ok(HeapRunning { process, truth })
    }
}

/// A program of `lab/heap` that stands still. It ends when this value is dropped.
#[derive(Debug)]
pub struct HeapRunning {
    process: Process,
    truth: HeapTruth,
}

impl HeapRunning {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it holds.
    #[must_use]
    pub const fn truth(&self) -> &HeapTruth {
        &self.truth
    }

    /// Lets it do one step of growth and stand still again; returns what it then holds.
    ///
    /// # Errors
    /// When it has ended or says something else.
    pub fn grow(&mut self) -> Result<&HeapTruth, LabError> {
        let what = format!("commanding {}", self.process.name());
        self.process.send("grow").map_err(LabError::io(what))?;
        self.truth = next(&mut self.process)?;
        Ok(&self.truth)
    }

    /// Waits until it has ended by what someone else did to it, such as a signal.
    ///
    /// # Errors
    /// When it lives on.
    pub fn wait(&mut self) -> Result<ExitStatus, LabError> {
        self.process.wait(READY_WITHIN).map_err(LabError::io(format!("waiting for the end of {}", self.process.name())))
    }

    /// Ends it.
    ///
    /// # Errors
    /// When the system refuses to wait for it.
    pub fn stop(mut self) -> Result<ExitStatus, LabError> {
        self.process.end().map_err(LabError::io(format!("stopping {}", self.process.name())))
    }
}

/// Reads a document and `READY`.
fn next(process: &mut Process) -> Result<HeapTruth, LabError> {
    let name = process.name().to_owned();
    let bad = |reason: String| LabError::Start { name: name.clone(), reason };
    let document = process.line(READY_WITHIN).map_err(bad)?;
    let truth = serde_json::from_str(&document).map_err(|e| bad(format!("its document: {e}")))?;
    let ready = process.line(READY_WITHIN).map_err(bad)?;
    if ready == "READY" { Ok(truth) } else { Err(bad(format!("expected READY, got {ready:?}"))) }
}
