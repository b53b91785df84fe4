//! Compressed core files: gzip and zstd, decompressed to a temporary file without a name, so that
//! nothing is left whatever happens. Zero pages become holes. Stops before the file system is full.

use super::MemoryError;
use flate2::read::MultiGzDecoder;
use model::{Bytes, Gap};
use ruzstd::decoding::StreamingDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Bytes that are left free on the file system that holds the temporary file.
const RESERVE: u64 = 512 << 20;
const BLOCK: usize = 64 << 10;

/// A compression that is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// By the first bytes of a file.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Decompresses `file` into a nameless file in `directory`. Damaged and cut data give what came
/// before the damage, and a gap.
pub(crate) fn unpack(
    file: File,
    compression: Compression,
    path: &Path,
    directory: &Path,
    gaps: &mut Vec<Gap>,
) -> Result<File, MemoryError> {
    let io = |doing: &str| {
        let doing = format!("{doing} {} for {}", directory.display(), path.display());
        move |error| MemoryError::Io { doing, error }
    };
    let mut out = tempfile::tempfile_in(directory).map_err(io("making a temporary file in"))?;
    let mut input = BufReader::with_capacity(1 << 20, file);
    let mut sink = Sparse { out: &mut out, len: 0, written: 0, most: free_bytes(directory) };
    let result = match compression {
        Compression::Gzip => copy(&mut MultiGzDecoder::new(&mut input), &mut sink),
        Compression::Zstd => frames(&mut input, &mut sink),
    };
    let (len, written, most) = (sink.len, sink.written, sink.most);
    match result {
        Ok(()) => {}
        Err(Stop::Full) => {
            return Err(MemoryError::NoSpace {
                directory: directory.to_owned(),
                written: Bytes(written),
                free: Bytes(most),
            });
        }
        Err(Stop::Write(error)) => return Err(io("writing a temporary file in")(error)),
        Err(Stop::Damaged(why)) => gaps.push(Gap::at(
            len,
            format!("the compressed core file is damaged or cut here ({why}); what came before it was read"),
        )),
    }
    out.set_len(len).map_err(io("writing a temporary file in"))?;
    Ok(out)
}

enum Stop {
    /// The file system is full.
    Full,
    Write(io::Error),
    Damaged(String),
}

/// A file written front to back, blocks of zeros left out.
struct Sparse<'a> {
    out: &'a mut File,
    len: u64,
    written: u64,
    most: u64,
}

impl Sparse<'_> {
    fn block(&mut self, block: &[u8]) -> Result<(), Stop> {
        let len = block.len() as u64;
        if block.iter().all(|&b| b == 0) {
            self.out.seek(SeekFrom::Current(block.len() as i64)).map_err(Stop::Write)?;
        } else {
            if self.written.saturating_add(len) > self.most {
                return Err(Stop::Full);
            }
            self.out.write_all(block).map_err(|e| match e.kind() {
                io::ErrorKind::StorageFull => Stop::Full,
                _ => Stop::Write(e),
            })?;
            self.written += len;
        }
        self.len = self.len.saturating_add(len);
        Ok(())
    }
}

fn copy(from: &mut dyn Read, to: &mut Sparse<'_>) -> Result<(), Stop> {
    let mut block = vec![0; BLOCK];
    loop {
        let mut n = 0;
        let mut failed = None;
        while n < BLOCK {
            match from.read(&mut block[n..]) {
                Ok(0) => break,
                Ok(k) => n += k,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    failed = Some(Stop::Damaged(e.to_string()));
                    break;
                }
            }
        }
        if n > 0 {
            to.block(&block[..n])?;
        }
        match failed {
            Some(stop) => return Err(stop),
            None if n < BLOCK => return Ok(()),
            None => {}
        }
    }
}

/// The frames of a zstd file one behind the other.
fn frames(input: &mut BufReader<File>, to: &mut Sparse<'_>) -> Result<(), Stop> {
    loop {
        match input.fill_buf() {
            Ok([]) => return Ok(()),
            Ok(_) => {}
            Err(e) => return Err(Stop::Damaged(e.to_string())),
        }
        let mut frame = StreamingDecoder::new(&mut *input).map_err(|e| Stop::Damaged(e.to_string()))?;
        copy(&mut frame, to)?;
    }
}

/// Bytes that may be written, the reserve left out; all when the file system does not tell.
fn free_bytes(directory: &Path) -> u64 {
    rustix::fs::statvfs(directory).map_or(u64::MAX, |s| s.f_bavail.saturating_mul(s.f_frsize).saturating_sub(RESERVE))
}
