//! `oomph.toml`: thresholds of the rules.

use crate::Failure;
use diagnose::Thresholds;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::path::Path;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    thresholds: Thresholds,
    // Of the watch, which reads and checks them itself.
    watch: Option<IgnoredAny>,
    forecast: Option<IgnoredAny>,
    field: Option<IgnoredAny>,
    alerts: Option<IgnoredAny>,
}

/// Thresholds from `path`; from `oomph.toml` in the working directory when there is one and no path
/// was given; else the defaults.
pub(crate) fn thresholds(path: Option<&Path>) -> Result<Thresholds, Failure> {
    let file = match path {
        Some(p) => p,
        None if Path::new("oomph.toml").is_file() => Path::new("oomph.toml"),
        None => return Ok(Thresholds::default()),
    };
    let text = std::fs::read_to_string(file).map_err(|e| Failure::io(format!("cannot read {}", file.display()), &e))?;
    // The error of the toml crate shows line, column and the keys that exist.
    let config: Config = toml::from_str(&text).map_err(|e| Failure::new(format!("{}: {e}", file.display())))?;
    Ok(config.thresholds)
}
