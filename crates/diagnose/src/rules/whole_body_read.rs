//! # whole-body-read
//!
//! ## What it means
//! A handler reads request bodies whole into memory (`io.ReadAll`, `bytes.Buffer.ReadFrom`). Peak memory
//! is then body size times concurrency times two or more (the buffer doubles while it grows), which a
//! client decides and not the service: the classic OOM by one large upload.
//!
//! ## How it decides
//! Stacks of the heap profile that pass through a whole-body reader *and* an HTTP server's connection
//! loop, by the user function that reads. It counts when such reads allocate fast or hold much, in
//! pieces large enough to be bodies (32 KiB and more on average); small JSON bodies read whole are
//! common and harmless.
//!
//! ## What to do
//! Stream (`io.Copy`, `json.NewDecoder`, multipart parts one by one) and cap with
//! `http.MaxBytesReader`.

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::{Case, plural, rate, round3};
use crate::sites::owner;
use bundle::Facts;
use model::{
    Finding, Fix, Frame, Mechanism, Severity, SiteRef, SiteRole, Size, Subject, SubjectKind, Verdict, format_iec,
};
use profile::{HeapStack, HeapStacks};
use rustc_hash::FxHashMap;

pub(super) const RULE: Rule =
    Rule { id: "whole-body-read", of_time: false, source: include_str!("whole_body_read.rs"), check };

/// Below this average allocation the reads are of small bodies.
const SMALL_PIECE: f64 = 32.0 * 1024.0;

const READERS: [&str; 4] = ["io.ReadAll", "io/ioutil.ReadAll", "bytes.(*Buffer).ReadFrom", "bufio.(*Reader).WriteTo"];
const SERVERS: [&str; 4] = [
    "net/http.(*conn).serve",
    "net/http.HandlerFunc.ServeHTTP",
    "net/http.serverHandler.ServeHTTP",
    "net/http.(*http2serverConn).runHandler",
];

#[derive(Clone, Copy, Default)]
struct Read {
    alloc_bytes: f64,
    alloc_objects: f64,
    inuse_bytes: f64,
}

fn check(cx: &Context<'_>) -> Check {
    let profiles: Vec<_> = cx.facts.samples.iter().filter_map(|s| s.heap.as_ref()).collect();
    let (Some(first), Some(last)) = (profiles.first(), profiles.last()) else {
        return Check::no_evidence("no heap profile could be read");
    };
    let read: Vec<_> = profiles.iter().map(|p| reads(cx.facts, &p.value)).collect();
    let (before, after) = (&read[0], &read[read.len() - 1]);
    let seconds = last.at.seconds_since(first.at);
    let mut total = 0.0;
    let mut found = Vec::new();
    for (frame, b) in after {
        let a = if profiles.len() > 1 { before.get(frame).copied().unwrap_or_default() } else { Read::default() };
        let per_s = if seconds > 0.0 { (b.alloc_bytes - a.alloc_bytes).max(0.0) / seconds } else { 0.0 };
        total += per_s;
        let inuse = read.iter().filter_map(|r| r.get(frame)).map(|r| r.inuse_bytes).fold(0.0, f64::max);
        found.extend(judge(cx, frame, b, per_s, inuse, &last.artifact));
    }
    found.sort_by(|a: &(Verdict, Finding), b| {
        b.1.size.alloc_bytes_per_s.unwrap_or(0.0).total_cmp(&a.1.size.alloc_bytes_per_s.unwrap_or(0.0))
    });
    let detail = format!("{} read whole under HTTP handlers, in {}", rate(total), plural(after.len() as u64, "place"));
    Check::of(found, detail)
}

/// What each user line read whole under a handler.
fn reads(facts: &Facts, stacks: &HeapStacks) -> FxHashMap<Frame, Read> {
    let main_module = facts.build.as_ref().and_then(|b| b.value.main_module.as_deref());
    let is =
        |names: &[&str]| -> Vec<bool> { stacks.frames.iter().map(|f| names.contains(&f.function.as_str())).collect() };
    let (reader, server) = (is(&READERS), is(&SERVERS));
    let has = |s: &HeapStack, set: &[bool]| s.frames.iter().any(|f| set.get(*f as usize).copied().unwrap_or(false));
    let mut out: FxHashMap<Frame, Read> = FxHashMap::default();
    for s in &stacks.stacks {
        if !has(s, &reader) || !has(s, &server) {
            continue;
        }
        let frame =
            owner(stacks, s, main_module).and_then(|at| s.frames.get(at)).and_then(|f| stacks.frames.get(*f as usize));
        let Some(frame) = frame else { continue };
        let r = out.entry(frame.clone()).or_default();
        r.alloc_bytes += s.alloc_bytes as f64;
        r.alloc_objects += s.alloc_objects as f64;
        r.inuse_bytes += s.inuse_bytes as f64;
    }
    out
}

fn judge(
    cx: &Context<'_>,
    frame: &Frame,
    r: &Read,
    per_s: f64,
    inuse: f64,
    artifact: &str,
) -> Option<(Verdict, Finding)> {
    let t = cx.thresholds;
    let piece = r.alloc_bytes / r.alloc_objects.max(1.0);
    if per_s < t.body_bytes_per_s && inuse < t.body_inuse_bytes {
        return None;
    }
    let mut case = Case::default();
    case.number(1.0, artifact, per_s, "bytes/s", format!("{} allocated by reading bodies whole", rate(per_s)));
    let s = format!("the buffers are {} on average", format_iec(piece));
    case.number(if piece >= SMALL_PIECE { 1.5 } else { -2.0 }, artifact, piece, "bytes", s);
    if inuse > 0.0 {
        let w = if inuse >= t.body_inuse_bytes { 0.8 } else { 0.2 };
        case.number(w, artifact, inuse, "bytes", format!("up to {} of bodies in memory at once", format_iec(inuse)));
    }
    let severity = if piece >= SMALL_PIECE { Severity::Medium } else { Severity::Low };
    let title = format!("{frame} reads request bodies whole: {}", rate(per_s));
    let subject = Subject { mechanism: Some(Mechanism::BufferGrowth), ..Subject::of(SubjectKind::Site) };
    let mut f = case.finding(RULE.id, title, severity, subject);
    f.size = Size { alloc_bytes_per_s: Some(round3(per_s)), shallow_bytes: Some(inuse as u64), ..Size::default() };
    f.sites = vec![SiteRef {
        role: SiteRole::Allocates,
        function: frame.function.clone(),
        file: frame.file.clone(),
        line: frame.line,
    }];
    f.fix = Fix {
        summary: "stream the body, and cap it with http.MaxBytesReader".into(),
        recipe: "```go\nr.Body = http.MaxBytesReader(w, r.Body, maxUpload)\nif _, err := io.Copy(dst, r.Body); err != nil { // 32 KiB at a time\n\thttp.Error(w, err.Error(), http.StatusRequestEntityTooLarge)\n\treturn\n}\n```\n\nFor JSON use `json.NewDecoder(r.Body)`; for forms `r.MultipartReader()` part by part. Where the whole body is needed, allocate once by `Content-Length` (after capping it) instead of letting the buffer double.".into(),
        expected_saving_bytes: (inuse > 0.0).then_some(inuse as u64),
    };
    Some((Verdict::Risk, f))
}
