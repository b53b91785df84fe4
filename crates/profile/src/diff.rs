//! One profile less another. Owns the two ways `go tool pprof` has of it; the arithmetic is the
//! merger's with a sign.

use crate::ProfileError;
use crate::merge::Merger;
use crate::profile::Profile;

impl Profile {
    /// `self - base`, sample by sample, as `go tool pprof -diff_base` does: the base's samples stay
    /// apart, negated and labelled `pprof::base`, and percentages are of the base's total.
    ///
    /// # Errors
    /// [`ProfileError::Incompatible`] when the two have different sample types.
    pub fn diff(&self, base: &Self) -> Result<Self, ProfileError> {
        self.less(base, true)
    }

    /// `self - base` as `go tool pprof -base` does: equal stacks cancel out.
    ///
    /// # Errors
    /// [`ProfileError::Incompatible`] when the two have different sample types.
    pub fn subtract(&self, base: &Self) -> Result<Self, ProfileError> {
        self.less(base, false)
    }

    fn less(&self, base: &Self, labelled: bool) -> Result<Self, ProfileError> {
        let mut m = Merger::new();
        m.add_columns(&self.c, 1, false)?;
        m.add_columns(&base.c, -1, labelled)?;
        let mut out = m.finish()?;
        out.gaps = self.gaps.clone();
        out.gaps.extend(base.gaps.iter().map(|g| model::Gap { offset: g.offset, what: format!("base: {}", g.what) }));
        Ok(out)
    }

    /// This profile with equal samples added up, zero samples and all rows nothing refers to left
    /// out (what `go tool pprof -proto` writes), and uninteresting frames dropped.
    ///
    /// # Errors
    /// [`ProfileError::BadRegex`] when `drop_frames` or `keep_frames` do not compile.
    pub fn compact(&self) -> Result<Self, ProfileError> {
        let mut m = Merger::new();
        m.add(self)?;
        let out = m.finish()?;
        let c = out.pruned()?.into_owned();
        Ok(Self { c, gaps: out.gaps })
    }
}
