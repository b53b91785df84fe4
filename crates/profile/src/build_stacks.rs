//! A profile of any kind made from stacks of names: the builder for what has no addresses, such as the holder tree of
//! a heap. Owns the rows; what a frame and a value stand for is the caller's business.

use crate::build_heap::BuiltLocation;
use crate::columns::{Function, Label, Line, NONE, TypeUnit};
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
        self.frame_at(name, "", 0)
    }

    /// A frame of this name at a line of a file; 0 for no line. Equal ones are stored once.
    ///
    /// # Errors
    /// [`ProfileError::TooMany`] when the names no longer fit.
    pub fn frame_at(&mut self, name: &str, file: &str, line: u32) -> Result<BuiltLocation, ProfileError> {
        let (name, file) = (self.b.string(name.as_bytes())?, self.b.string(file.as_bytes())?);
        let function = self.b.function(Function { id: 0, name, system_name: name, file, start_line: 0 });
        let line = Line { function, line: i64::from(line), column: 0 };
        Ok(BuiltLocation(self.b.location(NONE, 0, false, &[line])))
    }

    /// Which sample type is shown by default, instead of the first.
    ///
    /// # Errors
    /// [`ProfileError::TooMany`] when the names no longer fit.
    pub fn shown(&mut self, kind: &str) -> Result<(), ProfileError> {
        self.b.c.default_sample_type = self.b.string(kind.as_bytes())?;
        Ok(())
    }

    /// How long it was measured, in nanoseconds.
    pub fn duration(&mut self, nanos: i64) {
        self.b.c.duration_nanos = nanos;
    }

    /// What is counted between two samples, and how much of it.
    ///
    /// # Errors
    /// [`ProfileError::TooMany`] when the names no longer fit.
    pub fn period(&mut self, kind: &str, unit: &str, period: i64) -> Result<(), ProfileError> {
        let t = TypeUnit { kind: self.b.string(kind.as_bytes())?, unit: self.b.string(unit.as_bytes())? };
        (self.b.c.period_type, self.b.c.period) = (Some(t), period);
        Ok(())
    }

    /// Adds a sample: a stack, the leaf first, and one value for each sample type; missing ones are 0.
    ///
    /// # Errors
    /// [`ProfileError::TooMany`] when the stacks no longer fit.
    pub fn sample(&mut self, stack: &[BuiltLocation], values: &[i64]) -> Result<(), ProfileError> {
        self.labelled(stack, values, &[])
    }

    /// As [`Self::sample`], with labels: names and texts.
    ///
    /// # Errors
    /// [`ProfileError::TooMany`] when the stacks or names no longer fit.
    pub fn labelled(
        &mut self,
        stack: &[BuiltLocation],
        values: &[i64],
        labels: &[(&str, &str)],
    ) -> Result<(), ProfileError> {
        for (key, text) in labels {
            let label = Label {
                key: self.b.string(key.as_bytes())?,
                text: self.b.string(text.as_bytes())?,
                unit: 0,
                number: 0,
            };
            self.b.c.labels.push(label);
        }
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
    fn labels_lines_and_the_rest_are_read_back() {
        let mut b = StackBuilder::new(&[("contentions", "count"), ("delay", "nanoseconds")], 1).unwrap();
        b.shown("delay").unwrap();
        b.duration(5_000);
        b.period("trace", "count", 1).unwrap();
        let leaf = b.frame_at("main.worker", "/src/main.go", 12).unwrap();
        b.labelled(&[leaf], &[2, 300], &[("reason", "select")]).unwrap();
        b.sample(&[leaf], &[1, 1]).unwrap();
        let p = Profile::read(&b.finish().write(), &ReadLimits::default()).unwrap();
        assert_eq!((p.default_sample_type(), p.duration_nanos(), p.sample_count()), ("delay".to_owned(), 5_000, 2));
        let labels: Vec<usize> = p.samples().map(|s| s.labels().count()).collect();
        assert_eq!(labels, [1, 0]);
        let first = p.samples().next().unwrap();
        let label = first.labels().next().unwrap();
        assert_eq!((label.key, label.text), ("reason", Some("select")));
        let place = first.locations().next().unwrap();
        let line = place.lines().next().unwrap();
        assert_eq!((line.function, line.file, line.line), ("main.worker", "/src/main.go", 12));
    }

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
