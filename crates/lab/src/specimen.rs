//! Specimens: which there are, what is known of them, building and starting them. Those with a fault of memory
//! are the folders of `lab/`, those with a fault of time the folders of `lab/time/`, those whose memory grows to its limit
//! the folders of `lab/watch/`. Refuses other depths.

use crate::{Culprit, Expectation, Growing, LabError, MemoryCgroup, Running, Toolchain, extract, sources};
use std::fs;
use std::path::{Path, PathBuf};

/// A Go program with one known fault, or none.
#[derive(Clone, Debug, PartialEq)]
pub struct Specimen {
    name: String,
    /// Inside the module: `map-cache`, `time/starvation`.
    folder: &'static str,
    expectation: Expectation,
}

impl Specimen {
    /// All specimens of memory (faults that a diagnosis of memory finds, and what is healthy beside them), by name.
    ///
    /// # Errors
    /// When an embedded `truth.json` is not as [`Expectation`] says.
    pub fn all() -> Result<Vec<Self>, LabError> {
        Self::in_folder("")
    }

    /// All specimens of time (faults that an execution trace tells, and what is healthy beside them), by name.
    ///
    /// # Errors
    /// As [`Specimen::all`].
    pub fn of_time() -> Result<Vec<Self>, LabError> {
        Self::in_folder("time/")
    }

    /// All specimens of growth (memory that grows to the limit of its control group, or within it), by name.
    /// [`Expectation::growth`] is there for each.
    ///
    /// # Errors
    /// As [`Specimen::all`], and when one has no plan of its growth.
    pub fn of_growth() -> Result<Vec<Self>, LabError> {
        let all = Self::in_folder("watch/")?;
        match all.iter().find(|s| s.expectation.growth.is_none()) {
            Some(s) => {
                Err(LabError::BadSpecimen { name: s.name.clone(), reason: "truth.json: expected `growth`".to_owned() })
            }
            None => Ok(all),
        }
    }

    /// Those right below a folder of the module.
    fn in_folder(above: &str) -> Result<Vec<Self>, LabError> {
        sources::files()
            .filter_map(|(path, text)| {
                let folder = path.strip_suffix("/truth.json")?;
                let name = folder.strip_prefix(above)?;
                (!name.contains('/')).then_some((folder, name, text))
            })
            .map(|(folder, name, text)| {
                let expectation = serde_json::from_str(text)
                    .map_err(|e| LabError::BadSpecimen { name: name.to_owned(), reason: format!("truth.json: {e}") })?;
                Ok(Self { name: name.to_owned(), folder, expectation })
            })
            .collect()
    }

    /// The specimen of this name, of memory, of time or of growth.
    ///
    /// # Errors
    /// When there is none, with the names there are.
    pub fn by_name(name: &str) -> Result<Self, LabError> {
        let mut all = Self::all()?;
        all.extend(Self::of_time()?);
        all.extend(Self::of_growth()?);
        match all.iter().position(|s| s.name == name) {
            Some(i) => Ok(all.swap_remove(i)),
            None => Err(LabError::UnknownSpecimen {
                name: name.to_owned(),
                known: all.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// Its name: the last part of its folder.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a right diagnosis says of it.
    #[must_use]
    pub const fn truth(&self) -> &Expectation {
        &self.expectation
    }

    /// The culprit's line (from 1); `None` for a specimen without one.
    ///
    /// # Errors
    /// When the marker is not in the source.
    pub fn culprit_line(&self) -> Result<Option<u32>, LabError> {
        self.expectation.culprit.as_ref().map(|c| self.line_of(c)).transpose()
    }

    /// All lines of the fault, the culprit first.
    ///
    /// # Errors
    /// When a marker is not in the source.
    pub fn site_lines(&self) -> Result<Vec<(&Culprit, u32)>, LabError> {
        let sites = self.expectation.culprit.iter().chain(&self.expectation.sites);
        sites.map(|c| Ok((c, self.line_of(c)?))).collect()
    }

    fn line_of(&self, site: &Culprit) -> Result<u32, LabError> {
        let bad = |reason: String| LabError::BadSpecimen { name: self.name.clone(), reason };
        let text = sources::file(&site.file).ok_or_else(|| bad(format!("{}: no such source file", site.file)))?;
        let index = text
            .lines()
            .position(|line| line.trim_end().ends_with(&site.marker))
            .ok_or_else(|| bad(format!("{}: no line ends in {:?}", site.file, site.marker)))?;
        u32::try_from(index + 1).map_err(|_| bad(format!("{}: too many lines", site.file)))
    }

    /// Builds it: sources go to `out_dir/lab`, the binary to `out_dir/bin/GOVERSION/NAME`, whose
    /// path is returned. Quick when nothing changed (Go's build cache).
    ///
    /// # Errors
    /// When the sources cannot be written or `go build` fails.
    pub fn build(&self, go: &Toolchain, out_dir: &Path) -> Result<PathBuf, LabError> {
        self.build_with(go, out_dir, None, &[])
    }

    /// As [`Specimen::build`], with a build tag and further flags of `go build`. The tags there are:
    /// `nopprof`, a service that does not import `net/http/pprof` but has the runtime's profiler;
    /// `noprofiler`, one without both.
    ///
    /// # Errors
    /// As [`Specimen::build`].
    pub fn build_with(
        &self,
        go: &Toolchain,
        out_dir: &Path,
        tag: Option<&str>,
        flags: &[&str],
    ) -> Result<PathBuf, LabError> {
        let module = out_dir.join("lab");
        extract(&module)?;
        let bin = out_dir.join("bin").join(go.release()).join(tag.unwrap_or_default());
        fs::create_dir_all(&bin).map_err(LabError::io(format!("making {}", bin.display())))?;
        let binary =
            std::path::absolute(bin.join(&self.name)).map_err(LabError::io(format!("finding {}", bin.display())))?;
        let output = binary.to_string_lossy();
        let (package, tags) = (format!("./{}", self.folder), format!("-tags={}", tag.unwrap_or_default()));
        let mut args = vec!["build", "-o", &*output, &*tags];
        args.extend(flags);
        args.push(&package);
        go.run(&module, &args)?;
        Ok(binary)
    }

    /// Starts `binary` with the arguments of `truth.json` and then `args`; returns when it listens.
    ///
    /// # Errors
    /// When it does not start, or says nothing for 30 s.
    pub fn start(&self, binary: &Path, args: &[&str]) -> Result<Running, LabError> {
        let own = self.expectation.args.iter().map(String::as_str);
        let all: Vec<&str> = own.chain(args.iter().copied()).collect();
        Running::start(&self.name, binary, &all)
    }

    /// Starts `binary` inside a control group, from its first page on, with the arguments of `truth.json` and then
    /// `args`; it is told the group's limit (`OOMPH_LAB_LIMIT`). Returns when it listens.
    ///
    /// # Errors
    /// As [`Specimen::start`], and when the group cannot be joined.
    pub fn start_in(&self, cgroup: MemoryCgroup, binary: &Path, args: &[&str]) -> Result<Growing, LabError> {
        let mut command = cgroup.command(binary);
        command.args(&self.expectation.args).args(args);
        command.env("OOMPH_LAB_LIMIT", cgroup.limit()?.to_string());
        Growing::start(&self.name, command, cgroup)
    }
}
