//! Reading stored samples back, whatever state they are in.

use super::codec::{DIFFERENCE, FRAME, HEAD, MAGIC, MOST, Numbers, WHOLE, checksum};
use super::write::{segment, segments};
use super::{Record, SeriesHead};
use std::io;
use std::path::Path;

/// Most bytes taken of one segment: writers end them at 1 MiB.
const MOST_SEGMENT: u64 = 16 << 20;

/// What a directory of samples holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Each process with its samples, in time order.
    pub processes: Vec<(SeriesHead, Vec<Record>)>,
    /// Bytes that were no whole record.
    pub damaged: u64,
}

/// Reads all segments of a target's directory.
///
/// # Errors
/// When the directory cannot be listed. Segments that cannot be read count as damaged.
pub fn read_series(dir: &Path) -> io::Result<Series> {
    let mut out = Series::default();
    for (number, size) in segments(dir)? {
        if size > MOST_SEGMENT {
            out.damaged += size;
            continue;
        }
        match std::fs::read(segment(dir, number)) {
            Ok(bytes) => read_segment(&bytes, &mut out),
            Err(_) => out.damaged += size,
        }
    }
    Ok(out)
}

/// Reads one segment's bytes behind what is in `out`.
pub fn read_segment(bytes: &[u8], out: &mut Series) {
    let mut rest = bytes;
    let mut before: Option<Numbers> = None;
    while !rest.is_empty() {
        let Some((kind, payload, len)) = whole_frame(rest) else {
            // Damaged: what follows may hold whole records again.
            out.damaged += 1;
            rest = rest.get(1..).unwrap_or_default();
            let next = rest.iter().position(|&b| b == MAGIC).unwrap_or(rest.len());
            out.damaged += next as u64;
            rest = rest.get(next..).unwrap_or_default();
            before = None;
            continue;
        };
        rest = rest.get(len..).unwrap_or_default();
        match kind {
            HEAD => {
                let head: SeriesHead = serde_json::from_slice(payload).unwrap_or_default();
                if out.processes.last().is_none_or(|(h, _)| *h != head) {
                    out.processes.push((head, Vec::new()));
                }
            }
            WHOLE | DIFFERENCE => {
                let base = if kind == WHOLE { Some(Numbers::default()) } else { before };
                before = base.and_then(|b| Numbers::decode(payload, &b));
                match before.as_ref().and_then(Numbers::record) {
                    Some(record) => {
                        if out.processes.is_empty() {
                            out.processes.push(Default::default());
                        }
                        if let Some((_, records)) = out.processes.last_mut() {
                            records.push(record);
                        }
                    }
                    None => out.damaged += len as u64,
                }
            }
            _ => {}
        }
    }
}

/// Kind, payload and length of the frame at the start; `None` when there is no whole one.
fn whole_frame(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let head = bytes.get(..FRAME)?;
    let (magic, kind) = (*head.first()?, *head.get(1)?);
    let len = usize::from(u16::from_le_bytes(head.get(2..4)?.try_into().ok()?));
    if magic != MAGIC || len > MOST {
        return None;
    }
    let crc = u32::from_le_bytes(head.get(4..8)?.try_into().ok()?);
    let payload = bytes.get(FRAME..FRAME + len)?;
    (checksum(kind, payload) == crc).then_some((kind, payload, FRAME + len))
}

#[cfg(test)]
mod tests {
    use super::super::SeriesWriter;
    use super::*;
    use model::{GrowthShape, UnixMillis, WatchLevel};
    use proptest::prelude::*;
    use signals::{Column, Sample, TimeToLimit};

    fn head() -> SeriesHead {
        SeriesHead { schema: "oomph.series/1".into(), target: "t".into(), pid: Some(7), ..SeriesHead::default() }
    }

    fn record(i: u32) -> Record {
        let mut sample = Sample::new(f64::from(i) * 5.0);
        sample.set(Column::Rss, 1e6 + f64::from(i % 1000).powi(2));
        if i.is_multiple_of(3) {
            sample.set(Column::GcMarkCpu, f64::from(i) / 1000.0);
        }
        let forecast = i.is_multiple_of(2).then_some(TimeToLimit { p10: 1.5, p50: 2.25, p90: f64::from(i) });
        Record {
            at: UnixMillis(1_700_000_000_000 + i64::from(i) * 5000),
            sample,
            forecast,
            level: WatchLevel::Notice,
            shape: GrowthShape::Step,
        }
    }

    /// Not a number is not equal to itself: compare what is there.
    fn same(a: &Record, b: &Record) -> bool {
        let values = |r: &Record| Column::ALL.iter().map(|c| r.sample.get(*c)).collect::<Vec<_>>();
        (a.at, a.sample.at_s, a.forecast, a.level, a.shape) == (b.at, b.sample.at_s, b.forecast, b.level, b.shape)
            && values(a) == values(b)
    }

    #[test]
    fn what_was_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let mut w = SeriesWriter::new(dir.path(), 8 << 20, head());
        let all: Vec<Record> = (0..500).map(record).collect();
        for r in &all {
            w.append(r).unwrap();
        }
        let back = read_series(dir.path()).unwrap();
        assert_eq!((back.damaged, back.processes.len()), (0, 1));
        assert_eq!(back.processes[0].0, head());
        assert!(back.processes[0].1.iter().zip(&all).all(|(a, b)| same(a, b)));
        assert_eq!(back.processes[0].1.len(), 500);
        let size = std::fs::metadata(segment(dir.path(), 1)).unwrap().len();
        assert!(size < 500 * 60, "{size}");
    }

    #[test]
    fn the_oldest_segments_go() {
        let dir = tempfile::tempdir().unwrap();
        let mut w = SeriesWriter::new(dir.path(), 2 << 20, head());
        for i in 0..120_000 {
            w.append(&record(i)).unwrap();
        }
        let total: u64 = segments(dir.path()).unwrap().iter().map(|s| s.1).sum();
        assert!(total <= (2 << 20) + 200, "{total}");
        let back = read_series(dir.path()).unwrap();
        assert!(same(back.processes[0].1.last().unwrap(), &record(119_999)));
    }

    /// Each process of a target begins a segment: bytes alone would bound a hundred thousand of them.
    #[test]
    fn a_target_that_restarts_for_ever_leaves_a_bounded_number_of_files() {
        let dir = tempfile::tempdir().unwrap();
        for pid in 0..600 {
            let mut w = SeriesWriter::new(dir.path(), 8 << 20, SeriesHead { pid: Some(pid), ..head() });
            w.append(&record(pid)).unwrap();
        }
        let back = read_series(dir.path()).unwrap();
        assert_eq!((back.damaged, segments(dir.path()).unwrap().len()), (0, 256));
        assert_eq!(back.processes.last().unwrap().0.pid, Some(599));
    }

    #[test]
    fn a_cut_at_any_byte_loses_one_record() {
        let dir = tempfile::tempdir().unwrap();
        let mut w = SeriesWriter::new(dir.path(), 8 << 20, head());
        for i in 0..70 {
            w.append(&record(i)).unwrap();
        }
        let bytes = std::fs::read(segment(dir.path(), 1)).unwrap();
        let mut last = 0;
        for cut in 0..bytes.len() {
            let mut out = Series::default();
            read_segment(&bytes[..cut], &mut out);
            let n = out.processes.first().map_or(0, |p| p.1.len());
            assert!(n >= last && n <= last + 1, "cut at {cut}");
            last = n;
        }
        assert_eq!(last, 69);
    }

    #[test]
    fn damage_in_the_middle_costs_until_the_next_whole_record() {
        let dir = tempfile::tempdir().unwrap();
        let mut w = SeriesWriter::new(dir.path(), 8 << 20, head());
        for i in 0..300 {
            w.append(&record(i)).unwrap();
        }
        let mut bytes = std::fs::read(segment(dir.path(), 1)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
        let mut out = Series::default();
        read_segment(&bytes, &mut out);
        let n = out.processes[0].1.len();
        assert!((300 - 66..300).contains(&n) && out.damaged > 0, "{n}");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let mut out = Series::default();
            read_segment(&bytes, &mut out);
            prop_assert!(out.damaged <= bytes.len() as u64);
        }
    }
}
