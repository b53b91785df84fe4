//! What a sum says of itself: types, times, period, comments. pprof's rules (`combineHeaders`).
//! Refuses profiles whose sample types or period type are others than the first one's.

use super::Merger;
use crate::ProfileError;
use crate::columns::{Columns, Sid, TypeUnit};
use crate::intern::Builder;

impl Merger {
    pub(super) fn header(&mut self, src: &Columns) -> Result<(), ProfileError> {
        if self.profiles > 0 {
            return self.combine_header(src);
        }
        let copy = |s: Sid, b: &mut Builder| b.string(src.bytes(s));
        let b = &mut self.b;
        for t in &src.sample_types {
            let t = TypeUnit { kind: copy(t.kind, b)?, unit: copy(t.unit, b)? };
            b.c.sample_types.push(t);
        }
        if let Some(t) = src.period_type {
            let t = TypeUnit { kind: copy(t.kind, b)?, unit: copy(t.unit, b)? };
            b.c.period_type = Some(t);
        }
        b.c.drop_frames = copy(src.drop_frames, b)?;
        b.c.keep_frames = copy(src.keep_frames, b)?;
        self.combine_rest(src)
    }

    fn combine_header(&mut self, src: &Columns) -> Result<(), ProfileError> {
        let names = |c: &Columns| -> Vec<String> {
            (c.sample_types.iter().chain(&c.period_type))
                .map(|t| format!("{}/{}", c.str(t.kind), c.str(t.unit)))
                .collect()
        };
        let (ours, theirs) = (names(&self.b.c), names(src));
        if ours != theirs {
            return Err(ProfileError::Incompatible(format!(
                "the first has sample and period types {}; another has {}",
                ours.join(", "),
                theirs.join(", ")
            )));
        }
        self.combine_rest(src)
    }

    fn combine_rest(&mut self, src: &Columns) -> Result<(), ProfileError> {
        for s in &src.comments {
            let s = self.b.string(src.bytes(*s))?;
            if !self.b.c.comments.contains(&s) && self.b.c.comments.len() < 1 << 16 {
                self.b.c.comments.push(s);
            }
        }
        let default = self.b.string(src.bytes(src.default_sample_type))?;
        let doc = self.b.string(src.bytes(src.doc_url))?;
        let c = &mut self.b.c;
        if c.default_sample_type == 0 {
            c.default_sample_type = default;
        }
        if c.doc_url == 0 {
            c.doc_url = doc;
        }
        if c.time_nanos == 0 || src.time_nanos < c.time_nanos {
            c.time_nanos = src.time_nanos;
        }
        c.duration_nanos = c.duration_nanos.wrapping_add(src.duration_nanos);
        if c.period == 0 || c.period < src.period {
            c.period = src.period;
        }
        Ok(())
    }
}
