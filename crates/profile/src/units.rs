//! Values with units as `go tool pprof` prints them (`internal/measurement`): 1024-based `kB`, `MB`;
//! `ns` to `hrs`; at most two decimals. Owns printing only.

const BYTES: [(&str, &[&str], f64); 6] = [
    ("B", &["b", "byte"], 1.0),
    ("kB", &["kb", "kbyte", "kilobyte"], 1024.0),
    ("MB", &["mb", "mbyte", "megabyte"], 1048576.0),
    ("GB", &["gb", "gbyte", "gigabyte"], 1073741824.0),
    ("TB", &["tb", "tbyte", "terabyte"], 1099511627776.0),
    ("PB", &["pb", "pbyte", "petabyte"], 1125899906842624.0),
];
const TIMES: [(&str, &[&str], f64); 5] = [
    ("ns", &["ns", "nanosecond"], 1.0),
    ("us", &["\u{3bc}s", "us", "microsecond"], 1e3),
    ("ms", &["ms", "millisecond"], 1e6),
    ("s", &["s", "sec", "second"], 1e9),
    ("hrs", &["hour", "hr"], 3600e9),
];

type Unit = (&'static str, &'static [&'static str], f64);

fn find(units: &'static [Unit], name: &str) -> Option<&'static Unit> {
    let mut name = name.to_lowercase();
    if name.len() > 2 && name.ends_with('s') {
        name.pop();
    }
    units.iter().find(|u| u.1.contains(&name.as_str()))
}

/// `value` of unit `from` in unit `to` (`minimum` and `auto` pick one): the number and the unit to
/// print behind it.
pub(crate) fn scale(value: i64, from: &str, to: &str) -> (f64, String) {
    for (units, default) in [(&BYTES[..], "B"), (&TIMES[..], "s")] {
        let Some(unit) = find(units, from) else {
            continue;
        };
        let base = value as f64 * unit.2;
        let target = if matches!(to, "minimum" | "auto") {
            let fits = |u: &&Unit| base.abs() / u.2 >= 1.0;
            units.iter().rev().find(fits)
        } else {
            find(units, to)
        };
        let target = target.or_else(|| units.iter().find(|u| u.0 == default));
        return target.map_or((base, String::new()), |u| (base / u.2, u.0.to_owned()));
    }
    match to {
        "count" | "sample" | "unit" | "minimum" | "auto" => (value as f64, String::new()),
        _ => (value as f64, to.to_owned()),
    }
}

/// `1536` bytes in `minimum` as `1.50kB`; `0` has no unit.
#[must_use]
pub fn scaled_label(value: i64, from: &str, to: &str) -> String {
    let (v, unit) = scale(value, from, to);
    let text = format!("{v:.2}");
    match text.strip_suffix(".00").unwrap_or(&text) {
        "0" | "-0" => "0".to_owned(),
        text => format!("{text}{unit}"),
    }
}

/// Share of `total` in per cent, six characters wide as pprof pads it.
#[must_use]
pub fn percentage(value: i64, total: i64) -> String {
    let ratio = if total == 0 { 0.0 } else { (value as f64 / total as f64).abs() * 100.0 };
    if (99.95..=100.05).contains(&ratio) {
        "  100%".to_owned()
    } else if ratio >= 1.0 {
        format!("{ratio:5.2}%")
    } else {
        format!("{:>5}%", two_digits(ratio))
    }
}

/// C's `%.2g` for 0 <= v < 1.
fn two_digits(v: f64) -> String {
    if v == 0.0 {
        return "0".to_owned();
    }
    let sci = format!("{v:.1e}");
    let (mantissa, exponent) = sci.split_once('e').unwrap_or((&sci, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |s: &str| {
        if s.contains('.') { s.trim_end_matches('0').trim_end_matches('.').to_owned() } else { s.to_owned() }
    };
    if exponent < -4 {
        format!("{}e-{:02}", trim(mantissa), -exponent)
    } else {
        let decimals = usize::try_from(1 - exponent).unwrap_or(0);
        trim(&format!("{v:.decimals$}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_pprof_does() {
        assert_eq!(scaled_label(1536, "bytes", "minimum"), "1.50kB");
        assert_eq!(scaled_label(-1536, "bytes", "auto"), "-1.50kB");
        assert_eq!(scaled_label(1536, "bytes", "bytes"), "1536B");
        assert_eq!(scaled_label(0, "bytes", "MB"), "0");
        assert_eq!(scaled_label(90_000_000, "nanoseconds", "s"), "0.09s");
        assert_eq!(scaled_label(12, "count", "minimum"), "12");
        assert_eq!(percentage(1, 3), "33.33%");
        assert_eq!(percentage(3, 3), "  100%");
        assert_eq!(percentage(0, 3), "    0%");
        assert_eq!(percentage(1, 1000), "  0.1%");
        assert_eq!(percentage(1234, 1_000_000), " 0.12%");
        assert_eq!(percentage(1, 10_000_000), "1e-05%");
    }
}
