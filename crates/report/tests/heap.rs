//! The text forms of what `oomph heap` says, from fixed documents, and that their JSON satisfies the published schemas.
#![allow(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use model::{
    HEAP_DIFF_SCHEMA, HEAP_HOLDERS_SCHEMA, HEAP_RETAINED_SCHEMA, HEAP_SCHEMA, HeapContainer, HeapCoverage, HeapDepth,
    HeapDepthRow, HeapDiff, HeapGrowth, HeapGrowthOf, HeapHead, HeapHolders, HeapMatched, HeapNote, HeapObject,
    HeapOverview, HeapPath, HeapPathStep, HeapProcess, HeapRetained, HeapRoot, HeapRoots, HeapSide, HeapStep, HeapType,
    HeapTypeHolder, HeapTypeHolders,
};

fn head(schema: &str) -> HeapHead {
    HeapHead {
        schema: schema.into(),
        oomph: "0.1.0".into(),
        target: "shop (pid 4711)".into(),
        go_version: "go1.26.6".into(),
        source: "a snapshot".into(),
        pause_ms: Some(7.25),
        process: Some(HeapProcess {
            pid: Some(4711),
            start_ticks: Some(99),
            build_id: Some("abc/def".into()),
            main_module: None,
        }),
        heap_bytes: 64 << 20,
        limits: vec!["2 goroutine stacks could not be read".into()],
    }
}

fn step(via: &str, type_name: &str, address: u64, bytes: u64, retained_bytes: u64) -> HeapPathStep {
    let address = if address == 0 { String::new() } else { format!("{address:#x}") };
    HeapPathStep { via: via.into(), type_name: type_name.into(), address, bytes, retained_bytes }
}

fn way() -> Vec<HeapPathStep> {
    vec![
        step("", "main.server", 0x60_ed80, 0, 40 << 20),
        step("", "main.Server", 0x00c0_0002_4000, 112, 40 << 20),
        step(".sessions.byKey", "map[string]*main.Session", 0x00c0_0003_4020, 48, 30 << 20),
        step("", "map[string]*main.Session groups", 0x00c0_0040_0000, 272 << 10, 29 << 20),
        step("[value]", "main.Session", 0x00c0_0051_1100, 384, 640),
    ]
}

fn of_address() -> HeapHolders {
    HeapHolders {
        head: head(HEAP_HOLDERS_SCHEMA),
        object: Some(HeapObject {
            asked: "0xc000511110".into(),
            address: "0xc000511100".into(),
            offset: 16,
            field: ".user".into(),
            type_name: "main.Session".into(),
            bytes: 384,
            retained_bytes: 640,
            reachable: true,
            shortest: HeapPath { steps: way(), omitted: 0, resumes_at: 0 },
            dominators: HeapPath { steps: way(), omitted: 1204, resumes_at: 3 },
        }),
        of_type: None,
    }
}

fn types() -> Vec<HeapType> {
    let of =
        |name: &str, objects, bytes, retained_bytes| HeapType { name: name.into(), objects, bytes, retained_bytes };
    vec![of("main.Session", 80_000, 30_720_000, 41_000_000), of("untyped, 48 bytes", 12, 576, 0)]
}

fn of_type() -> HeapHolders {
    HeapHolders {
        head: head(HEAP_HOLDERS_SCHEMA),
        object: None,
        of_type: Some(HeapTypeHolders {
            pattern: "main.Session".into(),
            types: types().into_iter().take(1).collect(),
            objects: 80_000,
            unreachable: 3,
            bytes: 30_720_000,
            retained_bytes: 41_000_000,
            holders: vec![HeapTypeHolder {
                path: way().into_iter().map(|s| HeapPathStep { address: String::new(), ..s }).collect(),
                holder: "main.server.sessions.byKey[value]".into(),
                objects: 79_997,
                bytes: 30_718_848,
            }],
            more_holders: 2,
        }),
    }
}

fn retained() -> HeapRetained {
    let matched = |what: &str, names: &[&str], count, objects, bytes| HeapMatched {
        what: what.into(),
        names: names.iter().map(|&n| n.to_owned()).collect(),
        distinct: count,
        count,
        objects,
        bytes,
    };
    HeapRetained {
        head: HeapHead { limits: Vec::new(), ..head(HEAP_RETAINED_SCHEMA) },
        pattern: "example.com/shop/cache".into(),
        matched: vec![
            matched("types", &["cache.Item", "[]*cache.Item"], 2, 5_000, 320_000),
            matched("globals", &["example.com/shop/cache.items"], 1, 0, 0),
            matched("goroutines", &["example.com/shop/cache.expire"], 1, 0, 0),
        ],
        retained_objects: 15_000,
        retained_bytes: 9 << 20,
        freed: types(),
    }
}

fn diff() -> HeapDiff {
    let growth = |of: HeapGrowthOf, a: (u64, u64, u64), b: (u64, u64, u64)| {
        let side = |(count, entries, bytes)| HeapSide { count, entries, bytes };
        HeapGrowth { of, before: side(a), after: side(b) }
    };
    let of = |holder: &str, kind: &str, type_name: &str, address: &str| HeapGrowthOf {
        holder: holder.into(),
        kind: kind.into(),
        type_name: type_name.into(),
        address: address.into(),
    };
    let map = "map[string]*main.Session";
    let place = "main.server.sessions.byKey";
    HeapDiff {
        schema: HEAP_DIFF_SCHEMA.into(),
        oomph: "0.1.0".into(),
        before: head(HEAP_SCHEMA),
        after: HeapHead { heap_bytes: 80 << 20, ..head(HEAP_SCHEMA) },
        same_process: true,
        seconds: Some(30.2),
        holders: vec![
            growth(of(place, "", map, ""), (10_000, 0, 4 << 20), (50_000, 0, 20 << 20)),
            growth(of("goroutine main.work", "", "goroutine main.work", ""), (9, 0, 4096), (2, 0, 1024)),
        ],
        containers: vec![
            growth(of(place, "map", map, "0xc000034020"), (1, 5_000, 4 << 20), (1, 25_000, 20 << 20)),
            growth(of("main.jobs[]", "slice", "[]main.Job", ""), (3, 90, 9_000), (1, 30, 3_000)),
        ],
        types: vec![growth(of("", "", "main.Session", ""), (5_000, 0, 1_920_000), (25_000, 0, 9_600_000))],
        limits: vec!["there are more containers of kind slice than are compared one by one".into()],
    }
}

fn overview() -> HeapOverview {
    let holder =
        |via: &str, type_name: &str| HeapStep { via: via.into(), type_name: type_name.into(), address: String::new() };
    HeapOverview {
        schema: HEAP_SCHEMA.into(),
        oomph: "0.1.0".into(),
        target: "shop (pid 4711)".into(),
        go_version: "go1.26.6".into(),
        source: "a snapshot".into(),
        process: None,
        taken_at: None,
        pause_ms: Some(7.25),
        coverage: HeapCoverage { objects: 400_000, bytes: 64 << 20, typed_bytes: 63 << 20, ..HeapCoverage::default() },
        suspects: Vec::new(),
        holders: Vec::new(),
        tree: None,
        roots: vec![
            HeapRoots {
                kind: "global".into(),
                count: 310,
                retained_bytes: 60 << 20,
                largest: vec![HeapRoot { name: "main.server".into(), count: 1, retained_bytes: 40 << 20 }],
            },
            HeapRoots {
                kind: "shared".into(),
                count: 20,
                retained_bytes: 4 << 20,
                largest: vec![HeapRoot { name: "main.Config".into(), count: 2, retained_bytes: 3 << 20 }],
            },
        ],
        types: types(),
        maps: Vec::new(),
        containers: None,
        depth: Some(HeapDepth {
            deepest: 50_004,
            chained_levels: 49_000,
            serial_ms: 4.9,
            bytes: vec![1 << 10, 40 << 20, 1 << 20, 100],
            types: vec![HeapDepthRow {
                type_name: "list.Element".into(),
                deepest: 50_004,
                bytes: vec![0, 20 << 20, 0, 9],
            }],
            mark_cpu_ms: 31.4,
            chains: vec![HeapContainer {
                kind: "list".into(),
                type_name: "list.List".into(),
                address: "0xc000012345".into(),
                entries: 50_000,
                capacity: 0,
                own_bytes: 2_400_000,
                content_bytes: 5_600_000,
                retained_bytes: 8_000_000,
                waste_bytes: 0,
                notes: vec![HeapNote::Doubly, HeapNote::Depth(50_000)],
                holder: vec![holder("", "main.history"), holder("", "list.List")],
                allocated: Vec::new(),
            }],
        }),
        goroutines: Vec::new(),
        census: None,
        stacks: Vec::new(),
        limits: Vec::new(),
    }
}

#[test]
fn text_forms() {
    for width in [80, 120] {
        let shown = |name: &str, text: String| {
            assert!(text.ends_with('\n') && text.lines().all(|l| l.chars().count() <= width), "{name}: {text}");
            insta::assert_snapshot!(format!("{name}-{width}"), text);
        };
        shown("holders-of-address", report::heap_holders(&of_address(), width));
        shown("holders-of-type", report::heap_holders(&of_type(), width));
        shown("retained", report::heap_retained(&retained(), width));
        shown("diff", report::heap_diff(&diff(), width));
        shown("roots-and-chains", report::heap_overview(&overview(), width));
    }
}

#[test]
fn what_did_not_change_is_said() {
    let same = HeapDiff { holders: Vec::new(), containers: Vec::new(), types: Vec::new(), ..diff() };
    assert!(report::heap_diff(&same, 80).contains("Nothing changed"));
    let mut lost = of_address();
    lost.object.as_mut().unwrap().reachable = false;
    assert!(report::heap_holders(&lost, 80).contains("no root reaches it"));
}

#[test]
fn hostile_names_are_shown_not_sent() {
    let mut bad = of_type();
    let types = bad.of_type.as_mut().unwrap();
    types.holders[0].holder = "main.\u{1b}[31mred\n\u{202e}".into();
    types.types[0].name = "a\u{7}b".into();
    bad.head.target = "x\r\u{1b}]0;title\u{7}".into();
    let text = report::heap_holders(&bad, 120);
    assert!(!text.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}')), "{text:?}");
}

#[test]
fn documents_satisfy_the_published_schemas() {
    let documents = [
        ("heap-1.schema.json", vec![serde_json::to_value(overview()).unwrap()]),
        (
            "heap-holders-1.schema.json",
            vec![serde_json::to_value(of_address()).unwrap(), serde_json::to_value(of_type()).unwrap()],
        ),
        ("heap-retained-1.schema.json", vec![serde_json::to_value(retained()).unwrap()]),
        ("heap-diff-1.schema.json", vec![serde_json::to_value(diff()).unwrap()]),
    ];
    for ((file, text), (name, values)) in report::heap_schemas().into_iter().zip(documents) {
        assert_eq!(file, name);
        let validator = jsonschema::draft202012::new(&serde_json::from_str(&text).unwrap()).unwrap();
        for value in values {
            let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
            assert!(errors.is_empty(), "{name}: {errors:?}");
            let mut wrong = value;
            wrong["schema"] = "oomph.other/1".into();
            assert!(!validator.is_valid(&wrong), "{name}");
        }
    }
}
