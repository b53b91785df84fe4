//! Samples of `oomph watch` out of a bundle: JSON lines, a column each by its name. Owns their reading and joining;
//! refuses to judge them. A line that cannot be read is left out and told.

use model::{Bytes, Gap, SecondsToLimit, UnixMillis, WatchMoment};
use serde_json::Value;
use signals::{Column, Sample};

/// Most samples kept of one file.
const MOST: usize = 20_000;
/// Longest line.
const LONGEST: usize = 64 << 10;
/// A forecast's end that JSON cannot hold, seconds.
const NEVER: f64 = 1e9;
/// Gaps told.
const MOST_GAPS: usize = 20;

/// The samples of one file.
pub(crate) fn moments(text: &[u8]) -> (Vec<WatchMoment>, Vec<Gap>) {
    let (mut out, mut gaps) = (Vec::new(), Vec::new());
    let mut offset = 0_u64;
    for line in text.split(|b| *b == b'\n') {
        let at = offset;
        offset += line.len() as u64 + 1;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if out.len() >= MOST {
            gaps.push(Gap::at(at, format!("more than {MOST} samples")));
            break;
        }
        match moment(line) {
            Some(m) => out.push(m),
            None if gaps.len() < MOST_GAPS => {
                gaps.push(Gap::at(at, "expected a sample as a JSON object with its time"));
            }
            None => {}
        }
    }
    (out, gaps)
}

fn moment(line: &[u8]) -> Option<WatchMoment> {
    if line.len() > LONGEST {
        return None;
    }
    let v: Value = serde_json::from_slice(line).ok()?;
    let at = UnixMillis(v.get("at")?.as_i64()?);
    let number = |name: &str| v.get(name).and_then(Value::as_f64).filter(|n| n.is_finite());
    let mut s = Sample::new(number("monotonic_s").unwrap_or(0.0));
    for c in Column::ALL {
        s.put(*c, number(c.name()));
    }
    let size = |v: Option<f64>| v.map(|v| Bytes(v.max(0.0) as u64));
    let word = |name: &str| v.get(name).cloned().unwrap_or_default();
    Some(WatchMoment {
        at,
        level: serde_json::from_value(word("level")).unwrap_or_default(),
        shape: serde_json::from_value(word("shape")).unwrap_or_default(),
        used: size(s.unreclaimable()),
        limit: size(s.limit()),
        live_heap: size(s.get(Column::HeapLive)),
        heap: size(s.get(Column::HeapAlloc)),
        goal: size(s.get(Column::HeapGoal)),
        off_heap: size(s.get(Column::Mapped).and_then(|_| s.beside_go())),
        goroutines: s.get(Column::Goroutines).map(|g| g.max(0.0) as u64),
        left: number("p50")
            .and_then(|p50| Some(SecondsToLimit { p10: number("p10")?, p50, p90: number("p90").unwrap_or(NEVER) })),
    })
}

/// Adds samples to those that are there: in time order, each once. Files of one incident overlap.
pub(crate) fn join(all: &mut Vec<WatchMoment>, more: Vec<WatchMoment>) {
    all.extend(more);
    all.sort_by_key(|m| m.at);
    all.dedup_by_key(|m| m.at);
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{GrowthShape, WatchLevel};

    #[test]
    fn reads_what_a_watch_writes_and_tells_what_it_cannot() {
        let text = b"{\"at\":1000,\"monotonic_s\":5.5,\"group.usage\":300,\"group.reclaimable\":100,\"group.limit\":1000,\
            \"heap.live\":90,\"go.mapped\":150,\"go.goroutines\":7,\"p10\":1.0,\"p50\":2.0,\"p90\":4.0,\"level\":\"warning\",\
            \"shape\":\"fast-leak\"}\nnot json\n\n{\"at\":\"x\"}\n{\"at\":3000,\"level\":\"unheard-of\",\"p50\":[1]}\n{\"at\":4000";
        let (moments, gaps) = moments(text);
        assert_eq!(moments.len(), 2);
        let m = moments[0];
        assert_eq!((m.used, m.limit, m.live_heap), (Some(Bytes(200)), Some(Bytes(1000)), Some(Bytes(90))));
        assert_eq!((m.off_heap, m.goroutines), (Some(Bytes(50)), Some(7)));
        assert_eq!((m.level, m.shape), (WatchLevel::Warning, GrowthShape::FastLeak));
        assert_eq!(m.left.map(|l| l.p50), Some(2.0));
        assert_eq!((moments[1].level, moments[1].left), (WatchLevel::Quiet, None));
        assert_eq!(gaps.iter().map(|g| g.offset).collect::<Vec<_>>().len(), 3);
        let mut all = moments.clone();
        join(&mut all, moments);
        assert_eq!(all.len(), 2);
    }

    proptest::proptest! {
        /// Whatever a file holds: samples and gaps, no panic.
        #[test]
        fn bears_any_bytes(text in proptest::collection::vec(proptest::num::u8::ANY, 0..400), at in -9i64..9, n in proptest::num::f64::ANY) {
            moments(&text);
            let line = format!("{{\"at\":{at},\"group.usage\":{n:e},\"go.goroutines\":-{n:e},\"p10\":{n},\"p50\":1}}\n");
            let all = [line.as_bytes(), &text].concat();
            moments(&all);
        }
    }
}
