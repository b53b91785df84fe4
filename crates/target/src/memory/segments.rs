//! What a core file holds of each mapping: in the core itself, in a file, cut off, or never written.
//! Owns the sorted table that finds the bytes of an address.

use super::mapped::FileBytes;
use super::notes::MappedFile;
use gobinary::{Region, Unreadable};
use model::{Bytes, Gap};
use std::sync::atomic::{AtomicUsize, Ordering};

/// One mapping of the program as its core file describes it. Lengths in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreSegment {
    /// First address.
    pub start: u64,
    /// Address behind the last byte.
    pub end: u64,
    /// Whether the program could read there; else it is address space kept in reserve.
    pub readable: bool,
    /// Whether the program could write there.
    pub writable: bool,
    /// Whether it holds code.
    pub executable: bool,
    /// Bytes the core file holds.
    pub in_core: u64,
    /// Bytes the core file should hold, but it ends before them.
    pub cut: u64,
    /// Bytes read from the mapped file instead: unchanged pages that are not written to cores.
    pub from_file: u64,
    /// The file mapped there.
    pub path: Option<String>,
}

impl CoreSegment {
    /// Bytes that nothing is known of: neither in the core file nor in a file.
    #[must_use]
    pub const fn absent(&self) -> u64 {
        (self.end - self.start).saturating_sub(self.in_core).saturating_sub(self.from_file)
    }
}

/// How much of the program's memory can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoreCoverage {
    /// All mappings together, those left out that the program itself could not read.
    pub mapped: Bytes,
    /// Of it: in the core file.
    pub in_core: Bytes,
    /// Of it: from the executable and other mapped files.
    pub from_files: Bytes,
    /// Of it: should be in the core file, which was cut before it.
    pub cut: Bytes,
    /// Of it: never written to the core file, and not to be had from a file (cut bytes left out).
    pub left_out: Bytes,
}

impl CoreCoverage {
    pub(crate) fn of(segments: &[CoreSegment]) -> Self {
        let counted = || segments.iter().filter(|s| s.readable || s.in_core > 0);
        let sum = |f: fn(&CoreSegment) -> u64| Bytes(counted().map(f).fold(0, u64::saturating_add));
        Self {
            mapped: sum(|s| s.end - s.start),
            in_core: sum(|s| s.in_core),
            from_files: sum(|s| s.from_file),
            cut: sum(|s| s.cut),
            left_out: sum(|s| s.absent().saturating_sub(s.cut)),
        }
    }
}

/// A loadable program header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) start: u64,
    pub(crate) memory: u64,
    pub(crate) offset: u64,
    pub(crate) in_file: u64,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) executable: bool,
}

/// Where the bytes of a piece are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// In the core file, at this offset.
    Core(u64),
    /// In this file of the table, at this offset.
    File(usize, u64),
    /// Nowhere.
    Absent,
}

/// All pieces of the address space, sorted, without overlaps.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    pub(crate) segments: Vec<CoreSegment>,
    pub(crate) regions: Vec<Region>,
    sources: Vec<Source>,
    /// Index of the region that was read last.
    last: AtomicUsize,
}

impl Pieces {
    /// The table of `loads` in a core file of `len` bytes. Of mappings over each other the first stays.
    pub(crate) fn new(mut loads: Vec<Load>, len: u64, gaps: &mut Vec<Gap>) -> Self {
        loads.sort_by_key(|l| l.start);
        let mut out = Self::default();
        let mut cut = (0_u64, 0_u64);
        let mut overlapping = 0;
        for load in loads {
            let size = load.memory.max(load.in_file);
            let Some(end) = load.start.checked_add(size).filter(|&e| e > load.start) else { continue };
            if out.segments.last().is_some_and(|s| s.end > load.start) {
                overlapping += 1;
                continue;
            }
            let in_core = load.in_file.min(len.saturating_sub(load.offset));
            let missing = load.in_file - in_core;
            if missing > 0 {
                cut = (cut.0 + 1, cut.1.saturating_add(missing));
            }
            let Load { start, readable, writable, executable, .. } = load;
            out.segments.push(CoreSegment {
                start,
                end,
                readable,
                writable,
                executable,
                in_core,
                cut: missing,
                from_file: 0,
                path: None,
            });
            out.push(start, start + in_core, &load, Source::Core(load.offset));
            out.push(start + in_core, end, &load, Source::Absent);
        }
        if cut.0 > 0 {
            gaps.push(Gap::at(
                len,
                format!("the core file ends here: {} of {} mappings are missing behind it", Bytes(cut.1), cut.0),
            ));
        }
        if overlapping > 0 {
            gaps.push(Gap::of(format!("{overlapping} mappings lie over others and were left out")));
        }
        out
    }

    fn push(&mut self, start: u64, end: u64, load: &Load, source: Source) {
        if start < end {
            let Load { writable, executable, .. } = *load;
            self.regions.push(Region { start, end, writable, executable, readable: source != Source::Absent });
            self.sources.push(source);
        }
    }

    /// Writes into each segment which file is mapped there.
    pub(crate) fn name(&mut self, files: &[MappedFile]) {
        for segment in &mut self.segments {
            let i = files.partition_point(|f| f.end <= segment.start);
            segment.path = files.get(i).filter(|f| f.start < segment.end).map(|f| f.path.clone());
        }
    }

    /// Fills absent read-only pages from a file: `parts` are address, length and file offset, sorted
    /// and without overlaps. Writable pages are never taken from a file, for the program may have changed them.
    pub(crate) fn supply(&mut self, index: usize, parts: &[(u64, u64, u64)]) {
        let mut pieces = Self { segments: std::mem::take(&mut self.segments), ..Self::default() };
        for (region, source) in self.regions.iter().zip(&self.sources) {
            let mut at = region.start;
            if *source == Source::Absent && !region.writable {
                let first = parts.partition_point(|p| p.0.saturating_add(p.1) <= at);
                for &(start, len, offset) in parts[first..].iter().take_while(|p| p.0 < region.end) {
                    let from = start.max(at);
                    let to = start.saturating_add(len).min(region.end);
                    let Some(offset) = offset.checked_add(from.wrapping_sub(start)).filter(|_| from < to) else {
                        continue;
                    };
                    pieces.copy(region, at, from, *source);
                    pieces.copy(region, from, to, Source::File(index, offset));
                    at = to;
                }
            }
            pieces.copy_rest(region, at, *source);
        }
        *self = pieces;
    }

    /// Adds read-only pages that the core file does not even mention: gcore leaves out mappings of files
    /// that were not changed. `parts` are address, length, file offset and whether they hold code; what the
    /// core file has stays.
    pub(crate) fn add_missing(&mut self, index: usize, parts: &[(u64, u64, u64, bool)]) {
        for &(start, len, offset, executable) in parts {
            let end = start.saturating_add(len);
            let mut at = start;
            let mut holes = Vec::new();
            let first = self.regions.partition_point(|r| r.end <= start);
            for region in self.regions.iter().skip(first).take_while(|r| r.start < end) {
                holes.push((at, region.start));
                at = region.end;
            }
            holes.push((at, end));
            for (from, to) in holes.into_iter().filter(|(from, to)| from < to) {
                let Some(file_offset) = offset.checked_add(from - start) else { continue };
                let i = self.regions.partition_point(|r| r.end <= from);
                let region = Region { start: from, end: to, writable: false, executable, readable: true };
                self.regions.insert(i, region);
                self.sources.insert(i, Source::File(index, file_offset));
                let i = self.segments.partition_point(|s| s.end <= from);
                let segment = CoreSegment {
                    start: from,
                    end: to,
                    readable: true,
                    writable: false,
                    executable,
                    in_core: 0,
                    cut: 0,
                    from_file: to - from,
                    path: None,
                };
                self.segments.insert(i, segment);
            }
        }
    }

    /// A part of `region` that is absent or from a file.
    fn copy(&mut self, region: &Region, start: u64, end: u64, source: Source) {
        if start >= end {
            return;
        }
        if let Source::File(..) = source {
            let i = self.segments.partition_point(|s| s.end <= start);
            if let Some(segment) = self.segments.get_mut(i) {
                segment.from_file = segment.from_file.saturating_add(end - start);
                segment.cut = segment.cut.min(segment.absent());
            }
        }
        self.regions.push(Region { start, end, readable: source != Source::Absent, ..*region });
        self.sources.push(source);
    }

    fn copy_rest(&mut self, region: &Region, start: u64, source: Source) {
        if start < region.end {
            self.regions.push(Region { start, ..*region });
            self.sources.push(source);
        }
    }

    /// The bytes at `address`, when mapped into memory and in one piece.
    pub(crate) fn bytes<'a>(
        &self,
        core: &'a FileBytes,
        files: &'a [FileBytes],
        address: u64,
        len: usize,
    ) -> Option<&'a [u8]> {
        let (region, source) = self.at(address)?;
        if address.checked_add(len as u64)? > region.end {
            return None;
        }
        let within = address - region.start;
        match source {
            Source::Core(offset) => core.slice(offset.checked_add(within)?, len),
            Source::File(i, offset) => files.get(i)?.slice(offset.checked_add(within)?, len),
            Source::Absent => None,
        }
    }

    pub(crate) fn read(
        &self,
        core: &FileBytes,
        files: &[FileBytes],
        address: u64,
        buf: &mut [u8],
    ) -> Result<(), Unreadable> {
        let mut at = address;
        let mut left = buf;
        while !left.is_empty() {
            let missing = Unreadable { address: at };
            let (region, source) = self.at(at).ok_or(missing)?;
            let n = usize::try_from(region.end - at).unwrap_or(usize::MAX).min(left.len());
            let (head, rest) = left.split_at_mut(n);
            let within = at - region.start;
            let (file, offset) = match source {
                Source::Core(offset) => (Some(core), offset),
                Source::File(i, offset) => (files.get(i), offset),
                Source::Absent => (None, 0),
            };
            let offset = offset.checked_add(within).ok_or(missing)?;
            if !file.is_some_and(|f| f.read(offset, head)) {
                return Err(missing);
            }
            left = rest;
            // Regions end at most at u64::MAX, so the next address exists.
            at = at.saturating_add(n as u64);
        }
        Ok(())
    }

    fn at(&self, address: u64) -> Option<(Region, Source)> {
        // Most reads are of the region that was read last: the heap.
        let last = self.last.load(Ordering::Relaxed);
        let i = match self.regions.get(last) {
            Some(r) if r.start <= address && address < r.end => last,
            _ => {
                let i = self.regions.partition_point(|r| r.end <= address);
                self.last.store(i, Ordering::Relaxed);
                i
            }
        };
        let region = *self.regions.get(i)?;
        (region.start <= address).then_some((region, *self.sources.get(i)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(start: u64, memory: u64, offset: u64, in_file: u64, writable: bool) -> Load {
        Load { start, memory, offset, in_file, readable: true, writable, executable: false }
    }

    #[test]
    fn a_hole_is_filled_from_a_file_where_it_cannot_have_changed() {
        let core = FileBytes::Owned((0..=255).collect());
        let files = [FileBytes::Owned(vec![9; 0x100])];
        let mut gaps = Vec::new();
        // Read-only with one dumped page of 16 bytes; writable and never written; one cut at 256.
        let loads =
            vec![load(0x1000, 0x40, 16, 0x10, false), load(0x2000, 0x40, 0, 0, true), load(0x3000, 64, 240, 64, true)];
        let mut p = Pieces::new(loads, 256, &mut gaps);
        assert_eq!(gaps.len(), 1, "{gaps:?}");
        p.supply(0, &[(0x1000, 0x30, 0), (0x2000, 0x40, 0)]);
        let read = |a, n| {
            let mut b = vec![0; n];
            p.read(&core, &files, a, &mut b).map(|()| b)
        };
        assert_eq!(read(0x100f, 2), Ok(vec![31, 9]));
        assert_eq!(read(0x102f, 2), Err(Unreadable { address: 0x1030 }));
        assert_eq!(read(0x2000, 1), Err(Unreadable { address: 0x2000 }));
        assert_eq!(read(0x300f, 2), Err(Unreadable { address: 0x3010 }));
        assert_eq!(p.bytes(&core, &files, 0x1010, 0x20), Some(&[9; 0x20][..]));
        let c = CoreCoverage::of(&p.segments);
        assert_eq!((c.mapped.0, c.in_core.0, c.from_files.0, c.cut.0, c.left_out.0), (192, 32, 32, 48, 80));
        assert!(p.regions.windows(2).all(|w| w[0].end <= w[1].start));
    }

    #[test]
    fn forged_ranges_are_left_out() {
        let mut gaps = Vec::new();
        let loads = vec![
            load(u64::MAX - 4, 100, 0, 100, true),
            load(0x1000, 0x100, u64::MAX, u64::MAX, true),
            load(0x1000, 0x100, u64::MAX, 0x100, true),
            load(0x1080, 0x100, 0, 0x100, true),
        ];
        let p = Pieces::new(loads, 4096, &mut gaps);
        assert_eq!(p.segments.len(), 1);
        assert_eq!(p.segments[0].cut, 0x100);
    }
}
