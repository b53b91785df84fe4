//! Readers of the text that Linux prints about a process: `/proc/PID/*`, cgroup v1 and v2 memory
//! files, pressure files, `/proc/net/tcp`.
//!
//! Bytes in, facts and gaps out. This crate opens nothing and keeps nothing; it never panics on
//! any input, and reads what is readable of a damaged file. Formats: `proc(5)`, kernel
//! `Documentation/filesystems/proc.rst`, `Documentation/admin-guide/cgroup-{v1,v2}`.

mod cgroup;
mod classify;
mod environ;
mod maps;
mod mounts;
mod net;
mod pressure;
mod smaps;
mod stat;
mod status;
mod text;

pub use cgroup::{CgroupLevel, cgroup, cgroup_dump, parse_cgroup_dump};
pub use classify::{GO_ARENA_BYTES, classify_mappings, go_arena_spans};
pub use environ::{GO_VARIABLES, GoEnvironment, cmdline, environ, go_environment_text};
pub use maps::{maps, path_without_deleted};
pub use mounts::{CgroupEntry, Mount, mountinfo, pid_cgroup};
pub use net::{ListeningSocket, net_tcp, socket_inode};
pub use pressure::pressure;
pub use smaps::{smaps, smaps_rollup};
pub use stat::{CLOCK_TICKS_PER_SECOND, PF_KTHREAD, ProcStat, boot_time, stat};
pub use status::status;
pub use text::{keyed, keyed_size};
