//! Tasks and regions of runtime/trace.
//!
//! Refuses: a task that begins twice, a region that ends while another one is the innermost.

use super::{At, Order, Result, Step, state::Task};
use crate::{event::NO_TASK, tables::Generation, wire::Wire};

impl Order {
    pub(super) fn task_begin(&mut self, at: &At<'_>, generation: &Generation) -> Result<Step> {
        let [id, parent, name, stack] = *at.args;
        if self.tasks.contains_key(&id) {
            return Err(at.fault(&format!("expected a new task, found {id}, which exists")));
        }
        // Here 0 means no parent, not the background task.
        let parent = if parent == 0 { NO_TASK } else { parent };
        let text = at.string(generation, name)?;
        self.tasks.insert(id, Task { parent, name: text.into() });
        at.user()?;
        let event = at.altered([id, parent, name, stack]);
        Ok(self.alter(event))
    }

    pub(super) fn task_end(&mut self, at: &At<'_>, generation: &mut Generation) -> Result<Step> {
        at.user()?;
        let [id, stack, ..] = *at.args;
        let task = self.tasks.remove(&id);
        generation.keep_task_name(task.as_ref().map_or(&[], |t| &t.name));
        let event = at.altered([id, stack, task.map_or(NO_TASK, |t| t.parent), 0]);
        Ok(self.alter(event))
    }

    pub(super) fn region(&mut self, at: &At<'_>, generation: &Generation) -> Result<Step> {
        at.user()?;
        let [task, name, ..] = *at.args;
        let text = at.string(generation, name)?;
        let next = self.names.len() as u32;
        let known = match self.names.get(text) {
            Some(&n) => n,
            None => {
                self.names.insert(text.into(), next);
                next
            }
        };
        let Some(g) = self.own(at) else {
            return Err(at.fault(&format!("expected goroutine {} to exist", at.before.goroutine)));
        };
        let region = (task, known);
        if at.wire == Wire::UserRegionBegin {
            g.extra().regions.push(region);
            return Ok(Step::Taken);
        }
        // A region that began before the trace is not known.
        match g.extra.as_deref_mut().and_then(|e| e.regions.pop()) {
            Some(innermost) if innermost != region => {
                Err(at.fault("expected the innermost region to end, found the end of another"))
            }
            _ => Ok(Step::Taken),
        }
    }
}

impl At<'_> {
    fn string<'g>(&self, generation: &'g Generation, id: u64) -> Result<&'g [u8]> {
        generation
            .string(id)
            .ok_or_else(|| self.fault(&format!("expected string {id} in the string table, found none")))
    }
}
