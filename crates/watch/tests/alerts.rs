//! Alerting against real peers: Alertmanager with its own amtool, web servers that fail and hang, full disks.

mod common;

use common::{Answer, LONG, Server, alert, config, free_port, installed, now, until};
use hmac::{Hmac, Mac};
use model::WatchLevel::{Critical, Notice, Warning};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use watch::alert::{AlertOptions, Alerts};

/// Kills what a test started.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What amtool shows: labels and annotations of alerts that are active.
fn amtool(url: &str) -> Vec<serde_json::Value> {
    let out = Command::new("amtool").args(["--alertmanager.url", url, "alert", "query", "-o", "json"]).output();
    let out = out.expect("amtool");
    serde_json::from_slice(&out.stdout).unwrap_or_default()
}

#[test]
fn alertmanagers_own_tool_shows_the_alert_and_its_resolution() {
    if !installed("prometheus-alertmanager") || !installed("amtool") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let receiver = Server::start(Vec::new());
    let yaml = format!(
        "route: {{receiver: r, group_by: [culprit], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}\n\
         receivers: [{{name: r, webhook_configs: [{{url: '{}', send_resolved: true}}]}}]\n",
        receiver.url
    );
    std::fs::write(dir.path().join("am.yml"), yaml).unwrap();
    let (port, cluster) = (free_port(), "--cluster.listen-address=");
    let mut am = Command::new("prometheus-alertmanager");
    am.arg(format!("--config.file={}", dir.path().join("am.yml").display()))
        .arg(format!("--storage.path={}", dir.path().join("data").display()))
        .args([format!("--web.listen-address=127.0.0.1:{port}").as_str(), cluster])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _am = Killed(am.spawn().unwrap());
    let url = format!("http://127.0.0.1:{port}");

    // Alerting starts before Alertmanager is ready: it is tried again.
    let settings = config(&format!("[[alertmanager]]\nurl = \"{url}/\"\nresend-interval = \"1s\"\n"));
    let alerts = Alerts::start(&settings, dir.path());
    alerts.raise(alert("web", Some("main.(*Cache).Put"), Warning));
    alerts.raise(alert("quiet", None, Notice));
    let shown = until("amtool shows the alert", || amtool(&url).into_iter().next());
    assert_eq!(shown["labels"]["alertname"], "time-to-limit");
    assert_eq!(shown["labels"]["severity"], "warning");
    assert_eq!(shown["labels"]["target"], "web");
    assert_eq!(shown["labels"]["pid"], "4711");
    assert_eq!(shown["annotations"]["site"], "main.(*Cache).Put cache.go:41");
    assert_eq!(shown["annotations"]["bundle"], "/var/lib/oomph/incidents/1.oomph");

    // The severity is part of what Alertmanager knows it by: the old one is resolved, the new one is there.
    alerts.raise(alert("web", Some("main.(*Cache).Put"), Critical));
    until("amtool shows one critical alert", || {
        let all = amtool(&url);
        (all.len() == 1 && all[0]["labels"]["severity"] == "critical").then_some(())
    });
    // It is sent again, so that Alertmanager does not take it for resolved.
    let sent = alerts.counters().sinks.iter().find(|s| s.sink == "alertmanager").unwrap().sent;
    until("it is sent again", || {
        let sinks = alerts.counters().sinks;
        (sinks.iter().find(|s| s.sink == "alertmanager")?.sent >= sent + 2).then_some(())
    });
    assert_eq!(amtool(&url).len(), 1);

    alerts.resolve(&alert("web", Some("main.(*Cache).Put"), Critical).key, now());
    until("amtool shows nothing any more", || amtool(&url).is_empty().then_some(()));
    // Alertmanager's own receiver heard both.
    let mut heard = Vec::new();
    while heard.last().is_none_or(|s| s != "resolved") {
        heard.push(receiver.next().json()["status"].as_str().unwrap().to_owned());
    }
    assert_eq!(heard[0], "firing");
    alerts.stop(LONG);
}

#[test]
fn a_webhook_that_fails_and_hangs_gets_it_in_the_end_signed() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    std::fs::write(&key, "signing key\n").unwrap();
    let server = Server::start(vec![Answer::Status(500), Answer::Hang, Answer::Status(503)]);
    let settings = config(&format!(
        "[[webhook]]\nurl = \"{}/hook/secret\"\ntimeout = \"300ms\"\nsecret-file = \"{}\"\n\
         authorization = \"Bearer t0ken\"\nheaders = {{ X-Team = \"memory\" }}\n",
        server.url,
        key.display()
    ));
    let alerts = Alerts::start(&settings, dir.path());
    alerts.raise(alert("web", Some("main.put"), Critical));
    for _ in 0..3 {
        server.next();
    }
    let request = server.next();
    assert_eq!(request.url, "/hook/secret");
    assert_eq!(request.header("authorization"), Some("Bearer t0ken"));
    assert_eq!(request.header("x-team"), Some("memory"));
    let json = request.json();
    assert_eq!(json["schema"], "oomph.notification/1");
    assert_eq!(json["alerts"][0]["schema"], "oomph.alert/1");
    assert_eq!(json["alerts"][0]["seconds_left"]["p50"], 40.0);

    let signature = request.header("x-oomph-signature").unwrap();
    let (t, v1) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"signing key").unwrap();
    mac.update(format!("{t}.{}", request.body).as_bytes());
    let bytes: Vec<u8> = (0..v1.len()).step_by(2).map(|i| u8::from_str_radix(&v1[i..i + 2], 16).unwrap()).collect();
    mac.verify_slice(&bytes).unwrap();

    let c = until("it was taken", || alerts.counters().sinks.into_iter().find(|s| s.sink == "webhook" && s.sent == 1));
    assert_eq!((c.retried, c.failed, c.pending, c.last_error.as_str()), (3, 0, 0, ""));
    alerts.stop(LONG);
}

#[test]
fn a_hanging_receiver_holds_up_nobody_and_shows_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let dead = Server::start((0..1000).map(|_| Answer::Hang).collect());
    let failing = Server::start((0..1000).map(|_| Answer::Status(500)).collect());
    let live = Server::start(Vec::new());
    let settings = config(&format!(
        "[[webhook]]\nname = \"dead\"\nurl = \"{}/s3cret\"\ntimeout = \"1h\"\n\
         [[webhook]]\nname = \"failing\"\nurl = \"{}/s3cret\"\n\
         [[webhook]]\nname = \"nowhere\"\nurl = \"http://s3cret.invalid/s3cret\"\nauthorization = \"Bearer s3cret\"\n\
         [[slack]]\nurl = \"{}/live\"\n",
        dead.url, failing.url, live.url
    ));
    let alerts = Alerts::start(&settings, dir.path());
    alerts.raise(alert("web", Some("main.put"), Warning));
    dead.next();
    let slack = live.next().json();
    assert!(slack["text"].as_str().unwrap().starts_with("*Warning:* web meets"));
    // Ten thousand more while one hangs: taken in without waiting, and none that is critical is lost.
    for i in 0..10_000 {
        alerts.raise(alert(&format!("n{i}"), None, Notice));
    }
    alerts.raise(alert("grave", None, Critical));
    let grave = std::iter::from_fn(|| Some(live.next())).find(|r| r.body.contains("CRITICAL")).unwrap();
    assert!(grave.body.contains("grave"));
    let sinks = until("failures are counted", || {
        let sinks = alerts.counters().sinks;
        sinks.iter().filter(|s| !s.last_error.is_empty()).count().ge(&2).then_some(sinks)
    });
    for sink in &sinks {
        assert!(!sink.last_error.contains("/s3cret") && !sink.last_error.contains("Bearer"), "{sink:?}");
    }
    let failing = sinks.iter().find(|s| s.sink == "failing").unwrap();
    assert!(failing.last_error.contains("answered 500: said so"), "{failing:?}");
    // Stopping does not wait for the one that hangs.
    alerts.stop(Duration::from_millis(100));
}

#[test]
fn one_message_for_a_culprit_in_several_targets_then_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Vec::new());
    let mut settings = config(&format!(
        "labels = {{ cluster = \"prod\" }}\n[[webhook]]\nurl = \"{}\"\n\
         template = '{{\"status\": {{{{ status|tojson }}}}, \"targets\": {{{{ targets|tojson }}}}, \
         \"cluster\": {{{{ alerts[0].labels.cluster|tojson }}}}}}'\n",
        server.url
    ));
    settings.group_wait = watch::period::Period::millis(400);
    let alerts = Alerts::start(&settings, dir.path());
    for target in ["a", "b", "c"] {
        alerts.raise(alert(target, Some("main.put"), Warning));
    }
    let json = server.next().json();
    assert_eq!(json, serde_json::json!({"status": "firing", "targets": ["a", "b", "c"], "cluster": "prod"}));
    for target in ["a", "b", "c"] {
        alerts.resolve(&alert(target, Some("main.put"), Warning).key, now());
    }
    let json = server.next().json();
    assert_eq!((&json["status"], json["targets"].as_array().unwrap().len()), (&"resolved".into(), 3));
    until("nothing is kept", || (alerts.counters().active == [0, 0, 0]).then_some(()));

    // A template that fails costs nobody the alert.
    settings.webhook[0].template = Some("{{ nonsense }}".into());
    alerts.set_config(settings);
    alerts.raise(alert("d", None, Critical));
    let request = server.next();
    assert_eq!(request.json()["schema"], "oomph.notification/1");
    assert!(request.header("x-oomph-template-error").unwrap().contains("undefined"));
    alerts.stop(LONG);
}

#[test]
fn what_was_not_delivered_is_after_a_restart_and_only_that() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (Server::start(Vec::new()), Server::start(Vec::new()));
    let closed = format!("http://127.0.0.1:{}", free_port());
    let with = |second: &str| {
        config(&format!(
            "[[webhook]]\nname = \"first\"\nurl = \"{}\"\n[[webhook]]\nname = \"second\"\nurl = \"{second}\"\n",
            first.url
        ))
    };
    let alerts = Alerts::start(&with(&closed), dir.path());
    alerts.raise(alert("web", None, Critical));
    first.next();
    until("the other failed", || alerts.counters().sinks.iter().any(|s| s.retried > 0).then_some(()));
    alerts.stop(Duration::from_millis(200));

    let alerts = Alerts::start(&with(&second.url), dir.path());
    assert_eq!(second.next().json()["targets"][0], "web");
    until("it was booked", || alerts.counters().sinks.iter().any(|s| s.sink == "second" && s.sent == 1).then_some(()));
    alerts.stop(LONG);

    let alerts = Alerts::start(&with(&second.url), dir.path());
    // The alert is known; raised again with a new one it is the new one alone that is told.
    alerts.raise(alert("web", None, Critical));
    alerts.raise(alert("other", None, Critical));
    assert_eq!(first.next().json()["targets"][0], "other");
    assert_eq!(second.next().json()["targets"][0], "other");
    alerts.stop(LONG);
    assert!(first.requests.try_recv().is_err() && second.requests.try_recv().is_err());
}

/// A file system of 256 KiB, where this user may make one.
struct Tmpfs<'a>(&'a Path);

impl<'a> Tmpfs<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(at).output();
        done.is_ok_and(|o| o.status.success()).then_some(Self(at))
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_is_told_and_survived() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_tmpfs) = Tmpfs::mount(dir.path()) else {
        eprintln!("skipped: mounting a small tmpfs needs root");
        return;
    };
    let server = Server::start(Vec::new());
    let settings = config(&format!("[[webhook]]\nurl = \"{}\"\n", server.url));
    let options = AlertOptions { outbox_retry: Some(Duration::from_millis(50)), ..AlertOptions::default() };
    let alerts = Alerts::start_with(&settings, dir.path(), options);
    alerts.raise(alert("before", None, Warning));
    server.next();
    until("it is written", || (alerts.counters().outbox_bytes > 0).then_some(()));

    let filler = dir.path().join("filler");
    let _ = std::fs::write(&filler, vec![0_u8; 1 << 20]);
    // Each is told although the disk is full; at some point a page is needed that is not there.
    let mut n = 0;
    let error = until("the full disk is noticed", || {
        n += 1;
        alerts.raise(alert(&format!("t{n}"), None, Warning));
        alerts.counters().outbox_error
    });
    assert!(error.contains("memory only") && error.contains("alerts.log"), "{error}");
    alerts.raise(alert("in-memory", None, Critical));
    std::iter::from_fn(|| Some(server.next())).find(|r| r.body.contains("in-memory")).unwrap();

    std::fs::remove_file(&filler).unwrap();
    until("writing works again", || alerts.counters().outbox_error.is_none().then_some(()));
    until("it is booked", || alerts.counters().sinks.iter().all(|s| s.pending == 0).then_some(()));
    alerts.stop(LONG);
    let text = std::fs::read_to_string(dir.path().join("alerts.log")).unwrap();
    assert!(text.contains("in-memory") && text.contains("before"));
}
