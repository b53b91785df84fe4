//! Owns the stand-alone SVG: drawn by the inferno library, with its search and zoom. Refuses to lay
//! out frames itself.

use super::{Flame, FlameError, parse_line};
use crate::clean;
use inferno::flamegraph::color::{BackgroundColor, BasicPalette, Palette};
use inferno::flamegraph::{self, Options};
use std::fmt::Write as _;

/// The flame as an interactive SVG: click zooms, Ctrl-F searches. A difference is drawn with
/// the width of what changed, red where it grew and blue where it shrank, as inferno does.
///
/// # Errors
/// [`FlameError::Empty`] without a stack that has a value, [`FlameError::Draw`] when inferno fails.
pub fn flame_svg(f: &Flame) -> Result<String, FlameError> {
    let mut input = String::with_capacity(f.collapsed.len());
    let parsed: Vec<(&str, i64)> = f.collapsed.lines().filter_map(parse_line).filter(|(_, n)| *n != 0).collect();
    let signed = parsed.iter().any(|(_, n)| *n < 0);
    for (stack, n) in &parsed {
        let stack = clean::line(stack);
        // inferno reads "before after" as a difference: the second number is the width, second minus
        // first the colour. Where N is below zero, twice and once |N| give width |N| and change N.
        let line = match (signed, *n < 0) {
            (false, _) => writeln!(input, "{stack} {n}"),
            (true, false) => writeln!(input, "{stack} 0 {n}"),
            (true, true) => writeln!(input, "{stack} {} {}", n.unsigned_abs().saturating_mul(2), n.unsigned_abs()),
        };
        let _ = line;
    }
    if parsed.is_empty() {
        return Err(FlameError::Empty(f.name.clone()));
    }
    let mut o = Options::default();
    o.title = clean::line(&f.name).into_owned();
    let note = clean::line(&f.note);
    o.subtitle = (!note.is_empty()).then(|| note.into_owned());
    o.count_name = clean::line(&f.unit).into_owned();
    o.hash = true;
    o.colors = Palette::Basic(BasicPalette::Mem);
    o.bgcolors = Some(BackgroundColor::Flat((255, 255, 255).into()));
    let mut out = Vec::new();
    flamegraph::from_lines(&mut o, input.lines(), &mut out)
        .map_err(|e| FlameError::Draw { name: f.name.clone(), source: std::io::Error::other(e) })?;
    String::from_utf8(out).map_err(|e| FlameError::Draw { name: f.name.clone(), source: std::io::Error::other(e) })
}
