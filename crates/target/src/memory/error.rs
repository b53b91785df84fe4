//! Why memory could not be had, in words that say what to do about it.

use model::Bytes;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a core file could not be opened, or a process not be read, stopped or copied.
#[derive(Debug)]
#[non_exhaustive]
pub enum MemoryError {
    /// A file could not be read.
    Io {
        /// What was being done: `opening core.123`.
        doing: String,
        /// The failure.
        error: io::Error,
    },
    /// The file is not a core file that can be read here.
    NotACore {
        /// The file.
        path: PathBuf,
        /// What it is instead, or what is wrong.
        why: String,
    },
    /// The executable given is not the one the core file was written of.
    WrongExecutable {
        /// The executable.
        path: PathBuf,
        /// Where they differ.
        why: String,
    },
    /// No room for the decompressed core file.
    NoSpace {
        /// Directory that was to hold it.
        directory: PathBuf,
        /// Bytes written when the space ran out.
        written: Bytes,
        /// Bytes that were free before, those kept in reserve left out.
        free: Bytes,
    },
    /// The process cannot be stopped or copied, and nothing was done to it.
    Refused {
        /// The pid.
        pid: u32,
        /// Why.
        why: Refusal,
    },
    /// The process ended meanwhile.
    Gone {
        /// The pid.
        pid: u32,
    },
    /// A step with the stopped process failed; it runs on unchanged.
    Failed {
        /// The pid.
        pid: u32,
        /// Which step.
        step: &'static str,
        /// The failure.
        error: io::Error,
    },
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { doing, error } => write!(f, "{doing}: {error}"),
            Self::NotACore { path, why } => write!(f, "{}: {why}", path.display()),
            Self::WrongExecutable { path, why } => {
                write!(f, "{} is not the program of this core file: {why}", path.display())
            }
            Self::NoSpace { directory, written, free } => write!(
                f,
                "the core file does not fit decompressed into {} ({free} usable, all {written} of it filled); \
                 decompress it elsewhere, or set TMPDIR to a larger file system",
                directory.display()
            ),
            Self::Refused { pid, why } => write!(f, "process {pid}: {why}"),
            Self::Gone { pid } => write!(f, "process {pid} has ended"),
            Self::Failed { pid, step, error } => write!(f, "process {pid}: {step}: {error}; it runs on unchanged"),
        }
    }
}

impl std::error::Error for MemoryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } | Self::Failed { error, .. } => Some(error),
            Self::Refused { why, .. } => Some(why),
            _ => None,
        }
    }
}

/// Why a process is not stopped or not copied. Each text says what to do instead.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The kernel does not let this user trace it.
    Permission {
        /// User the process runs as.
        owner: Option<u32>,
        /// Value of `kernel.yama.ptrace_scope`, where that exists.
        ptrace_scope: Option<u32>,
    },
    /// Another program traces it.
    AlreadyTraced {
        /// Pid of the tracer.
        tracer: u32,
    },
    /// A seccomp filter could kill the process for a system call it does not expect.
    Seccomp,
    /// The pages it changes while the copy lives may not fit into its memory limit.
    MemoryHeadroom {
        /// Bytes left below the limit, or on the host.
        headroom: Bytes,
        /// Bytes that should be left.
        wanted: Bytes,
    },
    /// The copy needs a place among the processes of the control group.
    PidsHeadroom {
        /// Processes now.
        current: u64,
        /// Limit.
        limit: u64,
    },
    /// Too many threads to stop at once.
    Threads {
        /// Threads.
        threads: u64,
        /// Most that are stopped.
        most: u64,
    },
    /// The kernel lacks what is needed.
    Kernel {
        /// What it lacks.
        what: String,
    },
    /// Not done on this architecture.
    Architecture,
    /// No thread waits in a system call, where alone a call can be inserted without a trace.
    NoIdleThread,
    /// The vDSO has no unused room for the code that restores the thread by itself.
    NoRoom,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Permission { owner, ptrace_scope } => {
                f.write_str("no permission to stop it and read its memory")?;
                if let Some(uid) = owner {
                    write!(f, " (it runs as user {uid})")?;
                }
                match ptrace_scope {
                    Some(3) => f.write_str(
                        ": kernel.yama.ptrace_scope is 3, which forbids it to everyone until the next boot; \
                         use a core file",
                    ),
                    Some(2) => f.write_str(
                        ": kernel.yama.ptrace_scope is 2: run as root or with the capability CAP_SYS_PTRACE",
                    ),
                    Some(1) => f.write_str(
                        ": kernel.yama.ptrace_scope is 1: run as root or with the capability CAP_SYS_PTRACE, \
                         or set it to 0",
                    ),
                    _ => f.write_str(
                        "; run as that user, or as root, or with the capability CAP_SYS_PTRACE \
                         (in a container: --cap-add=SYS_PTRACE)",
                    ),
                }
            }
            Self::AlreadyTraced { tracer } => {
                write!(f, "process {tracer} traces it already (a debugger, strace?); end that first")
            }
            Self::Seccomp => f.write_str(
                "a seccomp filter may kill it for the system call that makes a copy, and suspending the filter \
                 was refused; use --snapshot stop, or run with the capability CAP_SYS_ADMIN",
            ),
            Self::MemoryHeadroom { headroom, wanted } => write!(
                f,
                "only {headroom} of memory are left, and {wanted} are wanted for the pages it changes while its \
                 copy lives; use --snapshot stop"
            ),
            Self::PidsHeadroom { current, limit } => write!(
                f,
                "its control group has {current} of {limit} processes and threads; a copy needs room for one, \
                 and the process some for its own threads; use --snapshot stop"
            ),
            Self::Threads { threads, most } => {
                write!(f, "it has {threads} threads, more than the {most} that are stopped at once")
            }
            Self::Kernel { what } => write!(f, "{what}; use --snapshot stop or a core file"),
            Self::Architecture => f.write_str("copying is not built for this architecture; use --snapshot stop"),
            Self::NoIdleThread => f.write_str(
                "no thread of it waits in a system call, where alone a copy can be made without a trace; \
                 try again, or use --snapshot stop",
            ),
            Self::NoRoom => f.write_str("its vDSO has no unused room; use --snapshot stop"),
        }
    }
}

impl std::error::Error for Refusal {}
