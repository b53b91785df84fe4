//! `/proc/PID/net/tcp{,6}`: sockets that listen, and the `socket:[inode]` links of `/proc/PID/fd`.

use crate::text::{field, hex, lines, number};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A TCP socket in state LISTEN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListeningSocket {
    /// Local address.
    pub address: IpAddr,
    /// Local port.
    pub port: u16,
    /// Inode of the socket: what `/proc/PID/fd/N` links to.
    pub inode: u64,
}

/// Reads `/proc/PID/net/tcp` or `tcp6`: the sockets in state LISTEN (`0A`). Other lines are left out.
#[must_use]
pub fn net_tcp(bytes: &[u8]) -> Vec<ListeningSocket> {
    lines(bytes).filter_map(|(_, l)| listening(l)).collect()
}

/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode ...`
fn listening(line: &[u8]) -> Option<ListeningSocket> {
    let mut rest = line;
    let mut next = || {
        let (f, tail) = field(rest)?;
        rest = tail;
        Some(f)
    };
    let _slot = next()?;
    let local = next()?;
    let _remote = next()?;
    if next()? != b"0A" {
        return None;
    }
    for _ in 0..5 {
        next()?;
    }
    let inode = number(next()?)?;
    let colon = local.iter().position(|&b| b == b':')?;
    let port = u16::try_from(hex(local.get(colon + 1..)?)?).ok()?;
    Some(ListeningSocket { address: address(local.get(..colon)?)?, port, inode })
}

/// The kernel prints each 32-bit word of an address as a number of the machine's byte order.
fn address(text: &[u8]) -> Option<IpAddr> {
    let word = |i: usize| {
        let w = hex(text.get(i * 8..i * 8 + 8)?)?;
        Some(u32::try_from(w).ok()?.to_ne_bytes())
    };
    match text.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let mut octets = [0u8; 16];
            for (i, chunk) in octets.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(i)?);
            }
            Some(IpAddr::V6(Ipv6Addr::from(octets)))
        }
        _ => None,
    }
}

/// `socket:[12345]` as 12345.
#[must_use]
pub fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn finds_a_listener_of_this_process() {
        for (bind, file) in [("127.0.0.1:0", "/proc/self/net/tcp"), ("[::1]:0", "/proc/self/net/tcp6")] {
            let Ok(listener) = TcpListener::bind(bind) else {
                continue; // no IPv6 here
            };
            let want = listener.local_addr().unwrap();
            let all = net_tcp(&std::fs::read(file).unwrap());
            assert!(
                all.iter().any(|s| s.address == want.ip() && s.port == want.port() && s.inode != 0),
                "{want} not in {all:?}"
            );
        }
    }

    #[test]
    fn leaves_other_lines_out() {
        assert!(
            net_tcp(b"  sl  local_address rem_address   st\n 0: 0100007F:0016 0:0 01 0:0 0:0 0 0 0 5\nxx\n").is_empty()
        );
        assert_eq!(socket_inode("socket:[77]"), Some(77));
        assert_eq!(socket_inode("pipe:[77]"), None);
    }
}
