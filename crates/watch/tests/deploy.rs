//! What lies in deploy/: it parses, it names only metrics and labels that exist, promtool takes the rules, and a real
//! Prometheus answers every query of the dashboard.

mod common;

use common::{free_port, installed, status, until};
use saphyr::{LoadableYamlNode, Yaml};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use watch::WatchFile;
use watch::alert::{AlertCounters, SinkCounters};
use watch::serve::{Server, metrics};

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(file)
}

fn read(file: &str) -> String {
    std::fs::read_to_string(deploy(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

fn dashboard() -> Value {
    serde_json::from_str(&read("grafana/oomph-watch.json")).expect("JSON")
}

/// Every query of the dashboard, wherever it stands.
fn queries(json: &Value, out: &mut Vec<String>) {
    match json {
        Value::Object(fields) => {
            out.extend(fields.get("expr").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|v| queries(v, out));
        }
        Value::Array(items) => items.iter().for_each(|v| queries(v, out)),
        _ => {}
    }
}

fn dashboard_queries() -> Vec<String> {
    let mut out = Vec::new();
    queries(&dashboard(), &mut out);
    assert!(out.len() > 40, "{} queries", out.len());
    out
}

/// The `expr` and `record` of each rule.
fn rules() -> Vec<(String, Option<String>)> {
    let text = read("prometheus/oomph-rules.yml");
    let yaml = Yaml::load_from_str(&text).expect("YAML");
    let groups = yaml[0]["groups"].as_sequence().expect("groups");
    let rules = groups.iter().flat_map(|g| g["rules"].as_sequence().expect("rules"));
    let text = |y: &Yaml<'_>| y.as_str().map(str::to_owned);
    rules
        .map(|r| {
            let record = r.as_mapping().and_then(|m| m.get(&Yaml::value_from_str("record"))).and_then(text);
            (text(&r["expr"]).expect("expr"), record)
        })
        .collect()
}

/// Names of metrics in a query with the labels that are selected by.
fn named(query: &str) -> Vec<(String, Vec<String>)> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut out = Vec::new();
    let mut rest = query;
    while let Some(at) = rest.find("oomph_") {
        let start = rest[..at].rfind(|c| !word(c)).map_or(0, |i| i + 1);
        let end = at + rest[at..].find(|c| !word(c)).unwrap_or(rest.len() - at);
        let name = rest[start..end].to_owned();
        rest = &rest[end..];
        let mut labels = Vec::new();
        if let Some(selector) = rest.strip_prefix('{').and_then(|r| r.split_once('}')).map(|(s, _)| s) {
            labels = selector.split(',').filter_map(|m| m.split(['=', '!']).next()).map(str::to_owned).collect();
        }
        out.push((name, labels));
    }
    out
}

#[test]
fn dashboard_and_rules_name_only_what_exists() {
    let table: BTreeMap<&str, &[&str]> = metrics().map(|m| (m.name, m.labels)).collect();
    let rules = rules();
    let recorded: BTreeSet<&str> = rules.iter().filter_map(|(_, r)| r.as_deref()).collect();
    let queries = dashboard_queries().into_iter().chain(rules.iter().map(|(expr, _)| expr.clone()));
    let mut seen = BTreeSet::new();
    for query in queries {
        let named = named(&query);
        assert!(!named.is_empty(), "{query} names no metric");
        for (name, labels) in named {
            if recorded.contains(name.as_str()) {
                continue;
            }
            let known = table.get(name.as_str()).unwrap_or_else(|| panic!("{name} in {query} is no metric"));
            for label in labels {
                assert!(known.contains(&label.as_str()), "{name} has no label {label}: {query}");
            }
            seen.insert(name);
        }
    }
    // What a dashboard of this kind has to show.
    for name in [
        "oomph_target_live_heap_bytes",
        "oomph_target_heap_goal_bytes",
        "oomph_target_memory_limit_bytes",
        "oomph_target_growth_bytes_per_second",
        "oomph_target_time_to_limit_seconds",
        "oomph_target_gc_cpu_ratio",
        "oomph_target_goroutines",
        "oomph_target_incidents",
        "oomph_watch_alerts_active",
        "oomph_watch_cpu_seconds_total",
    ] {
        assert!(seen.contains(name), "{name} is not shown");
    }
}

#[test]
fn the_scanner_finds_names_and_labels() {
    let found = named("sum by (target) (rate(oomph_a_total{x=\"1\",y!~\"2\"}[5m])) / on() target:oomph_b:ratio");
    let want = [("oomph_a_total", vec!["x", "y"]), ("target:oomph_b:ratio", vec![])];
    assert_eq!(found.len(), 2);
    for ((name, labels), (n, l)) in found.iter().zip(want) {
        assert_eq!((name.as_str(), labels.iter().map(String::as_str).collect::<Vec<_>>()), (n, l));
    }
}

#[test]
fn panels_do_not_overlap_and_have_the_variables() {
    let json = dashboard();
    let panels = json["panels"].as_array().unwrap();
    let mut cells = BTreeSet::new();
    for p in panels {
        let g = |k: &str| p["gridPos"][k].as_u64().unwrap();
        for (x, y) in (g("x")..g("x") + g("w")).flat_map(|x| (g("y")..g("y") + g("h")).map(move |y| (x, y))) {
            assert!(x < 24 && cells.insert((x, y)), "{} lies over another panel", p["title"]);
        }
    }
    let names: Vec<&str> =
        json["templating"]["list"].as_array().unwrap().iter().filter_map(|v| v["name"].as_str()).collect();
    assert_eq!(names, ["datasource", "target"]);
    assert!(!read("grafana/oomph-watch.json").contains("\"uid\": \"prom"));
}

/// Flags of `oomph watch` that the manifests use.
const FLAGS: [&str; 3] = ["--config", "--state-dir", "--listen"];

#[test]
fn manifests_parse_and_ask_for_no_more_than_they_say() {
    let dir = tempfile::tempdir().unwrap();
    for (file, capabilities) in
        [("kubernetes/sidecar.yaml", vec![]), ("kubernetes/daemonset.yaml", vec!["SYS_PTRACE", "DAC_READ_SEARCH"])]
    {
        let text = read(file);
        let documents = Yaml::load_from_str(&text).unwrap_or_else(|e| panic!("{file}: {e}"));
        let workload = documents
            .iter()
            .find(|d| matches!(d["kind"].as_str(), Some("Deployment" | "DaemonSet")))
            .unwrap_or_else(|| panic!("{file}: no workload"));
        let pod = &workload["spec"]["template"]["spec"];
        let containers = pod["containers"].as_sequence().unwrap();
        let oomph = containers.iter().find(|c| c["name"].as_str() == Some("oomph")).unwrap();
        let security = &oomph["securityContext"];
        assert_eq!(security["readOnlyRootFilesystem"].as_bool(), Some(true), "{file}");
        assert_eq!(security["allowPrivilegeEscalation"].as_bool(), Some(false), "{file}");
        let caps = security["capabilities"].as_mapping().unwrap();
        let list = |key: &'static str| -> Vec<&str> {
            let values = caps.get(&Yaml::value_from_str(key)).and_then(|v| v.as_sequence());
            values.map(|v| v.iter().filter_map(|c| c.as_str()).collect()).unwrap_or_default()
        };
        assert_eq!((list("drop"), list("add")), (vec!["ALL"], capabilities), "{file}");
        assert!(oomph["resources"]["limits"]["memory"].as_str().is_some(), "{file}");
        let args: Vec<&str> = oomph["args"].as_sequence().unwrap().iter().filter_map(|a| a.as_str()).collect();
        assert_eq!(args[0], "watch");
        assert!(args.iter().filter(|a| a.starts_with("--")).all(|a| FLAGS.contains(a)), "{args:?}");
        // The settings in it are settings.
        let config = documents.iter().find(|d| d["kind"].as_str() == Some("ConfigMap")).unwrap();
        let path = dir.path().join("oomph.toml");
        std::fs::write(&path, config["data"]["oomph.toml"].as_str().unwrap()).unwrap();
        WatchFile::read(&path).unwrap_or_else(|e| panic!("{file}: {e}"));
    }
    let unit = read("systemd/oomph-watch.service");
    let start = unit.lines().find_map(|l| l.strip_prefix("ExecStart=")).unwrap();
    assert!(start.split(' ').filter(|a| a.starts_with("--")).all(|a| FLAGS.contains(&a)), "{start}");
    let sidecar = read("kubernetes/sidecar.yaml");
    assert!(sidecar.contains("shareProcessNamespace: true") && !sidecar.contains("hostPID"));
}

#[test]
fn promtool_accepts_and_tests_the_rules() {
    if !installed("promtool") {
        return;
    }
    for args in [["check", "rules", "oomph-rules.yml"], ["test", "rules", "oomph-rules.test.yml"]] {
        let out = Command::new("promtool").args(args).current_dir(deploy("prometheus")).output().unwrap();
        let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success() && said.contains("SUCCESS"), "{said}");
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// The result of a query; `None` while Prometheus does not answer.
fn ask(port: u16, query: &str) -> Option<Value> {
    let url = format!("http://127.0.0.1:{port}/api/v1/query?query={}", percent(query));
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let text = agent.get(url).call().ok()?.body_mut().read_to_string().ok()?;
    let json: Value = serde_json::from_str(&text).ok()?;
    assert_eq!(json["status"], "success", "{query}: {text}");
    Some(json["data"]["result"].clone())
}

#[test]
fn a_real_prometheus_answers_every_query() {
    if !installed("prometheus") {
        return;
    }
    let sink = SinkCounters { sink: "slack".into(), sent: 1, ..SinkCounters::default() };
    let counters = AlertCounters { sinks: vec![sink], ..AlertCounters::default() };
    let server = Server::start("127.0.0.1:0", Arc::new(move || (status(), counters.clone()))).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\n\
         scrape_configs: [{{job_name: oomph-watch, static_configs: [{{targets: ['{}']}}]}}]\n",
        deploy("prometheus/oomph-rules.yml").display(),
        server.addr()
    );
    std::fs::write(dir.path().join("p.yml"), config).unwrap();
    let port = free_port();
    let mut prometheus = Command::new("prometheus");
    prometheus
        .arg(format!("--config.file={}", dir.path().join("p.yml").display()))
        .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _prometheus = Killed(prometheus.spawn().unwrap());
    // Two scrapes, so that rates exist.
    until("Prometheus has scraped twice", || {
        let found = ask(port, "count_over_time(oomph_watch_build_info[1m])")?;
        found[0]["value"][1].as_str()?.parse::<u64>().ok().filter(|n| *n >= 2)
    });
    let mut empty = Vec::new();
    for query in dashboard_queries() {
        let query = query.replace("$__rate_interval", "1m").replace("$target", ".*");
        let found = ask(port, &query).expect("an answer");
        if found.as_array().is_none_or(Vec::is_empty) {
            empty.push(query);
        }
    }
    // Captures show as changes only when there is a new one.
    assert!(empty.iter().all(|q| q.starts_with("changes(")), "no value for {empty:?}");
    let alerts = until("the rules were evaluated", || {
        let found = ask(port, "ALERTS{alertstate=\"firing\"}")?;
        found.as_array().filter(|a| !a.is_empty()).cloned()
    });
    let names: BTreeSet<&str> = alerts.iter().filter_map(|a| a["metric"]["alertname"].as_str()).collect();
    assert!(names.contains("OomphTargetAboutToDie") && names.contains("OomphTargetCritical"), "{names:?}");
}
