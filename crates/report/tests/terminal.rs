//! The terminal form at the widths people have, and what must hold at every width.
#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

mod common;

use proptest::prelude::*;
use report::{TerminalOptions, terminal};
use unicode_width::UnicodeWidthStr;

fn plain(width: usize, verbose: bool) -> TerminalOptions {
    TerminalOptions { width, colour: false, verbose }
}

#[test]
fn snapshots_at_four_widths() {
    for (name, r) in common::all() {
        for width in [60, 80, 120, 200] {
            insta::assert_snapshot!(format!("{name}-{width}"), terminal(&r, &plain(width, false)));
        }
        insta::assert_snapshot!(format!("{name}-verbose-80"), terminal(&r, &plain(80, true)));
    }
}

/// No line wider than asked, no control character but the newline, no trailing space.
fn sound(text: &str, width: usize) {
    for l in text.lines() {
        assert!(UnicodeWidthStr::width(l) <= width, "{} > {width}: {l:?}", UnicodeWidthStr::width(l));
        assert!(!l.ends_with(' '), "{l:?}");
    }
    let bidi = |c: char| ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c);
    assert!(!text.chars().any(|c| c != '\n' && (c.is_control() || bidi(c))), "{text:?}");
}

#[test]
fn every_width_holds() {
    for (_, r) in common::all() {
        for width in 40..=200 {
            sound(&terminal(&r, &plain(width, false)), width);
            sound(&terminal(&r, &plain(width, true)), width);
        }
    }
}

#[test]
fn hostile_strings_are_shown_not_sent() {
    for bad in common::HOSTILE {
        for width in [40, 60, 80, 200] {
            let whole = common::with_strings(&mut |_| (*bad).to_owned());
            let within = common::with_strings(&mut |s| format!("{s}{bad}{s}"));
            for r in [whole, within] {
                sound(&terminal(&r, &plain(width, true)), width);
            }
        }
    }
}

#[test]
fn colour_adds_only_our_own_sequences() {
    for (_, r) in common::all() {
        let mut coloured = terminal(&r, &TerminalOptions { width: 80, colour: true, verbose: true });
        assert!(coloured.contains("\x1b["));
        for code in ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[1;31m", "\x1b[1;32m", "\x1b[1;33m"] {
            coloured = coloured.replace(code, "");
        }
        assert_eq!(coloured, terminal(&r, &plain(80, true)));
    }
}

#[test]
fn says_what_the_report_holds() {
    let text = terminal(&common::leak(), &plain(80, false));
    assert!(text.starts_with("LEAK, very likely, 0.98"));
    for needle in ["+22.0 MiB/min", "store.go:88", "~47 min (35 to 80)", "RSS 2.00 GiB", "oomph explain growing-site"] {
        assert!(text.contains(needle), "{needle}");
    }
    // Evidence for comes largest first.
    assert!(text.find("grew by 924.0 MiB") < text.find("after every forced GC"));
}

#[test]
fn a_title_that_repeats_the_summary_is_printed_once() {
    let mut r = common::churn();
    r.findings[0].title = r.summary.trim_end_matches('.').to_owned();
    let text = terminal(&r, &plain(200, false));
    assert_eq!(text.matches("that is garbage at once").count(), 1, "{text}");
}

/// The printed terms of the equation add up to the printed sum.
#[test]
fn the_printed_equation_adds_up() {
    for rss in [3_333_333_333u64, 7_777_777, 99_999_999, 1 << 40] {
        let mut r = common::healthy();
        let l = r.ledger.as_mut().unwrap();
        let n = l.rows.len() as u64;
        for row in &mut l.rows {
            row.bytes = model::Bytes(rss / n);
        }
        l.rows[0].bytes += model::Bytes(rss % n);
        l.rss = model::Bytes(rss);
        let text = terminal(&r, &plain(200, false));
        let line = text
            .lines()
            .skip_while(|l| !l.starts_with("RSS "))
            .take_while(|l| !l.is_empty())
            .collect::<Vec<_>>()
            .join(" ");
        let numbers: Vec<f64> = line.split_whitespace().filter_map(|w| w.parse().ok()).collect();
        let sum: f64 = numbers[1..].iter().sum();
        assert!((sum - numbers[0]).abs() < 1e-6, "{line}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn arbitrary_strings_stay_in_their_lines(s in proptest::collection::vec(any::<String>(), 1..8), width in 40usize..200) {
        let mut i = 0;
        let r = common::with_strings(&mut |_| {
            i += 1;
            s[i % s.len()].clone()
        });
        sound(&terminal(&r, &plain(width, true)), width);
    }
}
