//! The page of a timeline: inert against hostile strings, the same data whatever stands in it.
#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

#[path = "common/page.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod page;

use model::{
    Frame, TimelineAssist, TimelineDocument, TimelineLane, TimelineMark, TimelineSlice, TimelineStop, TraceHeapPoint,
};
use page::{inert, tags};
use report::timeline_html;
use serde_json::Value;

/// A small timeline with `text` in every string.
fn timeline(text: &str) -> TimelineDocument {
    let slice = |start_ns| TimelineSlice {
        start_ns,
        duration_ns: 10,
        busy_ns: 8,
        runs: 2,
        goroutine: 7,
        function: 1,
        stack: 1,
    };
    let frame = Frame { function: format!("f{text}"), file: format!("/x/{text}.go"), line: 3 };
    TimelineDocument {
        schema: model::TIMELINE_SCHEMA.to_owned(),
        oomph: text.to_owned(),
        source: text.to_owned(),
        format: "1.26".to_owned(),
        events: 5,
        duration_ns: 100,
        functions: vec![String::new(), format!("main.{text}")],
        stacks: vec![vec![], vec![frame]],
        procs: vec![TimelineLane { proc: 3, slices: vec![slice(0), slice(20), slice(50)] }],
        merged_below_ns: 1000,
        marks: vec![slice(5)],
        stops: vec![TimelineStop { start_ns: 5, duration_ns: 2, reason: text.to_owned(), goroutine: 7, stack: 1 }],
        more_stops: 4,
        assists: vec![TimelineAssist { start_ns: 6, duration_ns: 3, proc: 3, goroutine: 7, function: 1, stack: 1 }],
        heap: vec![TraceHeapPoint { at_ns: 1, heap: 2, goal: 3 }],
        findings: vec![TimelineMark { at_ns: 50, text: text.to_owned() }],
        limits: vec![text.to_owned()],
        ..TimelineDocument::default()
    }
}

/// The data of the script.
fn data(page: &str) -> Value {
    let after = page.split_once("id=\"timeline-data\">").unwrap().1;
    serde_json::from_str(after.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn hostile_strings_stay_text() {
    let benign = timeline_html(&timeline("name"));
    inert(&benign, &benign);
    for hostile in [
        "</script><script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "<!--<script>",
        "\u{202e}\u{1b}[2J\0\n",
        "javascript:alert(1)",
        "&lt;b&gt;",
    ] {
        let page = timeline_html(&timeline(hostile));
        inert(&page, &benign);
        assert_eq!(tags(&page).len(), tags(&benign).len(), "{hostile}");
    }
}

#[test]
fn the_script_has_every_slice() {
    let page = timeline_html(&timeline("name"));
    let d = data(&page);
    assert_eq!(d["procs"][0]["t"], serde_json::json!([[0, 20, 30], [10, 10, 10]]));
    assert_eq!(d["procs"][0]["b"], serde_json::json!([2, 2, 2]));
    assert_eq!(d["functions"][1], "main.name");
    assert_eq!(d["frames"][d["stacks"][1][0].as_u64().unwrap() as usize], "fname  name.go:3");
    assert_eq!(d["findings"], serde_json::json!([[50, "name"]]));
    // What is left out or merged is said, and findings lead to their instants.
    for said in ["no more than 1", "4 stopped worlds are not drawn", "href=\"#t=0-2000050\""] {
        assert!(page.contains(said), "{said}");
    }
}

#[test]
fn the_largest_timeline_is_a_few_megabytes() {
    let mut t = timeline("name");
    let slice = |i: u64| TimelineSlice {
        start_ns: i * 2_000,
        duration_ns: 1_500,
        busy_ns: 1_500,
        runs: 1,
        goroutine: i as i64 % 1000,
        function: 1,
        stack: 1,
    };
    t.procs = (0..10).map(|proc| TimelineLane { proc, slices: (0..10_000).map(slice).collect() }).collect();
    let page = timeline_html(&t);
    assert!(page.len() < 4 << 20, "{}", page.len());
    assert_eq!(data(&page)["procs"].as_array().unwrap().len(), 10);
}

#[test]
fn an_empty_timeline_is_a_page() {
    let page = timeline_html(&TimelineDocument::default());
    assert_eq!(data(&page)["duration"], 0);
}
