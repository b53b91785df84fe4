//! Execution traces: any bytes, one thread and two, every event with its meaning, strings and stacks.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trace::{Detail, Event, Generation, Options, read};

fuzz_target!(|data: &[u8]| {
    let (mut last, mut told) = (i64::MIN, 0u64);
    let one = read(data, &Options { threads: 1 }, &mut |e: &Event<'_>, g: &Generation| {
        assert!(e.time > last || last == i64::MAX, "times rise");
        last = e.time;
        told += 1;
        let detail = e.detail(g);
        if let Detail::Goroutine { reason, stack, .. } = detail {
            let _ = g.string(reason);
            let _ = g.stack(stack).map(|s| s.count());
        }
        for f in g.stack(e.stack()).into_iter().flatten() {
            let _ = (g.string(f.function), g.string(f.file));
        }
        let _ = e.arguments();
    });
    let two = read(data, &Options { threads: 2 }, &mut |_: &Event<'_>, _: &Generation| {});
    match (one, two) {
        (Ok(one), Ok(two)) => {
            assert_eq!(one.events, told);
            assert_eq!((one.events, one.gaps.len()), (two.events, two.gaps.len()));
            assert!(one.gaps.iter().all(|g| g.offset <= data.len() as u64));
        }
        (one, two) => assert_eq!(one.is_err(), two.is_err()),
    }
});
