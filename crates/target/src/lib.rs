//! Another program on this host, from outside: its files under `/proc`, its executable, its
//! control group, its listening sockets.
//!
//! This crate does the reading; `procfs` and `gobinary` know the formats. It writes nothing,
//! sends no signal and stops nothing. There is no unsafe code yet; what will need it (reading
//! another process's memory) goes into one folder, `src/memory/`, and nowhere else.

mod cgroups;
mod discover;
mod error;
pub mod memory;
mod process;
mod sockets;

pub use cgroups::CgroupFiles;
pub use discover::{GoProcess, go_processes};
pub use error::TargetError;
pub use process::{ProcFile, Process};
pub use sockets::pid_listening_on;
