//! Owns the sentences of what collecting costs and would cost; the arithmetic is [`signals::GcLoad`]'s.

use super::process::Sums;
use super::words::percent;
use model::{GcLogChange, GcLogCost, format_iec};
use signals::{GcLoad, GcPredicted, median};

/// Collections with their predecessor, from which on the means say something.
const ENOUGH: u64 = 8;
/// Goals that tell another GOGC than the median by more than this share, at most half of them: else it was changed, or
/// something else sets the goal.
const GOGC_SPREAD: f64 = 0.15;
/// Share of forced collections above which the pacer does not decide.
const MOST_FORCED: f64 = 0.1;
const MIB: f64 = 1024.0 * 1024.0;

/// What the lines told.
pub(super) struct Measured<'a> {
    pub(super) sums: &'a Sums,
    /// GOGC / 100 by single goals.
    pub(super) gogc: &'a [f64],
    /// Bytes scanned by a collection, where `gcpacertrace=1` says so.
    pub(super) scanned: Option<f64>,
    pub(super) procs: f64,
}

/// What collecting costs, and three changes. `None` where the log does not tell: too few collections, a goal that does
/// not follow GOGC, a heap so small that the minimum decides.
pub(super) fn cost(m: &Measured<'_>, forced: f64) -> Option<GcLogCost> {
    let s = m.sums;
    if s.linked < ENOUGH || s.linked_s <= 0.0 || s.allocated_mib <= 0 || forced > MOST_FORCED {
        return None;
    }
    let gogc = settled(m.gogc)?;
    let n = s.linked as f64;
    // Sizes are cut to whole MiB: on average half of one is lost.
    let mean = |mib: u64| (mib as f64 / n + 0.5) * MIB;
    let roots = if s.roots_mib > 0 { mean(s.roots_mib) } else { 0.0 };
    let mut now = GcLoad {
        alloc_per_s: s.allocated_mib as f64 * MIB / s.linked_s,
        live: mean(s.live_mib),
        roots,
        gogc,
        cpu_per_cycle_s: s.linked_cpu_s / n,
        reach: 1.0,
        procs: m.procs,
    };
    now.reach = s.allocated_mib as f64 * MIB / n / now.runway();
    let is = now.predicted(&now)?;
    let mut changes = vec![
        change(
            "gogc-double",
            &format!("GOGC {0:.0} -> {1:.0}", gogc * 100.0, gogc * 200.0),
            &now.with_gogc(gogc * 2.0),
            &now,
            &is,
        )?,
        change("half-garbage", "half as much allocated", &now.with_allocation(0.5), &now, &is)?,
    ];
    if let Some(scanned) = m.scanned.filter(|s| *s > 0.0) {
        let flat = now.with_scanned(scanned, 0.5);
        changes.extend(change("half-pointers", "half of the scanned live heap without pointers", &flat, &now, &is));
    }
    Some(GcLogCost {
        gogc: gogc * 100.0,
        cpu_share: is.cpu_share,
        live: now.live as u64,
        goal: mean(s.goal_mib) as u64,
        cpu_seconds_per_cycle: now.cpu_per_cycle_s,
        changes,
    })
}

/// GOGC / 100, where most goals agree on it.
fn settled(values: &[f64]) -> Option<f64> {
    let typical = median(values)?;
    let off = values.iter().filter(|v| (*v - typical).abs() > GOGC_SPREAD * typical).count();
    (off * 2 <= values.len()).then_some(typical)
}

fn change(id: &str, what: &str, then: &GcLoad, now: &GcLoad, is: &GcPredicted) -> Option<GcLogChange> {
    let p = then.predicted(now)?;
    let goal = if (p.goal - is.goal).abs() > 0.01 * is.goal {
        format!("; the goal goes from {} to {}", format_iec(is.goal), format_iec(p.goal))
    } else {
        String::new()
    };
    let busy = if (p.cpu_share_busy - p.cpu_share).abs() >= 0.005 {
        format!(" ({} if the program uses the CPU that becomes free)", percent(p.cpu_share_busy))
    } else {
        String::new()
    };
    let sentence =
        format!("{what}: GC CPU goes from {} to {}{busy}{goal}", percent(is.cpu_share), percent(p.cpu_share));
    Some(GcLogChange {
        id: id.to_owned(),
        cpu_share: p.cpu_share,
        cpu_share_busy: p.cpu_share_busy,
        goal: p.goal as u64,
        sentence,
    })
}
