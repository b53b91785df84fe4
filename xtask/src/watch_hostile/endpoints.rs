//! Endpoints and a receiver of alerts that send one byte a second, nothing, errors, half of a head, or without end.

use super::scene::{MIB, Scene, Served, gap_row, memory, series};
use super::table::Row;
use crate::Result;
use crate::watch_matrix::live::pause;
use std::fmt::Write as _;
use std::time::Duration;

const BASE: &str = r#"
[watch]
listen = "127.0.0.1:0"
interval = "1s"
memory = false

[[watch.rule]]
name = "always"
when = "process.rss > 0.0"
level = "warning"

[alerts]
group-wait = "0s"
"#;
/// Misbehaving endpoints, and what a status must say of each.
const ENDPOINTS: [(&str, &[&str]); 6] = [
    ("drip", &["no complete answer within 2 s"]),
    ("drip-head", &["no complete answer within 2 s"]),
    ("silent", &["no complete answer within 2 s"]),
    ("error", &["500"]),
    ("flood", &["size cap"]),
    ("half-head", &["connection was lost", "not a usable HTTP answer"]),
];
const ALONE: Duration = Duration::from_secs(12);
const TOGETHER: Duration = Duration::from_secs(75);
/// Above what the watch takes without them.
const MOST_MORE: f64 = 30.0 * MIB;
const ENDS_WITHIN: f64 = 5.0;

pub(crate) fn run(scene: &Scene) -> Result<Vec<Row>> {
    let healthy = scene.start(&["steady", &scene.host])?;
    let bad = scene.start(&["endpoints", &scene.host])?;
    let mut config = format!("{BASE}\n[[watch.target]]\nname = \"healthy\"\ntarget = \"{}\"\n", healthy.pid());
    let path = scene.config(&config)?;
    let served = Served::start(scene, &path, &[], &[])?;
    pause(ALONE);
    let baseline = served.rss();
    for (name, _) in ENDPOINTS {
        let _ = write!(config, "\n[[watch.target]]\nname = \"{name}\"\ntarget = \"http://{}\"\n", bad.at(name)?);
    }
    let _ = write!(config, "\n[[alerts.webhook]]\nname = \"drip\"\nurl = \"http://{}/hook\"\n", bad.at("drip-head")?);
    scene.config(&config)?;
    pause(TOGETHER);
    let status = served.status()?;
    let health = served.page("/healthz")?;
    let peak = memory(served.watch.child.id(), "VmHWM:").unwrap_or_default();
    let state = served.watch.state.clone();
    let mut rows = vec![Row::new(
        "six such targets and such a receiver: at most 30 MiB above the watch of the healthy one",
        format!("{:.1} MiB with the healthy one, at most {:.1} MiB", baseline as f64 / MIB, peak as f64 / MIB),
        (peak.saturating_sub(baseline)) as f64 <= MOST_MORE,
    )];
    for (name, words) in ENDPOINTS {
        let target = status.targets.iter().find(|t| t.name == name);
        let said: Vec<&str> =
            target.iter().flat_map(|t| &t.sources).filter(|s| !s.ok).map(|s| s.detail.as_str()).collect();
        let said = said.join("; ");
        let met = words.iter().any(|w| said.contains(w));
        rows.push(Row::new(format!("/status says what is wrong with {name}"), said, met));
    }
    let told = health.contains("alerts to drip: ");
    let said = health.split("alerts to drip: ").nth(1).and_then(|s| s.split('"').next()).unwrap_or(&health);
    rows.push(Row::new("/healthz says what is wrong with the receiver of alerts", said, told));
    let (took, wrong) = served.stop()?;
    rows.push(Row::new(
        format!("SIGTERM ends the watch within {ENDS_WITHIN} s"),
        wrong.clone().unwrap_or_else(|| format!("{:.1} s", took.as_secs_f64())),
        wrong.is_none() && took.as_secs_f64() <= ENDS_WITHIN,
    ));
    rows.push(Row::none("processes left over", 1, &scene.orphans()?));
    rows.insert(0, gap_row("the healthy target, sampled each second", &series(scene, &state)?, "healthy", 1.5));
    Ok(rows)
}
