//! The `/proc` side of a sample, and which process a loopback address belongs to.
//!
//! Files are stored as the kernel prints them. Two are not: of the environment only the Go
//! runtime's variables are kept, and arguments lose values that look like secrets.

use super::context::Context;
use super::outside::{HIDES, Outside, source};
use crate::hints::Hints;
use crate::write::ArtifactMeta;
use crate::{ArtifactKind, BundleError, TargetRecord};
use gobinary::BuildInfo;
use profile::{Profile, ReadLimits};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use target::{ProcFile, Process, TargetError, pid_listening_on};

/// A process whose `/proc` can be read.
pub(crate) struct ProcSource {
    process: Process,
    cmdline: Vec<u8>,
    exe: Option<String>,
    build: Result<BuildInfo, TargetError>,
    hints: Hints,
    /// Reader of its memory, from the first time that it is needed; `None` then when there can be none.
    outside: Option<Option<Box<Outside>>>,
}

impl ProcSource {
    pub(crate) fn open(pid: u32) -> Result<Self, String> {
        let process = Process::open(pid).map_err(|e| e.to_string())?;
        Ok(Self {
            cmdline: process.read(ProcFile::Cmdline).unwrap_or_default(),
            exe: process.exe_path().ok(),
            build: process.build_info(),
            process,
            hints: Hints::default(),
            outside: None,
        })
    }

    pub(crate) const fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// As `/proc/PID/cmdline` has it.
    pub(crate) fn cmdline(&self) -> &[u8] {
        &self.cmdline
    }

    pub(crate) fn alive(&self) -> bool {
        self.process.is_alive()
    }

    /// Where it listens; loopback and all-address sockets first.
    pub(crate) fn ports(&self) -> Vec<(IpAddr, u16)> {
        let mut out: Vec<_> =
            self.process.listening_ports().unwrap_or_default().iter().map(|s| (s.address, s.port)).collect();
        out.sort_by_key(|(ip, port)| (!ip.is_loopback(), !ip.is_unspecified(), *port));
        out.dedup();
        out
    }

    pub(crate) fn describe(&self, record: &mut TargetRecord) {
        record.pid = Some(self.pid());
        record.start_ticks = Some(self.process.start_ticks());
        record.started = self.process.started_at();
        record.exe = self.exe.clone();
        record.program = self
            .exe
            .as_deref()
            .map(|e| procfs::path_without_deleted(e).to_owned())
            .or_else(|| Some(self.process.name().to_owned()));
        if let Ok(b) = &self.build {
            record.go_version = b.go_version.as_ref().map(|v| v.text.clone());
        }
    }

    /// Arguments, environment, build information.
    pub(crate) fn once(&self, cx: &mut Context<'_>) -> Result<(), BundleError> {
        let source = format!("/proc/{}/cmdline", self.pid());
        store_cmdline(cx, &self.cmdline, &source)?;
        let source = format!("/proc/{}/environ", self.pid());
        match self.process.require(ProcFile::Environ) {
            Ok(bytes) => {
                let text = procfs::go_environment_text(&procfs::environ(&bytes));
                let mut meta = ArtifactMeta::new(ArtifactKind::ProcEnviron, None, source);
                meta.redacted = true;
                meta.notes.push("only GOGC, GOMEMLIMIT, GODEBUG and GOMAXPROCS are stored".into());
                cx.store("proc/environ.txt", text.as_bytes(), meta)?;
            }
            Err(e) => cx.missing(&source, None, &e.to_string(), "GOGC and GOMEMLIMIT as the environment sets them")?,
        }
        let source = format!("/proc/{}/exe", self.pid());
        match &self.build {
            Ok(info) => {
                let meta = ArtifactMeta::new(ArtifactKind::BuildInfo, None, source);
                cx.store("proc/build-info.txt", info.to_text().as_bytes(), meta)
            }
            Err(e) => cx.missing(
                &source,
                None,
                &e.to_string(),
                "the Go version and main module: which frames are the program's own is guessed",
            ),
        }
    }

    /// One sample; the share of its control group's limit that the process's group uses.
    pub(crate) fn sample(&self, cx: &mut Context<'_>, index: u32) -> Result<Option<f64>, BundleError> {
        for (file, kind, name, hides) in [
            (
                ProcFile::Smaps,
                ArtifactKind::ProcSmaps,
                "smaps",
                "which mappings hold the resident memory: no full RSS ledger",
            ),
            (ProcFile::SmapsRollup, ArtifactKind::ProcSmapsRollup, "smaps_rollup", ""),
            (ProcFile::Status, ArtifactKind::ProcStatus, "status", "the resident size of the process"),
            (ProcFile::Stat, ArtifactKind::ProcStat, "stat", "the CPU time of the process"),
            (ProcFile::Maps, ArtifactKind::ProcMaps, "maps", ""),
        ] {
            let source = format!("/proc/{}/{name}", self.pid());
            match self.process.require(file) {
                Ok(bytes) => {
                    let meta = ArtifactMeta::new(kind, Some(index), source);
                    cx.store(&format!("proc/{name}-{index}.txt"), &bytes, meta)?;
                }
                Err(e @ TargetError::Gone { .. }) => {
                    let hides = "everything /proc would tell from then on";
                    cx.missing(&source, Some(index), &e.to_string(), hides)?;
                    return Ok(None);
                }
                Err(e) => cx.missing(&source, Some(index), &e.to_string(), hides)?,
            }
        }
        self.cgroup(cx, index)
    }

    /// Heap profile and goroutines of sample `index` of `of`, out of its memory.
    pub(crate) fn memory(&mut self, cx: &mut Context<'_>, index: u32, of: u32) -> Result<(), BundleError> {
        if self.outside.is_none() {
            let opened = Outside::open(&self.process);
            if let Err(why) = &opened {
                cx.missing(&source(&self.process), None, why, HIDES)?;
            }
            self.outside = Some(opened.ok().map(Box::new));
        }
        match &mut self.outside {
            Some(Some(outside)) => outside.sample(cx, &self.process, index, of),
            _ => Ok(()),
        }
    }

    /// Keeps which functions the leaves of sample `index`'s heap profile call, as far as they are
    /// not kept yet. Whether the executable told of any, now or before.
    pub(crate) fn call_targets(&mut self, cx: &mut Context<'_>, index: u32) -> Result<bool, BundleError> {
        let path = cx.writer.dir().join(format!("profiles/heap-{index}.pb.gz"));
        let Some(profile) = std::fs::read(path).ok().and_then(|b| Profile::read(&b, &ReadLimits::default()).ok())
        else {
            return Ok(self.hints.tells_callees());
        };
        let wanted = self.hints.unknown(&profile);
        if wanted.is_empty() {
            return Ok(self.hints.tells_callees());
        }
        // The executable may be large: it is looked at when there is something to look up.
        let (Ok(exe), Ok(maps)) = (self.process.exe_mapped(), self.process.read(ProcFile::Maps)) else {
            return Ok(self.hints.tells_callees());
        };
        let (maps, _) = procfs::maps(&maps);
        if let Some(json) = self.hints.look_up(&wanted, exe.as_ref(), &maps) {
            let source = format!("/proc/{}/exe", self.pid());
            let meta = ArtifactMeta::new(ArtifactKind::CallTargets, Some(index), source);
            cx.store(&format!("profiles/call-targets-{index}.json"), &json, meta)?;
        }
        Ok(self.hints.tells_callees())
    }

    fn cgroup(&self, cx: &mut Context<'_>, index: u32) -> Result<Option<f64>, BundleError> {
        let files = match self.process.cgroup_files() {
            Ok(f) => f,
            Err(e) => {
                let source = format!("/proc/{}/cgroup", self.pid());
                let hides = "whether a memory limit applies, and how near it is";
                cx.missing(&source, Some(index), &e.to_string(), hides)?;
                self.host_pressure(cx, index)?;
                return Ok(None);
            }
        };
        let dump = procfs::cgroup_dump(files.version, &files.levels);
        let source = files.directory.display().to_string();
        let meta = ArtifactMeta::new(ArtifactKind::CgroupFile, Some(index), source);
        cx.store(&format!("cgroup/memory-{index}.txt"), &dump, meta)?;
        if files.pressure().is_none() {
            self.host_pressure(cx, index)?;
        }
        let (c, _) = procfs::cgroup(files.version, &files.levels);
        // Unused page cache goes first and kills nobody.
        let used = c.usage.map(|u| u.minus(c.inactive_file.unwrap_or_default()));
        Ok(used.zip(c.limit).map(|(u, l)| u.share_of(l)))
    }

    fn host_pressure(&self, cx: &mut Context<'_>, index: u32) -> Result<(), BundleError> {
        let source = "/proc/pressure/memory";
        // Kernels without PSI have no such file, which hides nothing that other facts do not tell.
        if let Ok(bytes) = std::fs::read(source) {
            let meta = ArtifactMeta::new(ArtifactKind::Pressure, Some(index), source);
            cx.store(&format!("proc/pressure-{index}.txt"), &bytes, meta)?;
        }
        Ok(())
    }
}

/// Stores arguments, NUL-separated, values that look like secrets left out.
pub(crate) fn store_cmdline(cx: &mut Context<'_>, cmdline: &[u8], source: &str) -> Result<(), BundleError> {
    let (args, redacted) = crate::privacy::redact_args(&procfs::cmdline(cmdline));
    let mut meta = ArtifactMeta::new(ArtifactKind::Cmdline, None, source);
    meta.redacted = redacted;
    if redacted {
        meta.notes.push("values that look like secrets were left out".into());
    }
    cx.store("proc/cmdline.txt", args.join("\0").as_bytes(), meta)
}

/// The process that listens on a port of a loopback address.
pub(crate) fn listening_on(port: u16) -> Result<ProcSource, String> {
    let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    let Some(pid) = pid_listening_on(v4).or_else(|| pid_listening_on(v6)) else {
        return Err(format!(
            "the process that listens on port {port} cannot be seen (run as its user or as root, \
             on the same host)"
        ));
    };
    ProcSource::open(pid)
}
