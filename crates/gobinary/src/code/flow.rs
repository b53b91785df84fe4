//! Follows what registers hold through one function: its ways, where they part and meet. Owns the
//! rules of what an [`Op`] does to a [`State`]; knows no processor and no Go type but through
//! [`Program`].

use super::op::{Address, Base, Op, Source, Step};
use super::signature::{Callee, registers};
use super::state::{State, Value};
use super::{Program, Returned};
use crate::types::PointerKind;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

/// Most steps of one function that are followed.
const MOST_STEPS: usize = 1 << 20;
/// Most times that a block is followed, on average.
const MOST_ROUNDS: usize = 16;

/// What is seen on the way.
pub(super) trait Watch {
    /// A call, before it is made; `new` is what it returns when it allocates.
    fn call(&mut self, step: &Step, callee: Option<&Callee>, state: &State, new: Option<PointerKind>);
    /// A return; `None` when another function goes on instead.
    fn leave(&mut self, state: Option<&State>);
    /// A write to memory: base value, offset from it, what is written.
    fn store(&mut self, base: Value, offset: i64, bytes: u32, value: Value);
}

/// Words of the frame that only the function itself writes, by bytes from the caller's stack pointer.
#[derive(Clone, Debug)]
pub(super) struct Private {
    /// Locals that stack maps cover: those with pointers. The others lie below.
    pub(super) locals: Range<i32>,
    /// Arguments.
    pub(super) arguments: Range<i32>,
    /// Locals and arguments with pointers whose addresses are taken.
    pub(super) objects: Vec<Range<i32>>,
    /// Those of them whose addresses are taken by the code at hand.
    pub(super) handed: Vec<Range<i32>>,
}

impl Private {
    fn has(&self, at: i32) -> bool {
        at % 8 == 0
            && (self.locals.contains(&at) || self.arguments.contains(&at))
            && !self.handed.iter().any(|h| h.contains(&at))
    }

    /// The address at `at` is handed out: what lies there may be written elsewhere, to the end of the object or,
    /// where that is not known, whatever lies behind.
    fn hand_out(&mut self, at: i32) {
        // A local without pointers, which ends before those with pointers begin.
        if at < self.locals.start {
            return;
        }
        if let Some(object) = self.objects.iter().find(|o| o.contains(&at)) {
            self.handed.push(object.clone());
        } else if at >= 0 {
            self.arguments.end = self.arguments.end.min(at);
        } else {
            self.locals.end = self.locals.end.min(at);
        }
    }
}

/// Blocks that are to be followed, the first of them first.
struct Blocks {
    waiting: Vec<bool>,
    order: BinaryHeap<Reverse<usize>>,
}

impl Blocks {
    fn new(count: usize) -> Self {
        Self { waiting: vec![false; count], order: BinaryHeap::new() }
    }

    fn insert(&mut self, block: usize) {
        if let Some(waiting) = self.waiting.get_mut(block)
            && !std::mem::replace(waiting, true)
        {
            self.order.push(Reverse(block));
        }
    }

    fn pop_first(&mut self) -> Option<usize> {
        let Reverse(block) = self.order.pop()?;
        if let Some(waiting) = self.waiting.get_mut(block) {
            *waiting = false;
        }
        Some(block)
    }
}

/// One function.
pub(super) struct Flow<'p, 't, 'm> {
    pub(super) program: &'p Program<'t, 'm>,
    pub(super) steps: &'p [Step],
    pub(super) code: Range<u64>,
    pub(super) entry: State,
    pub(super) private: Private,
    /// Tables of jumps, by the address of the jump.
    pub(super) tables: Vec<(u64, Vec<u64>)>,
}

impl Flow<'_, '_, '_> {
    /// Follows all ways and shows `watch` every call and store, each once. False when the function does
    /// what cannot be followed: then nothing was shown.
    pub(super) fn run(mut self, watch: &mut dyn Watch) -> bool {
        if self.steps.len() > MOST_STEPS {
            return false;
        }
        let Some(starts) = self.leaders() else { return false };
        if !self.hand_out() {
            return false;
        }
        let mut states: Vec<Option<State>> = vec![None; starts.len()];
        let block = |at: u64| starts.binary_search_by_key(&at, |&i| self.steps.get(i).map_or(0, |s| s.at)).ok();
        let mut queue = Blocks::new(starts.len());
        if let Some(first) = states.first_mut() {
            *first = Some(self.entry.clone());
            queue.insert(0);
        }
        let mut left = starts.len().saturating_mul(MOST_ROUNDS);
        let mut next = Vec::new();
        while let Some(b) = queue.pop_first() {
            let Some(rest) = left.checked_sub(1) else { return false };
            left = rest;
            let Some(mut state) = states.get(b).cloned().flatten() else { continue };
            next.clear();
            if !self.block(&starts, b, &mut state, &mut next, None) {
                return false;
            }
            for &to in &next {
                // The entry is entered from outside with what the caller gives, and again from the end of
                // the prologue that grows the stack.
                let Some(to) = block(to).filter(|&to| to != 0) else { continue };
                let Some(slot) = states.get_mut(to) else { continue };
                let changed = match slot {
                    Some(known) => known.meet(&state),
                    None => {
                        *slot = Some(state.clone());
                        Some(true)
                    }
                };
                match changed {
                    Some(true) => queue.insert(to),
                    Some(false) => {}
                    None => return false,
                }
            }
        }
        for (b, state) in states.into_iter().enumerate() {
            if let Some(mut state) = state {
                self.block(&starts, b, &mut state, &mut next, Some(watch));
            }
        }
        true
    }

    /// Indices of the steps that blocks begin with.
    fn leaders(&self) -> Option<Vec<usize>> {
        let mut starts = vec![false; self.steps.len().max(1)];
        if let Some(first) = starts.first_mut() {
            *first = true;
        }
        let mut begin = |i: usize| starts.get_mut(i).map(|s| *s = true).is_some();
        let step_at = |at: u64| self.steps.binary_search_by_key(&at, |s| s.at).ok();
        for (i, step) in self.steps.iter().enumerate() {
            match step.op {
                Op::Jump(to) | Op::Branch(to) => {
                    // A jump to elsewhere leaves the function; one into an instruction is none of Go's.
                    if self.code.contains(&to) && !step_at(to).is_some_and(&mut begin) {
                        return None;
                    }
                    begin(i + 1);
                }
                Op::Table(_) | Op::End | Op::Return => drop(begin(i + 1)),
                _ => {}
            }
        }
        for (_, targets) in &self.tables {
            if !targets.iter().all(|&t| step_at(t).is_some_and(&mut begin)) {
                return None;
            }
        }
        Some((0..starts.len()).filter(|&i| starts.get(i) == Some(&true)).collect())
    }

    /// Finds the words of the frame whose addresses are taken. Counts with the stack pointer of the
    /// function's body: Go's code does not move it in between.
    fn hand_out(&mut self) -> bool {
        let mut stack = self.entry.stack;
        let mut lowest = stack;
        for step in self.steps {
            match step.op {
                Op::Stack(n) => stack = stack.saturating_add(n),
                Op::Push => stack = stack.saturating_sub(8),
                Op::Pop(_) => stack = stack.saturating_add(8),
                Op::End | Op::Return => break,
                _ => {}
            }
            lowest = lowest.min(stack);
        }
        for step in self.steps {
            let handed = match step.op {
                Op::Move { from: Source::AddressOf(a), .. } if a.base == Base::Stack => a,
                Op::Store { to, .. } | Op::Exchange { to, .. } if to.base == Base::Stack && to.indexed => to,
                _ => continue,
            };
            let Some(at) = i32::try_from(handed.offset).ok().and_then(|o| lowest.checked_add(o)) else { return false };
            self.private.hand_out(at);
        }
        true
    }

    /// Follows one block; adds the places it goes on at. False for what cannot be followed.
    fn block(
        &self,
        starts: &[usize],
        b: usize,
        state: &mut State,
        next: &mut Vec<u64>,
        mut watch: Option<&mut dyn Watch>,
    ) -> bool {
        let Some(&first) = starts.get(b) else { return true };
        let end = starts.get(b + 1).copied().unwrap_or(self.steps.len());
        for step in self.steps.get(first..end).unwrap_or_default() {
            match step.op {
                Op::Opaque => return false,
                Op::End => return true,
                Op::Return => {
                    if let Some(watch) = watch {
                        watch.leave(Some(state));
                    }
                    return true;
                }
                Op::Jump(to) => {
                    if let Some(watch) = watch.filter(|_| !self.code.contains(&to)) {
                        watch.leave(None);
                    }
                    next.push(to);
                    return true;
                }
                Op::Branch(to) => next.push(to),
                Op::Table(_) => {
                    let Some(table) = self.tables.iter().find(|t| t.0 == step.at) else { return false };
                    next.extend(&table.1);
                    return true;
                }
                Op::Call(target) => {
                    let callee = target.and_then(|t| self.program.callee(t));
                    let new = callee.and_then(|c| self.allocated(c, state));
                    if let Some(watch) = watch.as_deref_mut() {
                        watch.call(step, callee, state, new);
                    }
                    if callee == Some(&Callee::Never) {
                        return true;
                    }
                    self.call(step, target, callee, new, state);
                }
                op => self.step(op, state, watch.as_deref_mut()),
            }
        }
        next.extend(self.steps.get(end).map(|s| s.at));
        true
    }

    fn step(&self, op: Op, state: &mut State, watch: Option<&mut (dyn Watch + '_)>) {
        match op {
            Op::Move { to, from } => {
                let value = self.value(from, state);
                state.set(to, value);
            }
            Op::Spoil(mask) => state.spoil(mask),
            Op::Add { to, of, and } => {
                let moved = state.get(of).moved();
                let other = and.map_or(Value::Unknown, |r| state.get(r).moved());
                state.set(to, if moved == Value::Unknown { other } else { moved });
            }
            Op::Stack(n) => state.stack = state.stack.saturating_add(n),
            Op::Push => state.stack = state.stack.saturating_sub(8),
            Op::Pop(to) => {
                state.set(to, Value::Unknown);
                state.stack = state.stack.saturating_add(8);
            }
            Op::Exchange { registers, to } => {
                self.store(to, 8, Value::Unknown, state, watch);
                state.spoil(registers);
            }
            Op::Store { to, bytes, from } => {
                let value = self.value(from, state);
                self.store(to, bytes, value, state, watch);
            }
            _ => {}
        }
    }

    fn store(&self, to: Address, bytes: u32, value: Value, state: &mut State, watch: Option<&mut (dyn Watch + '_)>) {
        let base = match to.base {
            Base::Stack => {
                let at = i32::try_from(to.offset).ok().and_then(|o| state.stack.checked_add(o));
                if let Some(at) = at.filter(|_| !to.indexed) {
                    state.forget(at, bytes);
                    if bytes == 8 && self.private.has(at) {
                        state.set_word(at, value);
                    }
                }
                return;
            }
            Base::Fixed => Value::Constant(0),
            Base::Register(r) => state.get(r),
            Base::Unknown => Value::Unknown,
        };
        if let Some(watch) = watch.filter(|_| !to.indexed) {
            watch.store(base, to.offset, bytes, value);
        }
    }

    fn value(&self, from: Source, state: &State) -> Value {
        match from {
            Source::Unknown => Value::Unknown,
            Source::Constant(n) => Value::Constant(n),
            Source::Register(r) => state.get(r),
            Source::AddressOf(Address { base: Base::Fixed, offset, indexed: false }) => {
                Value::Constant(offset.cast_unsigned())
            }
            Source::AddressOf(Address { base: Base::Register(r), offset, indexed }) => match state.get(r) {
                // A page, and a place on it.
                Value::Constant(c) if !indexed => Value::Constant(c.wrapping_add_signed(offset)),
                value => value.moved(),
            },
            Source::AddressOf(_) => Value::Unknown,
            Source::Load(a) if a.indexed => Value::Unknown,
            Source::Load(a) => match a.base {
                Base::Stack => {
                    let at = i32::try_from(a.offset).ok().and_then(|o| state.stack.checked_add(o));
                    at.filter(|&at| self.private.has(at)).map_or(Value::Unknown, |at| state.word(at))
                }
                Base::Fixed => Value::Variable(a.offset.cast_unsigned()),
                Base::Register(r) => self.load(state.get(r), a.offset),
                Base::Unknown => Value::Unknown,
            },
        }
    }

    /// A word of what a pointer points to.
    fn load(&self, base: Value, offset: i64) -> Value {
        match base {
            Value::Constant(c) => Value::Variable(c.wrapping_add_signed(offset)),
            Value::Pointer { kind: PointerKind::Ptr(id), .. } => self.program.field(id, offset),
            Value::Variable(v) => match self.program.variable(v) {
                Some(PointerKind::Ptr(id)) => self.program.field(id, offset),
                _ => Value::Unknown,
            },
            _ => Value::Unknown,
        }
    }

    /// What a call returns that allocates.
    fn allocated(&self, callee: &Callee, state: &State) -> Option<PointerKind> {
        let registers = registers(self.program.arch());
        let typ = |place: usize| match state.get(*registers.get(place)?) {
            Value::Constant(address) => self.program.typ(address),
            _ => None,
        };
        match callee {
            Callee::New { typ: place } => Some(PointerKind::Ptr(typ(*place)?)),
            Callee::Array { typ: place } => Some(PointerKind::Slice(typ(*place)?)),
            Callee::Malloc => {
                let id = typ(1)?;
                let size = self.program.types.get(id)?.size;
                match state.get(*registers.first()?) {
                    Value::Constant(n) if n == size => Some(PointerKind::Ptr(id)),
                    _ => Some(PointerKind::Slice(id)),
                }
            }
            Callee::Map => Some(PointerKind::Map(typ(0)?)),
            Callee::Chan => Some(PointerKind::Chan(typ(0)?)),
            Callee::Text => Some(PointerKind::String),
            _ => None,
        }
    }

    fn call(
        &self,
        step: &Step,
        target: Option<u64>,
        callee: Option<&Callee>,
        new: Option<PointerKind>,
        state: &mut State,
    ) {
        let registers = registers(self.program.arch());
        let returned = match target.and_then(|t| self.program.returned(t)) {
            Some(Returned::Kind(kind)) => Value::known(kind),
            Some(Returned::Argument(n)) => registers.get(usize::from(n)).map_or(Value::Unknown, |&r| state.get(r)),
            None => Value::Unknown,
        };
        match callee {
            // r11 holds the buffer that the barrier gives out; up to Go 1.20 all are kept.
            Some(Callee::Barrier) => return state.spoil(self.program.barrier_spoils()),
            Some(Callee::Method { results, .. }) => {
                state.spoil(u32::MAX);
                state.set(registers.first().copied().unwrap_or_default(), returned);
                for (&r, &value) in registers.iter().zip(results).filter(|r| *r.1 != Value::Unknown) {
                    state.set(r, value);
                }
            }
            Some(Callee::SmallMap) => {
                let made = match self.program.made(step.next) {
                    Some(map) => Value::Pointer { kind: PointerKind::Map(map), fresh: true },
                    None => Value::Made(step.next),
                };
                state.spoil(u32::MAX);
                state.set(registers.first().copied().unwrap_or_default(), made);
            }
            _ => {
                state.spoil(u32::MAX);
                state.set(registers.first().copied().unwrap_or_default(), returned);
            }
        }
        if let (Some(kind), Some(&first)) = (new, registers.first()) {
            state.set(first, Value::Pointer { kind, fresh: true });
        }
    }
}
