use model::Gap;

/// Bounds on what one artifact may cost.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// Largest inflated size accepted.
    pub max_inflated: model::Bytes,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self {
            max_inflated: model::Bytes::mib(512),
        }
    }
}

/// What a profile is of, told from its sample types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProfileKind {
    /// alloc_objects, alloc_space, inuse_objects, inuse_space.
    Heap,
    /// goroutine/count.
    Goroutine,
    /// samples/count, cpu/nanoseconds.
    Cpu,
    /// contentions/count, delay/nanoseconds: mutex and block profiles look the same.
    Contention,
    /// threadcreate/count.
    ThreadCreate,
    /// Anything else.
    Unknown,
}

/// Why nothing at all could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileError(pub String);
impl std::fmt::Display for ProfileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for ProfileError {}

/// A profile.
#[derive(Debug)]
pub struct Profile {}

impl Profile {
    /// Reads gzip, zstd or plain profile.proto, or heap?debug=1 / goroutine?debug=1 text.
    pub fn read(_bytes: &[u8], _limits: &ReadLimits) -> Result<Self, ProfileError> {
        todo!()
    }
    /// Kind.
    pub fn kind(&self) -> ProfileKind {
        todo!()
    }
    /// What had to be left out.
    pub fn gaps(&self) -> &[Gap] {
        todo!()
    }
    /// Collapsed stacks (`root;...;leaf value` lines) of one sample type, for flame graphs;
    /// zero values left out.
    pub fn collapsed(&self, _sample_type: &str) -> Result<String, ProfileError> {
        todo!()
    }
    /// `self - base`, sample by sample, as `go tool pprof -diff_base` does.
    pub fn diff(&self, _base: &Self) -> Result<Self, ProfileError> {
        todo!()
    }
}
