//! What the four rules about resident memory share: a part of the ledger that stays large in every
//! sample. Not a rule itself.

use super::Check;
use crate::context::Context;
use crate::evidence::{Case, percent};
use model::{Bytes, Finding, Fix, LedgerTerm, Severity, Size, Subject, SubjectKind, Verdict};

/// With more of RSS unexplained than this, a small row proves nothing.
const MOST_UNEXPLAINED: f64 = 0.2;

/// A part of RSS and when it matters.
pub(super) struct Part {
    pub(super) rule: &'static str,
    pub(super) term: LedgerTerm,
    /// What it is called in a sentence.
    pub(super) name: &'static str,
    /// Share of RSS it must keep.
    pub(super) share: f64,
    pub(super) fix: fn() -> Fix,
}

/// A finding when the smallest value over all samples is large, absolutely and as a share.
pub(super) fn check(cx: &Context<'_>, part: &Part) -> Check {
    let all = cx.term(part.term);
    let Some(least) = all.iter().min_by(|a, b| a.1.cmp(&b.1)) else {
        return Check::no_evidence(
            "the resident size could not be divided: it needs /proc of the process and MemStats",
        );
    };
    let share = least.1.share_of(least.2);
    let detail = format!("{} at least {} of RSS {} ({})", part.name, least.1, least.2, percent(share));
    let unexplained = cx.term(LedgerTerm::Unexplained).iter().map(|u| u.1.share_of(u.2)).fold(0.0, f64::max);
    if share < part.share && unexplained > MOST_UNEXPLAINED {
        let s = format!(
            "{} of RSS could not be told apart: it needs the rights to read the process's smaps",
            percent(unexplained)
        );
        return Check::no_evidence(s);
    }
    if share < part.share || (least.1.0 as f64) < cx.thresholds.rss_part_bytes {
        return Check::clear(detail);
    }
    Check::of(vec![finding(cx, part, all.len(), (least.1, least.2))], detail)
}

fn finding(cx: &Context<'_>, part: &Part, samples: usize, (least, rss): (Bytes, Bytes)) -> (Verdict, Finding) {
    let share = least.share_of(rss);
    let artifact = cx.ledgers.last().map_or("", |(_, l)| l.rss_source.as_str());
    let mut case = Case::default();
    let s = format!("{}: {} of RSS", part.name, percent(share));
    case.number(1.5, artifact, share, "fraction", s);
    if samples > 1 {
        let s = format!("never below {least} in {samples} samples");
        case.number(1.0, artifact, least.0 as f64, "bytes", s);
    } else {
        case.number(-0.3, artifact, 1.0, "samples", "seen in one sample only".into());
    }
    let row = cx.ledgers.last().and_then(|(_, l)| l.rows.iter().find(|r| r.term == part.term));
    if let Some(row) = row.filter(|r| !r.note.is_empty()) {
        case.number(0.0, artifact, row.bytes.0 as f64, "bytes", row.note.clone());
    }
    let title = format!("{}: {least} of RSS {rss} ({})", part.name, percent(share));
    let mut f = case.finding(part.rule, title, Severity::Medium, Subject::of(SubjectKind::Process));
    f.size = Size { wasted_bytes: Some(least.0), ..Size::default() };
    f.fix = (part.fix)();
    (Verdict::Risk, f)
}
