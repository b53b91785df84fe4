//! GOGC and GOMEMLIMIT as the runtime reads them from the environment
//! (`readGOGC`, `readGOMEMLIMIT` in Go `src/runtime/mgcpacer.go`, `parseByteCount` in `string.go`).

use model::Bytes;

/// GOGC: `off` is `-1`; what the runtime would not understand is `None` (it then uses 100).
pub(crate) fn gogc(text: &str) -> Option<i64> {
    if text == "off" {
        return Some(-1);
    }
    text.parse::<i32>().ok().map(i64::from)
}

/// GOMEMLIMIT: digits with an optional `B`, `KiB`, `MiB`, `GiB` or `TiB`; `off`, the empty text
/// and values from 2^63 on are no limit.
pub(crate) fn memory_limit(text: &str) -> Option<Bytes> {
    if text.is_empty() || text == "off" {
        return None;
    }
    let (digits, shift) = match text.strip_suffix("iB") {
        Some(rest) => {
            let shift = match rest.as_bytes().last()? {
                b'K' => 10,
                b'M' => 20,
                b'G' => 30,
                b'T' => 40,
                _ => return None,
            };
            (rest.get(..rest.len() - 1)?, shift)
        }
        None => (text.strip_suffix('B').unwrap_or(text), 0),
    };
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let n: u64 = digits.parse().ok()?;
    n.checked_mul(1 << shift).filter(|&n| n < i64::MAX as u64).map(Bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_the_runtime_does() {
        assert_eq!(gogc("off"), Some(-1));
        assert_eq!(gogc("50"), Some(50));
        assert_eq!(gogc("x"), None);
        assert_eq!(gogc("99999999999"), None);
        for (text, want) in [
            ("off", None),
            ("", None),
            ("512MiB", Some(512 << 20)),
            ("2GiB", Some(2 << 30)),
            ("1TiB", Some(1 << 40)),
            ("7KiB", Some(7 << 10)),
            ("100", Some(100)),
            ("100B", Some(100)),
            ("9223372036854775807", None),
            ("99999999TiB", None),
            ("1.5GiB", None),
            ("2G", None),
            ("iB", None),
            ("é1iB", None),
            ("-1", None),
        ] {
            assert_eq!(memory_limit(text), want.map(Bytes), "{text}");
        }
    }
}
