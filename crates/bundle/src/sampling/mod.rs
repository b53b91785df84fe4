//! Reading one process's numbers again and again, cheaply: what a watcher does each few seconds.
//!
//! Files of `/proc` and of the control group are opened once and read in place; the runtime's own numbers come
//! from the memory of the process, which costs it nothing; only where that is refused is its web endpoint asked,
//! the cheapest page first, and never for a garbage collection. Each source fails by itself, and says why.

mod gctrace;
mod group;
mod memory;
mod process;
mod ring;
mod web;

pub use gctrace::GcTraceSampler;
pub use memory::RuntimeSampler;
pub use process::{ProcessSampler, SourceError};
pub use ring::{HeapRing, RingProfile};
pub use web::{WebSampler, WebSource, find_web, process_behind};

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Most bytes of one file that is read each few seconds.
const MOST: usize = 64 << 10;

/// A small text file of the kernel, read from its start each time.
#[derive(Debug)]
struct KernelFile {
    file: File,
}

impl KernelFile {
    fn open(path: impl AsRef<std::path::Path>) -> io::Result<Self> {
        Ok(Self { file: File::open(path)? })
    }

    /// The whole text, in `buf`.
    fn read<'a>(&self, buf: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
        buf.resize(MOST, 0);
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|r| !r.is_empty()) {
            match self.file.read_at(rest, done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
            // The kernel gives these files whole; a second read only finds the end.
            if done < 4096 {
                break;
            }
        }
        Ok(buf.get(..done).unwrap_or_default())
    }

    /// The number that is all of the text; `None` also for `max`.
    fn number(&self, buf: &mut Vec<u8>) -> Option<f64> {
        let text = self.read(buf).ok()?.trim_ascii();
        std::str::from_utf8(text).ok()?.parse::<u64>().ok().map(|n| n as f64)
    }
}
