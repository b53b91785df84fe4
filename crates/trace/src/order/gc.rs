//! Ranges: the collector's phases, sweeps, mark assists, stop-the-worlds.
//!
//! Refuses: a range that begins twice or ends without having begun, as Go's `rangeState`.

use super::{At, Gc, Order, Result, Step};
use crate::wire::Wire;

impl Order {
    pub(super) fn gc_active(&mut self, at: &At<'_>) -> Result<Step> {
        let seq = at.args[0];
        if self.is_initial() {
            if self.gc != Gc::Undetermined {
                return Err(at.fault("expected the first event of the collector in the first generation"));
            }
        } else {
            if seq != self.gc_seq.wrapping_add(1) {
                return Ok(Step::Wait);
            }
            if self.gc != Gc::Running {
                return Err(at.fault("expected the collector to run"));
            }
            at.user()?;
        }
        (self.gc_seq, self.gc) = (seq, Gc::Running);
        Ok(Step::Taken)
    }

    pub(super) fn gc_begin(&mut self, at: &At<'_>) -> Result<Step> {
        let seq = at.args[0];
        if self.gc != Gc::Undetermined {
            if seq != self.gc_seq.wrapping_add(1) {
                return Ok(Step::Wait);
            }
            if self.gc == Gc::Running {
                return Err(at.fault("expected the collector not to run"));
            }
            at.user()?;
        }
        (self.gc_seq, self.gc) = (seq, Gc::Running);
        Ok(Step::Taken)
    }

    pub(super) fn gc_end(&mut self, at: &At<'_>) -> Result<Step> {
        let seq = at.args[0];
        if seq != self.gc_seq.wrapping_add(1) {
            return Ok(Step::Wait);
        }
        if self.gc != Gc::Running {
            return Err(at.fault("expected the collector to run"));
        }
        at.user()?;
        (self.gc_seq, self.gc) = (seq, Gc::NotRunning);
        Ok(Step::Taken)
    }

    pub(super) fn sweep(&mut self, at: &At<'_>) -> Result<Step> {
        let initial = self.is_initial();
        let p = if at.wire == Wire::GCSweepActive {
            let id = at.args[0].cast_signed();
            match self.proc_of.get(&id).and_then(|&p| self.procs.get_mut(p as usize)) {
                Some(p) => p,
                None => return Err(at.fault(&format!("expected proc {id} to exist"))),
            }
        } else {
            at.proc()?;
            self.own_proc(at)?
        };
        let (was, becomes) = match at.wire {
            Wire::GCSweepBegin => (false, true),
            Wire::GCSweepEnd => (true, false),
            _ => (!initial, true),
        };
        if p.sweep != was {
            return Err(at.fault(&format!("expected proc {} {} a sweep", p.id, if was { "in" } else { "not in" })));
        }
        p.sweep = becomes;
        Ok(Step::Taken)
    }

    pub(super) fn go_range_begin(&mut self, at: &At<'_>) -> Result<Step> {
        at.user()?;
        let Some(g) = self.own(at) else {
            return Err(at.fault(&format!("expected goroutine {} to exist", at.before.goroutine)));
        };
        let again = if at.wire == Wire::GCMarkAssistBegin {
            std::mem::replace(&mut g.assist, true)
        } else {
            let stops = &mut g.extra().stops;
            let again = stops.contains(&at.args[0]);
            if !again {
                stops.push(at.args[0]);
            }
            again
        };
        if again {
            return Err(at.fault("expected a range that is not there yet, found it again"));
        }
        Ok(Step::Taken)
    }

    pub(super) fn go_range_end(&mut self, at: &At<'_>) -> Result<Step> {
        at.user()?;
        let Some(g) = self.own(at) else {
            return Err(at.fault(&format!("expected goroutine {} to exist", at.before.goroutine)));
        };
        if at.wire == Wire::GCMarkAssistEnd {
            if !std::mem::replace(&mut g.assist, false) {
                return Err(at.fault("expected a mark assist to end, found none"));
            }
            return Ok(Step::Taken);
        }
        let stops = &mut g.extra().stops;
        if stops.is_empty() {
            return Err(at.fault("expected a stop-the-world to end, found none"));
        }
        let reason = stops.swap_remove(0);
        let event = at.altered([reason, 0, 0, 0]);
        Ok(self.alter(event))
    }

    pub(super) fn assist_active(&mut self, at: &At<'_>) -> Result<Step> {
        let id = at.args[0].cast_signed();
        let initial = self.is_initial();
        let slot = self.goroutines.find(id);
        let Some(g) = slot.and_then(|s| self.goroutines.get(s)) else {
            return Err(at.fault(&format!("expected goroutine {id} to exist")));
        };
        if g.assist == initial {
            let state = if initial { "not in" } else { "in" };
            return Err(at.fault(&format!("expected goroutine {id} {state} a mark assist")));
        }
        g.assist = true;
        Ok(Step::Taken)
    }
}
