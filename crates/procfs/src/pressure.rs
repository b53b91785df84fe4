//! Pressure stall information: `/proc/pressure/memory` and `memory.pressure` of a cgroup.

use crate::text::{Gaps, lines, show};
use model::{Gap, Pressure, PressureLine};

/// Reads a pressure file; `None` without a readable `some` line.
#[must_use]
pub fn pressure(bytes: &[u8]) -> (Option<Pressure>, Vec<Gap>) {
    let mut gaps = Gaps::default();
    let (mut some, mut full) = (None, None);
    for (offset, line) in lines(bytes) {
        let text = String::from_utf8_lossy(line);
        let parsed = if let Some(rest) = text.strip_prefix("some ") {
            some = pressure_line(rest);
            some
        } else if let Some(rest) = text.strip_prefix("full ") {
            full = pressure_line(rest);
            full
        } else if text.trim().is_empty() {
            continue;
        } else {
            None
        };
        if parsed.is_none() {
            gaps.push(Gap::at(
                offset,
                format!("pressure: expected `some|full avg10= avg60= avg300= total=`, found `{}`", show(line)),
            ));
        }
    }
    (some.map(|some| Pressure { some, full }), gaps.into_vec())
}

fn pressure_line(text: &str) -> Option<PressureLine> {
    let value = |key: &str| text.split_ascii_whitespace().find_map(|f| f.strip_prefix(key)?.strip_prefix('='));
    let percent = |key: &str| value(key)?.parse::<f64>().ok().filter(|v| (0.0..=100.0).contains(v));
    Some(PressureLine {
        avg10: percent("avg10")?,
        avg60: percent("avg60")?,
        avg300: percent("avg300")?,
        total_us: value("total")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_lines() {
        let (p, gaps) = pressure(
            b"some avg10=1.50 avg60=0.25 avg300=0.00 total=12345\nfull avg10=0.50 avg60=0.00 avg300=0.00 total=99\n",
        );
        let p = p.unwrap();
        assert_eq!(gaps, []);
        assert_eq!((p.some.avg10, p.some.total_us), (1.5, 12345));
        assert_eq!(p.full.unwrap().total_us, 99);
        assert_eq!(pressure(b"some avg10=NaN avg60=0 avg300=0 total=1").0, None);
        assert_eq!(pressure(b"").0, None);
    }
}
