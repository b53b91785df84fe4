//! Bytes of a program by virtual address: what readers of runtime structures ask for, whoever has
//! them (an executable, a core file, a frozen child, a running process). It owns the trait and the
//! typed reads on top of it; it opens nothing.

use std::fmt;

/// The first address of a read that nothing is known of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Address of the first byte that could not be had.
    pub address: u64,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no memory at {:#x}", self.address)
    }
}

impl std::error::Error for Unreadable {}

/// A range of addresses with the same rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First address.
    pub start: u64,
    /// Address behind the last byte.
    pub end: u64,
    /// Whether the program may write there.
    pub writable: bool,
    /// Whether it holds code.
    pub executable: bool,
    /// Whether the bytes can be read from this source; a hole of a core file cannot.
    pub readable: bool,
}

/// The memory of one program at one instant (or, of a running one, at many).
///
/// Addresses are those of the program as it runs. All reads are little-endian. Lengths and
/// addresses come from the program's own memory and are hostile: implementations check them and
/// never allocate by them.
pub trait Memory: Sync {
    /// Fills `buf` with the bytes at `address`.
    ///
    /// # Errors
    /// [`Unreadable`] with the first address that is missing; `buf` is then undefined.
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), Unreadable>;

    /// The bytes themselves, when the source holds them mapped and in one piece. `None` does not
    /// mean that [`Memory::read`] fails.
    fn bytes(&self, address: u64, len: usize) -> Option<&[u8]>;

    /// What there is, sorted by address, without overlaps.
    fn regions(&self) -> &[Region];

    /// The bytes at `address`, borrowed where the source can, else copied into `scratch`, which
    /// grows to `len` at most: check `len` before.
    ///
    /// # Errors
    /// As [`Memory::read`].
    fn view<'a>(&'a self, address: u64, len: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], Unreadable> {
        if let Some(bytes) = self.bytes(address, len) {
            return Ok(bytes);
        }
        if scratch.len() < len {
            scratch.resize(len, 0);
        }
        let buf = &mut scratch[..len];
        self.read(address, buf)?;
        Ok(buf)
    }

    /// The byte at `address`.
    ///
    /// # Errors
    /// As [`Memory::read`].
    fn u8(&self, address: u64) -> Result<u8, Unreadable> {
        let mut b = [0; 1];
        self.read(address, &mut b)?;
        Ok(b[0])
    }

    /// The two bytes at `address`.
    ///
    /// # Errors
    /// As [`Memory::read`].
    fn u16(&self, address: u64) -> Result<u16, Unreadable> {
        let mut b = [0; 2];
        self.read(address, &mut b)?;
        Ok(u16::from_le_bytes(b))
    }

    /// The four bytes at `address`.
    ///
    /// # Errors
    /// As [`Memory::read`].
    fn u32(&self, address: u64) -> Result<u32, Unreadable> {
        let mut b = [0; 4];
        self.read(address, &mut b)?;
        Ok(u32::from_le_bytes(b))
    }

    /// The word at `address`.
    ///
    /// # Errors
    /// As [`Memory::read`].
    fn u64(&self, address: u64) -> Result<u64, Unreadable> {
        let mut b = [0; 8];
        self.read(address, &mut b)?;
        Ok(u64::from_le_bytes(b))
    }
}

/// Memory put together from slices: an executable's segments, or test data.
#[derive(Debug, Default)]
pub struct Slices<'a> {
    regions: Vec<Region>,
    data: Vec<&'a [u8]>,
}

impl<'a> Slices<'a> {
    /// Memory of these pieces: address, bytes, rights. Of pieces over each other the first stays.
    #[must_use]
    pub fn new(pieces: impl IntoIterator<Item = (u64, &'a [u8], bool, bool)>) -> Self {
        let mut pieces: Vec<_> = pieces.into_iter().filter(|p| !p.1.is_empty()).collect();
        pieces.sort_by_key(|p| p.0);
        let mut memory = Self::default();
        for (start, data, writable, executable) in pieces {
            let Some(end) = start.checked_add(data.len() as u64) else { continue };
            if memory.regions.last().is_some_and(|r| r.end > start) {
                continue;
            }
            memory.regions.push(Region { start, end, writable, executable, readable: true });
            memory.data.push(data);
        }
        memory
    }
}

impl Memory for Slices<'_> {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), Unreadable> {
        let mut at = address;
        let mut left = &mut buf[..];
        while !left.is_empty() {
            let i = self.regions.partition_point(|r| r.end <= at);
            let tail = match (self.regions.get(i), self.data.get(i)) {
                (Some(r), Some(d)) if r.start <= at => usize::try_from(at - r.start).ok().and_then(|o| d.get(o..)),
                _ => None,
            };
            let tail = tail.filter(|t| !t.is_empty()).ok_or(Unreadable { address: at })?;
            let n = tail.len().min(left.len());
            let (head, rest) = left.split_at_mut(n);
            head.copy_from_slice(&tail[..n]);
            left = rest;
            at = at.checked_add(n as u64).ok_or(Unreadable { address: u64::MAX })?;
        }
        Ok(())
    }

    fn bytes(&self, address: u64, len: usize) -> Option<&[u8]> {
        let i = self.regions.partition_point(|r| r.end <= address);
        let offset = usize::try_from(address.checked_sub(self.regions.get(i)?.start)?).ok()?;
        self.data.get(i)?.get(offset..offset.checked_add(len)?)
    }

    fn regions(&self) -> &[Region] {
        &self.regions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_across_touching_pieces_and_stops_at_holes() {
        let (a, b) = ([1_u8; 16], [2_u8; 16]);
        let memory = Slices::new([(0x1010, &b[..], true, false), (0x1000, &a[..], false, true)]);
        assert_eq!(memory.u64(0x100c), Ok(0x0202_0202_0101_0101));
        assert_eq!(memory.bytes(0x100c, 8), None);
        assert_eq!(memory.bytes(0x1010, 16), Some(&b[..]));
        assert_eq!(memory.u64(0x101c), Err(Unreadable { address: 0x1020 }));
        assert_eq!(memory.u8(u64::MAX), Err(Unreadable { address: u64::MAX }));
        let mut scratch = Vec::new();
        assert_eq!(memory.view(0x100f, 2, &mut scratch), Ok(&[1, 2][..]));
    }
}
