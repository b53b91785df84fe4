//! What an artifact is. Open to kinds this version does not know: they are kept and ignored.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Kind of an artifact, kebab-case in the manifest.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ArtifactKind {
            $($(#[$doc])* $variant,)*
            /// A kind this version does not know, as written.
            Other(String),
        }

        impl ArtifactKind {
            /// The spelling in the manifest.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other(name) => name,
                }
            }

            /// The kind of a spelling.
            #[must_use]
            pub fn of(name: &str) -> Self {
                match name {
                    $($name => Self::$variant,)*
                    other => Self::Other(other.to_owned()),
                }
            }
        }
    };
}

kinds! {
    /// `heap` in profile.proto.
    HeapProfile = "heap-profile",
    /// `allocs` in profile.proto.
    AllocsProfile = "allocs-profile",
    /// `heap?debug=1`: records as text, with the `runtime.MemStats` block.
    HeapText = "heap-text",
    /// `heap?debug=1` right after this capture's own GC.
    HeapTextAfterGc = "heap-text-after-gc",
    /// `goroutine` in profile.proto.
    GoroutineProfile = "goroutine-profile",
    /// `goroutine?debug=2`.
    GoroutineDump = "goroutine-dump",
    /// `/debug/vars`.
    Expvar = "expvar",
    /// `/metrics`.
    Prometheus = "prometheus",
    /// Arguments of the process, NUL-separated, values that look like secrets left out.
    Cmdline = "cmdline",
    /// `/proc/PID/status`.
    ProcStatus = "proc-status",
    /// `/proc/PID/stat`.
    ProcStat = "proc-stat",
    /// `/proc/PID/maps`.
    ProcMaps = "proc-maps",
    /// `/proc/PID/smaps`.
    ProcSmaps = "proc-smaps",
    /// `/proc/PID/smaps_rollup`.
    ProcSmapsRollup = "proc-smaps-rollup",
    /// The four variables of the Go runtime out of `/proc/PID/environ`, NUL-separated.
    ProcEnviron = "proc-environ",
    /// `/proc/PID/cgroup`.
    ProcCgroup = "proc-cgroup",
    /// One file of a memory control group.
    CgroupFile = "cgroup-file",
    /// A pressure stall file of the host.
    Pressure = "pressure",
    /// Build information of the executable as JSON.
    BuildInfo = "build-info",
    /// Leaf return addresses and the functions they called, as JSON.
    CallTargets = "call-targets",
    /// Answers of `/debug/pprof/symbol` for addresses of [`ArtifactKind::HeapText`].
    Symbols = "symbols",
    /// The object graph's overview (`oomph.heap/1`), gzipped JSON.
    HeapGraph = "heap-graph",
    /// An execution trace.
    Trace = "trace",
    /// A core file.
    Core = "core",
    /// Output of `GODEBUG=gctrace=1`.
    GcLog = "gclog",
    /// What a watcher sampled, as JSON lines: the columns with times and forecasts.
    WatchSamples = "watch-samples",
}

impl fmt::Display for ArtifactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for ArtifactKind {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ArtifactKind {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Self::of(&String::deserialize(d)?))
    }
}
