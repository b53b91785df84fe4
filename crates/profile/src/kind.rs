//! What a profile is of. Owns the names of sample types; reads nothing.

use std::fmt;

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

impl ProfileKind {
    pub(crate) fn of<'a>(types: impl Iterator<Item = &'a str>) -> Self {
        let mut objects = false;
        let mut space = false;
        for t in types {
            match t {
                "inuse_space" | "alloc_space" => return Self::Heap,
                "objects" => objects = true,
                "space" => space = true,
                "goroutine" | "goroutineleak" => return Self::Goroutine,
                "cpu" => return Self::Cpu,
                "contentions" | "delay" => return Self::Contention,
                "threadcreate" => return Self::ThreadCreate,
                _ => {}
            }
        }
        // Two-column heap profiles: legacy text in which nothing was ever freed.
        if objects && space { Self::Heap } else { Self::Unknown }
    }
}

impl fmt::Display for ProfileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Heap => "heap",
            Self::Goroutine => "goroutine",
            Self::Cpu => "CPU",
            Self::Contention => "mutex or block",
            Self::ThreadCreate => "threadcreate",
            Self::Unknown => "custom",
        })
    }
}

/// A sample type and its unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueType {
    /// `inuse_space`, `cpu`, ...
    pub kind: String,
    /// `bytes`, `nanoseconds`, `count`, ...
    pub unit: String,
}
