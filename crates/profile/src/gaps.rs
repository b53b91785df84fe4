//! Collects gaps without letting hostile input make as many of them as it has bytes: gaps of one
//! sort are counted, and only the first one's place is kept.

use model::Gap;

#[derive(Default)]
pub(crate) struct Gaps {
    sorts: Vec<(&'static str, u64, u64)>,
    plain: Vec<Gap>,
}

impl Gaps {
    /// Counts one damage of the sort `what` at `offset`.
    pub(crate) fn count(&mut self, offset: usize, what: &'static str) {
        match self.sorts.iter_mut().find(|s| s.0 == what) {
            Some(s) => s.2 += 1,
            None => self.sorts.push((what, offset as u64, 1)),
        }
    }

    pub(crate) fn push(&mut self, gap: Gap) {
        if self.plain.len() < 64 {
            self.plain.push(gap);
        }
    }

    pub(crate) fn finish(self) -> Vec<Gap> {
        let mut out = self.plain;
        out.extend(self.sorts.into_iter().map(|(what, offset, n)| {
            if n == 1 {
                Gap::at(offset, what)
            } else {
                Gap::at(offset, format!("{what} ({n} times; this is the first)"))
            }
        }));
        out
    }
}
