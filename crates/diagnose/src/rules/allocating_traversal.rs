//! # allocating-traversal
//!
//! ## What it means
//! Walking through a data structure allocates for every element: keys and values are boxed into interfaces for a
//! callback, or each step makes a closure. Nothing is kept, so no heap profile shows it in use; the price is a collector
//! that runs all the time, in proportion to how often things are looked at.
//!
//! ## How it decides
//! The lines that allocated between the heap profiles before and after an execution trace. It is a traversal when a
//! large share of all bytes comes from one function in objects of at most 128 bytes, by boxing or closures, and its
//! stack shows an iteration: a function that calls itself, a closure that is called back from what its own function
//! called, or the name of an iteration (Each, Range, Walk, Visit, ...). The trace tells what collections cost meanwhile.
//!
//! ## What to do
//! Iterate with concrete types: a type parameter in place of `any`, `iter.Seq2[K, V]` that the compiler can inline, a
//! cursor that returns pointers or indices; make the closure once, outside the loop.

use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::{Case, percent, rate, round3};
use crate::time::{Allocator, NO_TRACE, Time, push_site, site, span};
use model::{Finding, Fix, Frame, Mechanism, Severity, SiteRole, Size, Subject, SubjectKind, TraceInstant, Verdict};

pub(super) const RULE: Rule =
    Rule { id: "allocating-traversal", of_time: true, source: include_str!("allocating_traversal.rs"), check };

/// Bytes of an object that is no element of anything larger.
const SMALL: f64 = 128.0;
/// Names of iterations, in small letters, at the end of a method or function.
const ITERATIONS: [&str; 12] =
    ["each", "foreach", "range", "walk", "visit", "iterate", "iter", "all", "traverse", "scan", "ascend", "descend"];

/// What in a stack is an iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Recursion,
    Callback,
    Named,
}

fn check(cx: &Context<'_>) -> Check {
    let Some(t) = cx.time() else { return Check::no_evidence(NO_TRACE) };
    let lines = t.allocators(cx, None);
    let Some(first) = lines.first() else { return Check::no_evidence("who allocated is not seen in this trace") };
    if first.bytes_per_s == 0.0 {
        return Check::no_evidence("allocation rates need a heap profile before and after the trace");
    }
    let total: f64 = lines.iter().map(|a| a.bytes_per_s).sum();
    let detail = format!("{} allocated, most of it ({}) by {}", rate(total), percent(first.share), first.frame);
    let mut functions: Vec<(&str, f64)> = Vec::new();
    for a in lines.iter().filter(|a| small(a) && shape(a).is_some()) {
        match functions.iter_mut().find(|f| f.0 == a.frame.function) {
            Some(f) => f.1 += a.share,
            None => functions.push((&a.frame.function, a.share)),
        }
    }
    let Some((function, share)) = functions.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)) else {
        return Check::clear(detail);
    };
    if share < cx.thresholds.churn_share || share * total < cx.thresholds.churn_bytes_per_s {
        return Check::clear(detail);
    }
    let own: Vec<&Allocator<'_>> = lines.iter().filter(|a| a.frame.function == function && small(a)).collect();
    let found = finding(&t, &own, share, total).map(|f| (Verdict::Churn, f));
    Check::of(found.into_iter().collect(), detail)
}

fn small(a: &Allocator<'_>) -> bool {
    a.objects_per_s > 0.0 && a.bytes_per_s / a.objects_per_s <= SMALL
}

/// The iteration that the stack of a line shows.
fn shape(a: &Allocator<'_>) -> Option<Shape> {
    let own = a.stack.iter().position(|f| *f == a.frame)?;
    let names: Vec<&str> = a.stack.iter().skip(own).map(|f| f.function.as_str()).collect();
    let boxes = matches!(a.mechanism, Some(Mechanism::Boxing | Mechanism::Closure));
    let first = *names.first()?;
    if names.iter().enumerate().any(|(i, closure)| {
        let outer = names.get(i + 2..).unwrap_or_default().iter().position(|n| encloses(n, closure));
        let between = names.get(i + 1).copied().unwrap_or_default();
        outer.is_some() && !related(between, closure)
    }) {
        return Some(Shape::Callback);
    }
    if boxes && names.iter().skip(1).any(|n| *n == first) {
        return Some(Shape::Recursion);
    }
    let named = |n: &&str| {
        // Import paths and type arguments have slashes and dots of their own.
        let base = n.split('[').next().unwrap_or(n);
        let base = base.rsplit('/').next().unwrap_or(base).split('-').next().unwrap_or(base);
        let last = base.rsplit(['.', ')']).find(|p| !p.is_empty() && !p.starts_with("func")).unwrap_or(base);
        let lower = last.to_ascii_lowercase();
        ITERATIONS.iter().any(|i| lower.ends_with(i) || lower.starts_with(i))
    };
    (boxes && names.iter().take(3).any(named)).then_some(Shape::Named)
}

/// Whether `closure` is written inside `function`: `f.func1`, `f-range1`.
fn encloses(function: &str, closure: &str) -> bool {
    closure.strip_prefix(function).is_some_and(|rest| rest.starts_with(".func") || rest.starts_with("-range"))
}

fn related(a: &str, b: &str) -> bool {
    a == b || encloses(a, b) || encloses(b, a)
}

/// The first frame of the stack that is no part of the iteration: who walks.
fn walker<'a>(a: &Allocator<'a>) -> Option<&'a Frame> {
    let own = a.stack.iter().position(|f| *f == a.frame)?;
    a.stack.iter().skip(own + 1).find(|f| !related(&f.function, &a.frame.function)).copied()
}

fn finding(t: &Time<'_>, own: &[&Allocator<'_>], share: f64, total: f64) -> Option<Finding> {
    let first = own.first()?;
    let shape = shape(first).unwrap_or(Shape::Named);
    let (bytes, objects): (f64, f64) =
        own.iter().fold((0.0, 0.0), |sum, a| (sum.0 + a.bytes_per_s, sum.1 + a.objects_per_s));
    let how = first.mechanism.map_or("allocation", Mechanism::phrase);
    let mut case = Case::default();
    let text =
        format!("{} from {}, {} of all that was allocated", rate(bytes), first.frame.short_function(), percent(share));
    case.number(1.2, first.artifact, bytes, "bytes/s", text);
    let text = format!(
        "{} objects per second of {:.0} bytes each, by {how}",
        model::format_count(objects as u64),
        bytes / objects.max(1.0)
    );
    case.number(0.8, first.artifact, objects, "objects/s", text);
    let text = match shape {
        Shape::Recursion => "the function calls itself: it walks a structure".to_owned(),
        Shape::Callback => "the line is in a closure that is called back by what its own function called".to_owned(),
        Shape::Named => format!("{} is an iteration by its name", first.frame.short_function()),
    };
    case.number(if shape == Shape::Named { 0.4 } else { 1.0 }, first.artifact, own.len() as f64, "lines", text);
    let gc = &t.trace.gc;
    let per_s = (gc.cycles.len() as u64 + gc.more_cycles) as f64 / t.seconds();
    let text = format!("{per_s:.1} collections per second took {} of the processors", percent(gc.cpu_share));
    case.number(if per_s >= 1.0 { 0.8 } else { 0.0 }, t.artifact, per_s, "cycles/s", text);
    let severity = match gc.cpu_share {
        c if c >= 0.25 => Severity::High,
        _ if per_s >= 1.0 => Severity::Medium,
        _ => Severity::Low,
    };
    let title = format!("walking through data makes {} of garbage: {how} in {}", rate(bytes), first.frame);
    let subject = Subject { mechanism: first.mechanism, ..Subject::of(SubjectKind::Site) };
    let mut f = case.finding(RULE.id, title, severity, subject);
    f.size = Size { alloc_bytes_per_s: Some(round3(bytes)), ..Size::default() };
    for a in own {
        push_site(&mut f, Some(site(SiteRole::Allocates, a.frame)));
    }
    push_site(&mut f, walker(first).map(|w| site(SiteRole::Calls, w)));
    Time::chain(&mut f, chain(t, total));
    f.fix = fix(first.mechanism);
    Some(f)
}

/// The longest stretch between two collections, and the collection behind it.
fn chain(t: &Time<'_>, total: f64) -> Vec<model::ChainStep> {
    let mut steps = Vec::new();
    let most = t.trace.growth.iter().max_by_key(|g| g.allocated_bytes);
    if let Some(g) = most {
        let at = TraceInstant::between(g.start_ns, g.end_ns);
        let event = format!(
            "{} are allocated in {} ({} on average)",
            model::Bytes(g.allocated_bytes),
            span(at.duration_ns),
            rate(total)
        );
        steps.push(t.step(at, event));
        if let Some(c) = t.trace.gc.cycles.iter().find(|c| c.start_ns >= g.start_ns) {
            let at = TraceInstant { at_ns: c.start_ns, duration_ns: c.duration_ns };
            let event = format!(
                "a collection marks for {}: {} in use before, {} after",
                span(c.duration_ns),
                model::Bytes(c.heap_at_start),
                model::Bytes(c.heap_at_end)
            );
            steps.push(t.step(at, event));
        }
    }
    steps
}

fn fix(mechanism: Option<Mechanism>) -> Fix {
    let (summary, recipe) = match mechanism {
        Some(Mechanism::Closure) => (
            "make the closure once, outside the iteration",
            "A function literal that captures variables is an object. Make it before the loop, or pass what it needs as arguments:\n\n```go\nvisit := func(n *Node) bool { return emit(n) }\nfor _, c := range n.children {\n\tc.walk(visit)\n}\n```",
        ),
        _ => (
            "iterate with concrete types instead of any",
            "Every value that goes into an `any` is copied to the heap. Give the iteration type parameters, or return an iterator that is inlined:\n\n```go\nfunc (t *Tree[K, V]) All() iter.Seq2[K, V] {\n\treturn func(yield func(K, V) bool) { t.root.walk(yield) }\n}\n```\n\nWhere the callback has to take `any`, pass a pointer to the element: pointers are not copied.",
        ),
    };
    Fix { summary: summary.into(), recipe: recipe.into(), expected_saving_bytes: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape_of(mechanism: Mechanism, stack: &[&str]) -> Option<Shape> {
        let frames: Vec<Frame> = stack.iter().map(|f| Frame { function: (*f).into(), ..Frame::default() }).collect();
        let frame = &frames[0];
        shape(&Allocator {
            frame,
            mechanism: Some(mechanism),
            stack: frames.iter().collect(),
            bytes_per_s: 1.0,
            objects_per_s: 1.0,
            share: 1.0,
            artifact: "",
            of: "",
        })
    }

    #[test]
    fn iterations_are_seen_in_stacks() {
        let recursive = ["main.(*Tree).walk", "main.(*Tree).walk", "main.(*Tree).Each", "main.handle"];
        assert_eq!(shape_of(Mechanism::Boxing, &recursive), Some(Shape::Recursion));
        let called_back = ["main.handle.func1", "main.(*Tree).Do", "main.handle", "net/http.HandlerFunc.ServeHTTP"];
        assert_eq!(shape_of(Mechanism::NewObject, &called_back), Some(Shape::Callback));
        let ranged = ["main.handle-range1", "main.(*Tree).All.func1", "main.handle"];
        assert_eq!(shape_of(Mechanism::Boxing, &ranged), Some(Shape::Callback));
        assert_eq!(shape_of(Mechanism::Boxing, &["main.(*Index).ForEach", "main.handle"]), Some(Shape::Named));
        let long = ["example.com/my-app/index.(*Tree).Each", "main.handle"];
        assert_eq!(shape_of(Mechanism::Boxing, &long), Some(Shape::Named));
    }

    #[test]
    fn others_are_not() {
        assert_eq!(shape_of(Mechanism::MakeSlice, &["main.build", "main.handle", "main.serve"]), None);
        assert_eq!(shape_of(Mechanism::NewObject, &["main.clone", "main.clone", "main.handle"]), None);
        assert_eq!(shape_of(Mechanism::Boxing, &["main.format", "main.handle"]), None);
        // A closure that its own function calls is no callback.
        assert_eq!(shape_of(Mechanism::NewObject, &["main.handle.func1", "main.handle", "main.serve"]), None);
    }
}
