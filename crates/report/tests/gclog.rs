//! The text form of what a GC log tells, from a fixed document, and that hostile text in it does no harm.
#![allow(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use model::{
    GCLOG_SCHEMA, GcLog, GcLogAllocated, GcLogBroken, GcLogBrokenAt, GcLogBrokenReason, GcLogChange, GcLogCost,
    GcLogCpu, GcLogGrowth, GcLogHeap, GcLogInstant, GcLogPoint, GcLogProcess, GcLogRange, GcLogScavenged, GcLogSignal,
    GcLogTimes, GcLogTrend, Severity,
};

const MIB: u64 = 1 << 20;

fn at(cycle: u32, at: f64) -> GcLogInstant {
    GcLogInstant { cycle, at, line: u64::from(cycle) * 10, offset: u64::from(cycle) * 1500 }
}

fn times(p50: f64, p99: f64, max: f64) -> GcLogTimes {
    GcLogTimes { count: 240, p50, p99, max, total: p50 * 240.0 }
}

fn range(min: u64, max: u64) -> GcLogRange {
    GcLogRange { first: min * MIB, last: max * MIB, min: min * MIB, max: max * MIB }
}

fn process() -> GcLogProcess {
    GcLogProcess {
        first: at(1, 0.5),
        last: at(121, 60.5),
        cycles: 120,
        missing: 1,
        forced: 3,
        periodic: 1,
        procs: 8,
        seconds: 60.0,
        cycles_per_second: 2.0,
        intervals: times(0.5, 1.5, 12.0),
        pauses: times(0.000_061, 0.000_9, 0.0123),
        longest_pause: at(77, 40.0),
        marking: times(0.0042, 0.031, 1.25),
        cpu: GcLogCpu { share: 0.081, share_since_start: 0.07, stopped: 0.5, assist: 3.0, background: 5.0, idle: 1.5 },
        heap: GcLogHeap {
            before: range(4, 120),
            after: range(5, 130),
            live: range(3, 64),
            goal: range(4, 128),
            stacks: range(0, 2),
            globals: range(1, 1),
        },
        allocated: Some(GcLogAllocated {
            bytes: 6000 * MIB,
            per_second: 100.0 * MIB as f64,
            cpu_seconds_per_mib: 0.000_9,
        }),
        trend: Some(GcLogTrend { per_second: 1e6, early_per_second: 2e6, late_per_second: -3e4 }),
        growth: Some(GcLogGrowth {
            from: at(20, 10.0),
            to: at(24, 12.0),
            live_from: 10 * MIB,
            live_to: 60 * MIB,
            total: 61 * MIB,
            time_share: 0.033,
        }),
        cost: Some(GcLogCost {
            gogc: 100.4,
            cpu_share: 0.09,
            live: 60 * MIB,
            goal: 121 * MIB,
            cpu_seconds_per_cycle: 0.36,
            changes: vec![GcLogChange {
                id: "gogc-double".into(),
                cpu_share: 0.045,
                cpu_share_busy: 0.047,
                goal: 180 * MIB,
                sentence: "GOGC 100 -> 200: GC CPU goes from 9.0 % to 4.5 %; the goal goes from 120.0 MiB to 180.0 MiB"
                    .into(),
            }],
        }),
        scavenged: Some(GcLogScavenged { lines: 9, background: 40 * MIB, eager: MIB, released: 12 * MIB }),
        signals: vec![
            GcLogSignal {
                id: "gc-storm".into(),
                severity: Severity::High,
                summary: "collections went from 0.5/s to 31/s, and take 31 % of the CPU (from 10x)".into(),
                count: 40,
                first: at(60, 30.0),
                worst: at(70, 31.0),
                last: at(99, 33.0),
            },
            GcLogSignal {
                id: "heap-jump".into(),
                severity: Severity::Low,
                summary: "the live heap went from 10.0 MiB to 60.0 MiB\x1b[2J".into(),
                count: 1,
                first: at(24, 12.0),
                worst: at(24, 12.0),
                last: at(24, 12.0),
            },
        ],
        series: vec![GcLogPoint { cycle: 1, at: 0.5, live: 3 * MIB, line: 10, ..GcLogPoint::default() }],
    }
}

fn log() -> GcLog {
    GcLog {
        schema: GCLOG_SCHEMA.into(),
        oomph: "0.1.0".into(),
        source: "server.log".into(),
        bytes: 123 * MIB,
        lines: 1_234_567,
        processes: vec![process()],
        more_processes: 0,
        broken: GcLogBroken {
            count: 3,
            reasons: vec![GcLogBrokenReason { kind: "gc".into(), why: "it ends too early".into(), count: 3 }],
            first: vec![GcLogBrokenAt { kind: "gc".into(), why: "it ends too early".into(), line: 7, offset: 1024 }],
        },
        limits: vec!["1 of the collections has no whole line".into()],
    }
}

#[test]
fn text_is_as_agreed() {
    insta::assert_snapshot!(report::gc_log(&log(), 100));
}

#[test]
fn lines_keep_to_the_width_and_to_themselves() {
    let mut hostile = log();
    hostile.source = "a\nb\x1b]0;x\x07".into();
    hostile.processes = vec![process(); 12];
    hostile.more_processes = 3;
    for width in [60, 80, 200] {
        let text = report::gc_log(&hostile, width);
        assert!(text.lines().all(|l| l.chars().count() <= width), "{text}");
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        assert!(text.contains("Process 8:") && text.contains("7 processes more"), "{text}");
    }
}

#[test]
fn the_document_satisfies_its_schema() {
    let schema: serde_json::Value = serde_json::from_str(&report::gc_log_schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let document = serde_json::to_value(log()).unwrap();
    if let Err(e) = validator.validate(&document) {
        panic!("{e}");
    }
    assert_eq!(serde_json::from_value::<GcLog>(document).unwrap(), log());
    let wrong = serde_json::json!({"schema": "oomph.gclog/2"});
    assert!(validator.validate(&wrong).is_err());
}
