//! `/proc/PID/smaps` and `/proc/PID/smaps_rollup`: resident parts per mapping and in all.

use crate::maps::mapping;
use crate::text::{Gaps, key_value, kib, lines, show};
use model::{Bytes, Gap, Smap, SmapsRollup};

/// Reads `/proc/PID/smaps`. A file cut in the middle keeps the mappings before the cut and the
/// counters read of the last one.
#[must_use]
pub fn smaps(bytes: &[u8]) -> (Vec<Smap>, Vec<Gap>) {
    let mut out: Vec<Smap> = Vec::new();
    let mut gaps = Gaps::default();
    let mut complete = true;
    for (offset, line) in lines(bytes) {
        if let Some(mapping) = mapping(line) {
            if !complete {
                gaps.push(Gap::at(offset, "smaps: the mapping before has no Rss line"));
            }
            complete = false;
            // The kernel prints the list in several reads. A mapping that grew or merged in between comes
            // again, whole: the later line is the truth of the earlier one.
            while out.last().is_some_and(|l| l.mapping.start >= mapping.start && l.mapping.end <= mapping.end) {
                out.pop();
            }
            out.push(Smap {
                mapping,
                rss: Bytes::ZERO,
                anonymous: Bytes::ZERO,
                lazy_free: Bytes::ZERO,
                anon_huge_pages: Bytes::ZERO,
                swap: Bytes::ZERO,
            });
            continue;
        }
        let Some((key, value)) = key_value(line) else {
            if !line.trim_ascii().is_empty() {
                gaps.push(Gap::at(offset, format!("smaps: expected `Key: value`, found `{}`", show(line))));
            }
            continue;
        };
        let Some(last) = out.last_mut() else {
            gaps.push(Gap::at(offset, "smaps: a counter before the first mapping"));
            continue;
        };
        let slot = match key {
            b"Rss" => {
                complete = true;
                &mut last.rss
            }
            b"Anonymous" => &mut last.anonymous,
            b"LazyFree" => &mut last.lazy_free,
            b"AnonHugePages" => &mut last.anon_huge_pages,
            b"Swap" => &mut last.swap,
            _ => continue,
        };
        match kib(value) {
            Some(b) => *slot = b,
            None => gaps.push(Gap::at(offset, format!("smaps: `{}` is no size in kB", show(line)))),
        }
    }
    if !complete {
        gaps.push(Gap::at(bytes.len() as u64, "smaps: the last mapping has no Rss line: the file is cut"));
    }
    (out, gaps.into_vec())
}

/// Reads `/proc/PID/smaps_rollup`. A file without an `Rss` line leaves a gap.
#[must_use]
pub fn smaps_rollup(bytes: &[u8]) -> (SmapsRollup, Vec<Gap>) {
    let mut out = SmapsRollup::default();
    let mut gaps = Gaps::default();
    let mut has_rss = false;
    for (offset, line) in lines(bytes) {
        // The head line (`5555...-7ffc... ---p ... [rollup]`) has colons of its own.
        let Some((key, value)) = key_value(line).filter(|_| mapping(line).is_none()) else {
            continue;
        };
        let slot = match key {
            b"Rss" => {
                has_rss = true;
                &mut out.rss
            }
            b"Pss" => &mut out.pss,
            b"Anonymous" => &mut out.anonymous,
            b"LazyFree" => &mut out.lazy_free,
            b"AnonHugePages" => &mut out.anon_huge_pages,
            b"Swap" => &mut out.swap,
            _ => continue,
        };
        match kib(value) {
            Some(b) => *slot = b,
            None => gaps.push(Gap::at(offset, format!("smaps_rollup: `{}` is no size in kB", show(line)))),
        }
    }
    if !has_rss {
        gaps.push(Gap::of("smaps_rollup: no Rss line"));
    }
    (out, gaps.into_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_rollup_of_this_process() {
        // Two reads a moment apart: this test allocates between them, so allow 2 MiB.
        let all = std::fs::read("/proc/self/smaps").unwrap();
        let rollup = std::fs::read("/proc/self/smaps_rollup").unwrap();
        let (all, gaps) = smaps(&all);
        assert_eq!(gaps, []);
        let (rollup, gaps) = smaps_rollup(&rollup);
        assert_eq!(gaps, []);
        let sum: Bytes = all.iter().map(|s| s.rss).sum();
        assert!(sum.0.abs_diff(rollup.rss.0) < 2 << 20, "{sum} {}", rollup.rss);
        let anon: Bytes = all.iter().map(|s| s.anonymous).sum();
        assert!(anon.0.abs_diff(rollup.anonymous.0) < 2 << 20);
        assert!(rollup.pss <= rollup.rss);
    }

    #[test]
    fn a_mapping_that_grew_between_two_reads_counts_once() {
        let text = b"1000-2000 rw-p 0 00:00 0 \nRss:  4 kB\n8000-9000 rw-p 0 00:00 0 \nRss:  4 kB\n\
            8000-b000 rw-p 0 00:00 0 \nRss:  12 kB\nb000-c000 ---p 0 00:00 0 \nRss:  0 kB\n";
        let (s, gaps) = smaps(text);
        assert_eq!(gaps, []);
        let seen: Vec<_> = s.iter().map(|s| (s.mapping.start, s.mapping.end, s.rss.0)).collect();
        assert_eq!(seen, [(0x1000, 0x2000, 4096), (0x8000, 0xb000, 12288), (0xb000, 0xc000, 0)]);
    }

    #[test]
    fn a_cut_file_keeps_what_came_before() {
        let text = b"1000-2000 rw-p 0 00:00 0 \nSize: 4 kB\nRss:  4 kB\nLazyFree: 4 kB\n2000-3000 rw-p 0 00:00 0 \nSi";
        let (s, gaps) = smaps(text);
        assert_eq!(s.len(), 2);
        assert_eq!(s[0].rss, Bytes::kib(4));
        assert_eq!(s[0].lazy_free, Bytes::kib(4));
        assert_eq!(gaps.len(), 2, "{gaps:?}");
    }
}
