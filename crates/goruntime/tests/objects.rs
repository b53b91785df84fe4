//! Objects of real Go programs, counted from outside, against the runtime's own count.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Parked, toolchains};
use gobinary::layout::{Arch, Layout};
use gobinary::{GoBinary, find_modules};
use goruntime::{HeapAnchor, Objects, Spans};

#[test]
fn objects_are_as_many_as_the_runtime_counts() {
    for go in toolchains() {
        for flags in [&[][..], &["-ldflags=-s -w"], &["-buildmode=pie", "-ldflags=-s -w"]] {
            let parked = Parked::start(&go, "parked.go", flags);
            let numbers: Vec<u64> = parked.line.split(' ').map(|n| n.parse().unwrap()).collect();
            let exe = std::fs::read(&parked.exe).unwrap();
            let version = GoBinary::parse(&exe).unwrap().build_info().unwrap().go_version_text;
            let layout = Layout::lookup(&version, Arch::Amd64).unwrap();
            let modules = find_modules(&parked.memory, &layout, None).unwrap();
            let module = modules.first().expect("module data");
            let heap = HeapAnchor::search(&parked.memory, &layout, module.noptrdata..module.enoptrbss).unwrap();
            let spans = Spans::read(&parked.memory, &layout, &heap).unwrap();
            let objects = Objects::read(&parked.memory, spans);
            println!(
                "{version} {flags:?}: {} objects {} bytes, runtime {numbers:?}, garbage {:?}, distrusted {}",
                objects.count(),
                objects.bytes(),
                objects.garbage(),
                objects.distrusted_spans()
            );
            assert_eq!(objects.distrusted_spans(), 0);
            // Printing the numbers and waiting allocates a handful of objects.
            let more = u64::from(objects.count()) - numbers[0];
            assert!(more <= 24, "{version}: {more} more than the runtime counts");
            let more = objects.bytes() - numbers[1];
            assert!(more <= 64 << 10, "{version}: {more} bytes more than the runtime counts");
            every_object_is_found(&objects);
        }
    }
}

/// Numbers, places and addresses agree with each other.
fn every_object_is_found(objects: &Objects) {
    let mut next = 0;
    for (i, span) in objects.spans().iter().enumerate() {
        let i = u32::try_from(i).unwrap();
        assert_eq!(objects.first_of_span(i), next);
        for (object, slot) in objects.of_span(i) {
            assert_eq!(object, next);
            next += 1;
            let address = span.start + u64::from(slot) * span.elem_size;
            if object % 97 == 0 {
                assert_eq!(objects.place(object), Some((i, slot)));
                assert_eq!(objects.address(object), Some(address));
            }
            for offset in [0, 1, span.elem_size / 2, span.elem_size - 1] {
                let found = objects.find(address + offset).unwrap();
                assert_eq!((found.object, found.span, found.slot, found.offset), (object, i, slot, offset));
                assert_eq!(objects.locate(address + offset), objects.located(found));
            }
        }
        for address in (span.start..span.start + span.bytes).step_by(24) {
            assert_eq!(objects.locate(address), objects.find(address).and_then(|f| objects.located(f)));
        }
        // Behind the last slot there is nothing.
        let end = span.start + u64::from(span.slots) * span.elem_size;
        if end < span.start + span.bytes {
            assert_eq!(objects.find(end), None);
        }
    }
    assert_eq!(next, objects.count());
}
