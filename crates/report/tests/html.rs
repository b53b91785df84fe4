//! The HTML file: self-contained, inert against hostile strings, always below 2 MB.
#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

mod common;

use common::page::{inert, tags, well_formed};
use report::{Flame, html};
use std::fmt::Write as _;

/// Folded stacks of a service, deterministic.
fn flames(stacks: usize) -> Vec<Flame> {
    let mut seed = 88_172_645_463_325_252u64;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let libs = [
        "net/http.(*conn).serve",
        "net/http.HandlerFunc.ServeHTTP",
        "encoding/json.(*Decoder).Decode",
        "bufio.NewReaderSize",
        "bytes.growSlice",
        "strings.(*Builder).grow",
    ];
    let (mut inuse, mut growth, mut alloc) = (String::new(), String::new(), String::new());
    let root = "main.main;example.com/sessiond/internal/httpapi.(*Server).Serve;net/http.(*conn).serve;example.com/sessiond/internal/httpapi.(*Server).handleLogin.func1";
    writeln!(inuse, "{root};example.com/sessiond/internal/session.(*Store).Put 1100000000\n{root};example.com/sessiond/internal/session.newSession 403238553").unwrap();
    writeln!(growth, "{root};example.com/sessiond/internal/session.(*Store).Put 700000000\n{root};example.com/sessiond/internal/session.newSession 268000000").unwrap();
    for _ in 0..stacks {
        let mut s = String::from("main.main");
        for d in 0..(4 + next() % 14) {
            let r = next();
            if r % 3 == 0 {
                write!(s, ";{}", libs[(r >> 8) as usize % libs.len()]).unwrap();
            } else {
                write!(s, ";example.com/sessiond/internal/pkg{}.(*Type{}).Method{d}", (r >> 8) % 12, (r >> 16) % 9)
                    .unwrap();
            }
        }
        let v = (next() % 4096) * (next() % 512);
        writeln!(inuse, "{s} {v}").unwrap();
        writeln!(growth, "{s} {}", v as i64 % 100_000 - 50_000).unwrap();
        writeln!(alloc, "{s} {}", v * 30).unwrap();
    }
    let f = |name: &str, collapsed, note: &str| Flame {
        name: name.into(),
        unit: "bytes".into(),
        collapsed,
        note: note.into(),
    };
    vec![
        f("In use", inuse, "Heap in use in profiles/heap-6.pb.gz."),
        f("Growth", growth, "profiles/heap-6.pb.gz minus profiles/heap-1.pb.gz."),
        f("Allocated", alloc, "All allocations between the first and the last sample."),
    ]
}

#[test]
fn writes_samples_when_asked() {
    let Ok(dir) = std::env::var("REPORT_SAMPLES") else { return };
    for (name, r) in common::all() {
        let f = if name == "insufficient" { vec![] } else { flames(2000) };
        std::fs::write(format!("{dir}/{name}.html"), html(&r, &f, None)).unwrap();
        std::fs::write(format!("{dir}/{name}.md"), report::markdown(&r)).unwrap();
    }
    std::fs::write(format!("{dir}/flame.svg"), report::flame_svg(&flames(300)[0]).unwrap()).unwrap();
    std::fs::write(format!("{dir}/growth.svg"), report::flame_svg(&flames(300)[1]).unwrap()).unwrap();
    std::fs::write(format!("{dir}/flame.speedscope.json"), report::speedscope(&flames(300)[0])).unwrap();
}

#[test]
fn loads_nothing_and_states_its_policy() {
    for (_, r) in common::all() {
        let page = html(&r, &flames(200), None);
        inert(&page, &page);
        well_formed(&page);
        assert!(page.contains("default-src 'none'"));
        assert!(page.contains("<html lang=\"en\">") && page.contains("<main"));
    }
}

#[test]
fn hostile_strings_change_no_markup() {
    let mut word = common::with_strings(&mut |_| "word".to_owned());
    word.findings.iter_mut().for_each(|f| f.fix.recipe.clear());
    let flame = |s: &str| {
        vec![Flame {
            name: s.into(),
            unit: s.into(),
            collapsed: format!("a;{0};b 7\n{0} -9\n", s.replace(';', ",")),
            note: s.into(),
        }]
    };
    let benign = html(&word, &flame("word"), None);
    for bad in common::HOSTILE.iter().filter(|b| !b.is_empty() && !b.contains('\n')) {
        let mut r = common::with_strings(&mut |_| (*bad).to_owned());
        r.findings.iter_mut().for_each(|f| f.fix.recipe.clear());
        // Units and directories decide what is printed beside them; keep what is about structure alike.
        for s in &mut r.series {
            s.unit = "word".into();
        }
        let page = html(&r, &flame(bad), None);
        inert(&page, &benign);
        let count = |p: &str| tags(p).iter().filter(|t| *t != "span" && *t != "/span").count();
        assert_eq!(count(&page), count(&benign), "{bad:?}");
    }
}

#[test]
fn recipes_cannot_bring_markup() {
    for bad in common::HOSTILE {
        let r = common::with_strings(&mut |s| format!("{bad}\n\n{s}\n\n<b onclick=x>{bad}</b>\n"));
        let page = html(&r, &[], None);
        inert(&page, &page);
        assert!(!page.contains("<b onclick"));
    }
}

#[test]
fn a_quarter_million_stacks_stay_below_two_megabytes() {
    let f = flames(250_000);
    let page = html(&common::leak(), &f, None);
    assert!(page.len() < 2_000_000, "{}", page.len());
    assert!(page.contains("are folded into their callers"));
    // The culprit is still there.
    assert!(page.contains("session.(*Store).Put"));
}

#[test]
fn deep_wide_and_huge_inputs_stay_below_two_megabytes() {
    let long = "x".repeat(3_000_000);
    let deep =
        format!("{} 5\n", (0..3000).map(|i| format!("frame{i}{}", "y".repeat(900))).collect::<Vec<_>>().join(";"));
    let wide: String = (0..100_000).fold(String::new(), |mut s, i| {
        writeln!(s, "root;f{i}{} 1000", "z".repeat(100)).unwrap();
        s
    });
    let f = |collapsed: String| Flame { name: long.clone(), unit: "bytes".into(), collapsed, note: long.clone() };
    let mut r = common::with_strings(&mut |_| "<&\"'>".repeat(4_000));
    let finding = r.findings[0].clone();
    r.findings = vec![finding; 200];
    r.limits = vec!["<".repeat(5000); 5000];
    let page = html(&r, &[f(deep), f(wide), f(String::new()), f(format!("{long} 1\n"))], None);
    assert!(page.len() < 2_000_000, "{}", page.len());
    assert!(page.contains("would not fit"));
}

mod arbitrary {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn strings_never_become_markup(s in proptest::collection::vec("\\PC{0,12}[<>&\"'`]{0,3}<x-evil [\\x00-\\x1f\u{202e}]?\\PC{0,8}", 1..6)) {
            let mut i = 0;
            let r = common::with_strings(&mut |_| { i += 1; s[i % s.len()].clone() });
            let f = vec![Flame { name: s[0].clone(), unit: s[0].clone(), collapsed: s.iter().map(|s| format!("{s};{s} 3\n")).collect(), note: s[0].clone() }];
            let page = html(&r, &f, None);
            prop_assert!(!page.contains("<x-evil"));
            let acts = page.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}'));
            prop_assert!(!acts);
        }
    }
}
