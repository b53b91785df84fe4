//! What a collection is told and what it tells: target, options, progress, errors.

use crate::{Address, Authorities, BundleError, FetchError};
use model::Bytes;
use std::path::PathBuf;
use std::time::Duration;

/// What to collect from.
#[derive(Clone, Debug)]
pub enum CollectTarget {
    /// A service with `net/http/pprof` (or `/metrics`, `/debug/vars`).
    Url(Address),
    /// A process on this host.
    Pid(u32),
}

impl CollectTarget {
    /// A number is a pid, all else an address.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return match text.parse() {
                Ok(pid) if pid > 0 => Ok(Self::Pid(pid)),
                _ => Err(format!("{text}: expected a process id from 1 to {}", u32::MAX)),
            };
        }
        Address::parse(text).map(Self::Url)
    }
}

/// Whether `heap?gc=1` is asked for, which runs a full GC cycle in the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GcPolicy {
    /// In each sample, except where the control group is close to its limit: a forced cycle costs
    /// CPU and memory that a process about to be killed does not have.
    #[default]
    Always,
    /// Never. Profiles then show the state of the last cycle the service ran itself.
    Never,
}

/// Whether the object graph is read, from copy-on-write snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GraphPolicy {
    /// At the first and the last sample: the process stands still for milliseconds.
    #[default]
    Ends,
    /// Never: the process is not stopped.
    Never,
}

/// How to collect.
#[derive(Clone, Debug)]
pub struct CollectOptions {
    /// From the first to the last sample; zero takes one sample.
    pub duration: Duration,
    /// Samples, at least two when `duration` is not zero.
    pub samples: u32,
    /// How long an execution trace to take after the first sample, with a CPU profile at the same time; `None` for
    /// none. It costs the service a few per cent of its speed while it lasts.
    pub trace: Option<Duration>,
    /// Forced GC cycles.
    pub gc: GcPolicy,
    /// The object graph.
    pub graph: GraphPolicy,
    /// Bound on connecting.
    pub connect_timeout: Duration,
    /// Bound on a whole request.
    pub timeout: Duration,
    /// Further tries after a lost connection, a timeout or status 5xx.
    pub retries: u32,
    /// Largest artifact; what is beyond is cut off and said so.
    pub max_artifact: Bytes,
    /// Largest bundle; collecting ends there.
    pub max_total: Bytes,
    /// Sent to the target host only, never stored: name and value.
    pub headers: Vec<(String, String)>,
    /// Accept any TLS certificate: self-signed ones, those of a private authority.
    pub insecure: bool,
    /// Authorities that TLS certificates must come from, in place of the public ones.
    pub authorities: Option<Authorities>,
    /// Whether the process behind a loopback URL is looked for on this host, to read its `/proc` and
    /// executable. Of no meaning for a pid.
    pub join_process: bool,
}

impl Default for CollectOptions {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(30),
            samples: 4,
            trace: None,
            gc: GcPolicy::default(),
            graph: GraphPolicy::default(),
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            retries: 2,
            max_artifact: Bytes::mib(256),
            max_total: Bytes::mib(4096),
            headers: Vec::new(),
            insecure: false,
            authorities: None,
            join_process: true,
        }
    }
}

/// What goes on, for a person who waits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Progress {
    /// Something is being asked for.
    Asking {
        /// Endpoint or `/proc` path.
        source: String,
        /// The sample, if within one.
        sample: Option<u32>,
    },
    /// The target is known now.
    Resolved {
        /// Base URL of the pprof handlers.
        url: Option<String>,
        /// Process.
        pid: Option<u32>,
        /// Program.
        program: Option<String>,
        /// Toolchain.
        go_version: Option<String>,
    },
    /// A sample begins.
    Sample {
        /// From 1.
        index: u32,
        /// Of how many.
        of: u32,
    },
    /// An artifact is stored.
    Stored {
        /// Path inside the bundle.
        path: String,
        /// Its size.
        bytes: Bytes,
    },
    /// Something could not be had.
    Failed {
        /// Endpoint or `/proc` path.
        source: String,
        /// Why.
        reason: String,
        /// Whether the diagnosis misses it (else it is an optional endpoint).
        matters: bool,
    },
    /// Waiting for the next sample.
    Waiting {
        /// Which.
        next: u32,
        /// Of how many.
        of: u32,
        /// How long from now.
        wait: Duration,
    },
    /// The stop flag was seen; what was collected is kept.
    Stopped,
}

/// How a collection ended.
#[derive(Clone, Debug)]
pub struct Collected {
    /// The bundle: directory or zip.
    pub path: PathBuf,
    /// Its table of contents.
    pub manifest: crate::Manifest,
    /// Whether the stop flag ended it.
    pub stopped: bool,
}

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectError {
    /// The service cannot be reached, or is not one.
    #[error("{url}: {error}")]
    Endpoint {
        /// What was asked, without credentials.
        url: String,
        /// Why it brought nothing.
        error: FetchError,
    },
    /// Something answers, but not pprof.
    #[error("{url}: {reason}")]
    NotPprof {
        /// What was asked, without credentials.
        url: String,
        /// What came instead.
        reason: String,
    },
    /// The process cannot be read.
    #[error("process {pid}: {reason}")]
    Process {
        /// The process.
        pid: u32,
        /// Why.
        reason: String,
    },
    /// A bad option (a header that is none).
    #[error("{0}")]
    Option(String),
    /// The stop flag was raised before anything was collected.
    #[error("stopped before anything was collected")]
    Stopped,
    /// Requests were made, and none brought anything.
    #[error("nothing could be collected from {0}")]
    Nothing(String),
    /// The bundle could not be written.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

impl CollectError {
    /// What to do about it; empty when there is nothing to say.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Endpoint { error, .. } => error.hint().to_owned(),
            Self::NotPprof { .. } => FetchError::Status { code: 404, text: String::new() }.hint().to_owned(),
            Self::Nothing(_) => "ask the same address by curl: what it says there is what oomph was told".to_owned(),
            Self::Process { .. } => {
                "ps lists processes; a service in a container may have another pid there".to_owned()
            }
            Self::Bundle(e) => e.hint().to_owned(),
            Self::Option(_) | Self::Stopped => String::new(),
        }
    }
}
