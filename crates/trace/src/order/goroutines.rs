//! Transitions of goroutines.
//!
//! Refuses: contexts that cannot be, as Go's `advanceGo*`.

use super::{
    Altered, At, Fault, Order, Result, Step, fault,
    state::{Goroutine, P_ABANDONED, P_RUNNING, P_SYSCALL, RUNNABLE, RUNNING, SYSCALL, Thread, WAITING},
};
use crate::{
    event::{GoState, NONE, go_state},
    wire::Wire,
};

impl Order {
    #[inline(always)]
    pub(super) fn go_start(&mut self, at: At<'_>, now: &mut Thread) -> Result<Step> {
        let [gid, seq, ..] = *at.args;
        let id = gid.cast_signed();
        let generation = self.generation;
        let Some(slot) = self.goroutines.find(id) else { return Ok(Step::Wait) };
        match self.goroutines.get(slot) {
            Some(g) if g.status == RUNNABLE && g.succeeds(generation, seq) => {
                at.proc()?;
                at.no_goroutine()?;
                g.status = RUNNING;
                g.seq = seq;
            }
            _ => return Ok(Step::Wait),
        }
        (now.goroutine, now.g) = (id, slot as usize);
        Ok(Step::Taken)
    }

    #[inline(always)]
    pub(super) fn go_stop(&mut self, at: At<'_>, now: &mut Thread) -> Result<Step> {
        at.user()?;
        let g = self.own_in(&at, RUNNING)?;
        match at.wire {
            Wire::GoStop => g.status = RUNNABLE,
            Wire::GoBlock => g.status = WAITING,
            _ => self.goroutines.remove(at.before.goroutine),
        }
        now.goroutine = NONE;
        Ok(Step::Taken)
    }

    #[inline(always)]
    pub(super) fn go_unblock(&mut self, at: At<'_>) -> Result<Step> {
        let [gid, seq, ..] = *at.args;
        let generation = self.generation;
        let Some(slot) = self.goroutines.find(gid.cast_signed()) else { return Ok(Step::Wait) };
        match self.goroutines.get(slot) {
            Some(g) if g.status == WAITING && g.succeeds(generation, seq) => {
                g.status = RUNNABLE;
                g.seq = seq;
                Ok(Step::Taken)
            }
            _ => Ok(Step::Wait),
        }
    }

    pub(super) fn go_create(&mut self, at: &At<'_>) -> Result<Step> {
        at.proc()?;
        if let Some(g) = self.own(at)
            && g.status != RUNNING
        {
            return Err(
                at.fault(&format!("expected goroutine {} running, found status {}", at.before.goroutine, g.status))
            );
        }
        let id = at.args[0].cast_signed();
        if id < 0 || self.goroutines.find(id).is_some() {
            return Err(at.fault(&format!("expected a new goroutine, found {id}, which exists")));
        }
        let status = if at.wire == Wire::GoCreateBlocked { WAITING } else { RUNNABLE };
        self.goroutines.add(Goroutine::new(id, status, self.generation));
        Ok(Step::Taken)
    }

    pub(super) fn go_status(&mut self, at: &At<'_>) -> Result<Step> {
        let [gid, mid, found, stack] = *at.args;
        let (id, holder) = (gid.cast_signed(), mid.cast_signed());
        let Some(to) = go_state(found) else {
            return Err(at.fault(&format!("expected a status of goroutine {id} up to 4, found {found}")));
        };
        let (status, generation) = (found as u8, self.generation);
        let (slot, from) = match self.goroutines.find(id) {
            Some(slot) => {
                let Some(g) = self.goroutines.get(slot) else { return Ok(Step::Wait) };
                if g.status != status {
                    return Err(at.fault(&format!("expected goroutine {id} in status {}, found {status}", g.status)));
                }
                (g.seq, g.generation) = (0, generation);
                (slot, to)
            }
            None if self.is_initial() && id >= 0 => {
                (self.goroutines.add(Goroutine::new(id, status, generation)), GoState::Undetermined)
            }
            None => {
                return Err(at.fault(&format!("expected a known goroutine after the first generation, found {id}")));
            }
        };
        let mut event = at.altered([gid, mid, ((from as u64) << 32) | found, stack]);
        match status {
            RUNNING => self.bind_goroutine(at.thread, id, slot),
            SYSCALL => self.status_in_syscall(at, id, slot, holder, &mut event)?,
            _ => {}
        }
        Ok(self.alter(event))
    }

    /// A goroutine in a system call stays bound to its thread, which may not be the one that tells it.
    fn status_in_syscall(&mut self, at: &At<'_>, id: i64, slot: u32, holder: i64, event: &mut Altered) -> Result<()> {
        if holder == NONE {
            return Err(at.fault(&format!("expected the thread of goroutine {id}, which is in a system call")));
        }
        if holder == at.before.id {
            if !self.is_initial() && at.before.goroutine != id {
                return Err(
                    at.fault(&format!("expected goroutine {id} on thread {holder}, found {}", at.before.goroutine))
                );
            }
            self.bind_goroutine(at.thread, id, slot);
            return Ok(());
        }
        match self.thread_of.get(&holder).and_then(|&t| self.threads.get(t as usize)) {
            Some(t) if t.goroutine == id => event.goroutine = id,
            Some(t) => {
                return Err(at.fault(&format!("expected goroutine {id} on thread {holder}, found {}", t.goroutine)));
            }
            None => {
                self.thread_of.insert(holder, self.threads.len() as u32);
                self.threads.push(Thread { goroutine: id, g: slot as usize, ..Thread::new(holder) });
            }
        }
        event.thread = holder;
        Ok(())
    }

    pub(super) fn go_switch(&mut self, at: &At<'_>) -> Result<Step> {
        at.user()?;
        self.own_in(at, RUNNING)?;
        let [gid, seq, ..] = *at.args;
        let (id, generation) = (gid.cast_signed(), self.generation);
        let Some(slot) = self.goroutines.find(id) else { return Ok(Step::Wait) };
        match self.goroutines.get(slot) {
            Some(g) if g.status == WAITING && g.succeeds(generation, seq) => {}
            _ => return Ok(Step::Wait),
        }
        // It unblocks the next goroutine, blocks or ends the own one and starts the next.
        let first = at.altered(*at.args);
        self.alter(first);
        if at.wire == Wire::GoSwitch {
            self.own_in(at, RUNNING)?.status = WAITING;
            self.altered.push(Altered { wire: Wire::GoBlock, args: [0; 4], ..first });
        } else {
            self.goroutines.remove(at.before.goroutine);
            self.altered.push(Altered { wire: Wire::GoDestroy, args: [0; 4], ..first });
        }
        if let Some(g) = self.goroutines.get(slot) {
            g.status = RUNNING;
            g.seq = seq;
        }
        self.bind_goroutine(at.thread, id, slot);
        self.altered.push(Altered { wire: Wire::GoStart, goroutine: NONE, args: [gid, seq, 0, 0], ..first });
        Ok(Step::Altered)
    }

    #[inline(always)]
    pub(super) fn syscall_begin(&mut self, at: At<'_>) -> Result<Step> {
        at.user()?;
        self.own_in(&at, RUNNING)?.status = SYSCALL;
        let (generation, seq) = (self.generation, at.args[0]);
        let p = self.own_proc(&at)?;
        p.status = P_SYSCALL;
        if !p.succeeds(generation, seq) {
            return Err(out_of_sequence(at.wire, p.id, p.seq.wrapping_add(1), seq));
        }
        p.seq = seq;
        Ok(Step::Taken)
    }

    #[inline(always)]
    pub(super) fn syscall_end(&mut self, at: At<'_>) -> Result<Step> {
        at.user()?;
        self.own_in(&at, SYSCALL)?.status = RUNNING;
        let p = self.own_proc(&at)?;
        if p.status != P_SYSCALL {
            return Err(not_in_syscall(at.wire, p.id, p.status));
        }
        p.status = P_RUNNING;
        Ok(Step::Taken)
    }

    pub(super) fn syscall_end_blocked(&mut self, at: &At<'_>) -> Result<Step> {
        // While the thread has a proc in a system call, the loss of that proc has yet to come.
        if at.before.proc != NONE && self.own_proc(at)?.status == P_SYSCALL {
            return Ok(Step::Wait);
        }
        at.thread()?;
        at.goroutine()?;
        self.own_in(at, SYSCALL)?.status = RUNNABLE;
        self.bind_goroutine(at.thread, NONE, 0);
        Ok(Step::Taken)
    }

    pub(super) fn create_syscall(&mut self, at: &At<'_>) -> Result<Step> {
        at.thread()?;
        at.no_goroutine()?;
        let id = at.args[0].cast_signed();
        if id < 0 || self.goroutines.find(id).is_some() {
            return Err(at.fault(&format!("expected a new goroutine, found {id}, which exists")));
        }
        let slot = self.goroutines.add(Goroutine::new(id, SYSCALL, self.generation));
        self.bind_goroutine(at.thread, id, slot);
        Ok(Step::Taken)
    }

    pub(super) fn destroy_syscall(&mut self, at: &At<'_>) -> Result<Step> {
        at.thread()?;
        at.goroutine()?;
        self.own_in(at, SYSCALL)?;
        self.goroutines.remove(at.before.goroutine);
        self.bind_goroutine(at.thread, NONE, 0);
        if at.before.proc == NONE {
            return Ok(Step::Taken);
        }
        let p = self.own_proc(at)?;
        if p.status != P_SYSCALL {
            return Err(at.fault(&format!("expected proc {} in a system call, found status {}", p.id, p.status)));
        }
        // The thread's id may be used again: as if the thread had stolen its own proc.
        p.status = P_ABANDONED;
        self.bind_proc(at.thread, NONE, 0);
        let own = at.altered([0; 4]);
        let steal = [at.before.proc.cast_unsigned(), 0, 0, u64::from(P_SYSCALL)];
        self.alter(Altered { wire: Wire::ProcSteal, args: steal, ..own });
        self.altered.push(own);
        Ok(Step::Altered)
    }
}

#[cold]
#[inline(never)]
fn out_of_sequence(wire: Wire, proc: i64, expected: u64, found: u64) -> Fault {
    fault(format!("{}: expected sequence number {expected} of proc {proc}, found {found}", wire.name()))
}

#[cold]
#[inline(never)]
fn not_in_syscall(wire: Wire, proc: i64, status: u8) -> Fault {
    fault(format!("{}: expected proc {proc} in a system call, found status {status}", wire.name()))
}
