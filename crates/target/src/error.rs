//! Why a process could not be opened, in words that say what to do about it.

use gobinary::BinaryError;
use std::fmt;
use std::io;

/// Why a process could not be opened or read.
#[derive(Debug)]
#[non_exhaustive]
pub enum TargetError {
    /// No process has this pid.
    NoSuchProcess {
        /// The pid.
        pid: u32,
    },
    /// The process that was opened has ended, and its pid may belong to another one now.
    Gone {
        /// The pid.
        pid: u32,
    },
    /// The process has ended and waits for its parent; it has no memory any more.
    Zombie {
        /// The pid.
        pid: u32,
        /// Command name.
        name: String,
    },
    /// A thread of the kernel.
    KernelThread {
        /// The pid.
        pid: u32,
        /// Command name.
        name: String,
    },
    /// The kernel refused.
    NoPermission {
        /// The pid.
        pid: u32,
        /// Which file.
        file: &'static str,
        /// User the process runs as, where it can be seen.
        owner: Option<u32>,
    },
    /// The executable is not a Go program, or says nothing of itself.
    NotGo {
        /// The pid.
        pid: u32,
        /// Path of the executable.
        exe: String,
        /// What the reader of the executable said.
        why: BinaryError,
    },
    /// Another failure of the operating system.
    Io {
        /// The pid.
        pid: u32,
        /// Which file.
        file: &'static str,
        /// The failure.
        error: io::Error,
    },
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchProcess { pid } => {
                write!(f, "no process has pid {pid}")
            }
            Self::Gone { pid } => write!(f, "process {pid} has ended"),
            Self::Zombie { pid, name } => {
                write!(f, "process {pid} ({name}) has ended and waits for its parent: it has no memory any more")
            }
            Self::KernelThread { pid, name } => {
                write!(f, "pid {pid} ({name}) is a kernel thread, not a program")
            }
            Self::NoPermission { pid, file, owner } => {
                write!(f, "no permission to read /proc/{pid}/{file}")?;
                if let Some(uid) = owner {
                    write!(f, ": the process runs as user {uid}")?;
                }
                f.write_str("; run as that user, or as root, or with the capability CAP_SYS_PTRACE")
            }
            Self::NotGo { pid, exe, why } => {
                write!(f, "process {pid} ({exe}) does not say how it was built: {why}")
            }
            Self::Io { pid, file, error } => {
                write!(f, "reading /proc/{pid}/{file}: {error}")
            }
        }
    }
}

impl std::error::Error for TargetError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotGo { why, .. } => Some(why),
            Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}
