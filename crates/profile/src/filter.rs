//! focus, ignore, hide, show and show_from by regular expression: pprof's `FilterSamplesByName` and
//! `ShowFrom` (`profile/filter.go`). An expression matches a frame by function name or file, or a
//! location by its mapping's file. The syntax is the `regex` crate's, which is RE2's.

use crate::ProfileError;
use crate::columns::{Columns, NONE};
use crate::profile::Profile;
use regex::Regex;

/// Which samples and frames to keep.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Keep samples with a matching frame.
    pub focus: Option<Regex>,
    /// Leave out samples with a matching frame.
    pub ignore: Option<Regex>,
    /// Leave matching frames out of stacks.
    pub hide: Option<Regex>,
    /// Keep only matching frames in stacks.
    pub show: Option<Regex>,
    /// Leave out all frames above (callers of) the outermost matching one, and samples without one.
    pub show_from: Option<Regex>,
}

impl Filter {
    /// Compiles the expressions given.
    ///
    /// # Errors
    /// [`ProfileError::BadRegex`] naming the option.
    pub fn new(
        focus: Option<&str>,
        ignore: Option<&str>,
        hide: Option<&str>,
        show: Option<&str>,
        show_from: Option<&str>,
    ) -> Result<Self, ProfileError> {
        let compile = |option, s: Option<&str>| {
            s.filter(|s| !s.is_empty())
                .map(Regex::new)
                .transpose()
                .map_err(|e| ProfileError::BadRegex { option, detail: e.to_string() })
        };
        Ok(Self {
            focus: compile("focus", focus)?,
            ignore: compile("ignore", ignore)?,
            hide: compile("hide", hide)?,
            show: compile("show", show)?,
            show_from: compile("show_from", show_from)?,
        })
    }

    /// Whether it keeps everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.focus.is_none()
            && self.ignore.is_none()
            && self.hide.is_none()
            && self.show.is_none()
            && self.show_from.is_none()
    }

    pub(crate) fn apply(&self, c: &Columns) -> Columns {
        let mut out = c.clone();
        if self.focus.is_some() || self.ignore.is_some() || self.hide.is_some() || self.show.is_some() {
            out = self.by_name(c);
        }
        if let Some(rx) = &self.show_from {
            let before = out.clone();
            show_from(&before, &mut out, rx);
        }
        out
    }

    fn by_name(&self, c: &Columns) -> Columns {
        let focus = self.focus.as_ref().map(|rx| Matches::new(c, rx));
        let ignore = self.ignore.as_ref().map(|rx| Matches::new(c, rx));
        let hide = self.hide.as_ref().map(|rx| Matches::new(c, rx));
        let show = self.show.as_ref().map(|rx| Matches::new(c, rx));
        let mut out = c.clone();
        let n = c.locations.len();
        let mut ignored = vec![false; n];
        let mut focused = vec![false; n];
        let mut hidden = vec![false; n];
        let mut any_hidden = false;
        for i in 0..n {
            let l = i as u32;
            ignored[i] = ignore.as_ref().is_some_and(|m| m.location(c, l));
            focused[i] = focus.as_ref().is_none_or(|m| m.location(c, l));
            let mut lines = c.lines_of(l).to_vec();
            if let Some(m) = hide.as_ref().filter(|m| m.location(c, l)) {
                lines.retain(|line| !m.mapping(c, l) && !m.function(line.function));
                hidden[i] = lines.is_empty();
            }
            if let Some(m) = &show {
                lines.retain(|line| m.mapping(c, l) || m.function(line.function));
                hidden[i] = lines.is_empty();
            }
            any_hidden |= hidden[i];
            if lines.len() != c.lines_of(l).len() {
                let first = out.lines.len() as u32;
                out.lines.extend(lines);
                out.locations[i].lines = (first, out.lines.len() as u32);
            }
        }
        rebuild_stacks(c, &mut out, |stack, to| {
            let at = |v: &[bool], l: &u32| v.get(*l as usize).copied().unwrap_or(false);
            if stack.iter().any(|l| at(&ignored, l)) || !stack.iter().any(|l| at(&focused, l)) {
                return false;
            }
            let before = to.len();
            to.extend(stack.iter().filter(|l| !at(&hidden, l)));
            !any_hidden || to.len() > before
        });
        out
    }
}

impl Profile {
    /// What `filter` keeps of this profile, after its uninteresting frames are dropped.
    ///
    /// # Errors
    /// [`ProfileError::BadRegex`] when `drop_frames` or `keep_frames` do not compile.
    pub fn filtered(&self, filter: &Filter) -> Result<Self, ProfileError> {
        Ok(Self { c: filter.apply(&*self.pruned()?), gaps: self.gaps.clone() })
    }
}

/// What one expression matches, by function and by mapping: each name is matched once.
struct Matches {
    functions: Vec<bool>,
    mappings: Vec<bool>,
}

impl Matches {
    fn new(c: &Columns, rx: &Regex) -> Self {
        Self {
            functions: (c.functions.iter()).map(|f| rx.is_match(c.str(f.name)) || rx.is_match(c.str(f.file))).collect(),
            mappings: (c.mappings.iter()).map(|m| rx.is_match(c.str(m.file))).collect(),
        }
    }

    fn function(&self, f: u32) -> bool {
        self.functions.get(f as usize).copied().unwrap_or(false)
    }

    fn mapping(&self, c: &Columns, l: u32) -> bool {
        (c.locations.get(l as usize))
            .filter(|l| l.mapping != NONE)
            .and_then(|l| self.mappings.get(l.mapping as usize))
            .copied()
            .unwrap_or(false)
    }

    fn location(&self, c: &Columns, l: u32) -> bool {
        self.mapping(c, l) || c.lines_of(l).iter().any(|line| self.function(line.function))
    }
}

fn show_from(c: &Columns, out: &mut Columns, rx: &Regex) {
    let m = Matches::new(c, rx);
    let mut matched = vec![false; c.locations.len()];
    for (i, hit) in matched.iter_mut().enumerate() {
        let l = i as u32;
        if m.mapping(c, l) {
            *hit = true;
        } else if let Some(last) = (c.lines_of(l).iter()).rposition(|line| m.function(line.function)) {
            *hit = true;
            let first = out.locations[i].lines.0;
            out.locations[i].lines.1 = first + last as u32 + 1;
        }
    }
    rebuild_stacks(c, out, |stack, to| {
        let hit = |l: &u32| matched.get(*l as usize).copied().unwrap_or(false);
        match stack.iter().rposition(hit) {
            Some(i) => {
                to.extend_from_slice(&stack[..=i]);
                true
            }
            None => false,
        }
    });
}

/// Writes the samples of `c` into `out` anew: `keep` appends the stack to keep, or says no.
pub(crate) fn rebuild_stacks(c: &Columns, out: &mut Columns, mut keep: impl FnMut(&[u32], &mut Vec<u32>) -> bool) {
    out.stack.clear();
    out.stack_start.truncate(1);
    out.values.clear();
    out.labels.clear();
    out.label_start.truncate(1);
    for i in 0..c.samples() {
        let mark = out.stack.len();
        if keep(c.stack_of(i), &mut out.stack) {
            out.values.extend_from_slice(c.values_of(i));
            out.labels.extend_from_slice(c.labels_of(i));
            out.end_sample();
        } else {
            out.stack.truncate(mark);
        }
    }
}
