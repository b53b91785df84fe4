//! The Go programs that run on this host, for targets given by name.

use crate::Process;
use gobinary::{BuildInfo, GoBinary};
use model::GoVersion;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// A running Go program.
#[derive(Clone, Debug, PartialEq)]
pub struct GoProcess {
    /// Its pid.
    pub pid: u32,
    /// Start of the process in clock ticks after boot: with the pid it names the process for good.
    pub start_ticks: u64,
    /// Command name, at most 15 characters.
    pub name: String,
    /// Path of the executable, as `/proc/PID/exe` links.
    pub exe: String,
    /// Toolchain that built it.
    pub go_version: Option<GoVersion>,
    /// Package path of main.
    pub main: Option<String>,
}

/// All Go programs on this host whose executable may be read, by pid.
#[must_use]
pub fn go_processes() -> Vec<GoProcess> {
    GoProcesses::default().list()
}

/// Lists Go programs again and again: each process is looked at once in its life, each executable once.
#[derive(Debug, Default)]
pub struct GoProcesses {
    known: HashMap<u32, (u64, String, Option<GoProcess>)>,
    by_file: HashMap<(u64, u64), Option<BuildInfo>>,
}

impl GoProcesses {
    /// The Go programs that run now, by pid.
    pub fn list(&mut self) -> Vec<GoProcess> {
        let mut known = HashMap::new();
        let mut out = Vec::new();
        for pid in pids() {
            let Ok(process) = Process::open(pid) else { continue };
            let name = process.name().to_owned();
            let found = match self.known.remove(&pid) {
                // A process may have become another program since (`execve`): its name tells.
                Some((ticks, before, found)) if ticks == process.start_ticks() && before == name => found,
                _ => self.look(&process),
            };
            out.extend(found.clone());
            known.insert(pid, (process.start_ticks(), name, found));
        }
        self.known = known;
        // Executables that are replaced again and again must not be remembered for ever.
        if self.by_file.len() > 10_000 {
            self.by_file.clear();
        }
        out
    }

    fn look(&mut self, process: &Process) -> Option<GoProcess> {
        let meta = fs::metadata(process.path("exe")).ok()?;
        let info = self.by_file.entry((meta.dev(), meta.ino())).or_insert_with(|| {
            let bytes = process.exe_mapped().ok()?;
            GoBinary::parse(bytes.as_ref()).ok()?.build_info().ok()
        });
        let info = info.as_ref()?;
        Some(GoProcess {
            pid: process.pid(),
            start_ticks: process.start_ticks(),
            name: process.name().to_owned(),
            exe: process.exe_path().unwrap_or_default(),
            go_version: info.go_version.clone(),
            main: info.path.clone(),
        })
    }
}

/// All pids, in ascending order.
pub(crate) fn pids() -> Vec<u32> {
    let mut pids: Vec<u32> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    pids
}
