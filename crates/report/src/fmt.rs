//! Owns how quantities read to a person: rates, durations, shares, confidence, counts and instants.
//! Sizes themselves print as `model` has them (IEC, one decimal). Refuses to choose what is shown.

pub(crate) use model::format_count as count;
use model::{Finding, Forecast, UnixMillis, Verdict, format_iec, format_iec_signed};

/// A rate in bytes per second: per second from 1 MiB/s up, per minute below.
pub(crate) fn rate(bytes_per_s: f64) -> String {
    if bytes_per_s.abs() >= 1_048_576.0 {
        format!("{}/s", format_iec(bytes_per_s))
    } else {
        format!("{}/min", format_iec(bytes_per_s * 60.0))
    }
}

/// As [`rate`], with a `+` before values above zero.
pub(crate) fn rate_signed(bytes_per_s: f64) -> String {
    if bytes_per_s > 0.0 { format!("+{}", rate(bytes_per_s)) } else { rate(bytes_per_s) }
}

/// A share between 0 and 1 as per cent: no decimals from 10 % up, one below.
pub(crate) fn percent(share: f64) -> String {
    let p = share * 100.0;
    if p.abs() >= 9.95 || p == 0.0 {
        format!("{p:.0} %")
    } else if p.abs() < 0.05 {
        "< 0.1 %".to_owned()
    } else {
        format!("{p:.1} %")
    }
}

/// A value with its unit, as evidence and flame graphs carry them.
pub(crate) fn value(v: f64, unit: &str) -> String {
    match unit {
        "bytes" => format_iec(v),
        "bytes/s" => rate(v),
        "s" => duration(v),
        "fraction" => percent(v),
        "" | "count" => number(v),
        unit => format!("{} {unit}", number(v)),
    }
}

/// As [`value`], with a `+` before values above zero.
pub(crate) fn value_signed(v: f64, unit: &str) -> String {
    match unit {
        "bytes" => format_iec_signed(v),
        _ if v > 0.0 => format!("+{}", value(v, unit)),
        _ => value(v, unit),
    }
}

/// A plain number: whole ones with separators, others with at most three decimals.
pub(crate) fn number(v: f64) -> String {
    if !v.is_finite() {
        return "unknown".to_owned();
    }
    let sign = if v < 0.0 { "-" } else { "" };
    let a = v.abs();
    if a.fract() == 0.0 && a < 1e15 {
        return format!("{sign}{}", count(a as u64));
    }
    if a >= 1000.0 {
        return format!("{v:.0}");
    }
    let t = format!("{v:.3}");
    t.trim_end_matches('0').trim_end_matches('.').to_owned()
}

const SCALES: [(f64, &str, f64); 6] = [
    // (seconds in the unit, its sign, values below this many units print in it)
    (1.0, "s", 90.0),
    (60.0, "min", 90.0),
    (3600.0, "h", 48.0),
    (86_400.0, "days", 60.0),
    (2_629_800.0, "months", 24.0),
    (31_557_600.0, "years", f64::INFINITY),
];

fn scale(seconds: f64) -> (f64, &'static str) {
    let found = SCALES.iter().find(|(s, _, below)| seconds.abs() / s < *below);
    found.map_or((1.0, "s"), |(s, name, _)| (*s, *name))
}

fn in_scale(seconds: f64, scale: f64) -> String {
    let v = seconds / scale;
    if v >= 9.95 || v == 0.0 || (v - v.round()).abs() < 0.05 { format!("{v:.0}") } else { format!("{v:.1}") }
}

/// A duration in the unit a person would say it in: `42 s`, `47 min`, `5.2 h`, `12 days`.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "unknown".to_owned();
    }
    let (s, unit) = scale(seconds);
    format!("{} {unit}", in_scale(seconds, s))
}

/// A duration from microseconds to hours: `3.4 ms`, `1.2 s`, `47 min`.
pub(crate) fn short_duration(seconds: f64) -> String {
    match seconds {
        s if s >= 10.0 => duration(s),
        s if s >= 1.0 => format!("{s:.1} s"),
        s if s >= 0.00995 => format!("{:.0} ms", s * 1e3),
        s if s >= 0.0009995 => format!("{:.1} ms", s * 1e3),
        s => format!("{:.0} µs", s * 1e6),
    }
}

/// A forecast: `~47 min (35 to 80)`; the range carries units where they differ from the median's.
pub(crate) fn forecast(f: &Forecast) -> String {
    let q = &f.seconds_to_limit;
    let (s, unit) = scale(q.p50);
    let bound = |v: f64| {
        if !v.is_finite() {
            "never".to_owned()
        } else if scale(v).1 == unit || (v / s >= 0.095 && v / s < 200.0) {
            in_scale(v, s)
        } else {
            duration(v)
        }
    };
    if !q.p50.is_finite() {
        return format!("never at this rate ({} at the earliest)", duration(q.p10));
    }
    format!("~{} ({} to {})", duration(q.p50), bound(q.p10), bound(q.p90))
}

/// A confidence in words and as a number, never rounded up to certainty: `likely, 0.93`.
pub(crate) fn confidence(c: f64) -> String {
    format!("{}, {}", confidence_word(c), confidence_number(c))
}

/// The word alone.
pub(crate) fn confidence_word(c: f64) -> &'static str {
    match c {
        c if c >= 0.97 => "very likely",
        c if c >= 0.80 => "likely",
        c if c >= 0.60 => "probable",
        c if c >= 0.35 => "possible",
        _ => "unlikely",
    }
}

/// The number alone, two decimals, below 1.
pub(crate) fn confidence_number(c: f64) -> String {
    format!("{:.2}", if c.is_finite() { c.clamp(0.0, 0.99) } else { 0.0 })
}

/// An instant as `2026-11-21 05:05:48 UTC`; `unknown` outside jiff's range.
pub(crate) fn instant(t: UnixMillis) -> String {
    match jiff::Timestamp::from_millisecond(t.0) {
        Ok(ts) => ts.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => "unknown".to_owned(),
    }
}

/// The verdict as a headline.
pub(crate) const fn verdict(v: Verdict) -> &'static str {
    match v {
        Verdict::Leak => "LEAK",
        Verdict::Risk => "RISK",
        Verdict::Churn => "CHURN",
        Verdict::Healthy => "HEALTHY",
        Verdict::InsufficientEvidence => "INSUFFICIENT EVIDENCE",
    }
}

/// The numbers of a finding as short phrases, the weightiest first.
pub(crate) fn size_phrases(f: &Finding) -> Vec<String> {
    let s = &f.size;
    let mut out = Vec::new();
    let held = s.retained_bytes.map(|b| (b, "retained")).or(s.shallow_bytes.map(|b| (b, "in use")));
    match (held, s.share_of_heap) {
        (Some((b, how)), Some(share)) => {
            out.push(format!("{} {how} = {} of the live heap", format_iec(b as f64), percent(share)));
        }
        (Some((b, how)), None) => out.push(format!("{} {how}", format_iec(b as f64))),
        (None, Some(share)) => out.push(format!("{} of the live heap", percent(share))),
        (None, None) => {}
    }
    if let Some(r) = s.growth_bytes_per_s {
        out.push(format!("{} growth", rate_signed(r)));
    }
    if let Some(r) = s.alloc_bytes_per_s {
        out.push(format!("{} allocated", rate(r)));
    }
    if let Some(b) = s.wasted_bytes {
        out.push(format!("{} wasted", format_iec(b as f64)));
    }
    if let Some(n) = s.entries {
        let what = if f.subject.kind == model::SubjectKind::Goroutine { "goroutines" } else { "entries" };
        out.push(format!("{} {what}", count(n)));
    }
    if let Some(n) = s.objects {
        out.push(format!("{} objects", count(n)));
    }
    out
}

/// When a step of a chain happened: `at 1.250 s, for 30 ms`. Instants are exact enough to be found again.
pub(crate) fn moment(step: &model::ChainStep) -> String {
    let at = format!("at {:.3} s", step.at_ns as f64 / 1e9);
    match step.duration_ns {
        0 => at,
        ns => format!("{at}, for {}", short_duration(ns as f64 / 1e9)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::SecondsToLimit;

    #[test]
    fn rates_and_shares_read_well() {
        assert_eq!(rate(22.0 * 1048576.0 / 60.0), "22.0 MiB/min");
        assert_eq!(rate(3.0 * 1048576.0), "3.0 MiB/s");
        assert_eq!(rate_signed(100.0), "+5.9 KiB/min");
        assert_eq!(rate_signed(-100.0), "-5.9 KiB/min");
        assert_eq!(
            [percent(0.712), percent(0.034), percent(0.0001), percent(0.0)],
            ["71 %", "3.4 %", "< 0.1 %", "0 %"]
        );
        assert_eq!(count(1_204_331), "1,204,331");
        assert_eq!(count(999), "999");
    }

    #[test]
    fn durations_take_the_unit_a_person_would() {
        let want =
            [(0.4, "0.4 s"), (42.0, "42 s"), (2820.0, "47 min"), (18_720.0, "5.2 h"), (86_400.0 * 12.0, "12 days")];
        for (s, text) in want {
            assert_eq!(duration(s), text);
        }
        assert_eq!(duration(f64::NAN), "unknown");
    }

    #[test]
    fn forecasts_share_the_unit_where_it_reads() {
        let f = |p10: f64, p50: f64, p90: f64| {
            forecast(&Forecast { limit_bytes: 1, seconds_to_limit: SecondsToLimit { p10, p50, p90 } })
        };
        assert_eq!(f(2100.0, 2820.0, 4800.0), "~47 min (35 to 80)");
        assert_eq!(f(60.0, 2820.0, 864_000.0), "~47 min (1 to 10 days)");
        assert_eq!(f(2100.0, 2820.0, f64::INFINITY), "~47 min (35 to never)");
    }

    #[test]
    fn confidence_is_never_certain() {
        assert_eq!(confidence(0.93), "likely, 0.93");
        assert_eq!(confidence(0.9999), "very likely, 0.99");
        assert_eq!(confidence(f64::NAN), "unlikely, 0.00");
    }
}
