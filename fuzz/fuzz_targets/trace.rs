//! Execution traces: any bytes, one thread and two, every event with its meaning, strings and stacks; what they are summed
//! up to and drawn as.
#![no_main]

use libfuzzer_sys::fuzz_target;
use timeline::{Lanes, Timeline};
use trace::{Detail, Event, Generation, Options, Visitor, read};

/// All who listen to traces.
struct All {
    timeline: Timeline,
    lanes: Lanes,
}

impl Visitor for All {
    fn event(&mut self, event: &Event<'_>, generation: &Generation) {
        self.timeline.event(event, generation);
        self.lanes.event(event, generation);
    }
}

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
    let mut all = All { timeline: Timeline::new(), lanes: Lanes::new() };
    let two = read(data, &Options { threads: 2 }, &mut all);
    if let Ok(summary) = &two {
        let document = all.timeline.finish(summary, 100);
        assert!(document.gc.cycles.iter().all(|c| c.duration_ns <= document.duration_ns));
        assert!(document.blocking.iter().all(|b| b.times.max_ns <= document.duration_ns));
        assert_eq!(document.cpu.samples, document.cpu.stopped + document.cpu.assist + document.cpu.mark + document.cpu.outside_gc);
        let _ = all.lanes.finish(summary, Vec::new());
    }
    match (one, two) {
        (Ok(one), Ok(two)) => {
            assert_eq!(one.events, told);
            assert_eq!((one.events, one.gaps.len()), (two.events, two.gaps.len()));
            assert!(one.gaps.iter().all(|g| g.offset <= data.len() as u64));
        }
        (one, two) => assert_eq!(one.is_err(), two.is_err()),
    }
});
