//! Goroutines: what state each is in and since when, and sums by the function that they began with.

use crate::cpu::Tally;
use crate::names::{Name, Names};
use model::{TraceGoroutines, TraceInstant};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use trace::GoState;

/// Most stacks of mark assists that are told apart in one group.
const MOST_STACKS: usize = 1 << 12;

/// Most stacks of mark assists that are told apart of one goroutine.
const MOST_OWN_STACKS: usize = 64;

/// A goroutine that is alive.
#[derive(Clone, Debug)]
pub(crate) struct Goroutine {
    pub(crate) state: GoState,
    /// When it entered the state.
    pub(crate) entered: u64,
    /// Up to when its time is in the sums.
    settled: u64,
    /// The function that it began with; 0 when not known.
    pub(crate) function: Name,
    /// Why and where it waits.
    pub(crate) reason: Name,
    pub(crate) stack: Name,
    /// A collection marked when it became runnable.
    pub(crate) in_gc: bool,
    /// It works for the collector, and not because its processor is idle.
    pub(crate) worker: bool,
    /// It works for the collector because its processor is idle.
    pub(crate) idle_worker: bool,
    /// It is in a mark assist, with this stack.
    pub(crate) assist: Option<Name>,
    /// When the assist began.
    pub(crate) assist_since: u64,
    /// It was created in the trace.
    pub(crate) born: bool,
    longest_assist: TraceInstant,
    longest_delay: TraceInstant,
    /// The world is stopped.
    pub(crate) stopped: bool,
    times: Times,
    assists: u64,
    allocated: u64,
    stacks: Vec<(Name, u64)>,
}

/// Time by state.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    running: u64,
    runnable: u64,
    waiting: u64,
    syscall: u64,
    assist: u64,
}

impl Goroutine {
    pub(crate) fn new(at: u64) -> Self {
        Goroutine {
            state: GoState::Undetermined,
            entered: at,
            settled: at,
            function: 0,
            reason: 0,
            stack: 0,
            in_gc: false,
            worker: false,
            idle_worker: false,
            assist: None,
            assist_since: 0,
            born: false,
            longest_assist: TraceInstant::default(),
            longest_delay: TraceInstant::default(),
            stopped: false,
            times: Times::default(),
            assists: 0,
            allocated: 0,
            stacks: Vec::new(),
        }
    }

    /// Processors that it uses now: as a background worker, in an assist, as an idle worker.
    pub(crate) fn takes(&self) -> [u32; 3] {
        if self.state != GoState::Running {
            return [0; 3];
        }
        [u32::from(self.worker), u32::from(self.assist.is_some()), u32::from(self.idle_worker)]
    }

    /// A mark assist ended.
    pub(crate) fn assist_ended(&mut self, at: u64) {
        longer(&mut self.longest_assist, TraceInstant::between(self.assist_since, at));
    }

    /// It waited for a processor.
    pub(crate) fn delayed(&mut self, since: u64, at: u64) {
        longer(&mut self.longest_delay, TraceInstant::between(since, at));
    }

    /// Adds the time since the last call to the sums of its state.
    pub(crate) fn settle(&mut self, at: u64) {
        let time = at.saturating_sub(self.settled);
        self.settled = at;
        match self.state {
            GoState::Running => {
                self.times.running += time;
                if let Some(stack) = self.assist.filter(|_| !self.stopped) {
                    self.times.assist += time;
                    let known = self.stacks.iter().position(|s| s.0 == stack);
                    let at = known.unwrap_or(self.stacks.len());
                    if known.is_none() && at < MOST_OWN_STACKS {
                        self.stacks.push((stack, 0));
                    }
                    if let Some(of) = self.stacks.get_mut(at) {
                        of.1 += time;
                    }
                }
            }
            GoState::Runnable => self.times.runnable += time,
            GoState::Waiting => self.times.waiting += time,
            GoState::Syscall => self.times.syscall += time,
            GoState::Undetermined | GoState::NotExist => {}
        }
    }

    pub(crate) fn assisted(&mut self) {
        self.assists += 1;
    }

    pub(crate) fn allocated(&mut self, bytes: u64) {
        self.allocated = self.allocated.saturating_add(bytes);
    }
}

/// Sums of the goroutines that began with one function.
#[derive(Debug, Default)]
struct Group {
    count: u64,
    created: u64,
    ended: u64,
    times: Times,
    assists: u64,
    allocated: u64,
    stacks: FxHashMap<Name, u64>,
    longest_assist: TraceInstant,
    longest_delay: TraceInstant,
    /// Stacks of those who created them.
    created_at: Tally,
    left: u64,
    /// Where those that are left wait, and why.
    left_at: Tally,
    left_reason: Tally,
}

fn longer(longest: &mut TraceInstant, new: TraceInstant) {
    if new.duration_ns > longest.duration_ns {
        *longest = new;
    }
}

/// All groups.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    of: FxHashMap<Name, Group>,
}

impl Groups {
    /// Takes over what a goroutine did; `ended` says whether its end is in the trace.
    pub(crate) fn add(&mut self, g: &Goroutine, ended: bool) {
        let group = self.of.entry(g.function).or_default();
        group.count += 1;
        group.ended += u64::from(ended);
        let (to, from) = (&mut group.times, &g.times);
        to.running = to.running.saturating_add(from.running);
        to.runnable = to.runnable.saturating_add(from.runnable);
        to.waiting = to.waiting.saturating_add(from.waiting);
        to.syscall = to.syscall.saturating_add(from.syscall);
        to.assist = to.assist.saturating_add(from.assist);
        group.assists += g.assists;
        longer(&mut group.longest_assist, g.longest_assist);
        longer(&mut group.longest_delay, g.longest_delay);
        if !ended && g.born && g.state == GoState::Waiting {
            group.left += 1;
            group.left_at.add(g.stack);
            group.left_reason.add(g.reason);
        }
        group.allocated = group.allocated.saturating_add(g.allocated);
        for &(stack, time) in &g.stacks {
            if group.stacks.len() < MOST_STACKS || group.stacks.contains_key(&stack) {
                let of = group.stacks.entry(stack).or_default();
                *of = of.saturating_add(time);
            }
        }
    }

    /// A goroutine of this function was made by someone with this stack.
    pub(crate) fn created(&mut self, function: Name, by: Name) {
        let group = self.of.entry(function).or_default();
        group.created += 1;
        group.created_at.add(by);
    }

    /// At most `rows` groups, those that ran most first, and how many there are besides.
    pub(crate) fn told(self, names: &Names, rows: usize) -> (Vec<TraceGoroutines>, u64) {
        let mut list: Vec<(Name, Group)> = self.of.into_iter().collect();
        list.sort_by(|a, b| {
            let key =
                |(name, g): &(Name, Group)| (Reverse(g.times.running), Reverse(g.count), names.text(*name).to_owned());
            key(a).cmp(&key(b))
        });
        let more = list.len().saturating_sub(rows) as u64;
        list.truncate(rows);
        let row = |(name, g): (Name, Group)| TraceGoroutines {
            function: names.text(name).to_owned(),
            count: g.count,
            created: g.created,
            ended: g.ended,
            running_ns: g.times.running,
            runnable_ns: g.times.runnable,
            waiting_ns: g.times.waiting,
            syscall_ns: g.times.syscall,
            assist_ns: g.times.assist,
            assists: g.assists,
            assist_stack: {
                let most = g.stacks.iter().max_by_key(|(stack, time)| (**time, Reverse(**stack)));
                most.map(|(stack, _)| names.frames(*stack)).unwrap_or_default()
            },
            allocated_bytes: g.allocated,
            longest_assist: g.longest_assist,
            longest_delay: g.longest_delay,
            created_at: g.created_at.most().map(|stack| names.frames(stack)).unwrap_or_default(),
            left: g.left,
            left_reason: g.left_reason.most().map(|name| names.text(name).to_owned()).unwrap_or_default(),
            left_at: g.left_at.most().map(|stack| names.frames(stack)).unwrap_or_default(),
        };
        (list.into_iter().map(row).collect(), more)
    }
}
