//! Owns the laying out of text in columns: display width, wrapping that never parts a number from
//! its unit, and elision on the left. Refuses styling.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Joins words that must stay on one line; printed as a space.
pub(crate) const GLUE: char = '\u{a0}';

/// Units that stay with the number before them.
const UNITS: &[&str] = &[
    "B",
    "KiB",
    "MiB",
    "GiB",
    "TiB",
    "PiB",
    "EiB",
    "%",
    "s",
    "ms",
    "µs",
    "ns",
    "min",
    "h",
    "days",
    "months",
    "years",
    "minutes",
    "hours",
    "seconds",
    "samples",
    "goroutines",
    "objects",
    "entries",
    "cycles",
    "CPU-s",
    "stacks",
];

/// Columns a string takes on a terminal.
pub(crate) fn width(s: &str) -> usize {
    UnicodeWidthStr::width(s)
}

/// The end of `s` in at most `max` columns, with `…` in front when something was cut; the cut falls
/// before a `/` where that leaves at least half of the room used.
pub(crate) fn elide_left(s: &str, max: usize) -> String {
    if width(s) <= max {
        return s.to_owned();
    }
    let room = max.saturating_sub(1);
    let mut start = s.len();
    let mut used = 0;
    for (i, c) in s.char_indices().rev() {
        let w = UnicodeWidthChar::width(c).unwrap_or(0);
        if used + w > room {
            break;
        }
        used += w;
        start = i;
    }
    let kept = &s[start..];
    let kept = match kept.find('/') {
        Some(i) if width(&kept[i..]) * 2 >= room => &kept[i..],
        _ => kept,
    };
    // Widths of sequences can differ from the sum of their parts: cut on until it fits.
    let mut out = format!("…{kept}");
    while width(&out) > max && out.chars().count() > 1 {
        out = format!("…{}", out.chars().skip(2).collect::<String>());
    }
    if width(&out) > max { String::new() } else { out }
}

/// `s` padded with spaces to `w` columns.
pub(crate) fn pad(s: &str, w: usize) -> String {
    let mut out = s.to_owned();
    out.extend(std::iter::repeat_n(' ', w.saturating_sub(width(s))));
    out
}

fn is_number(word: &str) -> bool {
    let w = word.trim_start_matches(['+', '-', '~', '(', '<', '>', '=', '≤', '≥', '≈']);
    !w.is_empty()
        && w.starts_with(|c: char| c.is_ascii_digit())
        && w.chars().all(|c| c.is_ascii_digit() || ".,".contains(c))
}

fn is_unit(word: &str) -> bool {
    let w = word.trim_end_matches([',', ';', '.', ':', ')', '(']);
    let base = w.split('/').next().unwrap_or(w);
    UNITS.contains(&base) && w.len() <= 24
}

/// Words of `text`, with numbers and their units (and signs before them) already joined by [`GLUE`].
fn words(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut number_before = false;
    for w in text.split([' ', '\n', '\t']).filter(|w| !w.is_empty()) {
        let joins = number_before && is_unit(w);
        match out.last_mut() {
            Some(last) if joins => {
                last.push(GLUE);
                last.push_str(w);
            }
            _ => out.push(w.to_owned()),
        }
        number_before = is_number(w);
    }
    out
}

/// Wraps `text`: the first line holds `first` columns, the others `rest`. A word wider than a line
/// is elided on the left. Always at least one line.
pub(crate) fn wrap(text: &str, first: usize, rest: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in words(text) {
        let room = if lines.is_empty() { first } else { rest };
        let sep = usize::from(!line.is_empty());
        if width(&line) + sep + width(&word) <= room {
            if sep == 1 {
                line.push(' ');
            }
            line.push_str(&word);
            // Width of a whole can exceed the sum of its parts only by joins; check the result.
            if width(&line) <= room {
                continue;
            }
            line.truncate(line.len() - word.len() - sep);
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        line = elide_left(&word, if lines.is_empty() { first } else { rest });
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines.into_iter().map(|l| l.replace(GLUE, " ")).collect()
}

/// Replaces spaces so that the whole stays on one line.
pub(crate) fn glued(s: &str) -> String {
    s.replace(' ', "\u{a0}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_stay_with_their_units() {
        let text = "it grew by +22.0 MiB/min over 42 min (71 % of it)";
        for w in 14..60 {
            let lines = wrap(text, w, w);
            let all = lines.join("\n");
            for pair in ["+22.0 MiB/min", "42 min", "(71 %"] {
                assert!(all.contains(pair), "width {w}: {all}");
            }
            assert!(lines.iter().all(|l| width(l) <= w));
        }
    }

    #[test]
    fn elides_on_the_left_at_a_slash() {
        assert_eq!(elide_left("/home/u/src/app/internal/session/store.go:88", 24), "…/session/store.go:88");
        assert_eq!(elide_left("short", 10), "short");
        assert_eq!(elide_left("漢字漢字漢字", 5), "…漢字");
        assert_eq!(elide_left("abc", 0), "");
    }

    proptest! {
        #[test]
        fn never_wider_than_asked(text in "\\PC*", first in 4usize..80, rest in 4usize..80) {
            let lines = wrap(&text, first, rest);
            for (i, l) in lines.iter().enumerate() {
                prop_assert!(width(l) <= if i == 0 { first } else { rest }, "{l:?}");
            }
        }

        #[test]
        fn elision_fits(text in "\\PC*", max in 0usize..40) {
            prop_assert!(width(&elide_left(&text, max)) <= max);
        }
    }
}
