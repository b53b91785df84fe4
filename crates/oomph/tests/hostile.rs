//! Input that nobody means well with, given to the real binary: it ends by itself, with a documented exit code, in
//! bounded memory, and nothing from inside reaches the terminal as a command.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Proto, Run, bytes, file, gzip, number, run, run_within};
use std::path::Path;

/// Address space for input that inflates up to the limit of 512 MiB.
const LARGE: u64 = 1400 << 10;
/// Address space for input that is small in every respect but one.
const SMALL: u64 = 500 << 10;

/// Every command that reads a profile.
const COMMANDS: [&[&str]; 9] = [
    &["pprof", "top"],
    &["pprof", "top", "--by", "lines"],
    &["pprof", "top", "--by", "sites", "-f", "json"],
    &["pprof", "raw"],
    &["pprof", "flame"],
    &["pprof", "flame", "-f", "speedscope"],
    &["diagnose"],
    &["diagnose", "-f", "json"],
    &["diagnose", "-f", "html"],
];

fn each(kib: u64, path: &Path, check: impl Fn(&[&str], &Run)) {
    for command in COMMANDS {
        let mut args = command.to_vec();
        args.push(path.to_str().unwrap());
        let r = run_within(kib, &args);
        assert!(r.is_orderly(), "{args:?}: {:?} {}", r.code, r.err);
        if args.contains(&"json") && r.code != Some(2) {
            serde_json::from_str::<serde_json::Value>(&r.out).unwrap_or_else(|e| panic!("{args:?}: {e}"));
        }
        check(&args, &r);
    }
}

fn mention(r: &Run, what: &str) {
    assert!(r.err.contains(what), "no {what:?} in {:?} {}", r.code, r.err);
}

#[test]
fn a_gzip_bomb_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let bomb = gzip(&vec![0; 600 << 20]);
    let path = file(dir.path(), "bomb.gz", &bomb);
    for command in [&["pprof", "top"][..], &["diagnose"]] {
        let r = run_within(LARGE, &[command, &[path.to_str().unwrap()]].concat());
        assert_eq!(r.code, Some(2));
        mention(&r, "512.0 MiB");
    }
    // gzip in gzip is no profile either, and is not inflated twice.
    let r = run_within(SMALL, &["pprof", "top", file(dir.path(), "nested.gz", &gzip(&bomb)).to_str().unwrap()]);
    assert_eq!(r.code, Some(2));
    mention(&r, "gzip data inside gzip data");
}

#[test]
fn ten_million_strings_are_read_in_bounded_memory() {
    let dir = tempfile::tempdir().unwrap();
    let mut p = Proto::small(4);
    for i in 0..10_000_000_u32 {
        p.extend(bytes(6, &i.to_le_bytes().map(|b| b'a' + (b & 15))));
    }
    let path = file(dir.path(), "strings.pb", &p);
    let r = run_within(SMALL, &["pprof", "top", path.to_str().unwrap()]);
    assert_eq!(r.code, Some(0), "{}", r.err);
    assert!(r.out.contains("app/store.(*Store).Put"));
}

/// A name of 1 MiB is in the file once; what refers to it must not copy it each time.
#[test]
fn a_long_name_is_not_multiplied() {
    let dir = tempfile::tempdir().unwrap();
    let mut p = Proto::heap();
    p.function(1, &"N".repeat(1 << 20));
    for id in 2..5000 {
        p.location(id, 1, id);
        p.sample([id], &[1, 4096, 1, 4096]);
    }
    p.sample(std::iter::repeat_n(1, 100_000), &[1, 4096, 1, 4096]);
    let path = file(dir.path(), "long.pb.gz", &gzip(&p.finish()));
    each(SMALL, &path, |args, r| assert!(r.out.len() < 64 << 20, "{args:?}: {}", r.out.len()));
}

#[test]
fn one_absurd_table_costs_little() {
    let dir = tempfile::tempdir().unwrap();
    for field in [1, 2, 3, 4, 5, 13] {
        let mut p = Proto::small(1);
        for _ in 0..2_000_000 {
            p.extend(bytes(field, &[]));
        }
        let path = file(dir.path(), &format!("rows-{field}.pb"), &p);
        let r = run_within(SMALL, &["pprof", "top", path.to_str().unwrap()]);
        assert!(r.is_orderly(), "field {field}: {:?} {}", r.code, r.err);
    }
}

#[test]
fn deep_stacks_and_many_labels_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut p = Proto::heap();
    for id in 1..=500 {
        p.function(id, &format!("main.f{id}"));
    }
    p.sample((0..100_000).map(|i| i % 500 + 1), &[1, 4096, 1, 4096]);
    let key = p.string(b"k");
    let label = bytes(3, &[number(1, key), number(3, 7)].concat());
    let sample = [bytes(1, &[1]), bytes(2, &[1, 1, 1, 1]), label.repeat(200_000)].concat();
    p.body.extend(bytes(2, &sample));
    each(SMALL, &file(dir.path(), "deep.pb", &p.finish()), |args, r| {
        if args == ["pprof", "top"] {
            assert!(r.code == Some(0) && r.out.contains("main.f1"), "{}", r.err);
        }
    });
}

#[test]
fn numbers_at_their_limits_are_only_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let mut p = Proto::heap();
    p.function(u64::MAX, "main.huge");
    p.location(1, 777, u64::MAX);
    for v in [i64::MAX, i64::MIN, -1, 0] {
        p.sample([u64::MAX, 1, 0, 99], &[v; 4]);
        p.sample([u64::MAX], &[v; 4]);
    }
    p.body.extend(number(9, u64::MAX));
    p.body.extend(number(12, u64::MAX));
    each(SMALL, &file(dir.path(), "limits.pb", &p.finish()), |_, r| {
        for word in ["NaN", "Infinity", "\"inf"] {
            assert!(!r.out.contains(word), "{word}");
        }
    });
    // Lengths of 4 GiB and beyond, at the top and inside a message.
    for claim in [&[0x32, 0x80, 0x80, 0x80, 0x80, 0x10][..], &[0x12, 0x07, 0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1]] {
        let path = file(dir.path(), "claim.pb", &[&Proto::small(2), claim].concat());
        let r = run_within(SMALL, &["pprof", "top", path.to_str().unwrap()]);
        assert_eq!(r.code, Some(0));
        mention(&r, "warning");
    }
}

#[test]
fn names_cannot_command_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let mut p = Proto::heap();
    let names = [
        "main.\x1b[31mred\x1b]0;title\x07",
        "main.a\nb\rc",
        "main.\u{202e}exe\u{2066}",
        "main.\u{9b}2J",
        "main.<script>x</script>",
    ];
    for (i, name) in names.iter().enumerate() {
        p.function(i as u64 + 1, name);
        p.sample([i as u64 + 1], &[10, 10 << 20, 10, 10 << 20]);
    }
    let acts = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c)
    };
    each(SMALL, &file(dir.path(), "names.pb", &p.finish()), |args, r| {
        for text in [&r.out, &r.err] {
            if let Some(c) = text.chars().find(|c| acts(*c)) {
                panic!("{args:?} prints {c:?}");
            }
        }
        if args.contains(&"html") || args == ["pprof", "flame"] {
            assert!(!r.out.contains("<script>x"), "{args:?}");
        }
    });
}

/// Cut and flipped at many places: each variant ends orderly.
#[test]
fn damaged_profiles_end_orderly() {
    let dir = tempfile::tempdir().unwrap();
    let plain = Proto::small(8);
    let packed = gzip(&plain);
    let mut n = 0_usize;
    for whole in [&plain, &packed] {
        for at in (0..whole.len()).step_by(whole.len() / 24 + 1) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            for variant in [whole[..at].to_vec(), flipped] {
                let command = COMMANDS[n % COMMANDS.len()];
                n += 1;
                let path = file(dir.path(), "variant.pb.gz", &variant);
                let r = run(&[command, &[path.to_str().unwrap()]].concat());
                assert!(r.is_orderly(), "{command:?} on byte {at}: {:?} {}", r.code, r.err);
            }
        }
    }
    assert!(n > 80);
}
