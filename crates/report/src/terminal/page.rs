//! Owns the page: lines of at most `width` columns, labelled fields with hanging indents, tables,
//! and the only escape sequences the terminal form ever sends. Every text is cleaned here.

use crate::clean;
use crate::wrap::{self, GLUE};
use std::borrow::Cow;

/// Columns of a label with the space after it.
const LABEL: usize = 9;
/// Longest text wrapped, in characters; a hostile one could be megabytes.
const SENTENCE: usize = 4_000;
/// Indent of a field.
const INDENT: usize = 2;

/// What a stretch of text is, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Strong,
    Dim,
    Good,
    Warn,
    Bad,
}

impl Style {
    const fn start(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "\x1b[1m",
            Self::Dim => "\x1b[2m",
            Self::Good => "\x1b[1;32m",
            Self::Warn => "\x1b[1;33m",
            Self::Bad => "\x1b[1;31m",
        }
    }
}

/// Text under construction.
pub(super) struct Page {
    out: String,
    width: usize,
    colour: bool,
}

impl Page {
    pub(super) const fn new(width: usize, colour: bool) -> Self {
        Self { out: String::new(), width, colour }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    pub(super) const fn width(&self) -> usize {
        self.width
    }

    /// Columns that a field's text has.
    pub(super) const fn field_width(&self) -> usize {
        self.width - INDENT - LABEL
    }

    pub(super) fn blank(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    fn paint(&mut self, text: &str, style: Style) {
        if self.colour && style != Style::Plain && !text.is_empty() {
            self.out.push_str(style.start());
            self.out.push_str(text);
            self.out.push_str("\x1b[0m");
        } else {
            self.out.push_str(text);
        }
    }

    /// A line that the caller has fitted; elided here should it still be too wide.
    pub(super) fn line(&mut self, indent: usize, text: &str, style: Style) {
        let text = wrap::elide_left(&clean::line(text), self.width.saturating_sub(indent));
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.paint(text.replace(GLUE, " ").trim_end(), style);
        while self.out.ends_with(' ') {
            self.out.pop();
        }
        self.out.push('\n');
    }

    /// `left` at the margin, its first `strong` bytes styled, and `right` at the other margin;
    /// on a second line where both do not fit.
    pub(super) fn two_sided(&mut self, left: &str, strong: usize, style: Style, right: &str) {
        let right = right.trim_end();
        let (lw, rw) = (wrap::width(left), wrap::width(right));
        let (word, rest) = left.split_at_checked(strong).unwrap_or((left, ""));
        self.paint(word, style);
        self.out.push_str(rest);
        if rw > 0 && lw + 2 + rw <= self.width {
            self.out.extend(std::iter::repeat_n(' ', self.width - lw - rw));
            self.paint(right, Style::Dim);
            self.out.push('\n');
        } else {
            self.out.push('\n');
            if rw > 0 {
                self.line(INDENT, right, Style::Dim);
            }
        }
    }

    /// Wrapped text at an indent.
    pub(super) fn paragraph(&mut self, indent: usize, text: &str) {
        self.styled_paragraph(indent, text, Style::Plain);
    }

    /// As [`Self::paragraph`], dimmed.
    pub(super) fn dim_paragraph(&mut self, indent: usize, text: &str) {
        self.styled_paragraph(indent, text, Style::Dim);
    }

    fn styled_paragraph(&mut self, indent: usize, text: &str, style: Style) {
        let room = self.width - indent;
        for l in wrap::wrap(&spaced(text), room, room) {
            self.line(indent, &l, style);
        }
    }

    /// A label and wrapped text beside it. An empty label continues the field above.
    pub(super) fn field(&mut self, label: &str, text: &str) {
        let room = self.field_width();
        for (i, l) in wrap::wrap(&spaced(text), room, room).iter().enumerate() {
            self.labelled(if i == 0 { label } else { "" }, l);
        }
    }

    /// A label and text that is already fitted.
    pub(super) fn labelled(&mut self, label: &str, text: &str) {
        self.out.push_str("  ");
        let padded = wrap::pad(label, LABEL);
        self.paint(&padded, if label.is_empty() { Style::Plain } else { Style::Strong });
        let text = wrap::elide_left(&clean::line(text), self.field_width());
        self.out.push_str(text.replace(GLUE, " ").trim_end());
        while self.out.ends_with(' ') {
            self.out.pop();
        }
        self.out.push('\n');
    }

    /// A label, then items as a list: the first beside the label, each with a hanging indent of two.
    pub(super) fn items<'a>(&mut self, label: &str, items: impl IntoIterator<Item = Cow<'a, str>>) {
        let room = self.field_width();
        let mut label = label;
        for item in items {
            for (i, l) in wrap::wrap(&spaced(&item), room, room - 2).iter().enumerate() {
                let l = if i == 0 { l.clone() } else { format!("  {l}") };
                self.labelled(std::mem::take(&mut label), &l);
            }
        }
    }

    /// Preformatted text (a recipe): each line wrapped at its own indent.
    pub(super) fn preformatted(&mut self, indent: usize, text: &str) {
        for l in clean::block(text).trim_end().lines() {
            let own = (l.len() - l.trim_start().len()).min(24);
            let room = (self.width - indent).saturating_sub(own).max(8);
            for (i, piece) in wrap::wrap(l.trim_start(), room, room.saturating_sub(2)).iter().enumerate() {
                let lead = own + if i == 0 { 0 } else { 2 };
                self.line(indent, &format!("{}{piece}", " ".repeat(lead)), Style::Plain);
            }
        }
    }
}

/// Cleans a text for wrapping. Escapes are applied first so that widths are those of what is shown.
fn spaced(text: &str) -> Cow<'_, str> {
    match clean::head(text, SENTENCE) {
        Cow::Borrowed(t) => clean::line(t),
        Cow::Owned(t) => Cow::Owned(clean::line(&t).into_owned()),
    }
}
