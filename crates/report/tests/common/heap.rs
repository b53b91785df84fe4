//! A small heap as the graph would tell it: a cache that keeps sessions, a list, goroutines that hold buffers.

use model::*;

fn step(via: &str, type_name: &str, address: &str) -> HeapStep {
    HeapStep { via: via.into(), type_name: type_name.into(), address: address.into() }
}

fn frame(function: &str, file: &str, line: u32) -> Frame {
    Frame { function: function.into(), file: file.into(), line }
}

fn row(parent: u32, kind: &str, via: &str, name: &str, count: u64, own: u64, retained: u64) -> HeapTreeRow {
    HeapTreeRow {
        parent,
        kind: kind.into(),
        via: via.into(),
        name: name.into(),
        address: (count == 1 && kind == "object").then(|| "0xc000010000".into()),
        count,
        inner: 0,
        own_bytes: own,
        retained_bytes: retained,
    }
}

const MIB: u64 = 1 << 20;

pub(crate) fn tree() -> HeapTree {
    let session = "example.com/shop/session.Session";
    let mut rows = vec![
        row(0, "heap", "", "", 50_000, 0, 60 * MIB),
        row(0, "global", "", "example.com/shop/session.store", 1, 0, 40 * MIB),
        row(1, "object", "", "map[string]*example.com/shop/session.Session", 1, 8 * MIB, 40 * MIB),
        row(2, "object", "[value]", session, 20_000, 20 * MIB, 30 * MIB),
        row(3, "object", ".data", "[]uint8", 20_000, 10 * MIB, 10 * MIB),
        row(2, "object", "[key]", "string bytes", 20_000, 2 * MIB, 2 * MIB),
        row(0, "goroutine", "", "main.worker", 300, 0, 12 * MIB),
        row(6, "object", "", "[]uint8", 300, 12 * MIB, 12 * MIB),
        row(0, "object", "", "container/list.Element", 1, 5 * MIB, 7 * MIB),
        row(8, "object", ".Value", "untyped, 48 bytes", 9_000, 2 * MIB, 2 * MIB),
        row(0, "rest", "", "", 410, 0, MIB),
    ];
    rows[2].inner = 129;
    rows[8].inner = 8_999;
    HeapTree { rows }
}

pub(crate) fn overview() -> HeapOverview {
    let map = "map[string]*example.com/shop/session.Session";
    let way = vec![
        step("", "example.com/shop/session.store", "0x5a1000"),
        step("", map, "0xc000010000"),
        step("", &format!("{map} directory"), "0xc000020000"),
        step("", &format!("{map} groups"), "0xc000030000"),
        step("[value]", "example.com/shop/session.Session", "0xc000040000"),
    ];
    HeapOverview {
        schema: HEAP_SCHEMA.into(),
        oomph: "0.1.0".into(),
        target: "shop (pid 4711)".into(),
        go_version: "go1.26.8".into(),
        source: "a snapshot".into(),
        process: None,
        taken_at: Some(UnixMillis(1_795_237_548_000)),
        pause_ms: Some(7.66),
        coverage: HeapCoverage {
            objects: 64_000,
            bytes: 72 * MIB,
            typed_bytes: 71 * MIB,
            typed_objects: 63_000,
            unreachable_objects: 14_000,
            unreachable_bytes: 12 * MIB,
            unswept_objects: 10,
            unswept_bytes: 4096,
            distrusted_spans: 1,
            stack_bytes: 3 * MIB,
            layout_assumed: true,
            ..HeapCoverage::default()
        },
        suspects: Vec::new(),
        holders: vec![HeapHolder {
            name: "example.com/shop/session.store".into(),
            kind: "global".into(),
            retained_bytes: 40 * MIB,
            path: way[1..].to_vec(),
            holds: vec![HeapHeld { type_name: "[]uint8".into(), objects: 20_000, retained_bytes: 10 * MIB }],
            allocated: vec![HeapAllocated { stack: 0, sampled: 66, bytes: 33 * MIB }],
        }],
        tree: Some(tree()),
        roots: Vec::new(),
        types: vec![
            HeapType {
                name: "example.com/shop/session.Session".into(),
                objects: 20_000,
                bytes: 20 * MIB,
                retained_bytes: 30 * MIB,
            },
            HeapType { name: "untyped, 48 bytes".into(), objects: 9_000, bytes: 2 * MIB, retained_bytes: 0 },
        ],
        maps: Vec::new(),
        containers: Some(containers(map, &way)),
        depth: Some(HeapDepth {
            deepest: 9_003,
            chained_levels: 8_990,
            serial_ms: 0.9,
            bytes: vec![15 * MIB, 3 * MIB, 0, 40 * MIB],
            types: vec![
                HeapDepthRow {
                    type_name: "container/list.Element".into(),
                    deepest: 9_003,
                    bytes: vec![0, 64, 0, 5 * MIB],
                },
                HeapDepthRow { type_name: "[]uint8".into(), deepest: 6, bytes: vec![12 * MIB, 0, 0, 10 * MIB] },
            ],
            mark_cpu_ms: 0.0,
            chains: Vec::new(),
        }),
        census: None,
        goroutines: vec![HeapGoroutines {
            function: "main.worker".into(),
            state: "chan receive".into(),
            created_by: Some(frame("main.main", "/src/shop/main.go", 31)),
            count: 300,
            stack_bytes: 2 * MIB,
            retained_bytes: 12 * MIB,
            allocated: vec![HeapAllocated { stack: 1, sampled: 24, bytes: 12 * MIB }],
        }],
        stacks: vec![
            vec![
                frame("example.com/shop/session.(*Store).Put", "/src/shop/session/store.go", 41),
                frame("net/http.HandlerFunc.ServeHTTP", "/go/src/net/http/server.go", 2220),
            ],
            vec![frame("main.worker", "/src/shop/main.go", 52)],
        ],
        limits: vec!["2 goroutine stacks could not be read".into()],
    }
}

fn containers(map: &str, way: &[HeapStep]) -> HeapContainers {
    HeapContainers {
        list: vec![
            HeapContainer {
                kind: "map".into(),
                type_name: map.into(),
                address: "0xc000010000".into(),
                entries: 20_000,
                capacity: 32_768,
                own_bytes: 8 * MIB,
                content_bytes: 2 * MIB,
                retained_bytes: 40 * MIB,
                waste_bytes: 3 * MIB,
                notes: vec![HeapNote::Keys(HeapKeys {
                    keys: 256,
                    len: (22, 24),
                    shapes: vec![("a{4}-9{8}".into(), 200)],
                    prefix: "sess-".into(),
                    entropy: 3_300,
                    shown: Vec::new(),
                })],
                holder: way[..2].to_vec(),
                allocated: vec![HeapAllocated { stack: 0, sampled: 66, bytes: 33 * MIB }],
            },
            HeapContainer {
                kind: "list".into(),
                type_name: "list.List".into(),
                address: "0xc000050000".into(),
                entries: 9_000,
                capacity: 0,
                own_bytes: 5 * MIB,
                content_bytes: 2 * MIB,
                retained_bytes: 7 * MIB,
                waste_bytes: 0,
                notes: vec![HeapNote::Doubly, HeapNote::Depth(9_000)],
                holder: Vec::new(),
                allocated: Vec::new(),
            },
        ],
        groups: vec![HeapContainerGroup {
            kind: "slice".into(),
            type_name: "[]uint8".into(),
            count: 20_300,
            entries: 20 * MIB,
            capacity: 22 * MIB,
            bytes: 22 * MIB,
            waste_bytes: 2 * MIB,
        }],
        duplicates: HeapDuplicates {
            objects: 21_000,
            contents: 4,
            copies: 900,
            waste_bytes: 28_800,
            largest: vec![HeapDuplicate {
                text: "a{2}-A{2}".into(),
                redacted: true,
                len: 5,
                count: 901,
                waste_bytes: 28_800,
            }],
        },
    }
}

/// The heap with each name from outside given by `f`.
pub(crate) fn with_strings(f: &mut dyn FnMut(&str) -> String) -> HeapOverview {
    fn walk(key: &str, v: &mut serde_json::Value, f: &mut dyn FnMut(&str) -> String) {
        match v {
            // Kinds of rows and notes say what is written, not what the process chose.
            serde_json::Value::String(s) if !["kind", "note"].contains(&key) => *s = f(s),
            serde_json::Value::Array(a) => a.iter_mut().for_each(|v| walk(key, v, f)),
            serde_json::Value::Object(o) => o.iter_mut().for_each(|(k, v)| walk(k, v, f)),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(overview()).unwrap();
    walk("", &mut value, f);
    serde_json::from_value(value).unwrap()
}
