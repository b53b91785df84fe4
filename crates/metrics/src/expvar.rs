//! `/debug/vars`: the JSON object that Go's `expvar` prints, read for `memstats` and `cmdline`.
//!
//! `memstats` is `runtime.MemStats` as `encoding/json` writes it (Go `src/runtime/mstats.go`, field
//! names as declared). Other variables are skipped without being kept. An object that breaks off
//! still yields the variables that were complete before the break.

use crate::MetricsError;
use model::{Bytes, Gap, MemStats, MemStatsSource};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Number;
use std::fmt;

/// What `/debug/vars` told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expvar {
    /// The runtime's counters; `None` when the object has no usable `memstats`.
    pub memstats: Option<MemStats>,
    /// Arguments of the process; empty when not published.
    pub cmdline: Vec<String>,
    /// What had to be left out.
    pub gaps: Vec<Gap>,
}

/// Reads the answer of `/debug/vars`.
///
/// # Errors
/// When the text is no JSON object and no variable could be read before it broke off.
pub fn read_expvar(json: &[u8]) -> Result<Expvar, MetricsError> {
    let mut out = Expvar::default();
    let mut de = serde_json::Deserializer::from_slice(json);
    let result = ObjectSeed(&mut out).deserialize(&mut de).and_then(|()| de.end());
    if let Err(e) = result {
        if out.memstats.is_none() && out.cmdline.is_empty() {
            return Err(MetricsError(format!("expected the JSON object of expvar: {e}")));
        }
        out.gaps.push(Gap::of(format!("the JSON object breaks off: {e}; the variables before it were kept")));
    }
    Ok(out)
}

/// Fills an [`Expvar`] variable by variable, so that a later syntax error loses nothing earlier.
struct ObjectSeed<'a>(&'a mut Expvar);

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ObjectSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of variables")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut memstats_read = 0_u64;
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match key.as_ref() {
                "memstats" => {
                    memstats_read += 1;
                    if memstats_read > 1 {
                        // One gap for all of them: a hostile object cannot grow the list.
                        if memstats_read == 2 {
                            self.0.gaps.push(Gap::of("memstats comes several times: the first was kept"));
                        }
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    let raw: Lenient<RawMemStats> = map.next_value()?;
                    match raw {
                        Lenient::Value(raw) => raw.fill(self.0),
                        Lenient::Other(_) => self.0.gaps.push(Gap::of("memstats is not an object of numbers")),
                    }
                }
                "cmdline" => {
                    if let Lenient::Value(args) = map.next_value::<Lenient<Vec<String>>>()? {
                        self.0.cmdline = args;
                    }
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// A value of the expected shape, or of any other.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lenient<T> {
    Value(T),
    Other(IgnoredAny),
}

/// `runtime.MemStats` with each number optional.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RawMemStats {
    total_alloc: Option<Number>,
    sys: Option<Number>,
    mallocs: Option<Number>,
    frees: Option<Number>,
    heap_alloc: Option<Number>,
    heap_sys: Option<Number>,
    heap_idle: Option<Number>,
    heap_inuse: Option<Number>,
    heap_released: Option<Number>,
    heap_objects: Option<Number>,
    stack_inuse: Option<Number>,
    stack_sys: Option<Number>,
    #[serde(rename = "MSpanInuse")]
    mspan_inuse: Option<Number>,
    #[serde(rename = "MSpanSys")]
    mspan_sys: Option<Number>,
    #[serde(rename = "MCacheInuse")]
    mcache_inuse: Option<Number>,
    #[serde(rename = "MCacheSys")]
    mcache_sys: Option<Number>,
    buck_hash_sys: Option<Number>,
    #[serde(rename = "GCSys")]
    gc_sys: Option<Number>,
    other_sys: Option<Number>,
    #[serde(rename = "NextGC")]
    next_gc: Option<Number>,
    #[serde(rename = "LastGC")]
    last_gc: Option<Number>,
    pause_total_ns: Option<Number>,
    pause_ns: Vec<Number>,
    pause_end: Vec<Number>,
    #[serde(rename = "NumGC")]
    num_gc: Option<Number>,
    #[serde(rename = "NumForcedGC")]
    num_forced_gc: Option<Number>,
    #[serde(rename = "GCCPUFraction")]
    gc_cpu_fraction: Option<Number>,
}

impl RawMemStats {
    fn fill(self, out: &mut Expvar) {
        let mut missing = Vec::new();
        let mut count = |name: &'static str, n: &Option<Number>| match n.as_ref().and_then(whole) {
            Some(v) => v,
            None => {
                missing.push(name);
                0
            }
        };
        let num_gc = count("NumGC", &self.num_gc);
        let mut stats = MemStats {
            source: MemStatsSource::Expvar,
            heap_alloc: Bytes(count("HeapAlloc", &self.heap_alloc)),
            heap_sys: Bytes(count("HeapSys", &self.heap_sys)),
            heap_idle: Bytes(count("HeapIdle", &self.heap_idle)),
            heap_inuse: Bytes(count("HeapInuse", &self.heap_inuse)),
            heap_released: Bytes(count("HeapReleased", &self.heap_released)),
            heap_objects: count("HeapObjects", &self.heap_objects),
            total_alloc: Bytes(count("TotalAlloc", &self.total_alloc)),
            sys: Bytes(count("Sys", &self.sys)),
            mallocs: count("Mallocs", &self.mallocs),
            frees: count("Frees", &self.frees),
            stack_inuse: Bytes(count("StackInuse", &self.stack_inuse)),
            stack_sys: Bytes(count("StackSys", &self.stack_sys)),
            mspan_inuse: Bytes(count("MSpanInuse", &self.mspan_inuse)),
            mspan_sys: Bytes(count("MSpanSys", &self.mspan_sys)),
            mcache_inuse: Bytes(count("MCacheInuse", &self.mcache_inuse)),
            mcache_sys: Bytes(count("MCacheSys", &self.mcache_sys)),
            buck_hash_sys: Bytes(count("BuckHashSys", &self.buck_hash_sys)),
            gc_sys: Bytes(count("GCSys", &self.gc_sys)),
            other_sys: Bytes(count("OtherSys", &self.other_sys)),
            next_gc: Bytes(count("NextGC", &self.next_gc)),
            num_gc,
            num_forced_gc: self.num_forced_gc.as_ref().and_then(whole),
            gc_cpu_fraction: self.gc_cpu_fraction.as_ref().and_then(Number::as_f64).filter(|f| (0.0..=1.0).contains(f)),
            pause_total_ns: self.pause_total_ns.as_ref().and_then(whole),
            recent_pauses_ns: Vec::new(),
            recent_pause_ends_ns: Vec::new(),
            last_gc_ns: count("LastGC", &self.last_gc),
            max_rss: None,
            gogc_percent: None,
            gomemlimit: None,
        };
        // An entry that is no count leaves its buffer out.
        let ring = |r: &[Number]| r.iter().map(whole).collect::<Option<Vec<u64>>>().unwrap_or_default();
        stats.set_recent(&ring(&self.pause_ns), &ring(&self.pause_end));
        if missing.is_empty() {
            out.memstats = Some(stats);
        } else {
            // A ledger made of zeros would mislead: all or nothing.
            out.gaps.push(Gap::of(format!("memstats lacks {}: not the runtime's counters", missing.join(", "))));
        }
    }
}

fn whole(n: &Number) -> Option<u64> {
    n.as_u64().or_else(|| n.as_f64().and_then(crate::number::whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stats(extra: &str) -> String {
        let mut fields: Vec<String> = [
            "TotalAlloc",
            "Sys",
            "Mallocs",
            "Frees",
            "HeapAlloc",
            "HeapSys",
            "HeapIdle",
            "HeapInuse",
            "HeapReleased",
            "HeapObjects",
            "StackInuse",
            "StackSys",
            "MSpanInuse",
            "MSpanSys",
            "MCacheInuse",
            "MCacheSys",
            "BuckHashSys",
            "GCSys",
            "OtherSys",
            "NextGC",
            "LastGC",
        ]
        .iter()
        .enumerate()
        .map(|(i, f)| format!("\"{f}\":{}", i + 1))
        .collect();
        fields.push(extra.to_owned());
        format!("{{{}}}", fields.join(","))
    }

    #[test]
    fn pauses_come_newest_first() {
        let mut ring = vec![0_u64; 256];
        // 258 cycles: the newest (number 258) is at (258+255)%256 = 1.
        ring[1] = 777;
        ring[0] = 666;
        ring[2] = 3;
        let json =
            format!("{{\"memstats\":{}}}", stats(&format!("\"NumGC\":258,\"PauseNs\":{ring:?},\"PauseTotalNs\":12")));
        let m = read_expvar(json.as_bytes()).unwrap().memstats.unwrap();
        assert_eq!(m.recent_pauses_ns.len(), 256);
        assert_eq!(m.recent_pauses_ns[..2], [777, 666]);
        assert_eq!(m.recent_pauses_ns[255], 3);
        assert_eq!(m.pause_total_ns, Some(12));
        assert_eq!(m.heap_alloc, Bytes(5));
    }

    #[test]
    fn keeps_what_came_before_the_break() {
        let json = format!("{{\"memstats\":{},\"mine\":[1,2", stats("\"NumGC\":0"));
        let v = read_expvar(json.as_bytes()).unwrap();
        assert!(v.memstats.is_some());
        assert_eq!(v.gaps.len(), 1);
    }

    #[test]
    fn takes_the_first_of_many_memstats() {
        let mut json = format!("{{\"memstats\":{}", stats("\"NumGC\":7"));
        json.push_str(&",\"memstats\":[]".repeat(1000));
        let v = read_expvar(json.as_bytes()).unwrap();
        assert_eq!(v.memstats.map(|m| m.num_gc), Some(7));
        assert_eq!(v.gaps.len(), 2, "{:?}", v.gaps);
    }

    #[test]
    fn refuses_other_documents() {
        for bad in ["", "[]", "<html>", "null", "{\"memstats\"", "12"] {
            assert!(read_expvar(bad.as_bytes()).is_err(), "{bad}");
        }
        let v = read_expvar(b"{\"memstats\":\"none\",\"cmdline\":7}").unwrap();
        assert_eq!(v.memstats, None);
        let v = read_expvar(b"{\"memstats\":{\"HeapAlloc\":1}}").unwrap();
        assert_eq!(v.memstats, None);
        assert_eq!(v.gaps.len(), 1);
        // Nesting deep enough to overflow a stack that recursed without bound.
        let deep = format!("{{\"x\":{}", "[".repeat(1_000_000));
        assert!(read_expvar(deep.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read_expvar(&bytes);
        }

        #[test]
        fn never_panics_cut(at in 0_usize..800) {
            let json = format!("{{\"cmdline\":[\"a\"],\"memstats\":{}}}", stats("\"NumGC\":3"));
            let at = at.min(json.len());
            let _ = read_expvar(&json.as_bytes()[..at]);
        }
    }
}
