//! `oomph.toml`, as far as watching is concerned: `[watch]` with its tables and `[alerts]`. Owns each key with its
//! default and comment; opens nothing but the file itself.

use crate::alert::AlertConfig;
use crate::period::Period;
use crate::settings::{documented, settings};
use model::WatchLevel;
use serde::{Deserialize, Serialize};
use signals::{FieldSettings, MonitorSettings};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Largest configuration that is read.
const MOST: u64 = 4 << 20;

settings! {
    /// Watching: what, how often, and what is kept.
    WatchConfig {
        /// Where samples, evidence and undelivered alerts are kept [default: /var/lib/oomph for root, else
        /// $XDG_STATE_HOME/oomph].
        state_dir: Option<PathBuf> = None,
        /// Address at which /metrics, /healthz and /status answer, e.g. "127.0.0.1:9177" [default: none].
        listen: Option<String> = None,
        /// Time between samples while nothing threatens.
        interval: Period = Period::seconds(5),
        /// ... while the early forecast is under two minutes (forecast.pace-fast-seconds).
        interval_fast: Period = Period::seconds(1),
        /// ... while it is under half a minute (forecast.pace-urgent-seconds): from outside only.
        interval_urgent: Period = Period::millis(250),
        /// Whether all Go processes of this host are watched, new ones within `discover_interval`. Without any
        /// target it is so as well.
        discover: bool = false,
        /// How often new processes are looked for.
        discover_interval: Period = Period::seconds(5),
        /// Programs that discovery leaves out: names, or parts of the executable's path.
        exclude: Vec<String> = vec!["oomph".to_owned()],
        /// Most targets at a time; further ones are reported and not watched.
        max_targets: usize = 500,
        /// Whether a process's memory is read (nothing is stopped; needs the right to trace it).
        memory: bool = true,
        /// Whether its web pages are looked for and asked, where its memory cannot be read.
        web: bool = true,
        /// Longest time for one web page.
        web_timeout: Period = Period::seconds(2),
        /// Most bytes of samples kept for each target.
        series_max_bytes: u64 = 8 << 20,
        /// How long a target that ended is shown.
        keep_ended: Period = Period::seconds(600),
        /// Heap profiles taken before there is trouble.
        ring: RingConfig = RingConfig::default(),
        /// Evidence taken when there is.
        capture: CaptureConfig = CaptureConfig::default(),
        /// What to watch, besides the targets of the command line.
        target: Vec<TargetConfig> = Vec::new(),
        /// Rules of your own.
        rule: Vec<RuleConfig> = Vec::new(),
    }
}

settings! {
    /// Heap profiles taken before there is trouble: what a process that dies within seconds leaves behind.
    RingConfig {
        /// Whether they are taken.
        enabled: bool = true,
        /// How often.
        interval: Period = Period::seconds(60),
        /// Shortest time between two, at new heights of memory.
        shortest: Period = Period::seconds(2),
        /// How many are kept for each target.
        keep: usize = 12,
    }
}

settings! {
    /// Evidence taken when a rule asks for it.
    CaptureConfig {
        /// Whether it is taken.
        enabled: bool = true,
        /// Lowest level of a rule that asks for it: notice, warning, critical.
        min_level: WatchLevel = WatchLevel::Warning,
        /// Shortest time from one capture of a target to the next one of the same rule.
        cool_down: Period = Period::seconds(600),
        /// Most captures of a target in an hour.
        per_hour: u32 = 6,
        /// Longest time that a capture may take.
        max_time: Period = Period::seconds(60),
        /// Most bytes of one capture.
        max_bytes: u64 = 256 << 20,
        /// Most bytes of all captures; the oldest are thinned first, the newest never.
        max_total_bytes: u64 = 2 << 30,
        /// Length of the execution trace where the collector is suspected; "0s" for none.
        trace: Period = Period::seconds(2),
        /// Whether the object graph is read from a copy-on-write snapshot: the process stands still for
        /// milliseconds. Only where the room under the limit suffices.
        snapshot: bool = true,
        /// Captures at the same time.
        parallel: usize = 2,
        /// Whether each capture is diagnosed at once.
        diagnose: bool = true,
    }
}

settings! {
    /// A target.
    TargetConfig {
        /// Name in status, alerts and file names; must be unique [default: made from the target].
        name: Option<String> = None,
        /// Pid, address (http://host:port), unit (checkout.service), path of a control group, name of a program,
        /// or "auto" for all Go processes.
        target: String = String::new(),
        /// Headers sent to its address, e.g. { Authorization = "Bearer ..." }.
        headers: BTreeMap<String, String> = BTreeMap::new(),
        /// Certificate authorities (PEM) to trust in place of the public ones.
        ca_file: Option<PathBuf> = None,
        /// Whether any TLS certificate is accepted.
        insecure: bool = false,
        /// Log with its gctrace lines (GODEBUG=gctrace=1): a file, or a named pipe that oomph alone reads. The service
        /// is to open the pipe for reading too (2<>/run/checkout/gctrace), so that it outlives oomph. Without this key
        /// a file that is its standard error is found by itself, where its memory cannot be read.
        gctrace: Option<PathBuf> = None,
        /// Labels of its alerts, e.g. { team = "payments" }.
        labels: BTreeMap<String, String> = BTreeMap::new(),
    }
}

settings! {
    /// A rule of your own, in CEL over the columns of the samples: heap.live > 1.GiB && heap.live.slope('5m') > 1.MiB.
    RuleConfig {
        /// Its id, kebab-case.
        name: String = String::new(),
        /// The condition.
        when: String = String::new(),
        /// How long it must hold.
        hold: Period = Period::seconds(0),
        /// The level it raises: notice, warning, critical.
        level: WatchLevel = WatchLevel::Warning,
        /// Whether it asks for evidence.
        capture: bool = false,
        /// What to do, for the alert.
        advice: String = String::new(),
    }
}

/// What watching takes from `oomph.toml`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct WatchFile {
    /// `[watch]`.
    pub watch: WatchConfig,
    /// `[forecast]`: thresholds of the statistical rules.
    pub forecast: MonitorSettings,
    /// `[field]`: rules of thumb.
    pub field: FieldSettings,
    /// `[alerts]`.
    pub alerts: AlertConfig,
    /// `[thresholds]`: of the diagnosis, read there.
    #[serde(skip_serializing)]
    thresholds: Option<toml::Table>,
}

impl WatchFile {
    /// Reads a configuration.
    ///
    /// # Errors
    /// The file cannot be read, or is wrong: with line, column and what was expected.
    pub fn read(path: &Path) -> Result<Self, String> {
        let say = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let size = std::fs::metadata(path).map_err(|e| say(&e))?.len();
        if size > MOST {
            return Err(say(&format_args!("{size} bytes are too many for a configuration")));
        }
        let text = std::fs::read_to_string(path).map_err(|e| say(&e))?;
        Self::parse(&text).map_err(|e| say(&e))
    }

    /// Reads the text of a configuration.
    ///
    /// # Errors
    /// With line, column and what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|e| e.to_string())
    }

    /// All settings of watching as TOML, each under its comment.
    #[must_use]
    pub fn documented() -> String {
        let d = Self::default();
        let mut out = format!("[watch]\n\n{}", documented(WatchConfig::DOCS, &d.watch, ""));
        out += &format!(
            "\n# Heap profiles taken before there is trouble.\n[watch.ring]\n\n{}",
            documented(RingConfig::DOCS, &d.watch.ring, "")
        );
        out += &format!(
            "\n# Evidence taken when a rule asks for it.\n[watch.capture]\n\n{}",
            documented(CaptureConfig::DOCS, &d.watch.capture, "")
        );
        let target = TargetConfig {
            name: Some("checkout".into()),
            target: "checkout.service".into(),
            headers: [("Authorization".into(), "Bearer ...".into())].into(),
            ca_file: Some("/etc/ssl/our-ca.pem".into()),
            gctrace: Some("/var/log/checkout/stderr.log".into()),
            labels: [("team".into(), "payments".into())].into(),
            ..TargetConfig::default()
        };
        out += &format!("\n# A target.\n# [[watch.target]]\n{}", documented(TargetConfig::DOCS, &target, "# "));
        let rule = RuleConfig {
            name: "checkout-cache-grows".into(),
            when: "heap.live > 1.GiB && heap.live.slope('5m') > 1.MiB".into(),
            advice: "see the runbook of the cache".into(),
            ..RuleConfig::default()
        };
        out += &format!("\n# A rule of your own.\n# [[watch.rule]]\n{}", documented(RuleConfig::DOCS, &rule, "# "));
        out += "\n# When somebody is called. Seconds, bytes, shares of 1.\n[forecast]\n\n";
        out += &documented(MonitorSettings::DOCS, &d.forecast, "");
        out += "\n# Rules of thumb: `at` is the value from which one holds, `most` the highest level it raises by itself\n# (quiet switches it off).\n[field]\n\n";
        for (id, about, rule) in d.field.all() {
            for line in about.trim_end().lines() {
                out += &format!("#{line}\n");
            }
            let most = toml::Value::try_from(rule.most).map_or_else(|_| String::new(), |v| v.to_string());
            out += &format!("{id} = {{ at = {:?}, most = {most} }}\n\n", rule.at);
        }
        out + &AlertConfig::documented()
    }
}

impl WatchConfig {
    fn check(&self) -> Result<(), String> {
        for (key, p) in [
            ("interval", self.interval),
            ("interval-fast", self.interval_fast),
            ("interval-urgent", self.interval_urgent),
            ("discover-interval", self.discover_interval),
            ("web-timeout", self.web_timeout),
        ] {
            if p < Period::millis(100) || p > Period::seconds(3600) {
                return Err(format!("{key} = {p}: expected 100ms to 1h"));
            }
        }
        if self.max_targets == 0 || self.max_targets > 5000 {
            return Err(format!("max-targets = {}: expected 1 to 5000", self.max_targets));
        }
        let mut names: Vec<&str> = self.target.iter().filter_map(|t| t.name.as_deref()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|w| w[0] == w[1]) {
            return Err(format!("two targets are named {:?}", pair[0]));
        }
        Ok(())
    }
}

impl RingConfig {
    fn check(&self) -> Result<(), String> {
        if self.interval < Period::seconds(1) || self.shortest < Period::millis(500) {
            return Err("ring: interval is at least 1s, shortest at least 500ms".to_owned());
        }
        if self.keep < 2 || self.keep > 1000 {
            return Err(format!("ring: keep = {}: expected 2 to 1000", self.keep));
        }
        Ok(())
    }
}

impl CaptureConfig {
    fn check(&self) -> Result<(), String> {
        if self.parallel == 0 || self.parallel > 64 {
            return Err(format!("capture: parallel = {}: expected 1 to 64", self.parallel));
        }
        if self.max_time < Period::seconds(1) || self.trace > Period::seconds(30) {
            return Err("capture: max-time is at least 1s, trace at most 30s".to_owned());
        }
        Ok(())
    }
}

impl TargetConfig {
    fn check(&self) -> Result<(), String> {
        let spec = crate::TargetSpec::parse(&self.target)?;
        match &self.gctrace {
            Some(path) if !path.is_absolute() => Err(format!("gctrace = {path:?}: expected an absolute path")),
            Some(_) if matches!(spec, crate::TargetSpec::Auto) => {
                Err("gctrace: one log cannot be that of all processes; name the target".to_owned())
            }
            _ => Ok(()),
        }
    }
}

impl RuleConfig {
    fn check(&self) -> Result<(), String> {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || !self.name.chars().all(good) {
            return Err(format!("rule name {:?}: expected small letters, digits and dashes", self.name));
        }
        crate::rules::UserRule::compile(self).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_configuration_is_the_default() {
        let text = WatchFile::documented();
        assert_eq!(WatchFile::parse(&text).unwrap(), WatchFile::default(), "{text}");
        // Also the examples, once they are no comments.
        let examples: String = text
            .lines()
            .map(|l| match l.strip_prefix("# ") {
                Some(rest) if rest.starts_with("[[") || is_key(rest) => format!("{rest}\n"),
                _ => format!("{l}\n"),
            })
            .collect();
        let err = WatchFile::parse(&examples).err().unwrap_or_default();
        // Of secrets only one way may be given: the examples show all.
        assert!(err.is_empty() || err.contains("only one of"), "{err}");
    }

    fn is_key(line: &str) -> bool {
        let key = line.split(" = ").next().unwrap_or_default();
        line.contains(" = ") && key.chars().all(|c| c.is_ascii_lowercase() || c == '-')
    }

    #[test]
    fn errors_name_the_line() {
        let e = WatchFile::parse("[watch]\ninterval = \"5s\"\nintervall = \"5s\"\n").unwrap_err();
        assert!(e.contains("line 3") && e.contains("intervall"), "{e}");
        let e = WatchFile::parse("[watch]\ninterval = \"5\"\n").unwrap_err();
        assert!(e.contains("line 2"), "{e}");
        for gctrace in ["\"stderr.log\"", "7"] {
            let text = format!("[watch]\n\n[[watch.target]]\ntarget = \"80\"\ngctrace = {gctrace}\n");
            let e = WatchFile::parse(&text).unwrap_err();
            assert!(e.contains("line 3") || e.contains("line 5"), "{e}");
        }
        let e = WatchFile::parse("[[watch.target]]\ntarget = \"auto\"\ngctrace = \"/log\"\n").unwrap_err();
        assert!(e.contains("name the target"), "{e}");
        let e = WatchFile::parse("[[watch.rule]]\nname = \"x\"\nwhen = \"heap.live >\"\n").unwrap_err();
        assert!(e.contains("line 1") || e.contains("line 3"), "{e}");
    }
}
