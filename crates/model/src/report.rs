//! `oomph.report/1`: the whole answer of one diagnosis.

use crate::{Bytes, Finding, Ledger, UnixMillis, Watched};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The value of [`Report::schema`].
pub const REPORT_SCHEMA: &str = "oomph.report/1";

/// The whole answer of one diagnosis: what `oomph diagnose --format json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Always [`REPORT_SCHEMA`].
    pub schema: String,
    /// Version of oomph that made it.
    pub oomph: String,
    /// What was looked at.
    pub target: TargetInfo,
    /// The answer in a word.
    pub verdict: Verdict,
    /// The answer in a sentence.
    pub summary: String,
    /// What the rules found, the most important first.
    pub findings: Vec<Finding>,
    /// Where the resident memory is, when that could be measured.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ledger: Option<Ledger>,
    /// The last minutes as `oomph watch` saw them, and how the process ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub watched: Option<Watched>,
    /// Measured series for a growth chart.
    pub series: Vec<Series>,
    /// What each rule looked at and how it ended; a "healthy" rests on these.
    pub checked: Vec<Checked>,
    /// The artifacts the report rests on.
    pub evidence: Vec<ArtifactRef>,
    /// What could not be read, and what that hides.
    pub limits: Vec<String>,
}

/// The answer in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Something grows and does not go away.
    Leak,
    /// Something may go wrong; not proven.
    Risk,
    /// Memory goes away again, at a price in CPU.
    Churn,
    /// Nothing found, with enough evidence to say so.
    Healthy,
    /// Too little evidence to say anything.
    InsufficientEvidence,
}

impl Verdict {
    /// The JSON spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leak => "leak",
            Self::Risk => "risk",
            Self::Churn => "churn",
            Self::Healthy => "healthy",
            Self::InsufficientEvidence => "insufficient-evidence",
        }
    }
}

/// What was looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TargetInfo {
    /// As the user named it.
    pub name: String,
    /// `url`, `pid`, `bundle`, `profile`.
    pub kind: String,
    /// Process id, where known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pid: Option<u32>,
    /// Executable or main module path, where known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub program: Option<String>,
    /// Go version (`go1.26.6`), where known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub go_version: Option<String>,
    /// First sample.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first_sample: Option<UnixMillis>,
    /// Last sample.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_sample: Option<UnixMillis>,
    /// Number of samples.
    pub samples: u32,
}

/// One measured series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// What it is (`live heap`, `RSS`, `goroutines`, a site).
    pub name: String,
    /// `bytes` or `count`.
    pub unit: String,
    /// In time order.
    pub points: Vec<SeriesPoint>,
}

/// One point of a series.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeriesPoint {
    /// When.
    pub at: UnixMillis,
    /// How much.
    pub value: f64,
}

/// One check that was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Checked {
    /// Rule id.
    pub rule: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What was measured, with the numbers; or what was missing.
    pub detail: String,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It found something.
    Found,
    /// It looked and found nothing.
    Clear,
    /// It could not look.
    NoEvidence,
}

/// An artifact of the bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ArtifactRef {
    /// Path inside the bundle.
    pub path: String,
    /// Kind (`heap-profile`, `goroutine-dump`, ...).
    pub kind: String,
    /// Size as stored.
    pub bytes: Bytes,
    /// When it was taken.
    pub taken_at: UnixMillis,
}
