//! What a user names as a target, and which processes that is at this moment.

use crate::config::TargetConfig;
use bundle::Address;
use std::fmt;

/// A target as it was named.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetSpec {
    /// All Go processes of this host.
    Auto,
    /// One process.
    Pid(u32),
    /// A service by its address.
    Url(Address),
    /// All Go processes of a systemd unit.
    Unit(String),
    /// All Go processes of a control group and those below it: its path in the hierarchy.
    Cgroup(String),
    /// All Go processes of this name.
    Name(String),
}

/// A target and what was set for it.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchTarget {
    /// What it is.
    pub spec: TargetSpec,
    /// Its settings.
    pub config: TargetConfig,
}

impl TargetSpec {
    /// Reads what a user wrote.
    ///
    /// # Errors
    /// When it is nothing of the kind; says what would be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let t = text.trim();
        if t.is_empty() {
            return Err("a target is a pid, an address, a unit, a control group, the name of a program, or auto".into());
        }
        if t == "auto" {
            return Ok(Self::Auto);
        }
        if let Ok(pid) = t.parse::<u32>() {
            return Ok(Self::Pid(pid));
        }
        if let Some(path) = t.strip_prefix("cgroup:") {
            return Ok(Self::Cgroup(path.trim_end_matches('/').to_owned()));
        }
        if let Some(unit) = t.strip_prefix("unit:") {
            return Ok(Self::Unit(unit.to_owned()));
        }
        if let Some(rest) = t.strip_prefix("/sys/fs/cgroup") {
            // The v1 hierarchies have a directory of their own each.
            let rest = ["/memory", "/unified", "/systemd"].iter().find_map(|c| rest.strip_prefix(c)).unwrap_or(rest);
            return Ok(Self::Cgroup(rest.trim_end_matches('/').to_owned()));
        }
        if [".service", ".scope", ".slice"].iter().any(|s| t.ends_with(s)) && !t.contains('/') {
            return Ok(Self::Unit(t.to_owned()));
        }
        if t.contains("://") || t.contains(':') {
            return Address::parse(t).map(Self::Url);
        }
        Ok(Self::Name(t.to_owned()))
    }

    /// Whether a process of this control group belongs to it. `groups`: the paths of `/proc/PID/cgroup`.
    pub(crate) fn holds_groups(&self, groups: &[String]) -> bool {
        match self {
            Self::Unit(unit) => groups.iter().any(|g| g.split('/').any(|part| part == unit)),
            Self::Cgroup(path) => groups
                .iter()
                .any(|g| g.strip_prefix(path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))),
            _ => false,
        }
    }
}

impl fmt::Display for TargetSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Pid(pid) => write!(f, "{pid}"),
            Self::Url(a) => write!(f, "{a}"),
            Self::Unit(u) => write!(f, "unit:{u}"),
            Self::Cgroup(p) => write!(f, "cgroup:{p}"),
            Self::Name(n) => f.write_str(n),
        }
    }
}

impl WatchTarget {
    /// A target of the command line.
    ///
    /// # Errors
    /// As [`TargetSpec::parse`].
    pub fn of_argument(text: &str) -> Result<Self, String> {
        let spec = TargetSpec::parse(text)?;
        Ok(Self { spec, config: TargetConfig { target: text.to_owned(), ..TargetConfig::default() } })
    }

    /// A target of the configuration.
    ///
    /// # Errors
    /// As [`TargetSpec::parse`].
    pub fn of_config(config: &TargetConfig) -> Result<Self, String> {
        Ok(Self { spec: TargetSpec::parse(&config.target)?, config: config.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_kinds() {
        let kind = |t: &str| TargetSpec::parse(t).unwrap();
        assert_eq!(kind("auto"), TargetSpec::Auto);
        assert_eq!(kind("4711"), TargetSpec::Pid(4711));
        assert_eq!(kind("checkout.service"), TargetSpec::Unit("checkout.service".into()));
        assert_eq!(kind("/sys/fs/cgroup/memory/app/"), TargetSpec::Cgroup("/app".into()));
        assert_eq!(kind("/sys/fs/cgroup/kube/app"), TargetSpec::Cgroup("/kube/app".into()));
        assert_eq!(kind("checkout"), TargetSpec::Name("checkout".into()));
        assert!(matches!(kind("http://localhost:6060"), TargetSpec::Url(_)));
        assert!(matches!(kind("localhost:6060"), TargetSpec::Url(_)));
        assert!(TargetSpec::parse("").is_err());
    }

    #[test]
    fn groups_are_whole_path_parts() {
        let spec = TargetSpec::Cgroup("/kube/pod".into());
        assert!(spec.holds_groups(&["/kube/pod/app".into()]));
        assert!(!spec.holds_groups(&["/kube/pods".into()]));
        assert!(TargetSpec::Unit("a.service".into()).holds_groups(&["/system.slice/a.service".into()]));
    }
}
