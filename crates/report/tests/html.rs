//! The HTML file: self-contained, inert against hostile strings, always below 2 MB.

mod common;

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
        std::fs::write(format!("{dir}/{name}.html"), html(&r, &f)).unwrap();
        std::fs::write(format!("{dir}/{name}.md"), report::markdown(&r)).unwrap();
    }
    std::fs::write(format!("{dir}/flame.svg"), report::flame_svg(&flames(300)[0]).unwrap()).unwrap();
    std::fs::write(format!("{dir}/growth.svg"), report::flame_svg(&flames(300)[1]).unwrap()).unwrap();
    std::fs::write(format!("{dir}/flame.speedscope.json"), report::speedscope(&flames(300)[0])).unwrap();
}
