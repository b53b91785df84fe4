//! A service's own gauges: what it says it holds at the moment (series, sessions, entries).
//!
//! Kept are metrics that a `# TYPE name gauge` line declares, summed over their label sets; of the
//! labels nothing is kept. `go_*` and `process_*` are read elsewhere. A gauge with a value that is
//! not finite is left out, and so is all beyond [`MAX_GAUGES`] names.

use std::collections::BTreeMap;

/// Names kept at most; the largest services publish some hundreds.
const MAX_GAUGES: usize = 4096;
/// Longest name kept, bytes.
const MAX_NAME: usize = 256;

/// Gathers gauges while the lines of an exposition go by.
#[derive(Default)]
pub(crate) struct Gauges {
    /// The gauge whose samples follow: the format groups them below their `# TYPE`.
    current: Option<String>,
    /// Not finite when a value was not, or the sum overflowed: such a sum stays so.
    sums: BTreeMap<String, f64>,
}

impl Gauges {
    /// A line that starts with `#`.
    pub(crate) fn comment(&mut self, line: &[u8]) {
        let mut words = line.split(|b| b.is_ascii_whitespace()).filter(|w| !w.is_empty());
        if words.next() != Some(b"#") || words.next() != Some(b"TYPE") {
            return;
        }
        let name = words.next().and_then(|n| std::str::from_utf8(n).ok()).filter(|n| n.len() <= MAX_NAME);
        let elsewhere = |n: &str| n.starts_with("go_") || n.starts_with("process_");
        let is_gauge = words.next() == Some(b"gauge");
        self.current = name.filter(|n| is_gauge && !elsewhere(n)).map(str::to_owned);
    }

    /// Whether `line` may be a sample of the gauge at hand: worth parsing.
    pub(crate) fn wants(&self, line: &[u8]) -> bool {
        self.current.as_ref().is_some_and(|name| line.starts_with(name.as_bytes()))
    }

    /// A sample that [`Gauges::wants`] asked for.
    pub(crate) fn sample(&mut self, name: &str, value: f64) {
        if self.current.as_deref() != Some(name) {
            return;
        }
        if let Some(sum) = self.sums.get_mut(name) {
            *sum += value;
        } else if self.sums.len() < MAX_GAUGES {
            self.sums.insert(name.to_owned(), value);
        }
    }

    /// Sums by name.
    pub(crate) fn finish(mut self) -> BTreeMap<String, f64> {
        self.sums.retain(|_, sum| sum.is_finite());
        self.sums
    }
}
