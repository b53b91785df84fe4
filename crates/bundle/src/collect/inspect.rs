//! Whether an answer is what was asked for, told before it becomes part of the bundle.
//!
//! Refused: an empty answer, an HTML page, JSON in place of a profile, a profile of another kind.
//! A gzip stream that breaks off is kept and marked: its readable part is evidence.

use crate::ArtifactKind;
use flate2::read::MultiGzDecoder;
use profile::{Profile, ProfileKind, ReadLimits};
use std::io::{self, Read};

/// Most bytes a gzip stream is inflated to while checking that it is whole.
const MAX_INFLATED: u64 = 512 << 20;

/// The answer is of use.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Inspected {
    /// As it should be.
    Good,
    /// Of use, though not whole.
    Cut(String),
    /// Of no use.
    Refused(String),
}

/// Looks at an answer of `kind`. `read` opens its bytes from the start.
pub(crate) fn inspect<R: Read>(
    kind: &ArtifactKind,
    content_type: &str,
    read: impl Fn() -> io::Result<R>,
    parse: bool,
) -> Inspected {
    let mut head = Vec::new();
    match read() {
        Ok(r) => {
            if let Err(e) = r.take(512).read_to_end(&mut head) {
                return Inspected::Refused(format!("cannot be read back: {e}"));
            }
        }
        Err(e) => return Inspected::Refused(format!("cannot be read back: {e}")),
    }
    if let Some(wrong) = wrong_document(kind, content_type, &head) {
        return Inspected::Refused(wrong);
    }
    match kind {
        ArtifactKind::HeapProfile | ArtifactKind::AllocsProfile => {
            profile(ProfileKind::Heap, "heap", &head, read, parse)
        }
        ArtifactKind::GoroutineProfile => profile(ProfileKind::Goroutine, "goroutine", &head, read, parse),
        _ => Inspected::Good,
    }
}

/// Something else than what the endpoint is named for, by its first bytes.
fn wrong_document(kind: &ArtifactKind, content_type: &str, head: &[u8]) -> Option<String> {
    let start = head.trim_ascii_start();
    let what = expected(kind);
    if start.is_empty() {
        return Some(format!("an empty answer instead of {what}"));
    }
    let lower = start.get(..start.len().min(64)).unwrap_or_default().to_ascii_lowercase();
    let html = lower.starts_with(b"<!doctype html")
        || lower.starts_with(b"<html")
        || lower.starts_with(b"<head")
        || lower.starts_with(b"<?xml")
        || (content_type.starts_with("text/html") && start.starts_with(b"<"));
    if html {
        return Some(format!(
            "an HTML page instead of {what}: a login page, a proxy or another application answers here"
        ));
    }
    if start.starts_with(b"{") && *kind != ArtifactKind::Expvar {
        return Some(format!("JSON instead of {what}"));
    }
    let expected_start: &[&[u8]] = match kind {
        ArtifactKind::HeapText | ArtifactKind::HeapTextAfterGc => &[b"heap profile:"],
        ArtifactKind::GoroutineDump => &[b"goroutine "],
        ArtifactKind::Expvar => &[b"{"],
        ArtifactKind::Symbols => &[b"num_symbols:"],
        ArtifactKind::Trace => &[b"go 1."],
        _ => return None,
    };
    if expected_start.iter().any(|s| start.starts_with(s)) {
        return None;
    }
    Some(format!("something else instead of {what}"))
}

fn expected(kind: &ArtifactKind) -> &'static str {
    match kind {
        ArtifactKind::HeapProfile => "a heap profile",
        ArtifactKind::AllocsProfile => "an allocs profile",
        ArtifactKind::GoroutineProfile => "a goroutine profile",
        ArtifactKind::HeapText | ArtifactKind::HeapTextAfterGc => "the text of a heap profile",
        ArtifactKind::GoroutineDump => "a goroutine dump",
        ArtifactKind::Expvar => "the JSON of expvar",
        ArtifactKind::Prometheus => "the Prometheus text format",
        ArtifactKind::Symbols => "the names of addresses",
        ArtifactKind::Trace => "an execution trace",
        _ => "the artifact",
    }
}

fn profile<R: Read>(
    want: ProfileKind,
    name: &str,
    head: &[u8],
    read: impl Fn() -> io::Result<R>,
    parse: bool,
) -> Inspected {
    let mut cut = None;
    if head.starts_with(&[0x1f, 0x8b]) {
        let whole = read().and_then(|r| io::copy(&mut MultiGzDecoder::new(r).take(MAX_INFLATED), &mut io::sink()));
        if let Err(e) = whole {
            cut = Some(format!("the gzip stream is damaged: {e}"));
        }
    } else if is_text(head) {
        return Inspected::Refused(format!("text instead of a {name} profile"));
    }
    if parse {
        let mut bytes = Vec::new();
        let parsed = read()
            .and_then(|mut r| r.read_to_end(&mut bytes))
            .map_err(|e| e.to_string())
            .and_then(|_| Profile::read(&bytes, &ReadLimits::default()).map(|p| p.kind()).map_err(|e| e.to_string()));
        match parsed {
            Ok(kind) if kind != want && kind != ProfileKind::Unknown => {
                return Inspected::Refused(format!("a {} profile instead of a {name} profile", kind_name(kind)));
            }
            Ok(_) => {}
            Err(e) => return Inspected::Refused(format!("not a readable profile: {e}")),
        }
    }
    cut.map_or(Inspected::Good, Inspected::Cut)
}

fn is_text(head: &[u8]) -> bool {
    head.len() >= 16 && head.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace())
}

const fn kind_name(kind: ProfileKind) -> &'static str {
    match kind {
        ProfileKind::Heap => "heap",
        ProfileKind::Goroutine => "goroutine",
        ProfileKind::Cpu => "CPU",
        ProfileKind::Contention => "mutex or block",
        ProfileKind::ThreadCreate => "thread creation",
        _ => "strange",
    }
}
