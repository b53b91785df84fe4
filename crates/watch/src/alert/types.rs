//! An alert and what makes two of them the same. Owns the JSON documents that leave the process:
//! `oomph.alert/1` (one alert) and `oomph.notification/1` (alerts grouped by culprit). Refuses unbounded
//! texts: whatever a target wrote into a title is cut before it is kept.

use model::{Bytes, SecondsToLimit, UnixMillis, WatchLevel};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The value of `schema` in the JSON of one alert.
pub const ALERT_SCHEMA: &str = "oomph.alert/1";
/// The value of `schema` in the JSON of a group of alerts.
pub const NOTIFICATION_SCHEMA: &str = "oomph.notification/1";

/// Bytes kept of a name, path or label value.
const MOST_NAME: usize = 1024;
/// Bytes kept of a title or advice.
const MOST_TEXT: usize = 4096;
/// Labels kept.
const MOST_LABELS: usize = 32;
/// Longest time left that is told, seconds: thirty years. Forecasts may be infinite; JSON is not.
const LONGEST_LEFT: f64 = 1e9;

/// What makes two alerts the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AlertKey {
    /// The target's name.
    pub target: String,
    /// The rule that holds, a stable kebab-case id.
    pub rule: String,
}

/// Something that somebody should know, as the watcher knows it at this moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// What makes it the same alert as an earlier one. Its fields lie beside the others in JSON.
    #[serde(flatten)]
    pub key: AlertKey,
    /// Function, type or container to blame, once one is known: an alert is raised before that. Alerts of several
    /// targets with the same culprit are told as one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub culprit: Option<String>,
    /// How near trouble is.
    pub level: WatchLevel,
    /// One line with the numbers in it.
    pub title: String,
    /// Where in the code: function, file and line.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub site: Option<String>,
    /// What holds the memory: a holder path or a container's type.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub container: Option<String>,
    /// Seconds until the limit is met.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seconds_left: Option<SecondsToLimit>,
    /// The limit that ends the process, bytes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub limit: Option<Bytes>,
    /// What of it is used, bytes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub usage: Option<Bytes>,
    /// What the diagnosis of the evidence found, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub finding: Option<String>,
    /// What to do: the fix of what was found, else what the rule advises.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub advice: String,
    /// Path of the bundle with the evidence.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bundle: Option<String>,
    /// `pid`, `program`, `host`, `namespace`, `pod`, where known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub labels: BTreeMap<String, String>,
    /// Since when, milliseconds since 1970 UTC.
    pub started_at: UnixMillis,
}

impl Alert {
    /// The alert with its texts cut to what is kept and its numbers to what JSON can hold.
    #[must_use]
    pub(crate) fn bounded(mut self) -> Self {
        cut(&mut self.key.target, MOST_NAME);
        cut(&mut self.key.rule, MOST_NAME);
        let names = [&mut self.culprit, &mut self.site, &mut self.container, &mut self.bundle];
        names.into_iter().flatten().for_each(|text| cut(text, MOST_NAME));
        cut(&mut self.title, MOST_TEXT);
        cut(&mut self.advice, MOST_TEXT);
        self.finding.iter_mut().for_each(|f| cut(f, MOST_TEXT));
        if self.labels.len() > MOST_LABELS || self.labels.iter().any(|(k, v)| k.len().max(v.len()) > MOST_NAME) {
            let labels = std::mem::take(&mut self.labels).into_iter().take(MOST_LABELS);
            self.labels = labels
                .map(|(mut name, mut value)| {
                    cut(&mut name, MOST_NAME);
                    cut(&mut value, MOST_NAME);
                    (name, value)
                })
                .collect();
        }
        self.seconds_left = self.seconds_left.and_then(finite);
        self
    }

    /// What is told together: the culprit where there is one, else the alert itself.
    pub(crate) fn group(&self) -> String {
        match &self.culprit {
            Some(culprit) => format!("culprit\u{1f}{culprit}"),
            None => self.key.alone(),
        }
    }
}

impl AlertKey {
    /// The key as [`Alert::bounded`] leaves it, so that what is resolved is what was raised.
    pub(crate) fn bounded(mut self) -> Self {
        cut(&mut self.target, MOST_NAME);
        cut(&mut self.rule, MOST_NAME);
        self
    }

    /// A group of this alert only.
    pub(crate) fn alone(&self) -> String {
        format!("alert\u{1f}{}\u{1f}{}", self.target, self.rule)
    }
}

/// Quantiles that JSON can hold; none when one is no number.
fn finite(left: SecondsToLimit) -> Option<SecondsToLimit> {
    let of = |s: f64| (!s.is_nan()).then(|| s.clamp(0.0, LONGEST_LEFT));
    Some(SecondsToLimit { p10: of(left.p10)?, p50: of(left.p50)?, p90: of(left.p90)? })
}

/// Cuts at a character's boundary.
fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
    }
}

/// Whether an alert is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlertState {
    /// It holds.
    Firing,
    /// It is over.
    Resolved,
}

/// One alert as it leaves the process (`oomph.alert/1`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertDocument {
    /// Always [`ALERT_SCHEMA`].
    pub schema: String,
    /// Whether it is over.
    pub status: AlertState,
    /// The highest level it has had.
    pub peak: WatchLevel,
    /// When it was over, milliseconds since 1970 UTC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resolved_at: Option<UnixMillis>,
    /// The alert.
    #[serde(flatten)]
    pub alert: Alert,
}

/// Alerts that are told together (`oomph.notification/1`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// Always [`NOTIFICATION_SCHEMA`].
    pub schema: String,
    /// Firing while one of the alerts is.
    pub status: AlertState,
    /// The highest level of the alerts that hold, of all when none does.
    pub level: WatchLevel,
    /// The title of the most urgent alert; how many more there are.
    pub title: String,
    /// What they have in common.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub culprit: Option<String>,
    /// The targets, sorted, each once.
    pub targets: Vec<String>,
    /// Whether nothing has changed since it was last told.
    pub repeated: bool,
    /// The alerts, the most urgent first.
    pub alerts: Vec<AlertDocument>,
}

impl Notification {
    /// Of alerts that are told together; `None` when there are none.
    pub(crate) fn of(mut alerts: Vec<AlertDocument>, repeated: bool) -> Option<Self> {
        let order = |d: &AlertDocument| (d.status == AlertState::Firing, d.alert.level, d.peak);
        alerts.sort_by(|a, b| order(b).cmp(&order(a)).then_with(|| a.alert.started_at.cmp(&b.alert.started_at)));
        let first = alerts.first()?;
        let status = first.status;
        let level = match status {
            AlertState::Firing => first.alert.level,
            AlertState::Resolved => alerts.iter().map(|d| d.peak).max().unwrap_or_default(),
        };
        let mut targets: Vec<String> = alerts.iter().map(|d| d.alert.key.target.clone()).collect();
        targets.sort();
        targets.dedup();
        let title = match alerts.len() {
            1 => first.alert.title.clone(),
            n => format!("{} (and {} more)", first.alert.title, n - 1),
        };
        let culprit = first.alert.culprit.clone();
        let schema = NOTIFICATION_SCHEMA.to_owned();
        Some(Self { schema, status, level, title, culprit, targets, repeated, alerts })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An alert for tests.
    pub(crate) fn alert(target: &str, rule: &str, culprit: Option<&str>, level: WatchLevel) -> Alert {
        Alert {
            key: AlertKey { target: target.into(), rule: rule.into() },
            culprit: culprit.map(Into::into),
            level,
            title: format!("{target} meets its limit of 512.0 MiB in 40 s"),
            site: culprit.map(|c| format!("{c} cache.go:41")),
            container: Some("main.cache map[string]*main.User".into()),
            seconds_left: Some(SecondsToLimit { p10: 30.0, p50: 40.0, p90: 61.5 }),
            limit: Some(Bytes::mib(512)),
            usage: Some(Bytes::mib(400)),
            finding: None,
            advice: "Bound the map or let entries expire.".into(),
            bundle: None,
            labels: [("pid".into(), "4711".into()), ("host".into(), "h".into())].into(),
            started_at: UnixMillis(1_790_000_000_000),
        }
    }

    #[test]
    fn bounds_what_is_kept_and_survives_json() {
        let mut a = alert("t", "r", Some("c"), WatchLevel::Warning);
        a.title = "é".repeat(10_000);
        a.seconds_left = Some(SecondsToLimit { p10: 1.0, p50: 2.0, p90: f64::INFINITY });
        a.labels = (0..100).map(|i| (format!("l{i}"), "v".repeat(5000))).collect();
        let a = a.bounded();
        assert_eq!((a.title.len(), a.labels.len()), (MOST_TEXT, MOST_LABELS));
        let back: Alert = serde_json::from_str(&serde_json::to_string(&a).unwrap()).unwrap();
        assert_eq!(back, a);
        a.seconds_left.map(|s| assert_eq!(s.p90, LONGEST_LEFT)).unwrap();
        assert_eq!(finite(SecondsToLimit { p10: f64::NAN, p50: 1.0, p90: 1.0 }), None);
    }

    #[test]
    fn a_group_speaks_for_its_most_urgent_alert() {
        let doc = |a: Alert, status| AlertDocument {
            schema: ALERT_SCHEMA.into(),
            status,
            peak: a.level,
            resolved_at: None,
            alert: a,
        };
        let a = doc(alert("a", "r", Some("c"), WatchLevel::Critical), AlertState::Resolved);
        let b = doc(alert("b", "r", Some("c"), WatchLevel::Warning), AlertState::Firing);
        let n = Notification::of(vec![a.clone(), b], false).unwrap();
        assert_eq!((n.status, n.level), (AlertState::Firing, WatchLevel::Warning));
        assert_eq!(n.targets, ["a", "b"]);
        assert!(n.title.starts_with("b meets") && n.title.ends_with("(and 1 more)"), "{}", n.title);
        assert_eq!(Notification::of(vec![a], false).unwrap().level, WatchLevel::Critical);
        assert!(Notification::of(Vec::new(), false).is_none());
    }
}
