//! Why nothing at all could be read, with a text a person can act on.
//!
//! Owns the error type and the guess at what was handed in instead of a profile. Refuses nothing
//! itself: partial damage is told by [`model::Gap`]s, not by errors.

use crate::ProfileKind;

/// Why nothing at all could be read, or why an operation has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// No bytes.
    #[error("empty input: expected a pprof profile (was the download cut before the first byte?)")]
    Empty,
    /// A web page.
    #[error(
        "this is an HTML page, not a profile: the address answered with a page (the index is /debug/pprof/; a profile is /debug/pprof/heap), an error or a login form"
    )]
    HtmlPage,
    /// JSON.
    #[error("this is JSON, not a profile (is it /debug/vars or an API's answer?)")]
    Json,
    /// An execution trace.
    #[error("this is a Go execution trace (header \"{header}\"), not a profile; read it with `go tool trace`")]
    ExecutionTrace {
        /// `go 1.26 trace`.
        header: String,
    },
    /// An ELF, Mach-O or PE file, or a zip archive.
    #[error("this is {what}, not a profile")]
    OtherFile {
        /// What it looks like, with its article.
        what: &'static str,
    },
    /// Printable text in no known form.
    #[error("this text is no profile; it starts with \"{start}\"")]
    UnknownText {
        /// The first characters, escaped.
        start: String,
    },
    /// Binary data in no known form.
    #[error("at byte {offset}: no profile.proto here: expected {expected}")]
    Malformed {
        /// Byte offset in the inflated data.
        offset: u64,
        /// What should have been there.
        expected: &'static str,
    },
    /// Data that inflates beyond the limit: a decompression bomb, or a limit set too low.
    #[error("{format} data inflates to more than {limit}, the limit (compressed size {compressed}); refused")]
    TooLarge {
        /// `gzip` or `zstd`.
        format: &'static str,
        /// The limit.
        limit: model::Bytes,
        /// Size as given.
        compressed: model::Bytes,
    },
    /// Uncompressed input beyond the limit.
    #[error("the input has {size}, more than the limit of {limit}; refused")]
    InputTooLarge {
        /// Size as given.
        size: model::Bytes,
        /// The limit.
        limit: model::Bytes,
    },
    /// A compressed stream of which not one byte could be recovered.
    #[error("corrupt {format} data: {detail}; nothing could be recovered")]
    Compression {
        /// `gzip` or `zstd`.
        format: &'static str,
        /// What the decompressor said.
        detail: String,
    },
    /// A profile, of another kind than asked for.
    #[error("expected a {expected} profile; this is a {found} profile (sample types: {sample_types})")]
    WrongKind {
        /// What was wanted.
        expected: ProfileKind,
        /// What it is.
        found: ProfileKind,
        /// `type/unit`, comma-separated.
        sample_types: String,
    },
    /// Text of another kind than asked for.
    #[error("expected {expected}; found {found}")]
    WrongText {
        /// What was wanted.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// No such sample type.
    #[error("the profile has no sample type \"{asked}\"; it has: {available}")]
    NoSampleType {
        /// The name asked for.
        asked: String,
        /// Comma-separated names.
        available: String,
    },
    /// Two profiles that cannot be combined.
    #[error("the profiles cannot be combined: {0}")]
    Incompatible(String),
    /// A regular expression that does not compile.
    #[error("{option}: {detail}")]
    BadRegex {
        /// Option or field it came from.
        option: &'static str,
        /// What the compiler of expressions said.
        detail: String,
    },
    /// More rows than the 32-bit columns hold.
    #[error("too many {what} for one profile (more than {limit})")]
    TooMany {
        /// Rows of what.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
}

/// What bytes that are no profile look like.
pub(crate) fn describe(data: &[u8]) -> ProfileError {
    if data.is_empty() {
        return ProfileError::Empty;
    }
    let head = &data[..data.len().min(1024)];
    let text = String::from_utf8_lossy(head);
    let trimmed = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    let lower = trimmed.to_ascii_lowercase();
    if ["<!doctype html", "<html", "<head", "<body", "<!--", "<?xml"].iter().any(|p| lower.starts_with(p)) {
        return ProfileError::HtmlPage;
    }
    if let Some(header) = trace_header(head) {
        return ProfileError::ExecutionTrace { header };
    }
    for (magic, what) in [
        (&b"\x7fELF"[..], "an ELF file (an executable or a core)"),
        (b"PK\x03\x04", "a zip archive"),
        (b"MZ", "a Windows executable"),
        (b"\xcf\xfa\xed\xfe", "a Mach-O executable"),
        (b"\x1f\x8b", "gzip data inside gzip data"),
    ] {
        if head.starts_with(magic) {
            return ProfileError::OtherFile { what };
        }
    }
    if is_json(trimmed) {
        return ProfileError::Json;
    }
    if looks_like_text(head) {
        return ProfileError::UnknownText { start: first_chars(trimmed) };
    }
    ProfileError::Malformed {
        offset: 0,
        expected: "a field of the Profile message (github.com/google/pprof proto/profile.proto)",
    }
}

fn is_json(trimmed: &str) -> bool {
    let mut chars = trimmed.chars();
    match chars.next() {
        Some('{') => matches!(chars.find(|c| !c.is_whitespace()), Some('"' | '}')),
        Some('[') => matches!(chars.find(|c| !c.is_whitespace()), Some('"' | '{' | '[' | ']' | '0'..='9')),
        _ => false,
    }
}

/// `go 1.26 trace\0\0\0` (Go `src/internal/trace/version`), 16 bytes.
fn trace_header(head: &[u8]) -> Option<String> {
    let head = head.get(..16)?;
    let text = std::str::from_utf8(head).ok()?.trim_end_matches('\0');
    (text.starts_with("go 1.") && text.ends_with(" trace")).then(|| text.to_owned())
}

pub(crate) fn looks_like_text(head: &[u8]) -> bool {
    let odd = head.iter().filter(|b| **b < 0x20 && !matches!(**b, b'\n' | b'\r' | b'\t' | 0x1b)).count();
    odd == 0 && std::str::from_utf8(&head[..head.len().saturating_sub(3)]).is_ok()
}

fn first_chars(text: &str) -> String {
    let line = text.lines().next().unwrap_or("");
    let mut s: String = line.chars().take(60).flat_map(char::escape_debug).collect();
    if line.chars().count() > 60 {
        s.push_str("...");
    }
    s
}
