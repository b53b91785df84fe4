//! `--snapshot stop`: all threads stop, the ranges that are wanted are copied, all run on. For
//! processes that cannot fork a copy; the pause grows with the bytes.

use super::MemoryError;
use super::live::LiveMemory;
use super::plan::failed;
use super::registers::ThreadRegisters;
use super::snapshot::Pause;
use super::stop::Stopped;
use super::sys;
use crate::Process;
use gobinary::{Memory, Region, Unreadable};
use model::Bytes;
use std::io;
use std::ops::Range;

/// Bytes copied from a process while it was stopped.
#[derive(Debug)]
pub struct Copied {
    pieces: Vec<(Region, Vec<u8>)>,
    regions: Vec<Region>,
    threads: Vec<ThreadRegisters>,
    pause: Pause,
    missing: Bytes,
}

impl Copied {
    /// Stops `process`, asks `ranges` what to copy (it may read the stopped process), copies that
    /// and lets the process go. At most `most` bytes are copied; ranges behind that are left out,
    /// as are bytes that cannot be read ([`Copied::missing`]).
    ///
    /// # Errors
    /// [`MemoryError::Refused`], [`MemoryError::Gone`], [`MemoryError::Failed`]; the process runs on.
    pub fn of(
        process: &Process,
        most: Bytes,
        ranges: impl FnOnce(&LiveMemory, &[ThreadRegisters]) -> Vec<Range<u64>> + Send,
    ) -> Result<Self, MemoryError> {
        // Stopping belongs to a thread of its own: if anything here panics it ends, and with it
        // the stop.
        let done = std::thread::scope(|scope| {
            let worker = std::thread::Builder::new().name("tracer".to_owned());
            let worker = worker.spawn_scoped(scope, || Self::stop_and_copy(process, most, ranges));
            worker.map(|w| w.join())
        });
        match done {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(failed(process, "copying its memory", io::Error::other("the copying thread panicked"))),
            Err(e) => Err(failed(process, "starting the tracing thread", e)),
        }
    }

    fn stop_and_copy(
        process: &Process,
        most: Bytes,
        ranges: impl FnOnce(&LiveMemory, &[ThreadRegisters]) -> Vec<Range<u64>>,
    ) -> Result<Self, MemoryError> {
        sys::block_signals();
        let mut stopped = Stopped::all(process, sys::TRACE_SYSGOOD)?;
        let since = stopped.since;
        let threads = stopped.registers();
        let memory = LiveMemory::open(process)?;
        let stopping = since.elapsed();
        let mut ranges = ranges(&memory, &threads);
        ranges.sort_by_key(|r| r.start);
        let mut out = Self {
            pieces: Vec::new(),
            regions: Vec::new(),
            threads,
            pause: Pause { total: stopping, stopping, copying: stopping, stops: 1 },
            missing: Bytes::ZERO,
        };
        let mut left = most.0;
        for range in ranges {
            out.add(&memory, &range, &mut left);
        }
        let copying = since.elapsed().saturating_sub(stopping);
        stopped.release();
        out.pause = Pause { total: since.elapsed(), stopping, copying, stops: 1 };
        out.regions = out.pieces.iter().map(|p| p.0).collect();
        Ok(out)
    }

    /// The readable parts of a range that are not yet there.
    fn add(&mut self, memory: &LiveMemory, range: &Range<u64>, left: &mut u64) {
        let from = self.pieces.last().map_or(0, |p| p.0.end).max(range.start);
        let first = memory.regions().partition_point(|r| r.end <= from);
        for region in memory.regions().iter().skip(first).take_while(|r| r.start < range.end) {
            let (start, end) = (region.start.max(from), region.end.min(range.end));
            if start >= end || !region.readable {
                continue;
            }
            let want = end - start;
            let bytes = if want <= *left { read(memory, start, want) } else { None };
            match bytes {
                Some(bytes) => {
                    *left -= want;
                    self.pieces.push((Region { start, end, ..*region }, bytes));
                }
                None => self.missing.0 = self.missing.0.saturating_add(want),
            }
        }
    }

    /// The registers of all threads.
    #[must_use]
    pub fn threads(&self) -> &[ThreadRegisters] {
        &self.threads
    }

    /// How long the process was stopped.
    #[must_use]
    pub const fn pause(&self) -> Pause {
        self.pause
    }

    /// Bytes of the ranges that were mapped but not copied.
    #[must_use]
    pub const fn missing(&self) -> Bytes {
        self.missing
    }

    fn at(&self, address: u64) -> Option<&[u8]> {
        let i = self.pieces.partition_point(|p| p.0.end <= address);
        let (region, bytes) = self.pieces.get(i)?;
        bytes.get(usize::try_from(address.checked_sub(region.start)?).ok()?..)
    }
}

fn read(memory: &LiveMemory, start: u64, len: u64) -> Option<Vec<u8>> {
    // The length is that of a mapping of the process, and within the caller's limit.
    let mut bytes = vec![0; usize::try_from(len).ok()?];
    memory.read(start, &mut bytes).ok()?;
    Some(bytes)
}

impl Memory for Copied {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), Unreadable> {
        let mut at = address;
        let mut left = buf;
        while !left.is_empty() {
            let missing = Unreadable { address: at };
            let from = self.at(at).filter(|b| !b.is_empty()).ok_or(missing)?;
            let n = from.len().min(left.len());
            let (head, rest) = left.split_at_mut(n);
            head.copy_from_slice(&from[..n]);
            left = rest;
            at = at.checked_add(n as u64).ok_or(missing)?;
        }
        Ok(())
    }

    fn bytes(&self, address: u64, len: usize) -> Option<&[u8]> {
        self.at(address)?.get(..len)
    }

    fn regions(&self) -> &[Region] {
        &self.regions
    }
}
