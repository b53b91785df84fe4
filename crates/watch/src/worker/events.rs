//! What the kernel tells by itself, so that a spike between two samples is seen: changes of `memory.events`
//! (cgroup v2, inotify), charge crossing a share of the limit and OOM (v1, eventfd), stalls on memory (PSI
//! trigger). Each is used where it is allowed; what is missing is only slower.

use model::CgroupVersion;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::inotify;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Shares of the limit whose crossing is told (v1).
const SHARES: [f64; 6] = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95];
/// A stall of 150 ms in 2 s (windows of an unprivileged trigger are multiples of 2 s).
const STALL: &str = "some 150000 2000000";

/// Wakes a sampling thread before its time.
#[derive(Debug)]
pub(super) struct KernelEvents {
    /// The watcher's own: end, or look.
    wake: Option<Arc<OwnedFd>>,
    counters: Vec<OwnedFd>,
    changes: Option<OwnedFd>,
    stalls: Option<File>,
    /// Kept open: closing it ends what it watches.
    _watched: Vec<File>,
}

impl KernelEvents {
    /// What can be had of a control group.
    pub(super) fn open(directory: Option<&Path>, version: Option<CgroupVersion>, wake: Option<Arc<OwnedFd>>) -> Self {
        let mut out = Self { wake, counters: Vec::new(), changes: None, stalls: None, _watched: Vec::new() };
        let Some(directory) = directory else { return out };
        match version {
            Some(CgroupVersion::V1) => out.v1(directory),
            Some(CgroupVersion::V2) => {
                out.changes = changes(&directory.join("memory.events"));
                out.stalls = stalls(&directory.join("memory.pressure"));
            }
            None => {}
        }
        out
    }

    fn v1(&mut self, directory: &Path) {
        let read = |name: &str| fs::read_to_string(directory.join(name)).ok();
        let limit = read("memory.limit_in_bytes").and_then(|t| t.trim().parse::<f64>().ok());
        for share in SHARES {
            let Some(limit) = limit.filter(|l| *l < 1e18) else { break };
            self.register(directory, "memory.usage_in_bytes", &format!("{:.0}", share * limit));
        }
        self.register(directory, "memory.oom_control", "");
    }

    /// `cgroup.event_control` takes "EVENTFD FD ARGUMENT" (`Documentation/admin-guide/cgroup-v1/memory.rst`).
    fn register(&mut self, directory: &Path, file: &str, argument: &str) {
        let Ok(event) = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK) else { return };
        let Ok(watched) = File::open(directory.join(file)) else { return };
        let Ok(mut control) = OpenOptions::new().write(true).open(directory.join("cgroup.event_control")) else {
            return;
        };
        let text = format!("{} {} {argument}", event.as_raw_fd(), watched.as_raw_fd());
        if control.write_all(text.as_bytes()).is_ok() {
            self.counters.push(event);
            self._watched.push(watched);
        }
    }

    /// Waits. Whether the kernel had something to tell.
    pub(super) fn wait(&self, longest: Duration) -> bool {
        let mut fds: Vec<PollFd<'_>> = self.counters.iter().map(|f| PollFd::new(f, PollFlags::IN)).collect();
        fds.extend(self.changes.iter().map(|f| PollFd::new(f, PollFlags::IN)));
        fds.extend(self.wake.iter().map(|f| PollFd::new(&**f, PollFlags::IN)));
        let readable = fds.len();
        fds.extend(self.stalls.iter().map(|f| PollFd::from_borrowed_fd(f.as_fd(), PollFlags::PRI)));
        if fds.is_empty() {
            std::thread::park_timeout(longest);
            return false;
        }
        let timeout = Timespec {
            tv_sec: i64::try_from(longest.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(longest.subsec_nanos()),
        };
        let told = matches!(poll(&mut fds, Some(&timeout)), Ok(n) if n > 0);
        if told {
            for fd in fds.iter().take(readable).filter(|f| f.revents().contains(PollFlags::IN)) {
                let mut buf = [0_u8; 4096];
                let _ = rustix::io::read(fd, &mut buf[..]);
            }
        }
        told
    }
}

/// What wakes one thread.
pub(super) fn wake() -> Option<Arc<OwnedFd>> {
    eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok().map(Arc::new)
}

/// Wakes it.
pub(super) fn ring(wake: &OwnedFd) {
    let _ = rustix::io::write(wake, &1_u64.to_ne_bytes());
}

fn changes(path: &Path) -> Option<OwnedFd> {
    let fd = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).ok()?;
    inotify::add_watch(&fd, path, inotify::WatchFlags::MODIFY).ok()?;
    Some(fd)
}

fn stalls(path: &Path) -> Option<File> {
    let mut file = OpenOptions::new().read(true).write(true).open(path).ok()?;
    file.write_all(STALL.as_bytes()).ok()?;
    Some(file)
}
