//! One process, guarded against the reuse of its pid, and the files of `/proc/PID`.

use crate::memory::FileBytes;
use crate::{CgroupFiles, TargetError};
use gobinary::{BuildInfo, GoBinary};
use procfs::{ListeningSocket, ProcStat};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

/// Most bytes taken of one text file of `/proc`: `smaps` of a process at the default limit of
/// 65530 mappings is below 60 MiB.
const MOST_TEXT: u64 = 128 << 20;
/// Most bytes taken of an executable.
const MOST_EXE: u64 = 4 << 30;

/// An executable, mapped for the time of a look. See [`Process::exe_mapped`].
#[derive(Debug)]
pub struct MappedExe(FileBytes);

impl MappedExe {
    fn new(bytes: FileBytes) -> io::Result<Self> {
        match bytes.whole() {
            Some(_) => Ok(Self(bytes)),
            None => Err(io::Error::new(io::ErrorKind::ResourceBusy, "the executable is being written")),
        }
    }
}

impl AsRef<[u8]> for MappedExe {
    fn as_ref(&self) -> &[u8] {
        self.0.whole().unwrap_or_default()
    }
}

/// A file of `/proc/PID` that oomph reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProcFile {
    /// `status`.
    Status,
    /// `stat`.
    Stat,
    /// `maps`.
    Maps,
    /// `smaps`: costs a walk of the page tables.
    Smaps,
    /// `smaps_rollup`: costs a walk of the page tables.
    SmapsRollup,
    /// `environ`. May hold secrets: store only what [`procfs::environ`] keeps.
    Environ,
    /// `cmdline`.
    Cmdline,
    /// `cgroup`.
    Cgroup,
    /// `mountinfo`.
    Mountinfo,
    /// `net/tcp`: the sockets of the process's network namespace.
    NetTcp,
    /// `net/tcp6`.
    NetTcp6,
    /// `oom_score`.
    OomScore,
    /// `oom_score_adj`.
    OomScoreAdj,
}

impl ProcFile {
    /// Path below `/proc/PID/`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Stat => "stat",
            Self::Maps => "maps",
            Self::Smaps => "smaps",
            Self::SmapsRollup => "smaps_rollup",
            Self::Environ => "environ",
            Self::Cmdline => "cmdline",
            Self::Cgroup => "cgroup",
            Self::Mountinfo => "mountinfo",
            Self::NetTcp => "net/tcp",
            Self::NetTcp6 => "net/tcp6",
            Self::OomScore => "oom_score",
            Self::OomScoreAdj => "oom_score_adj",
        }
    }
}

/// A file with its content: another one of the same name is another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
    modified: (i64, i64),
}

/// A running process. The pid and the start time name it for good: reads fail with
/// [`io::ErrorKind::NotFound`] once another process has the pid.
#[derive(Clone, Debug)]
pub struct Process {
    pid: u32,
    name: String,
    start_ticks: u64,
}

impl Process {
    /// Opens a running process. Whether it is a Go program shows in [`Process::build_info`].
    ///
    /// # Errors
    /// No such pid, a zombie, a kernel thread, or `/proc` cannot be read.
    pub fn open(pid: u32) -> Result<Self, TargetError> {
        let stat = Self::stat_of(pid).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => TargetError::NoSuchProcess { pid },
            _ if is_no_such_process(&error) => TargetError::NoSuchProcess { pid },
            _ => of_io(pid, "stat", error),
        })?;
        if matches!(stat.state, 'Z' | 'X' | 'x') {
            return Err(TargetError::Zombie { pid, name: stat.comm });
        }
        if stat.is_kernel_thread() {
            return Err(TargetError::KernelThread { pid, name: stat.comm });
        }
        Ok(Self { pid, name: stat.comm, start_ticks: stat.start_ticks })
    }

    /// The pid, as this program's pid namespace numbers it.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Command name, at most 15 characters.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Start, in clock ticks since boot ([`procfs::CLOCK_TICKS_PER_SECOND`]).
    #[must_use]
    pub const fn start_ticks(&self) -> u64 {
        self.start_ticks
    }

    /// Start in milliseconds since 1970, to a hundredth of a second and the host's boot time.
    #[must_use]
    pub fn started_at(&self) -> Option<model::UnixMillis> {
        let boot = procfs::boot_time(&read_capped("/proc/stat".into(), MOST_TEXT).ok()?)?;
        let since_boot = i64::try_from(self.started_after_boot().as_millis()).ok()?;
        let boot = i64::try_from(boot.checked_mul(1000)?).ok()?;
        Some(model::UnixMillis(boot.checked_add(since_boot)?))
    }

    /// Start as the time since the host booted, to a hundredth of a second.
    #[must_use]
    pub fn started_after_boot(&self) -> Duration {
        Duration::from_millis(self.start_ticks.saturating_mul(1000) / procfs::CLOCK_TICKS_PER_SECOND)
    }

    /// The user it runs as, by the owner of its directory in `/proc`; `None` when it is gone.
    #[must_use]
    pub fn owner(&self) -> Option<u32> {
        owner_of(self.pid)
    }

    /// Whether the process still runs (and its pid is still its own).
    #[must_use]
    pub fn is_alive(&self) -> bool {
        Self::stat_of(self.pid).is_ok_and(|s| s.start_ticks == self.start_ticks && !matches!(s.state, 'Z' | 'X' | 'x'))
    }

    /// The whole of one file of `/proc/PID`, at most 128 MiB of it. Bytes are given only if the
    /// pid belonged to this process after the read.
    ///
    /// # Errors
    /// As the kernel says: `NotFound` when the process has ended, `PermissionDenied`, `FileTooLarge`.
    pub fn read(&self, file: ProcFile) -> io::Result<Vec<u8>> {
        let bytes = read_capped(self.path(file.name()), MOST_TEXT).map_err(|e| {
            if is_no_such_process(&e) { io::Error::new(io::ErrorKind::NotFound, "the process has ended") } else { e }
        })?;
        self.check()?;
        Ok(bytes)
    }

    /// As [`Process::read`], with an error that says what to do.
    ///
    /// # Errors
    /// [`TargetError::Gone`], [`TargetError::NoPermission`], [`TargetError::Io`].
    pub fn require(&self, file: ProcFile) -> Result<Vec<u8>, TargetError> {
        self.read(file).map_err(|e| of_io(self.pid, file.name(), e))
    }

    /// Where the executable is, as `/proc/PID/exe` links; ` (deleted)` at its end when the file
    /// was replaced or removed. The path is that of the process's own mount namespace.
    ///
    /// # Errors
    /// As [`Process::require`].
    pub fn exe_path(&self) -> Result<String, TargetError> {
        let link = fs::read_link(self.path("exe")).map_err(|e| of_io(self.pid, "exe", e))?;
        Ok(link.to_string_lossy().into_owned())
    }

    /// Which file the executable is; `None` where that may not be seen.
    #[must_use]
    pub fn exe_identity(&self) -> Option<FileIdentity> {
        let meta = fs::metadata(self.path("exe")).ok()?;
        Some(FileIdentity { device: meta.dev(), inode: meta.ino(), modified: (meta.mtime(), meta.mtime_nsec()) })
    }

    /// The bytes of the executable, also when the file was deleted or lies in a container: by way
    /// of `/proc/PID/exe`, else of its path below `/proc/PID/root`. A copy, for keeping.
    ///
    /// # Errors
    /// As [`Process::require`].
    pub fn exe(&self) -> Result<Vec<u8>, TargetError> {
        self.of_exe(|file| read_all(file, MOST_EXE))
    }

    /// As [`Process::exe`] for a look that is soon over: mapped, so that only the pages that are looked at come into
    /// memory, and the kernel may take them back. Executables of hundreds of MiB are common.
    ///
    /// # Errors
    /// As [`Process::require`].
    pub fn exe_mapped(&self) -> Result<MappedExe, TargetError> {
        self.of_exe(|file| FileBytes::whole_of(file, MOST_EXE).and_then(MappedExe::new))
    }

    fn of_exe<T>(&self, take: impl Fn(File) -> io::Result<T>) -> Result<T, TargetError> {
        let taken = match File::open(self.path("exe")).and_then(&take) {
            Ok(taken) => taken,
            Err(first) => {
                let path = self.exe_path().ok();
                let inside = path.and_then(|p| {
                    let p = procfs::path_without_deleted(&p).trim_start_matches('/').to_owned();
                    File::open(self.path("root").join(p)).and_then(&take).ok()
                });
                inside.ok_or_else(|| of_io(self.pid, "exe", first))?
            }
        };
        self.check().map_err(|e| of_io(self.pid, "exe", e))?;
        Ok(taken)
    }

    /// Build information of the executable.
    ///
    /// # Errors
    /// [`TargetError::NotGo`] and those of [`Process::exe`].
    pub fn build_info(&self) -> Result<BuildInfo, TargetError> {
        let bytes = self.exe_mapped()?;
        GoBinary::parse(bytes.as_ref()).and_then(|b| b.build_info()).map_err(|why| TargetError::NotGo {
            pid: self.pid,
            exe: self.exe_path().unwrap_or_else(|_| self.name.clone()),
            why,
        })
    }

    /// The memory files of the process's control group and of all groups above it.
    ///
    /// # Errors
    /// When neither a v1 nor a v2 memory controller can be found; the message says where was looked.
    pub fn cgroup_files(&self) -> io::Result<CgroupFiles> {
        let files = crate::cgroups::read(self)?;
        self.check()?;
        Ok(files)
    }

    /// The TCP sockets on which this process listens, by port.
    ///
    /// # Errors
    /// As the kernel says, when `/proc/PID/fd` cannot be listed.
    pub fn listening_ports(&self) -> io::Result<Vec<ListeningSocket>> {
        let found = crate::sockets::listening(self)?;
        self.check()?;
        Ok(found)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.pid))
    }

    fn stat_of(pid: u32) -> io::Result<ProcStat> {
        let bytes = read_capped(format!("/proc/{pid}/stat").into(), MOST_TEXT)?;
        procfs::stat(&bytes).map_err(|gap| io::Error::new(io::ErrorKind::InvalidData, gap.to_string()))
    }

    /// Fails when the pid is no longer this process's.
    fn check(&self) -> io::Result<()> {
        match Self::stat_of(self.pid) {
            Ok(s) if s.start_ticks == self.start_ticks => Ok(()),
            _ => Err(io::Error::new(io::ErrorKind::NotFound, "the process has ended")),
        }
    }
}

/// The whole file, refused when it is longer than `most`.
pub(crate) fn read_capped(path: PathBuf, most: u64) -> io::Result<Vec<u8>> {
    read_all(File::open(path)?, most)
}

fn read_all(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {}", model::Bytes(most))));
    }
    Ok(bytes)
}

/// The owner of a process's directory in `/proc`.
fn owner_of(pid: u32) -> Option<u32> {
    fs::metadata(format!("/proc/{pid}")).ok().map(|m| m.uid())
}

/// ESRCH: what reads of an open `/proc` file give when the process ends.
fn is_no_such_process(error: &io::Error) -> bool {
    error.raw_os_error() == Some(3)
}

fn of_io(pid: u32, file: &'static str, error: io::Error) -> TargetError {
    match error.kind() {
        io::ErrorKind::NotFound => TargetError::Gone { pid },
        _ if is_no_such_process(&error) => TargetError::Gone { pid },
        io::ErrorKind::PermissionDenied => TargetError::NoPermission { pid, file, owner: owner_of(pid) },
        _ => TargetError::Io { pid, file, error },
    }
}
