//! A profile of any kind made from stacks of names: the builder for what has no addresses, such as the holder tree of
//! a heap. Owns the rows; what a frame and a value stand for is the caller's business.

use crate::build_heap::BuiltLocation;
use crate::columns::{Function, Line, NONE, TypeUnit};
use crate::intern::Builder;
use crate::{Profile, ProfileError};

/// A profile in the making.
#[derive(Clone)]
pub struct StackBuilder {
    b: Builder,
    types: usize,
}

impl StackBuilder {
    /// An empty profile with these sample types and units, the first one shown by default. `time_nanos` counts from
    /// 1970.
    ///
    /// # Errors
    /// None in practice: [`ProfileError::TooMany`] is what interning names may say.
    pub fn new(sample_types: &[(&str, &str)], time_nanos: i64) -> Result<Self, ProfileError> {
        let mut b = Builder::new();
        for (kind, unit) in sample_types {
            let t = TypeUnit { kind: b.string(kind.as_bytes())?, unit: b.string(unit.as_bytes())? };
            b.c.sample_types.push(t);
        }
        b.c.default_sample_type = b.c.sample_types.first().map_or(0, |t| t.kind);
        b.c.time_nanos = time_nanos;
        Ok(Self { b, types: sample_types.len() })
    }

    /// Says something of the profile as a whole.
    ///
    /// # Errors
    /// [`ProfileError::TooMany`] when the names no longer fit.
    pub fn comment(&mut self, text: &str) -> Result<(), ProfileError> {
        let comment = self.b.string(text.as_bytes())?;
        self.b.c.comments.push(comment);
        Ok(())
    }

    /// A frame of this name. Equal ones are stored once.
    ///
    /// # Errors
    /// [`ProfileError::TooMany`] when the names no longer fit.
    pub fn frame(&mut self, name: &str) -> Result<BuiltLocation, ProfileError> {
        let name = self.b.string(name.as_bytes())?;
        let function = self.b.function(Function { id: 0, name, system_name: name, file: 0, start_line: 0 });
        Ok(BuiltLocation(self.b.location(NONE, 0, false, &[Line { function, line: 0, column: 0 }])))
    }

    /// Adds a sample: a stack, the leaf first, and one value for each sample type; missing ones are 0.
    ///
    /// # Errors
    /// [`ProfileError::TooMany`] when the stacks no longer fit.
    pub fn sample(&mut self, stack: &[BuiltLocation], values: &[i64]) -> Result<(), ProfileError> {
        let c = &mut self.b.c;
        let limit = u32::MAX as usize - 1;
        if stack.len() > limit.saturating_sub(c.stack.len()) {
            return Err(ProfileError::TooMany { what: "stack entries", limit: limit as u64 });
        }
        c.stack.extend(stack.iter().map(|l| l.0));
        c.values.extend((0..self.types).map(|i| values.get(i).copied().unwrap_or(0)));
        c.end_sample();
        Ok(())
    }

    /// The profile.
    #[must_use]
    pub fn finish(self) -> Profile {
        Profile { c: self.b.c, gaps: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReadLimits;

    #[test]
    fn what_is_written_is_read_back() {
        let mut b = StackBuilder::new(&[("space", "bytes"), ("objects", "count")], 42).unwrap();
        b.comment("a heap").unwrap();
        let (root, leaf) = (b.frame("main.cache").unwrap(), b.frame("[value] main.User").unwrap());
        assert_eq!(root, b.frame("main.cache").unwrap());
        b.sample(&[leaf, root], &[112, 1]).unwrap();
        b.sample(&[root], &[48]).unwrap();
        let p = Profile::read(&b.finish().write(), &ReadLimits::default()).unwrap();
        assert_eq!((p.sample_count(), p.time_nanos(), p.default_sample_type()), (2, 42, "space".to_owned()));
        let values: Vec<Vec<i64>> = p.samples().map(|s| s.values().to_vec()).collect();
        assert_eq!(values, [[112, 1], [48, 0]]);
        let first = p.samples().next().unwrap();
        let names: Vec<String> =
            first.locations().flat_map(|l| l.lines().map(|l| l.function.to_owned()).collect::<Vec<_>>()).collect();
        assert_eq!(names, ["[value] main.User", "main.cache"]);
    }
}
