//! The Go programs that run on this host, for targets given by name.

use crate::Process;
use gobinary::GoBinary;
use model::GoVersion;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// A running Go program.
#[derive(Clone, Debug, PartialEq)]
pub struct GoProcess {
    /// Its pid.
    pub pid: u32,
    /// Command name, at most 15 characters.
    pub name: String,
    /// Path of the executable, as `/proc/PID/exe` links.
    pub exe: String,
    /// Toolchain that built it.
    pub go_version: Option<GoVersion>,
    /// Package path of main.
    pub main: Option<String>,
}

/// All Go programs on this host whose executable may be read, by pid. Reads each distinct
/// executable once.
#[must_use]
pub fn go_processes() -> Vec<GoProcess> {
    let mut by_file: HashMap<(u64, u64), Option<gobinary::BuildInfo>> = HashMap::new();
    let mut out = Vec::new();
    for pid in pids() {
        let Ok(process) = Process::open(pid) else {
            continue;
        };
        let Ok(meta) = fs::metadata(process.path("exe")) else {
            continue;
        };
        let info = by_file.entry((meta.dev(), meta.ino())).or_insert_with(|| {
            let bytes = process.exe().ok()?;
            GoBinary::parse(&bytes).ok()?.build_info().ok()
        });
        if let Some(info) = info {
            out.push(GoProcess {
                pid,
                name: process.name().to_owned(),
                exe: process.exe_path().unwrap_or_default(),
                go_version: info.go_version.clone(),
                main: info.path.clone(),
            });
        }
    }
    out
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
