//! `/proc/PID/status`: the lines about memory and threads. Ignores every other line.

use crate::text::{Gaps, key_value, kib, lines, number, show};
use model::{Gap, ProcStatus};

/// Reads `/proc/PID/status`. A file without `VmRSS` (zombie, kernel thread) leaves a gap.
#[must_use]
pub fn status(bytes: &[u8]) -> (ProcStatus, Vec<Gap>) {
    let mut out = ProcStatus::default();
    let mut gaps = Gaps::default();
    let mut has_rss = false;
    for (offset, line) in lines(bytes) {
        let Some((key, value)) = key_value(line) else {
            continue;
        };
        let slot = match key {
            b"Name" => {
                out.name = String::from_utf8_lossy(value.trim_ascii()).into_owned();
                continue;
            }
            b"Threads" => {
                match number(value) {
                    Some(n) => out.threads = n,
                    None => gaps.push(Gap::at(offset, format!("status: `{}` is no thread count", show(line)))),
                }
                continue;
            }
            b"VmRSS" => {
                has_rss = true;
                &mut out.vm_rss
            }
            b"VmHWM" => &mut out.vm_hwm,
            b"RssAnon" => &mut out.rss_anon,
            b"RssFile" => &mut out.rss_file,
            b"RssShmem" => &mut out.rss_shmem,
            b"VmSwap" => &mut out.vm_swap,
            _ => continue,
        };
        match kib(value) {
            Some(b) => *slot = b,
            None => gaps.push(Gap::at(offset, format!("status: `{}` is no size in kB", show(line)))),
        }
    }
    if !has_rss {
        gaps.push(Gap::of("status: no VmRSS line: the process has no memory of its own (zombie or kernel thread)"));
    }
    (out, gaps.into_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Bytes;

    #[test]
    fn reads_a_real_status() {
        let text = b"Name:\tprom etheus\nUmask:\t0022\nState:\tS (sleeping)\nVmHWM:\t  120 kB\nVmRSS:\t     100 kB\nRssAnon:\t      60 kB\nRssFile:\t      30 kB\nRssShmem:\t      10 kB\nVmSwap:\t       4 kB\nThreads:\t9\n";
        let (s, gaps) = status(text);
        assert_eq!(gaps, []);
        assert_eq!(s.name, "prom etheus");
        assert_eq!(s.threads, 9);
        assert_eq!(s.vm_rss, Bytes::kib(100));
        assert_eq!(s.vm_hwm, Bytes::kib(120));
        assert_eq!(s.rss_anon, Bytes::kib(60));
        assert_eq!(s.rss_file, Bytes::kib(30));
        assert_eq!(s.rss_shmem, Bytes::kib(10));
        assert_eq!(s.vm_swap, Bytes::kib(4));
    }

    #[test]
    fn damaged_lines_become_gaps() {
        let (s, gaps) = status(b"Name:\tx\nVmRSS:\tten kB\nThreads:\t-1\nRssAnon: 1 kB\n");
        assert_eq!(gaps.len(), 2, "{gaps:?}");
        assert_eq!(gaps[0].offset, Some(8));
        assert_eq!(s.rss_anon, Bytes::kib(1));
        assert_eq!(status(b"Name: kthreadd\n").1.len(), 1);
    }
}
