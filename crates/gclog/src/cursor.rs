//! Owns taking literals and numbers from a line, in the exact forms that the runtime prints them in
//! (Go `src/runtime/print.go`, `mgc.go`: `itoaDiv`, `fmtNSAsMS`). Refuses every other form: a
//! leading zero, a third significant digit below 10 ms, a sign. Characters that JSON loggers escape
//! are taken in either form.

/// Where and how a line stops being what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    /// Bytes from the start of the line.
    pub(crate) at: usize,
    /// The line ends here; else something else stands here.
    pub(crate) ended: bool,
}

/// A place in a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    line: &'a [u8],
    at: usize,
}

/// Most digits of a number: those of `u64::MAX`.
const MOST_DIGITS: usize = 20;
/// Longest floating-point number that the runtime prints: 24 bytes (`float64Bytes`, print.go).
const LONGEST_FLOAT: usize = 32;

impl<'a> Cursor<'a> {
    /// At `at` of `line`.
    pub(crate) const fn new(line: &'a [u8], at: usize) -> Self {
        Self { line, at }
    }

    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// What is left of the line.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.line.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn stop<T>(&self) -> Result<T, Stop> {
        Err(Stop { at: self.at, ended: self.at >= self.line.len() })
    }

    /// Whether `text` comes next; if so, takes it.
    pub(crate) fn skip(&mut self, text: &[u8]) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at = self.at.saturating_add(text.len());
        }
        found
    }

    /// Takes `text`. On failure the cursor stands at the first byte that differs.
    pub(crate) fn literal(&mut self, text: &[u8]) -> Result<(), Stop> {
        if self.skip(text) {
            return Ok(());
        }
        let same = self.rest().iter().zip(text).take_while(|(a, b)| a == b).count();
        self.at = self.at.saturating_add(same);
        self.stop()
    }

    /// Takes a character that JSON encoders may write as `\uXXXX`, itself escaped again perhaps.
    fn escaped(&mut self, plain: &[u8], code: &[u8; 4]) -> Result<(), Stop> {
        if self.skip(plain) {
            return Ok(());
        }
        let mut ahead = *self;
        let mut slashes = 0_usize;
        while ahead.skip(b"\\") {
            slashes = slashes.saturating_add(1);
        }
        if slashes > 0 && ahead.skip(b"u") {
            let hex = ahead.rest().get(..4);
            if hex.is_some_and(|h| h.eq_ignore_ascii_case(code)) {
                self.at = ahead.at.saturating_add(4);
                return Ok(());
            }
            *self = ahead;
            return self.stop();
        }
        self.literal(plain)
    }

    /// `->`.
    pub(crate) fn arrow(&mut self) -> Result<(), Stop> {
        self.literal(b"-")?;
        self.escaped(b">", b"003e")
    }

    /// The increment sign of `∆goal` (U+2206).
    pub(crate) fn delta(&mut self) -> Result<(), Stop> {
        self.escaped("\u{2206}".as_bytes(), b"2206")
    }

    fn digits(&self) -> &'a [u8] {
        let rest = self.rest();
        let n = rest.iter().take(MOST_DIGITS + 1).take_while(|b| b.is_ascii_digit()).count();
        rest.get(..n).unwrap_or_default()
    }

    /// An unsigned whole number without leading zeros.
    pub(crate) fn uint(&mut self) -> Result<u64, Stop> {
        let digits = self.digits();
        let value = value(digits);
        if matches!(digits, [b'0', _, ..]) {
            return self.stop();
        }
        match value {
            Some(v) => {
                self.at = self.at.saturating_add(digits.len());
                Ok(v)
            }
            None => self.stop(),
        }
    }

    /// As [`Cursor::uint`], of 32 bits.
    pub(crate) fn uint32(&mut self) -> Result<u32, Stop> {
        let before = *self;
        let v = self.uint()?;
        u32::try_from(v).or_else(|_| before.stop())
    }

    /// A whole number with a sign for values below zero.
    pub(crate) fn int(&mut self) -> Result<i64, Stop> {
        let before = *self;
        let negative = self.skip(b"-");
        let v = self.uint()?;
        let v = i64::try_from(v).or_else(|_| before.stop())?;
        Ok(if negative { -v } else { v })
    }

    /// Seconds with exactly three decimals (`itoaDiv(…, 3)`), in milliseconds.
    pub(crate) fn seconds(&mut self) -> Result<u64, Stop> {
        let before = *self;
        let whole = self.uint()?;
        self.literal(b".")?;
        let digits = self.digits();
        self.at = self.at.saturating_add(digits.len());
        let part = if digits.len() == 3 { value(digits) } else { None };
        let Some(part) = part else { return self.stop() };
        whole.checked_mul(1000).and_then(|w| w.checked_add(part)).map_or_else(|| before.stop(), Ok)
    }

    /// Milliseconds as `fmtNSAsMS` prints them, in nanoseconds: whole from 10 ms on, two significant
    /// digits below with at most three decimals, `0` below a microsecond. Truncated, not rounded.
    pub(crate) fn milliseconds(&mut self) -> Result<u64, Stop> {
        let before = *self;
        let digits = self.digits();
        let mut after = *self;
        after.at = after.at.saturating_add(digits.len());
        let decimals = if after.skip(b".") { after.digits() } else { &[] };
        after.at = after.at.saturating_add(decimals.len());
        let ns = match (digits, decimals) {
            (b"0", []) => Some(0),
            (b"0", [b'0', a, b]) => value(&[*a, *b]).filter(|n| *n > 0).map(|n| n * 1_000),
            (b"0", [a @ b'1'..=b'9', b]) => value(&[*a, *b]).map(|n| n * 10_000),
            ([a @ b'1'..=b'9'], [b]) => value(&[*a, *b]).map(|n| n * 100_000),
            ([b'1'..=b'9', _, ..], []) if after.line.get(after.at.wrapping_sub(1)) != Some(&b'.') => {
                value(digits).and_then(|n| n.checked_mul(1_000_000))
            }
            _ => None,
        };
        match ns {
            // A dot without decimals is no form of the runtime's.
            Some(ns) if after.line.get(after.at.wrapping_sub(1)) != Some(&b'.') => {
                *self = after;
                Ok(ns)
            }
            _ if after.at >= after.line.len() => after.stop(),
            _ => before.stop(),
        }
    }

    /// A floating-point number: `+1.899821e+000` up to Go 1.25, the shortest form from 1.26 on,
    /// `NaN`, `+Inf`, `-Inf`.
    pub(crate) fn float(&mut self) -> Result<f64, Stop> {
        let rest = self.rest();
        for (text, v) in [(&b"NaN"[..], f64::NAN), (b"+Inf", f64::INFINITY), (b"-Inf", f64::NEG_INFINITY)] {
            if self.skip(text) {
                return Ok(v);
            }
        }
        let of_number = |b: &&u8| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e');
        let mut n = rest.iter().take(LONGEST_FLOAT).take_while(of_number).count();
        // The number before a `+` that belongs to the line: only after an `e` is it the number's own.
        if let Some(cut) = rest.get(1..n).and_then(sign_outside_exponent) {
            n = cut.saturating_add(1);
        }
        let text = rest.get(..n).and_then(|t| std::str::from_utf8(t).ok());
        match text.and_then(|t| t.parse().ok()) {
            Some(v) => {
                self.at = self.at.saturating_add(n);
                Ok(v)
            }
            None => self.stop(),
        }
    }
}

/// Index of the first sign that does not follow an `e`.
fn sign_outside_exponent(text: &[u8]) -> Option<usize> {
    let mut last = 0;
    for (i, &b) in text.iter().enumerate() {
        if matches!(b, b'+' | b'-') && last != b'e' {
            return Some(i);
        }
        last = b;
    }
    None
}

/// Decimal digits as a number; `None` when there are none or they are more than 64 bits hold.
fn value(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |n, b| n.checked_mul(10)?.checked_add(u64::from(b.wrapping_sub(b'0'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole<T>(text: &str, f: impl Fn(&mut Cursor<'_>) -> Result<T, Stop>) -> Option<T> {
        let mut c = Cursor::new(text.as_bytes(), 0);
        let v = f(&mut c).ok()?;
        c.rest().is_empty().then_some(v)
    }

    /// `fmtNSAsMS` of mgc.go, word for word.
    fn fmt_ns_as_ms(ns: u64) -> String {
        if ns >= 10_000_000 {
            return itoa_div(ns / 1_000_000, 0);
        }
        let mut x = ns / 1000;
        if x == 0 {
            return "0".to_owned();
        }
        let mut dec = 3;
        while x >= 100 {
            x /= 10;
            dec -= 1;
        }
        itoa_div(x, dec)
    }

    fn itoa_div(val: u64, dec: usize) -> String {
        let digits = format!("{val:0width$}", width = dec + 1);
        if dec == 0 {
            return digits;
        }
        let (a, b) = digits.split_at(digits.len() - dec);
        format!("{a}.{b}")
    }

    #[test]
    fn takes_all_forms_of_milliseconds() {
        let steps =
            (0..2000).chain((2000..20_000_000).step_by(997)).chain((20_000_000..9_000_000_000).step_by(7_654_321));
        for ns in steps {
            let text = fmt_ns_as_ms(ns);
            let read = whole(&text, |c| c.milliseconds());
            let unit = crate::line::precision(read.unwrap_or_else(|| panic!("{text}")));
            let low = read.unwrap();
            assert!(low <= ns && ns < low + unit, "{ns} printed {text} read {low} +{unit}");
        }
    }

    #[test]
    fn refuses_other_forms() {
        for bad in [
            "", "00", "0.0", "0.00", "0.000", "0.0000", "0.123", "1.23", "5", "10.5", "0.1", "01.2", "1.", "-1.2",
            "12.",
        ] {
            assert_eq!(whole(bad, |c| c.milliseconds()), None, "{bad}");
        }
        for bad in ["", "01", "1.2", "-1", "18446744073709551616", "999999999999999999999"] {
            assert_eq!(whole(bad, |c| c.uint()), None, "{bad}");
        }
        for bad in ["1.2", "1.2345", ".123", "01.234", "1234"] {
            assert_eq!(whole(bad, |c| c.seconds()), None, "{bad}");
        }
    }

    #[test]
    fn takes_numbers() {
        assert_eq!(whole("18446744073709551615", |c| c.uint()), Some(u64::MAX));
        assert_eq!(whole("0.010", |c| c.seconds()), Some(10));
        assert_eq!(whole("1234.567", |c| c.seconds()), Some(1_234_567));
        assert_eq!(whole("-339784", |c| c.int()), Some(-339_784));
        assert_eq!(whole("+1.899821e+000", |c| c.float()), Some(1.899_821));
        assert_eq!(whole("0.25", |c| c.float()), Some(0.25));
        assert_eq!(whole("1e-05", |c| c.float()), Some(1e-5));
        assert_eq!(whole("+Inf", |c| c.float()), Some(f64::INFINITY));
        assert!(whole("NaN", |c| c.float()).unwrap().is_nan());
        let mut c = Cursor::new(b"0++2.500000e-001", 0);
        assert_eq!(c.uint(), Ok(0));
        assert_eq!(c.literal(b"+"), Ok(()));
        assert_eq!(c.float(), Ok(0.25));
    }

    #[test]
    fn takes_escapes_of_json_loggers() {
        for arrow in ["->", r"-\u003e", r"-\u003E", r"-\\u003e"] {
            assert_eq!(whole(arrow, |c| c.arrow()), Some(()), "{arrow}");
        }
        for bad in ["-", "=>", r"-\u003c", r"-\u003", "-u003e"] {
            assert_eq!(whole(bad, |c| c.arrow()), None, "{bad}");
        }
        assert_eq!(whole("∆", |c| c.delta()), Some(()));
        assert_eq!(whole(r"\u2206", |c| c.delta()), Some(()));
    }
}
