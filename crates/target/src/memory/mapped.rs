//! The bytes of a file, mapped where that is safe, else read. One of the modules with unsafe code.
//!
//! The mapping is private and read-only. Two things could still change under it: another process
//! may write to the file (then bytes change between two reads, which readers of hostile input bear)
//! or cut it (then touching a page behind the new end raises SIGBUS, which ends this program and
//! harms nobody else). A file that some process has open for writing is therefore not mapped but
//! read by `pread`, which reports the new end as an error. That is asked of the kernel by taking a
//! read lease and giving it back; where leases are not to be had (another user's file, some network
//! file systems) the file is mapped. A file cut *after* it was opened remains a hazard.

use memmap2::Mmap;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

/// The bytes of one file.
#[derive(Debug)]
pub(crate) enum FileBytes {
    /// Mapped.
    Mapped(Mmap),
    /// Read piece by piece, because someone writes to it.
    Read {
        /// The file.
        file: File,
        /// Its length when it was opened.
        len: u64,
    },
    /// In memory from the start.
    Owned(Vec<u8>),
}

impl FileBytes {
    /// The bytes of `file` from its start.
    pub(crate) fn of(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        if len == 0 {
            return Ok(Self::Owned(Vec::new()));
        }
        if someone_writes(&file) {
            return Ok(Self::Read { file, len });
        }
        Self::map(&file)
    }

    /// As [`FileBytes::of`] for a file that nobody else can reach: an unlinked one of our own.
    pub(crate) fn of_own(file: &File) -> io::Result<Self> {
        if file.metadata()?.len() == 0 {
            return Ok(Self::Owned(Vec::new()));
        }
        Self::map(file)
    }

    /// As [`FileBytes::of`], and read as a whole, up to `most` bytes, where someone writes to it.
    pub(crate) fn whole_of(file: File, most: u64) -> io::Result<Self> {
        match Self::of(file)? {
            Self::Read { file, len } if len <= most => {
                let mut bytes = Vec::new();
                (&file).take(len).read_to_end(&mut bytes)?;
                Ok(Self::Owned(bytes))
            }
            other => Ok(other),
        }
    }

    #[expect(unsafe_code, reason = "mapping a file; see the head of this module")]
    fn map(file: &File) -> io::Result<Self> {
        // SAFETY: the mapping is private and read-only, it lives as long as the slices borrowed from
        // it (lifetimes of `Mmap`), and all that is read from it is treated as hostile: no invariant
        // of any type depends on two reads giving the same. Cutting the file is treated above.
        let map = unsafe { Mmap::map(file) }?;
        Ok(Self::Mapped(map))
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Mapped(m) => m.len() as u64,
            Self::Read { len, .. } => *len,
            Self::Owned(v) => v.len() as u64,
        }
    }

    /// Whether the file was open for writing elsewhere.
    pub(crate) fn is_being_written(&self) -> bool {
        matches!(self, Self::Read { .. })
    }

    /// The whole, when it is in memory.
    pub(crate) fn whole(&self) -> Option<&[u8]> {
        match self {
            Self::Mapped(m) => Some(m),
            Self::Owned(v) => Some(v),
            Self::Read { .. } => None,
        }
    }

    pub(crate) fn slice(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let start = usize::try_from(offset).ok()?;
        self.whole()?.get(start..start.checked_add(len)?)
    }

    /// Fills `buf` from `offset`; whether all of it could be had.
    #[must_use]
    pub(crate) fn read(&self, offset: u64, buf: &mut [u8]) -> bool {
        match self {
            Self::Read { file, .. } => file.read_exact_at(buf, offset).is_ok(),
            _ => match self.slice(offset, buf.len()) {
                Some(from) => {
                    buf.copy_from_slice(from);
                    true
                }
                None => false,
            },
        }
    }

    /// Up to `len` bytes from `offset`, fewer at the end of the file.
    pub(crate) fn part(&self, offset: u64, len: usize) -> Cow<'_, [u8]> {
        let there = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX).min(len);
        if let Some(slice) = self.slice(offset, there) {
            return Cow::Borrowed(slice);
        }
        let mut buf = vec![0; there];
        if self.read(offset, &mut buf) { Cow::Owned(buf) } else { Cow::Owned(Vec::new()) }
    }
}

/// `include/uapi/asm-generic/fcntl.h`; not in the libc crate.
const F_SETSIG: libc::c_int = 10;

/// Whether some process, this one included, has the file open for writing.
#[expect(unsafe_code, reason = "fcntl has no safe wrapper for leases")]
fn someone_writes(file: &File) -> bool {
    let fd = file.as_raw_fd();
    // Who opens the file in between makes the kernel signal the holder of the lease. The default
    // signal, SIGIO, would end this program; SIGURG is ignored by default.
    // SAFETY: F_SETSIG takes an int and touches no memory of ours; `file` keeps the descriptor open.
    if unsafe { libc::fcntl(fd, F_SETSIG, libc::SIGURG) } != 0 {
        return false;
    }
    // SAFETY: F_SETLEASE takes an int and touches no memory of ours; `file` keeps the descriptor open.
    let taken = unsafe { libc::fcntl(fd, libc::F_SETLEASE, libc::F_RDLCK) };
    if taken == 0 {
        // SAFETY: as above.
        unsafe { libc::fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK) };
        return false;
    }
    io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN)
}
