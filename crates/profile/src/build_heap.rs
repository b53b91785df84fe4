//! A heap profile made from the runtime's own sampled counts: the builder for readers that have no
//! endpoint to ask. Owns the scaling of sampled counts (`scaleHeapSample`,
//! `src/runtime/pprof/protomem.go`, Go 1.19 to 1.27) and the columns that `/debug/pprof/heap` has;
//! who has the counts and the names of functions is not its business.

use crate::columns::{Function, Label, Line, Mapping, NONE, Sid, TypeUnit};
use crate::intern::Builder;
use crate::{Profile, ProfileError};

/// Most entries that the stacks of all samples may have together: offsets are 32 bits wide.
const MOST_ENTRIES: usize = u32::MAX as usize - 1;

/// A function's line at a location, as the profile shall name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltLine<'a> {
    /// Linker name of the function.
    pub function: &'a str,
    /// Source file.
    pub file: &'a str,
    /// Line; 0 when not known.
    pub line: u32,
    /// Line of the `func` keyword; 0 when not known.
    pub start_line: u32,
}

/// A location of a [`HeapBuilder`] or [`crate::StackBuilder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltLocation(pub(crate) u32);

/// A mapping of a [`HeapBuilder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltMapping(u32);

/// A heap profile in the making.
#[derive(Clone)]
pub struct HeapBuilder {
    b: Builder,
    rate: u64,
    bytes_key: Sid,
}

impl HeapBuilder {
    /// An empty profile. `rate` is `runtime.MemProfileRate` in bytes; `time_nanos` counts from 1970.
    ///
    /// # Errors
    /// None in practice: [`ProfileError::TooMany`] is what interning names may say.
    pub fn new(rate: u64, time_nanos: i64) -> Result<Self, ProfileError> {
        let mut b = Builder::new();
        let types = [
            ("alloc_objects", "count"),
            ("alloc_space", "bytes"),
            ("inuse_objects", "count"),
            ("inuse_space", "bytes"),
        ];
        for (kind, unit) in types {
            let t = TypeUnit { kind: b.string(kind.as_bytes())?, unit: b.string(unit.as_bytes())? };
            b.c.sample_types.push(t);
        }
        b.c.period_type = Some(TypeUnit { kind: b.string(b"space")?, unit: b.string(b"bytes")? });
        b.c.period = i64::try_from(rate).unwrap_or(i64::MAX);
        b.c.time_nanos = time_nanos;
        let bytes_key = b.string(b"bytes")?;
        Ok(Self { b, rate, bytes_key })
    }

    /// Adds a mapping of the program: addresses, offset in the file, file, build id in hexadecimal
    /// digits. The program's own comes first.
    ///
    /// # Errors
    /// [`ProfileError::TooMany`] when the names no longer fit.
    pub fn mapping(
        &mut self,
        addresses: std::ops::Range<u64>,
        offset: u64,
        file: &str,
        build_id: &str,
    ) -> Result<BuiltMapping, ProfileError> {
        let (file, build_id) = (self.b.string(file.as_bytes())?, self.b.string(build_id.as_bytes())?);
        // has_functions, as the runtime's own writer says of a program that it symbolises.
        let m = Mapping { id: 0, start: addresses.start, limit: addresses.end, offset, file, build_id, has: 1 };
        Ok(BuiltMapping(self.b.mapping(m)))
    }

    /// A location: its address (for a caller, the return address less one) and the functions that
    /// stand there, the innermost inlined one first. Equal ones are stored once.
    ///
    /// # Errors
    /// [`ProfileError::TooMany`] when the names no longer fit.
    pub fn location(
        &mut self,
        mapping: Option<BuiltMapping>,
        address: u64,
        lines: &[BuiltLine<'_>],
    ) -> Result<BuiltLocation, ProfileError> {
        let mut rows = Vec::with_capacity(lines.len());
        for l in lines {
            let name = self.b.string(l.function.as_bytes())?;
            let file = self.b.string(l.file.as_bytes())?;
            let f = Function { id: 0, name, system_name: name, file, start_line: i64::from(l.start_line) };
            rows.push(Line { function: self.b.function(f), line: i64::from(l.line), column: 0 });
        }
        Ok(BuiltLocation(self.b.location(mapping.map_or(NONE, |m| m.0), address, false, &rows)))
    }

    /// Adds a sample: a stack, the leaf first; the size of each object in bytes; the sampled objects
    /// allocated, and those freed since. Counts that contradict each other add nothing; whether it
    /// was added is returned.
    ///
    /// # Errors
    /// [`ProfileError::TooMany`] when the stacks no longer fit.
    pub fn sample(
        &mut self,
        stack: &[BuiltLocation],
        object_size: u64,
        allocs: u64,
        frees: u64,
    ) -> Result<bool, ProfileError> {
        let (Some(live), true) = (allocs.checked_sub(frees), allocs > 0) else { return Ok(false) };
        let Some((alloc, inuse)) = scaled(allocs, object_size, self.rate).zip(scaled(live, object_size, self.rate))
        else {
            return Ok(false);
        };
        let c = &mut self.b.c;
        if stack.len() > MOST_ENTRIES.saturating_sub(c.stack.len()) {
            return Err(ProfileError::TooMany { what: "stack entries", limit: MOST_ENTRIES as u64 });
        }
        c.stack.extend(stack.iter().map(|l| l.0));
        c.values.extend([alloc.0, alloc.1, inuse.0, inuse.1]);
        if let Ok(number) = i64::try_from(object_size) {
            c.labels.push(Label { key: self.bytes_key, text: 0, unit: 0, number });
        }
        c.end_sample();
        Ok(true)
    }

    /// The profile.
    #[must_use]
    pub fn finish(self) -> Profile {
        Profile { c: self.b.c, gaps: Vec::new() }
    }
}

/// `scaleHeapSample`: objects and bytes that a number of sampled objects of one size stand for;
/// `None` where they do not fit 64 bits, which no real count comes near.
fn scaled(count: u64, object_size: u64, rate: u64) -> Option<(i64, i64)> {
    let bytes = i64::try_from(count.checked_mul(object_size)?).ok()?;
    let count = i64::try_from(count).ok()?;
    if count == 0 || bytes == 0 {
        return Some((0, 0));
    }
    if rate <= 1 {
        return Some((count, bytes));
    }
    let average = bytes as f64 / count as f64;
    let scale = 1.0 / (1.0 - (-average / rate as f64).exp());
    // Go's conversion truncates, as this one does.
    Some(((count as f64 * scale) as i64, (bytes as f64 * scale) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReadLimits;

    #[test]
    fn what_is_written_is_read_back() {
        let mut b = HeapBuilder::new(524_288, 42).unwrap();
        let m = b.mapping(0x40_0000..0x50_0000, 0, "/bin/x", "ab").unwrap();
        let line = |function, line| BuiltLine { function, file: "/x.go", line, start_line: 1 };
        let leaf = b.location(Some(m), 0x40_1000, &[line("main.inlined", 3), line("main.f", 7)]).unwrap();
        let main = b.location(Some(m), 0x40_2000, &[line("main.main", 9)]).unwrap();
        assert!(b.sample(&[leaf, main], 1024, 10, 3).unwrap());
        assert!(!b.sample(&[leaf], 1024, 1, 2).unwrap(), "more freed than allocated");
        assert!(!b.sample(&[leaf], u64::MAX, 2, 0).unwrap(), "does not fit");
        assert!(!b.sample(&[leaf], 16, 0, 0).unwrap());
        let p = Profile::read(&b.finish().write(), &ReadLimits::default()).unwrap();
        assert_eq!((p.sample_count(), p.period(), p.time_nanos()), (1, 524_288, 42));
        let s = p.samples().next().unwrap();
        // 1/(1-exp(-1024/524288)) = 512.5001627...
        assert_eq!(s.values(), [5125, 5_248_001, 3587, 3_673_601]);
        let mut names = Vec::new();
        for location in s.locations() {
            names.extend(location.lines().map(|l| (l.function, l.line)));
        }
        assert_eq!(names, [("main.inlined", 3), ("main.f", 7), ("main.main", 9)]);
        assert_eq!(s.labels().next().unwrap().number, 1024);
        assert_eq!(p.mappings().next().unwrap().file, "/bin/x");
    }

    #[test]
    fn all_that_was_sampled_at_rate_one_is_counted_as_it_is() {
        assert_eq!(scaled(7, 100, 1), Some((7, 700)));
        assert_eq!(scaled(7, 100, 0), Some((7, 700)));
        assert_eq!(scaled(0, 100, 9), Some((0, 0)));
    }
}
