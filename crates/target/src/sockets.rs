//! Which process listens on which port: socket inodes of `/proc/PID/fd` against `/proc/PID/net/tcp`.

use crate::{ProcFile, Process};
use procfs::{ListeningSocket, net_tcp, socket_inode};
use std::collections::HashSet;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// Most descriptors that are looked at per process.
const MOST_DESCRIPTORS: usize = 1 << 20;

pub(crate) fn listening(process: &Process) -> io::Result<Vec<ListeningSocket>> {
    let own = socket_inodes(process)?;
    let mut found: Vec<ListeningSocket> = [ProcFile::NetTcp, ProcFile::NetTcp6]
        .into_iter()
        // A host without IPv6 has no tcp6.
        .filter_map(|f| process.read(f).ok())
        .flat_map(|bytes| net_tcp(&bytes))
        .filter(|s| own.contains(&s.inode))
        .collect();
    found.sort_unstable_by_key(|s| (s.port, s.address));
    Ok(found)
}

fn socket_inodes(process: &Process) -> io::Result<HashSet<u64>> {
    let mut inodes = HashSet::new();
    for entry in fs::read_dir(process.path("fd"))?.take(MOST_DESCRIPTORS) {
        // A descriptor may be closed between listing and reading.
        let link = entry.and_then(|e| fs::read_link(e.path()));
        if let Some(inode) = link.ok().as_deref().and_then(|l| socket_inode(l.to_str()?)) {
            inodes.insert(inode);
        }
    }
    Ok(inodes)
}

/// The process on this host that listens on `address`, for an address of this host (loopback, or
/// one of its interfaces): a socket bound to that address or to all addresses. `None` when there is
/// none, or when the owner's descriptors cannot be seen.
#[must_use]
pub fn pid_listening_on(address: SocketAddr) -> Option<u32> {
    let sockets: Vec<ListeningSocket> = ["/proc/self/net/tcp", "/proc/self/net/tcp6"]
        .into_iter()
        .filter_map(|f| fs::read(f).ok())
        .flat_map(|bytes| net_tcp(&bytes))
        .filter(|s| s.port == address.port() && s.inode != 0)
        .collect();
    let exact = sockets.iter().filter(|s| plain(s.address) == plain(address.ip()));
    let any = sockets.iter().filter(|s| s.address.is_unspecified());
    let wanted: Vec<u64> = exact.chain(any).map(|s| s.inode).collect();
    if wanted.is_empty() {
        return None;
    }
    // The first wanted inode decides: an exact binding wins over one to all addresses.
    let mut best: Option<(usize, u32)> = None;
    for pid in crate::discover::pids() {
        let Ok(process) = Process::open(pid) else {
            continue;
        };
        let Ok(inodes) = socket_inodes(&process) else {
            continue;
        };
        if let Some(rank) = wanted.iter().position(|i| inodes.contains(i))
            && best.is_none_or(|(r, _)| rank < r)
        {
            best = Some((rank, pid));
        }
    }
    best.map(|(_, pid)| pid)
}

/// `::ffff:127.0.0.1` as `127.0.0.1`.
fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}
