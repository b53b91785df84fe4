//! Floor 1: runtime counters as services publish them.
//!
//! Two doors: expvar (`/debug/vars`, JSON, Go `src/expvar/expvar.go`) and the Prometheus text
//! exposition (`/metrics`, as `client_golang`'s Go and process collectors print it, and
//! OpenMetrics 1.0). Both come from outside and are read as hostile: no panic, no allocation by a
//! length the text claims, lines and labels bounded, whatever is readable kept and the rest named
//! in [`model::Gap`]s. This crate does no I/O and keeps the counters of the Go runtime and the
//! process, and the sums of a service's own gauges; its other variables are skipped.

mod exposition;
mod expvar;
mod gauges;
mod number;

pub use exposition::{Exposition, PauseSummary, Quantile, read_exposition};
pub use expvar::{Expvar, read_expvar};

/// Why nothing at all could be read from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsError(pub String);

impl std::fmt::Display for MetricsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MetricsError {}
