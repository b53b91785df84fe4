//! The settings of alerting, `[alerts]` in `oomph.toml`. Owns each key with its default and comment, and
//! what cannot be meant; opens nothing.

use super::secret::{From3, Secret};
use crate::period::Period;
use crate::settings::{documented, settings};
use model::WatchLevel;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

settings! {
    /// Alerting: when something is told, and to whom.
    AlertConfig {
        /// How long to wait for further targets with the same culprit before they are told together.
        group_wait: Period = Period::seconds(10),
        /// The same where a process is about to die.
        group_wait_critical: Period = Period::seconds(1),
        /// How often an alert is told again while nothing changes.
        repeat_interval: Period = Period::seconds(4 * 3600),
        /// How long an alert must be over before it is told to be over.
        resolve_after: Period = Period::seconds(60),
        /// How long after a restart alerts of the time before are kept that are not raised again.
        restore_grace: Period = Period::seconds(300),
        /// First pause before a message that could not be delivered is sent again; it doubles each time.
        retry_first: Period = Period::seconds(1),
        /// Longest such pause.
        retry_longest: Period = Period::seconds(300),
        /// How long it is tried before the message is given up.
        give_up_after: Period = Period::seconds(24 * 3600),
        /// Most alerts kept at a time; beyond, the oldest of the lowest level are dropped and counted.
        max_alerts: usize = 1000,
        /// Most bytes of the outbox on disk, from which undelivered alerts are sent after a restart.
        outbox_max_bytes: u64 = 16 << 20,
        /// Labels added to each alert, e.g. { cluster = "prod" }.
        labels: BTreeMap<String, String> = BTreeMap::new(),
        /// Alerts as JSON lines on standard error.
        stderr: StderrConfig = StderrConfig::default(),
        /// Prometheus Alertmanagers, each told of everything.
        alertmanager: Vec<AlertmanagerConfig> = Vec::new(),
        /// Web services that take JSON or a text of your own.
        webhook: Vec<WebhookConfig> = Vec::new(),
        /// Slack's incoming webhooks and what is compatible with them.
        slack: Vec<SlackConfig> = Vec::new(),
        /// Programs run for each alert.
        exec: Vec<ExecConfig> = Vec::new(),
    }
}

settings! {
    /// Alerts as JSON lines (`oomph.alert/1`) on standard error.
    StderrConfig {
        /// Whether they are printed.
        enabled: bool = true,
        /// Lowest level that is printed: notice, warning, critical.
        min_level: WatchLevel = WatchLevel::Notice,
    }
}

/// Settings of a sink that is a web service: what they have in common, then its own.
macro_rules! web_sink {
    ($(#[doc = $about:literal])+ $name:ident { $( $(#[doc = $doc:literal])+ $field:ident: $ty:ty = $default:expr, )* }) => {
        settings! {
            $(#[doc = $about])+
            $name {
                /// Name in metrics and messages; must be unique [default: its kind and number].
                name: Option<String> = None,
                /// Address, http:// or https://. Credentials belong into authorization.
                url: Option<Secret> = None,
                /// File that holds the address, where that is secret.
                url_file: Option<PathBuf> = None,
                /// Environment variable that holds the address.
                url_env: Option<String> = None,
                /// Value of the Authorization header, e.g. "Bearer ...".
                authorization: Option<Secret> = None,
                /// File that holds it.
                authorization_file: Option<PathBuf> = None,
                /// Environment variable that holds it.
                authorization_env: Option<String> = None,
                /// Certificate authorities (PEM) to trust in place of the public ones.
                ca_file: Option<PathBuf> = None,
                /// Longest time for one request.
                timeout: Period = Period::seconds(10),
                /// Lowest level that is sent: notice, warning, critical.
                min_level: WatchLevel = WatchLevel::Warning,
                $( $(#[doc = $doc])+ $field: $ty = $default, )*
            }
        }

        impl $name {
            pub(crate) fn url(&self) -> From3<'_> {
                let env = self.url_env.as_deref();
                From3 { key: "url", text: self.url.as_ref(), file: self.url_file.as_deref(), env }
            }

            pub(crate) fn authorization(&self) -> From3<'_> {
                let (text, file) = (self.authorization.as_ref(), self.authorization_file.as_deref());
                From3 { key: "authorization", text, file, env: self.authorization_env.as_deref() }
            }

            fn check_web(&self) -> Result<(), String> {
                self.url().check(true)?;
                self.authorization().check(false)?;
                if let Some(url) = &self.url {
                    super::http::check_url(url.reveal())?;
                }
                check_timeout(self.timeout)
            }
        }
    };
}

web_sink! {
    /// A Prometheus Alertmanager, API v2. It groups and repeats by itself.
    AlertmanagerConfig {
        /// How often alerts that hold are sent again, so that it does not take them for resolved.
        resend_interval: Period = Period::seconds(60),
    }
}

web_sink! {
    /// A web service. It gets a POST with `oomph.notification/1`, or with what your template makes of it.
    WebhookConfig {
        /// Template of the body (Jinja2 syntax, the fields of oomph.notification/1; {{ title|tojson }} for JSON).
        template: Option<String> = None,
        /// File that holds the template.
        template_file: Option<PathBuf> = None,
        /// Content-Type of the body.
        content_type: String = "application/json".to_owned(),
        /// Further headers, e.g. { X-Team = "memory" }.
        headers: BTreeMap<String, String> = BTreeMap::new(),
        /// Key of the signature X-Oomph-Signature: t=SECONDS,v1=HEX, HMAC-SHA256 of "SECONDS.BODY".
        secret: Option<Secret> = None,
        /// File that holds the key.
        secret_file: Option<PathBuf> = None,
        /// Environment variable that holds the key.
        secret_env: Option<String> = None,
    }
}

web_sink! {
    /// Slack's incoming webhook, or Mattermost's, Discord's (`/slack`) and others that read the same.
    SlackConfig {
        /// Channel, where the webhook may choose one [default: the webhook's own].
        channel: Option<String> = None,
    }
}

settings! {
    /// A program that is run for each alert: `oomph.alert/1` on standard input, OOMPH_* in the environment,
    /// no shell, killed with all its children's group when it takes too long.
    ExecConfig {
        /// Name in metrics and messages; must be unique [default: exec and its number].
        name: Option<String> = None,
        /// Program: an absolute path, or a name found on PATH.
        program: PathBuf = PathBuf::new(),
        /// Its arguments.
        args: Vec<String> = Vec::new(),
        /// Longest time it may run.
        timeout: Period = Period::seconds(30),
        /// How many may run at the same time (1 to 16).
        max_parallel: usize = 2,
        /// Lowest level it is run for: notice, warning, critical.
        min_level: WatchLevel = WatchLevel::Warning,
    }
}

impl AlertConfig {
    /// Refuses what cannot be meant.
    ///
    /// # Errors
    /// A sentence that names the key.
    fn check(&self) -> Result<(), String> {
        if !(1..=100_000).contains(&self.max_alerts) {
            return Err(format!("max-alerts = {}: expected 1 to 100000", self.max_alerts));
        }
        if self.outbox_max_bytes < 64 << 10 {
            return Err(format!("outbox-max-bytes = {}: expected at least 65536", self.outbox_max_bytes));
        }
        if self.retry_first.0.is_zero() || self.retry_first > self.retry_longest {
            return Err("retry-first: expected more than 0s and at most retry-longest".to_owned());
        }
        if self.repeat_interval < Period::seconds(1) {
            return Err(format!("repeat-interval = {}: expected at least 1s", self.repeat_interval));
        }
        let mut seen = BTreeSet::new();
        let names = self.names();
        match names.iter().find(|n| !seen.insert(n.as_str())) {
            Some(twice) => Err(format!("two sinks are called {twice:?}; give them a name each")),
            None => Ok(()),
        }
    }

    /// The names of all sinks in the order stderr, alertmanager, webhook, slack, exec.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut out = vec!["stderr".to_owned()];
        let mut add = |kind: &str, names: Vec<&Option<String>>| {
            for (i, name) in names.into_iter().enumerate() {
                let numbered = if i == 0 { kind.to_owned() } else { format!("{kind}-{}", i + 1) };
                out.push(name.clone().unwrap_or(numbered));
            }
        };
        add("alertmanager", self.alertmanager.iter().map(|c| &c.name).collect());
        add("webhook", self.webhook.iter().map(|c| &c.name).collect());
        add("slack", self.slack.iter().map(|c| &c.name).collect());
        add("exec", self.exec.iter().map(|c| &c.name).collect());
        out
    }

    /// All settings as TOML, each under its comment: the defaults, and the sinks as examples that are
    /// commented out.
    #[must_use]
    pub fn documented() -> String {
        let defaults = Self::default();
        let mut out = format!("[alerts]\n\n{}", documented(Self::DOCS, &defaults, ""));
        let about = |field: &str| {
            let lines = Self::DOCS.iter().find(|(f, _)| *f == field).map_or(&[][..], |(_, lines)| lines);
            lines.iter().map(|l| format!("#{l}\n")).collect::<String>()
        };
        out += &format!("\n{}[alerts.stderr]\n\n", about("stderr"));
        out += &documented(StderrConfig::DOCS, &defaults.stderr, "");
        let mut example = |name: &str, keys: String| {
            out += &format!("\n{}# [[alerts.{name}]]\n{keys}", about(name));
        };
        example("alertmanager", documented(AlertmanagerConfig::DOCS, &AlertmanagerConfig::example(), "# "));
        example("webhook", documented(WebhookConfig::DOCS, &WebhookConfig::example(), "# "));
        example("slack", documented(SlackConfig::DOCS, &SlackConfig::example(), "# "));
        example("exec", documented(ExecConfig::DOCS, &ExecConfig::example(), "# "));
        out
    }
}

impl StderrConfig {
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "every table of settings has a check")]
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

impl AlertmanagerConfig {
    fn check(&self) -> Result<(), String> {
        if self.resend_interval < Period::seconds(1) || self.resend_interval > Period::seconds(3600) {
            return Err(format!("resend-interval = {}: expected 1s to 1h", self.resend_interval));
        }
        self.check_web()
    }

    /// With each key set, to be shown.
    fn example() -> Self {
        Self {
            name: Some("alertmanager".into()),
            url: Some(Secret::example("http://localhost:9093")),
            url_file: Some("/run/secrets/alertmanager-url".into()),
            url_env: Some("ALERTMANAGER_URL".into()),
            authorization: Some(Secret::example("Bearer ...")),
            authorization_file: Some("/run/secrets/alertmanager-token".into()),
            authorization_env: Some("ALERTMANAGER_AUTHORIZATION".into()),
            ca_file: Some("/etc/ssl/our-ca.pem".into()),
            ..Self::default()
        }
    }
}

impl WebhookConfig {
    fn check(&self) -> Result<(), String> {
        self.secret().check(false)?;
        if self.template.is_some() && self.template_file.is_some() {
            return Err("only one of template and template-file may be set".to_owned());
        }
        if let Some(template) = &self.template {
            super::template::check(template)?;
        }
        super::http::check_headers(&self.headers, &self.content_type)?;
        self.check_web()
    }

    pub(crate) fn secret(&self) -> From3<'_> {
        let env = self.secret_env.as_deref();
        From3 { key: "secret", text: self.secret.as_ref(), file: self.secret_file.as_deref(), env }
    }

    /// With each key set, to be shown.
    fn example() -> Self {
        Self {
            name: Some("pager".into()),
            url: Some(Secret::example("https://pager.example.com/hook")),
            url_file: Some("/run/secrets/pager-url".into()),
            url_env: Some("PAGER_URL".into()),
            authorization: Some(Secret::example("Bearer ...")),
            authorization_file: Some("/run/secrets/pager-token".into()),
            authorization_env: Some("PAGER_AUTHORIZATION".into()),
            ca_file: Some("/etc/ssl/our-ca.pem".into()),
            template: Some("{\"text\": {{ title|tojson }}}".into()),
            template_file: Some("/etc/oomph/pager.json.j2".into()),
            headers: [("X-Team".into(), "memory".into())].into(),
            secret: Some(Secret::example("...")),
            secret_file: Some("/run/secrets/pager-key".into()),
            secret_env: Some("PAGER_KEY".into()),
            ..Self::default()
        }
    }
}

impl SlackConfig {
    fn check(&self) -> Result<(), String> {
        self.check_web()
    }

    /// With each key set, to be shown.
    fn example() -> Self {
        Self {
            name: Some("slack".into()),
            url: Some(Secret::example("https://hooks.slack.com/services/...")),
            url_file: Some("/run/secrets/slack-url".into()),
            url_env: Some("SLACK_URL".into()),
            authorization: Some(Secret::example("Bearer ...")),
            authorization_file: Some("/run/secrets/slack-token".into()),
            authorization_env: Some("SLACK_AUTHORIZATION".into()),
            ca_file: Some("/etc/ssl/our-ca.pem".into()),
            channel: Some("#memory".into()),
            ..Self::default()
        }
    }
}

impl ExecConfig {
    fn check(&self) -> Result<(), String> {
        if self.program.as_os_str().is_empty() {
            return Err("program: expected the path of a program".to_owned());
        }
        if !(1..=16).contains(&self.max_parallel) {
            return Err(format!("max-parallel = {}: expected 1 to 16", self.max_parallel));
        }
        check_timeout(self.timeout)
    }

    /// With each key set, to be shown.
    fn example() -> Self {
        let (name, program) = (Some("restart".into()), "/usr/local/bin/on-alert".into());
        Self { name, program, args: vec!["--verbose".into()], ..Self::default() }
    }
}

fn check_timeout(timeout: Period) -> Result<(), String> {
    if timeout.0.is_zero() || timeout > Period::seconds(3600) {
        return Err(format!("timeout = {timeout}: expected more than 0s, at most 1h"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct File {
        alerts: AlertConfig,
    }

    #[test]
    fn the_documented_configuration_is_the_default() {
        let text = AlertConfig::documented();
        let read: File = toml::from_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(read.alerts, AlertConfig::default());
        for (docs, table) in [
            (AlertConfig::DOCS, "alerts"),
            (StderrConfig::DOCS, "stderr"),
            (AlertmanagerConfig::DOCS, "alertmanager"),
            (WebhookConfig::DOCS, "webhook"),
            (SlackConfig::DOCS, "slack"),
            (ExecConfig::DOCS, "exec"),
        ] {
            for (field, _) in docs {
                let key = field.replace('_', "-");
                let there = text.contains(&format!("{key} = ")) || text.contains(&format!("alerts.{key}]"));
                assert!(there, "{table}.{key} is not documented:\n{text}");
            }
        }
    }

    /// Each example, its comment signs taken away and one source left for each secret, is read.
    #[test]
    fn the_examples_can_be_used() {
        let text = AlertConfig::documented();
        let used: Vec<&str> = text
            .lines()
            .filter_map(|l| l.strip_prefix("# "))
            .filter(|l| l.starts_with("[[") || l.split_once(" = ").is_some_and(|(k, _)| !k.contains(' ')))
            .filter(|l| !["-file = ", "-env = "].iter().any(|s| l.contains(s)) || l.starts_with("ca-file"))
            .collect();
        let read: File = toml::from_str(&format!("[alerts]\n{}", used.join("\n"))).unwrap();
        let a = read.alerts;
        assert_eq!((a.alertmanager.len(), a.webhook.len(), a.slack.len(), a.exec.len()), (1, 1, 1, 1));
        assert_eq!(a.names(), ["stderr", "alertmanager", "pager", "slack", "restart"]);
    }

    #[test]
    fn refuses_what_cannot_be_meant_and_says_where() {
        for (text, want) in [
            ("[alerts]\ngroup-wai = \"1s\"", "group-wai"),
            ("[alerts]\ngroup-wait = 5", "line 2"),
            ("[alerts]\ngroup-wait = \"5\"", "no span of time"),
            ("[alerts]\nmax-alerts = 0", "max-alerts"),
            ("[alerts]\n\n[[alerts.slack]]\n", "line 3"),
            ("[[alerts.slack]]\nurl = \"x\"\nurl-env = \"Y\"", "only one of url"),
            ("[[alerts.webhook]]\nurl = \"ftp://h/secret-path\"", "http://"),
            ("[[alerts.webhook]]\nurl = \"http://u:secret-path@h/\"", "authorization"),
            ("[[alerts.webhook]]\nurl = \"http://h\"\ntemplate = \"{{ x\"", "template"),
            ("[[alerts.webhook]]\nurl = \"http://h\"\nheaders = { \"a b\" = \"c\" }", "header"),
            ("[[alerts.webhook]]\nurl = \"http://h\"\nname = \"stderr\"", "two sinks"),
            ("[[alerts.exec]]\nprogram = \"\"", "program"),
            ("[[alerts.exec]]\nprogram = \"x\"\nmax-parallel = 99", "max-parallel"),
        ] {
            let error = toml::from_str::<File>(text).unwrap_err();
            let message = error.to_string();
            assert!(message.contains(want), "{text}: {message}");
            assert!(!error.message().contains("secret-path"), "{message}");
        }
    }
}
