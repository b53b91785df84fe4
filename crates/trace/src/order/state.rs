//! What the order keeps of goroutines, procs, threads and tasks.
//!
//! Refuses: rules. Which transition is allowed stands in the sibling modules.

use hashbrown::HashMap;

use crate::event::NONE;

/// Statuses of goroutines in the file (`tracev2.GoStatus`).
pub(crate) const RUNNABLE: u8 = 1;
/// See [`RUNNABLE`].
pub(crate) const RUNNING: u8 = 2;
/// See [`RUNNABLE`].
pub(crate) const SYSCALL: u8 = 3;
/// See [`RUNNABLE`].
pub(crate) const WAITING: u8 = 4;

/// Statuses of procs in the file (`tracev2.ProcStatus`).
pub(crate) const P_RUNNING: u8 = 1;
/// See [`P_RUNNING`].
pub(crate) const P_IDLE: u8 = 2;
/// See [`P_RUNNING`].
pub(crate) const P_SYSCALL: u8 = 3;
/// See [`P_RUNNING`].
pub(crate) const P_ABANDONED: u8 = 4;

/// Id in a slot that holds no goroutine. Its status is 0, which no transition starts from.
const FREE: i64 = i64::MIN;

/// A goroutine that exists.
#[derive(Clone, Debug)]
pub(crate) struct Goroutine {
    pub(crate) id: i64,
    /// Sequence number in generation `generation`.
    pub(crate) seq: u64,
    pub(crate) generation: u64,
    pub(crate) status: u8,
    /// It is in a mark assist.
    pub(crate) assist: bool,
    pub(crate) extra: Option<Box<Extra>>,
}

/// What few goroutines have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extra {
    /// Regions it is in, as task and name; the innermost last.
    pub(crate) regions: Vec<(u64, u32)>,
    /// Reasons of the stop-the-worlds it began.
    pub(crate) stops: Vec<u64>,
}

impl Goroutine {
    pub(crate) fn new(id: i64, status: u8, generation: u64) -> Self {
        Self { id, seq: 0, generation, status, assist: false, extra: None }
    }

    /// The sequence number is the next one.
    #[inline(always)]
    pub(crate) fn succeeds(&self, generation: u64, seq: u64) -> bool {
        self.generation == generation && seq == self.seq.wrapping_add(1)
    }

    pub(crate) fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }
}

/// Entries of the direct-mapped shortcut from ids to slots.
const HINTS: usize = 1 << 12;

/// Goroutines by id.
#[derive(Debug)]
pub(crate) struct Goroutines {
    slots: Vec<Goroutine>,
    free: Vec<u32>,
    by_id: HashMap<i64, u32>,
    /// Slot an id with these low bits was last found in; the slot tells whether that is still so.
    hints: Box<[u32; HINTS]>,
}

impl Goroutines {
    pub(crate) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), by_id: HashMap::new(), hints: Box::new([0; HINTS]) }
    }

    pub(crate) fn clear(&mut self) {
        self.slots.clear();
        self.free.clear();
        self.by_id.clear();
    }

    /// The slot of a goroutine.
    #[inline(always)]
    pub(crate) fn find(&mut self, id: i64) -> Option<u32> {
        let hint = self.hints[id as usize % HINTS];
        match self.slots.get(hint as usize) {
            Some(g) if g.id == id => Some(hint),
            _ => self.find_by_id(id),
        }
    }

    #[inline(never)]
    fn find_by_id(&mut self, id: i64) -> Option<u32> {
        let slot = *self.by_id.get(&id)?;
        self.hints[id as usize % HINTS] = slot;
        Some(slot)
    }

    /// The goroutine with this id, which probably is in this slot.
    #[inline(always)]
    pub(crate) fn at(&mut self, slot: usize, id: i64) -> Option<&mut Goroutine> {
        let slot = match self.slots.get(slot) {
            Some(g) if g.id == id => slot,
            _ => self.find_by_id(id)? as usize,
        };
        self.slots.get_mut(slot)
    }

    #[inline(always)]
    pub(crate) fn get(&mut self, slot: u32) -> Option<&mut Goroutine> {
        self.slots.get_mut(slot as usize)
    }

    /// Adds a goroutine that does not exist yet.
    pub(crate) fn add(&mut self, g: Goroutine) -> u32 {
        let id = g.id;
        let slot = match self.free.pop() {
            Some(slot) => {
                if let Some(old) = self.slots.get_mut(slot as usize) {
                    *old = g;
                }
                slot
            }
            None => {
                self.slots.push(g);
                (self.slots.len() - 1) as u32
            }
        };
        self.by_id.insert(id, slot);
        self.hints[id as usize % HINTS] = slot;
        slot
    }

    pub(crate) fn remove(&mut self, id: i64) {
        if let Some(slot) = self.by_id.remove(&id)
            && let Some(g) = self.slots.get_mut(slot as usize)
        {
            g.id = FREE;
            g.status = 0;
            g.extra = None;
            self.free.push(slot);
        }
    }
}

/// A proc.
#[derive(Clone, Debug)]
pub(crate) struct Proc {
    pub(crate) id: i64,
    pub(crate) seq: u64,
    pub(crate) generation: u64,
    pub(crate) status: u8,
    /// It is in a sweep.
    pub(crate) sweep: bool,
}

impl Proc {
    #[inline(always)]
    pub(crate) fn succeeds(&self, generation: u64, seq: u64) -> bool {
        self.generation == generation && seq == self.seq.wrapping_add(1)
    }
}

/// A thread: what it runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thread {
    pub(crate) id: i64,
    pub(crate) proc: i64,
    pub(crate) goroutine: i64,
    /// Slot of the proc, of meaning while there is one. Not narrower than the other fields: what is read together but
    /// was written apart makes the processor wait.
    pub(crate) p: usize,
    /// Probable slot of the goroutine.
    pub(crate) g: usize,
}

impl Thread {
    pub(crate) fn new(id: i64) -> Self {
        Self { id, proc: NONE, goroutine: NONE, p: 0, g: 0 }
    }
}

/// A task that began and has not ended.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) parent: u64,
    pub(crate) name: Box<[u8]>,
}
