//! Owns what happens to a string from outside before a person sees it: control characters, escape
//! sequences and characters that reorder or hide text become visible, and each output format gets
//! its own escaping. Refuses to judge what a string means.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character may change how its neighbours are shown, or acts on a terminal: C0 and C1
/// controls, DEL, line and paragraph separators, bidirectional controls (Unicode TR 9), zero-width
/// and other invisible format characters.
pub(crate) const fn is_unsafe(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Neutralises a string for one line of text: newline, return and tab become a space, any other
/// unsafe character its escape (`\x1b`, `\u{202e}`). Clean text comes back unchanged.
#[must_use]
pub fn line(s: &str) -> Cow<'_, str> {
    if !s.chars().any(is_unsafe) {
        return Cow::Borrowed(s);
    }
    let mut out = String::with_capacity(s.len() + 8);
    for c in s.chars() {
        push_clean(&mut out, c);
    }
    Cow::Owned(out)
}

fn push_clean(out: &mut String, c: char) {
    match c {
        '\n' | '\r' | '\t' => out.push(' '),
        c if !is_unsafe(c) => out.push(c),
        c if (c as u32) < 0x100 => {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\x{:02x}", c as u32);
        }
        c => {
            let _ = write!(out, "\\u{{{:x}}}", c as u32);
        }
    }
}

/// As [`line`], keeping line breaks; tabs become four spaces.
#[must_use]
pub fn block(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    for (i, l) in s.replace("\r\n", "\n").split('\n').enumerate() {
        if i > 0 {
            out.push('\n');
        }
        out.push_str(&line(&l.replace('\t', "    ")));
    }
    out
}

/// Text for HTML, both between tags and inside a double-quoted attribute.
pub(crate) fn html(s: &str) -> String {
    let mut out = String::with_capacity(s.len() + 8);
    for c in line(s).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '`' => out.push_str("&#96;"),
            c => out.push(c),
        }
    }
    out
}

/// As [`html`], after cutting to `max` characters from the front: the end of a name says more.
pub(crate) fn html_capped(s: &str, max: usize) -> String {
    html(&tail(s, max))
}

/// The last `max` characters, with `…` in front when something was cut.
pub(crate) fn tail(s: &str, max: usize) -> Cow<'_, str> {
    if s.len() <= max {
        return Cow::Borrowed(s);
    }
    let n = s.chars().count();
    if n <= max {
        return Cow::Borrowed(s);
    }
    let kept: String = s.chars().skip(n - max.saturating_sub(1)).collect();
    Cow::Owned(format!("…{kept}"))
}

/// The first `max` characters, with `…` behind when something was cut.
pub(crate) fn head(s: &str, max: usize) -> Cow<'_, str> {
    match s.char_indices().nth(max) {
        None => Cow::Borrowed(s),
        Some((i, _)) => Cow::Owned(format!("{}…", &s[..i])),
    }
}

/// JSON text with unsafe characters beyond ASCII written as escapes. In JSON such characters can
/// stand inside strings only, so the value stays the same.
#[must_use]
pub fn json(text: &str) -> Cow<'_, str> {
    let risky = |c: char| c != '\n' && is_unsafe(c);
    if !text.chars().any(risky) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut units = [0u16; 2];
    for c in text.chars() {
        if risky(c) {
            for u in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{u:04x}");
            }
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// JSON for a `<script type="application/json">` element: no `<`, `>` or `&` is left, so nothing
/// inside can end the element or open a comment.
pub(crate) fn json_in_script(text: &str) -> String {
    json(text).replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_would_act() {
        assert_eq!(line("a\x1b[31mred\x07"), "a\\x1b[31mred\\x07");
        assert_eq!(line("evil\u{202e}txt\u{9b}2J"), "evil\\u{202e}txt\\x9b2J");
        assert_eq!(line("two\nlines\there"), "two lines here");
        assert!(matches!(line("größe ≤ 3 漢字"), Cow::Borrowed(_)));
        assert_eq!(block("a\r\n\tb\x1b"), "a\n    b\\x1b");
    }

    #[test]
    fn escapes_html_everywhere() {
        assert_eq!(
            html("</script><img onerror='x\"`&'>"),
            "&lt;/script&gt;&lt;img onerror=&#39;x&quot;&#96;&amp;&#39;&gt;"
        );
    }

    #[test]
    fn keeps_json_values() {
        let v = serde_json::json!({"f": "</script>\u{202e}\u{9b}\u{e0041}\u{2028}&"});
        for text in [json(&v.to_string()).into_owned(), json_in_script(&v.to_string())] {
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), v);
            assert!(!text.chars().any(is_unsafe));
        }
        assert!(!json_in_script(&v.to_string()).contains(['<', '>', '&']));
    }

    #[test]
    fn cuts_by_characters() {
        assert_eq!(tail("abcdef", 4), "…def");
        assert_eq!(tail("äöü", 3), "äöü");
        assert_eq!(head("abcdef", 4), "abcd…");
        assert_eq!(head("abcd", 4), "abcd");
    }
}
