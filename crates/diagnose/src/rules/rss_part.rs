//! What the rules about resident memory share: a part of the ledger that stays large in every
//! sample. Not a rule itself.

use super::Check;
use crate::context::Context;
use crate::evidence::{Case, percent};
use crate::thresholds::Thresholds;
use model::{Bytes, Finding, Fix, LedgerTerm, Severity, Size, Subject, SubjectKind, Verdict};

/// With more of RSS unexplained or undivided than this, a small row proves nothing.
const MOST_UNEXPLAINED: f64 = 0.2;

/// A part of RSS and when it matters.
pub(super) struct Part {
    pub(super) rule: &'static str,
    pub(super) term: LedgerTerm,
    /// What it is called in a sentence.
    pub(super) name: &'static str,
    /// Share of RSS it must keep.
    pub(super) share: fn(&Thresholds) -> f64,
    pub(super) fix: fn() -> Fix,
}

impl Part {
    /// A finding when the smallest value over all samples is large, absolutely and as a share.
    pub(super) fn check(&self, cx: &Context<'_>) -> Check {
        let least_share = (self.share)(cx.thresholds);
        let all = cx.term(self.term);
        let Some(least) = all.iter().min_by(|a, b| a.1.cmp(&b.1)) else {
            return Check::no_evidence(
                "the resident size could not be divided: it needs /proc of the process and MemStats",
            );
        };
        let share = least.1.share_of(least.2);
        let detail = format!("{} at least {} of RSS {} ({})", self.name, least.1, least.2, percent(share));
        if let Some(why) = untold(cx, self.term).filter(|_| share < least_share) {
            return Check::no_evidence(why);
        }
        if share < least_share || (least.1.0 as f64) < cx.thresholds.rss_part_bytes {
            return Check::clear(detail);
        }
        Check::of(vec![self.finding(cx, all.len(), (least.1, least.2))], detail)
    }

    fn finding(&self, cx: &Context<'_>, samples: usize, (least, rss): (Bytes, Bytes)) -> (Verdict, Finding) {
        let share = least.share_of(rss);
        let artifact = cx.ledgers.last().map_or("", |(_, l)| l.rss_source.as_str());
        let mut case = Case::default();
        let s = format!("{}: {} of RSS", self.name, percent(share));
        case.number(1.5, artifact, share, "fraction", s);
        if samples > 1 {
            let s = format!("never below {least} in {samples} samples");
            case.number(1.0, artifact, least.0 as f64, "bytes", s);
        } else {
            case.number(-0.3, artifact, 1.0, "samples", "seen in one sample only".into());
        }
        let row = cx.ledgers.last().and_then(|(_, l)| l.rows.iter().find(|r| r.term == self.term));
        if let Some(row) = row.filter(|r| !r.note.is_empty()) {
            case.number(0.0, artifact, row.bytes.0 as f64, "bytes", row.note.clone());
        }
        let title = format!("{}: {least} of RSS {rss} ({})", self.name, percent(share));
        let mut f = case.finding(self.rule, title, Severity::Medium, Subject::of(SubjectKind::Process));
        f.size = Size { wasted_bytes: Some(least.0), ..Size::default() };
        f.fix = (self.fix)();
        (Verdict::Risk, f)
    }
}

/// Why a small row of this term proves nothing.
fn untold(cx: &Context<'_>, term: LedgerTerm) -> Option<String> {
    let most = |t| cx.term(t).iter().map(|u| u.1.share_of(u.2)).fold(0.0, f64::max);
    let undivided = if term.is_of_heap() { most(LedgerTerm::UndividedHeap) } else { 0.0 };
    if undivided > MOST_UNEXPLAINED {
        let s = "of RSS are the Go heap, undivided: it needs the runtime's counters (pprof, expvar or /metrics)";
        return Some(format!("{} {s}", percent(undivided)));
    }
    let unexplained = most(LedgerTerm::Unexplained);
    (unexplained > MOST_UNEXPLAINED).then(|| {
        let s = "of RSS could not be told apart: it needs the rights to read the process's smaps";
        format!("{} {s}", percent(unexplained))
    })
}
