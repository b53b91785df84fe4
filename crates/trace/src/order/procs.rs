//! Transitions of procs.
//!
//! Refuses: contexts that cannot be, as Go's `advanceProc*`.

use super::{
    Altered, At, Order, Result, Step,
    state::{P_ABANDONED, P_IDLE, P_RUNNING, P_SYSCALL, Proc},
};
use crate::event::{NONE, ProcState, proc_state};

impl Order {
    fn proc_slot(&self, id: i64) -> Option<u32> {
        self.proc_of.get(&id).copied()
    }

    pub(super) fn proc_status(&mut self, at: &At<'_>) -> Result<Step> {
        let [pid, found, ..] = *at.args;
        let id = pid.cast_signed();
        let Some(mut from) = proc_state(found) else {
            return Err(at.fault(&format!("expected a status of proc {id} up to 4, found {found}")));
        };
        let (mut told, status) = (found, found as u8);
        let slot = match self.proc_slot(id) {
            Some(slot) => {
                let generation = self.generation;
                let Some(p) = self.procs.get_mut(slot as usize) else { return Ok(Step::Wait) };
                if status == P_ABANDONED && p.status == P_SYSCALL {
                    // Information may be lost in general, but what matters is still known here.
                    from = ProcState::Running;
                    told = u64::from(P_SYSCALL);
                } else if status == P_ABANDONED && p.status == P_ABANDONED {
                    from = ProcState::Idle;
                } else if p.status != status {
                    return Err(at.fault(&format!("expected proc {id} in status {}, found {status}", p.status)));
                }
                (p.seq, p.generation) = (0, generation);
                slot
            }
            None => {
                from = if self.is_initial() { ProcState::Undetermined } else { ProcState::NotExist };
                let slot = self.procs.len() as u32;
                self.procs.push(Proc { id, seq: 0, generation: self.generation, status, sweep: false });
                self.proc_of.insert(id, slot);
                slot
            }
        };
        let mut event = at.altered([pid, told, from as u64, 0]);
        if status == P_ABANDONED && from == ProcState::Running {
            // The proc is about to be stolen: the event belongs to the thread that has it.
            let Some(owner) = self.threads.iter().find(|t| t.proc == id) else {
                return Err(at.fault(&format!("expected a thread that has proc {id}, which is about to be stolen")));
            };
            event = Altered { thread: owner.id, proc: id, goroutine: owner.goroutine, ..event };
        }
        if status == P_RUNNING || status == P_SYSCALL {
            self.bind_proc(at.thread, id, slot);
        }
        Ok(self.alter(event))
    }

    pub(super) fn proc_start(&mut self, at: &At<'_>) -> Result<Step> {
        let [pid, seq, ..] = *at.args;
        let id = pid.cast_signed();
        let generation = self.generation;
        // With a proc the thread is in a system call, and the theft of that proc has yet to come.
        if at.before.proc != NONE {
            return Ok(Step::Wait);
        }
        let Some(slot) = self.proc_slot(id) else { return Ok(Step::Wait) };
        match self.procs.get_mut(slot as usize) {
            Some(p) if p.status == P_IDLE && p.succeeds(generation, seq) => {
                at.thread()?;
                p.status = P_RUNNING;
                p.seq = seq;
            }
            _ => return Ok(Step::Wait),
        }
        self.bind_proc(at.thread, id, slot);
        Ok(Step::Taken)
    }

    pub(super) fn proc_stop(&mut self, at: &At<'_>) -> Result<Step> {
        at.proc()?;
        let p = self.own_proc(at)?;
        if p.status != P_RUNNING && p.status != P_SYSCALL {
            return Err(
                at.fault(&format!("expected proc {} running or in a system call, found status {}", p.id, p.status))
            );
        }
        p.status = P_IDLE;
        self.bind_proc(at.thread, NONE, 0);
        Ok(Step::Taken)
    }

    pub(super) fn proc_steal(&mut self, at: &At<'_>) -> Result<Step> {
        let [pid, seq, mid, _] = *at.args;
        let (id, victim) = (pid.cast_signed(), mid.cast_signed());
        let generation = self.generation;
        let Some(slot) = self.proc_slot(id) else { return Ok(Step::Wait) };
        let old = match self.procs.get_mut(slot as usize) {
            Some(p) if (p.status == P_SYSCALL || p.status == P_ABANDONED) && p.succeeds(generation, seq) => {
                at.thread()?;
                p.seq = seq;
                std::mem::replace(&mut p.status, P_IDLE)
            }
            _ => return Ok(Step::Wait),
        };
        let event = at.altered([pid, seq, mid, u64::from(old)]);
        if old == P_ABANDONED {
            return Ok(self.alter(event));
        }
        if victim == at.before.id {
            if at.before.proc != id {
                return Err(at.fault(&format!("expected thread {victim} to have proc {id}, found {}", at.before.proc)));
            }
            self.bind_proc(at.thread, NONE, 0);
            return Ok(self.alter(event));
        }
        let owner = self.thread_of.get(&victim).and_then(|&t| self.threads.get_mut(t as usize));
        let Some(owner) = owner else {
            return Err(at.fault(&format!("expected a thread {victim} to steal proc {id} from")));
        };
        if owner.proc != id {
            return Err(at.fault(&format!("expected thread {victim} to have proc {id}, found {}", owner.proc)));
        }
        owner.proc = NONE;
        Ok(self.alter(event))
    }
}
