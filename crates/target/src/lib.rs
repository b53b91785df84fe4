//! Another program on this host, from outside: its files under `/proc`, its executable, its
//! control group, its listening sockets.
//!
//! This crate does the reading; `procfs` and `gobinary` know the formats. Outside of `memory` it
//! writes nothing, sends no signal and stops nothing. [`memory`] reads core files and processes,
//! and stops and copies the latter; the little unsafe code there is lives in that folder alone.

mod cgroups;
mod clock;
mod discover;
mod error;
pub mod memory;
mod process;
mod sockets;

pub use cgroups::CgroupFiles;
pub use discover::{GoProcess, GoProcesses, go_processes};
pub use error::TargetError;
pub use process::{FileIdentity, MappedExe, ProcFile, Process};
pub use sockets::pid_listening_on;
