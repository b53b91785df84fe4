//! A heap as HTML: what it says is what the document says, hostile names stay names, and it stays below 1 MiB.
#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

mod common;

use common::heap::{overview, with_strings};
use common::page::{inert, tags, well_formed, without_code};
use model::{Bytes, HeapTree, HeapTreeRow};
use report::{heap_html, html};
use serde_json::Value;

#[test]
fn a_small_heap_reads_like_this() {
    let page = heap_html(&overview());
    inert(&page, &page);
    well_formed(&page);
    insta::assert_snapshot!("small", without_code(&page).replace("><", ">\n<"));
}

/// What lies between two marks.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let start = text.find(from).unwrap_or_else(|| panic!("no {from}")) + from.len();
    &text[start..start + text[start..].find(to).unwrap()]
}

/// Numbers that a script sorts by, row by row.
fn numbers(page: &str, section: &str) -> Vec<Vec<u64>> {
    let body = between(between(page, &format!("id=\"{section}\">"), "</section>"), "<tbody>", "</tbody>");
    let row = |r: &str| r.split("data-v=\"").skip(1).map(|c| c.split('"').next().unwrap().parse().unwrap()).collect();
    body.split("<tr>").skip(1).map(row).collect()
}

#[test]
fn numbers_are_those_of_the_document() {
    let o = overview();
    let page = heap_html(&o);
    let ppm = |part: u64| part * 1_000_000 / o.coverage.bytes;
    let holders = o.holders.iter().map(|h| vec![h.retained_bytes, ppm(h.retained_bytes)]);
    assert_eq!(numbers(&page, "heap-holders"), holders.collect::<Vec<_>>());
    let types = o.types.iter().map(|t| vec![t.bytes, ppm(t.bytes), t.objects, t.bytes / t.objects, t.retained_bytes]);
    assert_eq!(numbers(&page, "heap-types"), types.collect::<Vec<_>>());
    let groups = o.goroutines.iter().map(|g| vec![g.count, g.stack_bytes, g.retained_bytes]);
    assert_eq!(numbers(&page, "heap-goroutines"), groups.collect::<Vec<_>>());
    let c = o.containers.as_ref().unwrap();
    let same = c.duplicates.largest.iter().map(|d| vec![d.waste_bytes, d.count, d.len]);
    assert_eq!(numbers(&page, "heap-duplicates"), same.collect::<Vec<_>>());
    let map = &c.list[0];
    let want = vec![
        map.retained_bytes,
        map.entries,
        map.capacity,
        map.entries * 10_000 / map.capacity,
        map.waste_bytes,
        map.own_bytes,
        map.content_bytes,
    ];
    assert_eq!(numbers(&page.replace("data-v=\"-1\"", ""), "heap-containers")[0], want);
    // The heat map tells each cell that is not empty.
    let depth = o.depth.as_ref().unwrap();
    let heat = between(between(&page, "id=\"heap-depth\">", "</section>"), "<tbody>", "</tbody>");
    let cells: Vec<&str> = heat.split("<td class=\"n h").skip(1).map(|c| between(c, ">", "<")).collect();
    let all = depth.types.iter().flat_map(|t| &t.bytes).filter(|b| **b > 0).map(|b| Bytes(*b).to_string());
    assert_eq!(cells, all.collect::<Vec<_>>());
}

fn data(page: &str) -> Value {
    serde_json::from_str(between(page, "id=\"heap-data\">", "</script>")).unwrap()
}

#[test]
fn the_tree_is_that_of_the_document() {
    let o = overview();
    let rows = &o.tree.as_ref().unwrap().rows;
    let page = heap_html(&o);
    let data = data(&page);
    let column =
        |name: &str| -> Vec<u64> { data[name].as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).collect() };
    let of = |f: fn(&HeapTreeRow) -> u64| rows.iter().map(f).collect::<Vec<_>>();
    assert_eq!(column("retained"), of(|r| r.retained_bytes));
    assert_eq!(column("own"), of(|r| r.own_bytes));
    assert_eq!(column("count"), of(|r| r.count));
    assert_eq!(column("inner"), of(|r| r.inner));
    assert_eq!(column("parent"), of(|r| u64::from(r.parent)));
    // In the page without the script: each row with its bytes, inside the row above it.
    let tree = between(&page, "id=\"retained\">", "</section>");
    let (mut inside, mut found) = (Vec::new(), 0);
    for part in tree.split('<') {
        if let Some(id) = part.strip_prefix("li id=\"r") {
            let i: usize = id.split('"').next().unwrap().parse().unwrap();
            assert_eq!(inside.last().copied().unwrap_or(0), rows[i].parent as usize);
            let line = between(tree, &format!("id=\"r{i}\">"), "<span class=\"what\"");
            assert!(line.contains(&format!("<span>{}</span>", Bytes(rows[i].retained_bytes))), "{i}: {line}");
            inside.push(i);
            found += 1;
        } else if part.starts_with("/li>") {
            inside.pop();
        }
    }
    assert_eq!(found, rows.len());
}

#[test]
fn areas_of_the_treemap_are_what_is_retained() {
    let o = overview();
    let rows = &o.tree.as_ref().unwrap().rows;
    let page = heap_html(&o);
    let tiles = between(&page, "id=\"treemap-tiles\">", "<p class=\"where\"");
    // The outermost tiles come one after the other, each with what is inside.
    let (mut depth, mut areas) = (0, Vec::new());
    for part in tiles.split('<').skip(1) {
        if part.starts_with("div") {
            if depth == 0 {
                let side = |name: &str| between(part, name, "%").parse::<f64>().unwrap();
                areas.push(side("width:") * side("height:") / 10_000.0);
            }
            depth += 1;
        } else if part.starts_with("/div") {
            depth -= 1;
        }
    }
    let top: Vec<f64> = rows[1..].iter().filter(|r| r.parent == 0).map(|r| r.retained_bytes as f64).collect();
    let all = rows[0].retained_bytes as f64;
    assert_eq!(areas.len(), top.len());
    for (area, bytes) in areas.iter().zip(&top) {
        assert!((area - bytes / all).abs() < 0.001, "{area} for {bytes}");
    }
}

#[test]
fn hostile_names_change_no_markup() {
    let benign = heap_html(&with_strings(&mut |_| "word".to_owned()));
    let tag = |page: &str| tags(&without_code(page));
    for bad in common::HOSTILE.iter().filter(|b| !b.is_empty()) {
        let page = heap_html(&with_strings(&mut |_| (*bad).to_owned()));
        inert(&page, &benign);
        well_formed(&page);
        assert_eq!(tag(&page), tag(&benign), "{bad:?}");
        assert!(data(&page)["names"].as_array().unwrap().len() > 1);
    }
    for bad in common::HOSTILE {
        // Kinds too, when the document comes from a file.
        let text = serde_json::to_string(&overview()).unwrap();
        let bad = serde_json::to_string(bad).unwrap();
        let text = ["\"map\"", "\"object\"", "\"global\"", "\"goroutine\"", "\"rest\"", "\"heap\"", "\"slice\""]
            .iter()
            .fold(text, |t, kind| t.replace(&format!("\"kind\":{kind}"), &format!("\"kind\":{bad}")));
        let page = heap_html(&serde_json::from_str(&text).unwrap());
        inert(&page, &benign);
        well_formed(&page);
    }
}

#[test]
fn large_heaps_stay_below_a_mebibyte() {
    let long = "<&\"'>\u{202e}漢".repeat(200);
    let mut o = with_strings(&mut |_| long.clone());
    let many = |n: usize| 0..n;
    o.holders = many(3_000).map(|_| o.holders[0].clone()).collect();
    o.types = many(50_000).map(|_| o.types[0].clone()).collect();
    o.goroutines = many(3_000).map(|_| o.goroutines[0].clone()).collect();
    o.limits = many(5_000).map(|_| long.clone()).collect();
    o.stacks = many(3_000).map(|_| o.stacks[0].clone()).collect();
    let c = o.containers.as_mut().unwrap();
    c.list = many(5_000).map(|_| c.list[0].clone()).collect();
    c.groups = many(5_000).map(|_| c.groups[0].clone()).collect();
    c.duplicates.largest = many(5_000).map(|_| c.duplicates.largest[0].clone()).collect();
    let d = o.depth.as_mut().unwrap();
    d.types = many(5_000).map(|_| d.types[0].clone()).collect();
    d.bytes = vec![u64::MAX; 200];
    let names = |i: usize| HeapTreeRow {
        kind: "object".into(),
        name: format!("{i}{long}"),
        retained_bytes: u64::MAX >> 1,
        ..HeapTreeRow::default()
    };
    o.tree = Some(HeapTree { rows: many(5_000).map(names).collect() });
    let page = heap_html(&o);
    assert!(page.len() < 1 << 20, "{}", page.len());
    assert!(page.contains("would not fit"));
    inert(&page, &page);
    let whole = html(&common::leak(), &[], Some(&o));
    assert!(whole.len() < 2_000_000, "{}", whole.len());
}

#[test]
fn trees_that_are_none_do_no_harm() {
    let row = |parent: u32| HeapTreeRow {
        parent,
        kind: "object".into(),
        name: "T".into(),
        count: 1,
        retained_bytes: 9,
        ..HeapTreeRow::default()
    };
    let trees = [
        vec![],
        vec![row(0)],
        vec![row(7), row(0)],
        vec![row(0), row(1), row(2)],
        vec![row(0), row(u32::MAX)],
        // One below the other.
        (0..100_000_u32).map(|i| row(i.saturating_sub(1))).collect(),
        // All below the first, retaining more than it.
        (0..100_000_u32).map(|_| row(0)).collect(),
    ];
    for rows in trees {
        let mut o = overview();
        o.tree = Some(HeapTree { rows });
        let page = heap_html(&o);
        well_formed(&page);
        assert!(page.len() < 1 << 20);
    }
}

#[test]
fn a_heap_of_nothing_is_a_page() {
    let mut o = overview();
    o.coverage = model::HeapCoverage::default();
    (o.holders, o.types, o.goroutines, o.stacks, o.limits) = Default::default();
    (o.tree, o.containers, o.depth) = (None, None, None);
    let page = heap_html(&o);
    well_formed(&page);
    inert(&page, &page);
    assert!(!page.contains("NaN") && !page.contains("inf"));
}

#[test]
fn a_report_shows_the_heap_after_its_findings() {
    let r = common::leak();
    let page = html(&r, &[], Some(&overview()));
    well_formed(&page);
    inert(&page, &page);
    let at = |id: &str| page.find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("no {id}"));
    assert!(at("findings") < at("heap") && at("heap") < at("heap-tree") && at("heap-tree") < at("artifacts"));
    let plain = html(&r, &[], None);
    assert!(!plain.contains("heap-tree") && !plain.contains(".treemap"));
}

mod arbitrary {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn strings_never_become_markup(s in proptest::collection::vec("\\PC{0,12}[<>&\"'`]{0,3}<x-evil [\\x00-\\x1f\u{202e}]?\\PC{0,8}", 1..6)) {
            let mut i = 0;
            let page = heap_html(&with_strings(&mut |_| { i += 1; s[i % s.len()].clone() }));
            prop_assert!(!page.contains("<x-evil"));
            let acts = page.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}'));
            prop_assert!(!acts);
            well_formed(&page);
        }
    }
}
