//! The finding schema, version 1: what a rule says, with the evidence that carries it.

use crate::Mechanism;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One answer of one rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Stable kebab-case id; `oomph explain RULE` documents it.
    pub rule: String,
    /// One line with the numbers in it.
    pub title: String,
    /// How much it matters.
    pub severity: Severity,
    /// 0 to 1: the logistic function of the sum of the evidence's weights.
    pub confidence: f64,
    /// What it is about.
    pub subject: Subject,
    /// The numbers.
    pub size: Size,
    /// Lines of code, the one to change first.
    pub sites: Vec<SiteRef>,
    /// What spoke for it and against it.
    pub evidence: Vec<Evidence>,
    /// What led to what, in time order, where a trace tells.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub chain: Vec<ChainStep>,
    /// When it will meet the limit.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub forecast: Option<Forecast>,
    /// What to do.
    pub fix: Fix,
}

/// How much a finding matters, most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Will end the process soon, or takes most of its memory.
    Critical,
    /// Wants a change in the code.
    High,
    /// Worth a look this week.
    Medium,
    /// Good to know.
    Low,
    /// Context.
    Info,
}

impl Severity {
    /// The JSON spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Info => "info",
        }
    }
}

/// What kind of thing a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SubjectKind {
    /// A Go map.
    Map,
    /// A slice or its backing array.
    Slice,
    /// A linked list.
    List,
    /// A channel.
    Chan,
    /// Goroutines.
    Goroutine,
    /// A sync.Pool.
    Pool,
    /// All objects of a type.
    Type,
    /// An allocation site.
    Site,
    /// The process as a whole.
    Process,
}

/// Why the subject is reachable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RootKind {
    /// A package-level variable.
    Global,
    /// A goroutine's stack.
    Goroutine,
    /// A finalizer.
    Finalizer,
}

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Subject {
    /// Its kind.
    pub kind: SubjectKind,
    /// Go type, where known.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none", default)]
    pub type_: Option<String>,
    /// How the memory was asked for, where a profile tells.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mechanism: Option<Mechanism>,
    /// Holder path from a root, outermost first; empty where only a heap graph would tell.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub holder: Vec<String>,
    /// Kind of root, where known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub root: Option<RootKind>,
    /// Address (`0x...`), where known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<String>,
}

impl Subject {
    /// A subject of which only the kind is known.
    #[must_use]
    pub const fn of(kind: SubjectKind) -> Self {
        Self { kind, type_: None, mechanism: None, holder: Vec::new(), root: None, address: None }
    }
}

/// The numbers of a finding; each where known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Size {
    /// Bytes that would go if the subject went.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retained_bytes: Option<u64>,
    /// Bytes of the subject itself; for a site, its bytes in use.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub shallow_bytes: Option<u64>,
    /// Bytes that serve nobody.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wasted_bytes: Option<u64>,
    /// Objects.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub objects: Option<u64>,
    /// Entries of a container; goroutines of a group.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub entries: Option<u64>,
    /// Share of the live heap, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub share_of_heap: Option<f64>,
    /// Growth, bytes per second.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub growth_bytes_per_s: Option<f64>,
    /// Bytes allocated per second, garbage included.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub alloc_bytes_per_s: Option<f64>,
}

/// What a line of code does in a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SiteRole {
    /// Allocates the memory.
    Allocates,
    /// Puts it into a container.
    Inserts,
    /// Waits here.
    Blocks,
    /// Declares the holder.
    Declares,
    /// Starts the goroutine.
    Creates,
    /// Keeps processors busy.
    Runs,
    /// Pays for it: runs in mark assists here.
    Pays,
    /// Calls the above: the way in (a handler, a worker).
    Calls,
}

/// A line of code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SiteRef {
    /// What it does.
    pub role: SiteRole,
    /// Full function name.
    pub function: String,
    /// File as recorded by the compiler.
    pub file: String,
    /// Line; 0 when not recorded.
    pub line: u32,
}

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// Path of the artifact inside the bundle.
    pub artifact: String,
    /// One sentence.
    pub statement: String,
    /// The number in it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<f64>,
    /// Its unit (`bytes`, `bytes/s`, `goroutines`, `fraction`, `s`).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unit: Option<String>,
    /// Log-odds (natural logarithm): above zero speaks for the finding, below against.
    pub weight: f64,
}

/// One step from a cause to its effects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChainStep {
    /// Path of the artifact inside the bundle, or the file.
    pub artifact: String,
    /// When it began, nanoseconds from the artifact's first event on.
    pub at_ns: u64,
    /// How long it took; 0 for an instant.
    pub duration_ns: u64,
    /// What happened, one sentence without a full stop.
    pub event: String,
}

/// When growth will meet a limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Forecast {
    /// The limit.
    pub limit_bytes: u64,
    /// Seconds from the last sample.
    pub seconds_to_limit: SecondsToLimit,
}

/// Quantiles of a time to limit, seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SecondsToLimit {
    /// Early.
    pub p10: f64,
    /// Median.
    pub p50: f64,
    /// Late.
    pub p90: f64,
}

/// What to do about a finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fix {
    /// One line.
    pub summary: String,
    /// Markdown with Go code.
    pub recipe: String,
    /// What it would save, where that can be computed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expected_saving_bytes: Option<u64>,
}
