//! Expositions as `client_golang` prints them, and hostile ones.

use super::*;
use proptest::prelude::*;

const GOOD: &str = r#"# HELP go_gc_duration_seconds A summary of the wall-time pause (stop-the-world) duration in garbage collection cycles.
# TYPE go_gc_duration_seconds summary
go_gc_duration_seconds{quantile="0"} 1.4321e-05
go_gc_duration_seconds{quantile="0.5"} 2.5e-05
go_gc_duration_seconds{quantile="1"} 0.004
go_gc_duration_seconds_sum 0.25
go_gc_duration_seconds_count 120
go_gc_gogc_percent 75
go_gc_gomemlimit_bytes 9.223372036854776e+18
go_goroutines 42
go_info{version="go1.26.6 X:nogreenteagc"} 1
go_memstats_alloc_bytes 1e+06
go_memstats_alloc_bytes_total 3.5e+09
go_memstats_sys_bytes 2e+07
go_memstats_mallocs_total 1000
go_memstats_frees_total 900
go_memstats_heap_alloc_bytes 1e+06
go_memstats_heap_sys_bytes 1.2e+07
go_memstats_heap_idle_bytes 8e+06
go_memstats_heap_inuse_bytes 4e+06
go_memstats_heap_released_bytes 3e+06
go_memstats_heap_objects 100
go_memstats_stack_inuse_bytes 500000
go_memstats_stack_sys_bytes 500001
go_memstats_mspan_inuse_bytes 1
go_memstats_mspan_sys_bytes 2
go_memstats_mcache_inuse_bytes 3
go_memstats_mcache_sys_bytes 4
go_memstats_buck_hash_sys_bytes 5
go_memstats_gc_sys_bytes 6
go_memstats_other_sys_bytes 7
go_memstats_next_gc_bytes 4.194304e+06
go_memstats_last_gc_time_seconds 1.7e+09
process_cpu_seconds_total 12.5
process_resident_memory_bytes 3.3e+07
process_start_time_seconds 1.69e+09
http_requests_total{path="/x \"quoted\" }",code="200"} 7 1700000000000
"#;

#[test]
fn reads_client_golang() {
    let e = read_exposition(GOOD.as_bytes()).unwrap();
    let m = e.memstats.unwrap();
    assert_eq!(m.heap_alloc, Bytes(1_000_000));
    assert_eq!(m.total_alloc, Bytes(3_500_000_000));
    assert_eq!(m.stack_sys, Bytes(500_001));
    assert_eq!((m.num_gc, m.pause_total_ns), (120, Some(250_000_000)));
    assert_eq!(m.gogc_percent, Some(75));
    assert_eq!(m.last_gc_ns, 1_700_000_000_000_000_000);
    assert_eq!(e.gomemlimit, None);
    assert!(e.gomemlimit_published);
    assert_eq!(e.goroutines, Some(42));
    assert_eq!(e.go_version.unwrap().minor, 26);
    assert_eq!(e.resident, Some(Bytes(33_000_000)));
    assert_eq!(e.cpu_seconds, Some(12.5));
    let p = e.pauses.unwrap();
    assert_eq!(p.quantiles.len(), 3);
    assert_eq!(p.quantiles[2].seconds, 0.004);
    assert!(e.gaps.is_empty(), "{:?}", e.gaps);
}

#[test]
fn understands_labels_exemplars_and_escapes() {
    let text = concat!(
        "go_goroutines{app=\"a\\\"}b\",env=\"x\"} 7 # {trace_id=\"abc\"} 1 1.5\n",
        "go_info{app=\"q\\n\",version=\"go1.27.3\"} 1\n",
        "process_resident_memory_bytes{app=\"a\"} 1.5e3 1700000000.5\r\n",
        "# EOF\n",
    );
    let e = read_exposition(text.as_bytes()).unwrap();
    assert_eq!(e.goroutines, Some(7));
    assert_eq!(e.go_version.unwrap().text, "go1.27.3");
    assert_eq!(e.resident, Some(Bytes(1500)));
    assert_eq!(e.memstats, None);
}

#[test]
fn hostile_values_are_not_numbers_of_ours() {
    let text = "go_goroutines NaN\nprocess_resident_memory_bytes -5\nprocess_cpu_seconds_total +Inf\n\
                go_gc_duration_seconds{quantile=\"0.5\"} NaN\ngo_gc_gogc_percent 1.8446744073709552e+19\n";
    let e = read_exposition(text.as_bytes()).unwrap();
    assert_eq!((e.goroutines, e.resident, e.cpu_seconds), (None, None, None));
    assert_eq!(e.gogc_percent, Some(-1));
    assert_eq!(e.pauses, None);
}

#[test]
fn several_processes_on_one_page_are_told() {
    let text = "go_goroutines{instance=\"a\"} 5\ngo_goroutines{instance=\"b\"} 9\n";
    let e = read_exposition(text.as_bytes()).unwrap();
    assert_eq!(e.goroutines, Some(5));
    assert!(e.gaps[0].what.contains("several label sets"));
}

#[test]
fn malformed_lines_are_counted_where_they_are() {
    let text = "up 1\ngo_goroutines{ 5\ngo_threads 3\n";
    let e = read_exposition(text.as_bytes()).unwrap();
    assert_eq!(e.gaps[0].offset, Some(5));
}

#[test]
fn gauges_of_the_service_are_summed() {
    let text = "# HELP sessions Open sessions.\n# TYPE sessions gauge\nsessions{shard=\"a\"} 3\nsessions{shard=\"b\"} 4.5 1700000000000\n\
                # TYPE requests_total counter\nrequests_total 9\nsessions 100\n\
                # TYPE sessions_peak gauge\nsessions_peak_other 1\nsessions_peak 8\n\
                # TYPE broken gauge\nbroken{a=\"1\"} NaN\nbroken{a=\"2\"} 2\n\
                # TYPE go_goroutines gauge\ngo_goroutines 7\n";
    let e = read_exposition(text.as_bytes()).unwrap();
    let gauges: Vec<_> = e.gauges.iter().map(|(n, v)| (n.as_str(), *v)).collect();
    assert_eq!(gauges, [("sessions", 7.5), ("sessions_peak", 8.0)]);
    assert_eq!(e.goroutines, Some(7));
    // No page makes oomph keep more than a bounded number of names, or long ones.
    let mut text = format!("# TYPE {0} gauge\n{0} 1\n", "x".repeat(10_000));
    for i in 0..10_000 {
        text.push_str(&format!("# TYPE g{i} gauge\ng{i} 1\n"));
    }
    assert_eq!(read_exposition(text.as_bytes()).unwrap().gauges.len(), 4096);
}

#[test]
fn refuses_what_is_no_exposition() {
    for bad in ["", "<!DOCTYPE html>\n<p>x</p>", "{\"a\": 1}", "404 page not found\n"] {
        assert!(read_exposition(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn huge_pages_stay_cheap() {
    // 200,000 names of ours, and one line of 8 MiB.
    let mut text = String::new();
    for i in 0..200_000 {
        text.push_str(&format!("go_x{i} {i}\n"));
    }
    text.push_str("go_goroutines{a=\"");
    text.push_str(&"y".repeat(8 << 20));
    text.push_str("\"} 4\n");
    let e = read_exposition(text.as_bytes()).unwrap();
    assert_eq!(e.goroutines, None);
    assert!(e.gaps[0].what.starts_with("195905 lines"), "{:?}", e.gaps);
}

proptest! {
    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_exposition(&bytes);
    }

    #[test]
    fn never_panics_on_near_misses(tail in "[a-z{}\"\\\\=, 0-9.eE+#-]{0,60}") {
        let _ = read_exposition(format!("go_info{tail}\ngo_memstats{tail}\ngo_gc_duration_seconds{tail}").as_bytes());
        let _ = read_exposition(format!("# TYPE a{tail}\n# TYPE a gauge\na{tail}\na 1{tail}").as_bytes());
    }

    #[test]
    fn values_survive(v in 0_u64..(1 << 53)) {
        let e = read_exposition(format!("go_goroutines {}\n", v as f64).as_bytes()).unwrap();
        prop_assert_eq!(e.goroutines, Some(v));
    }
}
