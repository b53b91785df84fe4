//! The heap profile and the goroutines of real Go programs, read from outside, against what the
//! programs say themselves.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Parked, toolchains};
use gobinary::layout::{Arch, Layout};
use gobinary::{GoBinary, find_modules};
use goruntime::{Buckets, Goroutines, Status};
use std::collections::BTreeMap;

#[test]
fn buckets_and_goroutines_are_those_of_the_runtime() {
    for go in toolchains() {
        for flags in [&[][..], &["-buildmode=pie", "-ldflags=-s -w"]] {
            let parked = Parked::start(&go, "profiled.go", flags);
            let exe = std::fs::read(&parked.exe).unwrap();
            let version = GoBinary::parse(&exe).unwrap().build_info().unwrap().go_version_text;
            let layout = Layout::lookup(&version, Arch::Amd64).unwrap();
            let modules = find_modules(&parked.memory, &layout, None).unwrap();
            let data = modules[0].noptrdata..modules[0].enoptrbss;

            let buckets = Buckets::search(&parked.memory, &layout, data.clone());
            assert!(!buckets.cut);
            let mut ours: BTreeMap<Vec<u64>, (u64, u64)> = BTreeMap::new();
            for bucket in buckets.list() {
                let mut key = vec![bucket.object_size];
                key.extend(buckets.stack(bucket));
                let sum = ours.entry(key).or_default();
                *sum = (sum.0 + bucket.allocs, sum.1 + bucket.frees);
            }
            let mut compared = 0;
            for record in parked.line.split_whitespace() {
                let n: Vec<u64> = record.split(',').map(|n| n.parse().unwrap()).collect();
                if n[1] == 0 {
                    continue;
                }
                // The API cuts stacks at 32 frames and drops the runtime's own at their head.
                let (size, stack) = (n[0], &n[3..]);
                let same = |k: &&Vec<u64>| k[0] == size && k[1..].ends_with(stack);
                let sums: Vec<_> = ours.keys().filter(same).map(|k| ours[k]).collect();
                let sum = sums.iter().fold((0, 0), |s, c| (s.0 + c.0, s.1 + c.1));
                assert_eq!(sum, (n[1], n[2]), "{version} {record}");
                compared += 1;
            }
            assert!(compared > 40, "{version}: {compared} records");

            let goroutines = Goroutines::search(&parked.memory, &layout, data).unwrap();
            assert_eq!(goroutines.distrusted, 0);
            let waiting = |what: &str| {
                let waits = goroutines.list.iter().filter(|g| g.status == Status::Waiting);
                waits.filter(|g| g.wait_reason.is_some_and(|r| r.text == what)).count()
            };
            assert_eq!(waiting("chan receive"), 50, "{version}");
            // The runtime's scavenger may sleep as well.
            assert!((7..=8).contains(&waiting("sleep")), "{version}");
            assert!(goroutines.list.iter().any(|g| g.id == 1));
            println!("{version} {flags:?}: {compared} records of {} buckets agree", buckets.list().len());
        }
    }
}
