//! The heap of the Ms' next events by time, with the moves of Go's heap: which of two events of equal time comes
//! first follows from them.
//!
//! Refuses: knowing what an event is.
//!
//! Source: GOROOT/src/internal/trace/batchcursor.go (Go 1.27.3).

use crate::pdqsort;

/// The next event of an M: its time and the number of its cursor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) time: i64,
    pub(crate) cursor: u32,
}

/// A heap with the smallest time at the root.
#[derive(Debug, Default)]
pub(crate) struct Frontier {
    heap: Vec<Head>,
}

impl Frontier {
    pub(crate) fn clear(&mut self) {
        self.heap.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    #[inline]
    pub(crate) fn get(&self, i: usize) -> Option<Head> {
        self.heap.get(i).copied()
    }

    /// Up to which time the root may rise and stay the root.
    #[inline]
    pub(crate) fn bound(&self) -> i64 {
        let time = |i: usize| self.heap.get(i).map_or(i64::MAX, |h| h.time);
        time(1).min(time(2))
    }

    pub(crate) fn insert(&mut self, head: Head) {
        self.heap.push(head);
        self.sift_up(self.heap.len() - 1);
    }

    /// Gives the entry a new time.
    pub(crate) fn update(&mut self, i: usize, time: i64) {
        let Some(head) = self.heap.get_mut(i) else { return };
        head.time = time;
        if self.sift_up(i) == i {
            self.sift_down(i);
        }
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, mut i: usize) {
        let Some(last) = self.heap.len().checked_sub(1) else { return };
        if i > last {
            return;
        }
        while i > 0 {
            self.heap.swap((i - 1) / 2, i);
            i = (i - 1) / 2;
        }
        self.heap.swap(0, last);
        self.heap.pop();
        self.sift_down(0);
    }

    pub(crate) fn sort(&mut self) {
        pdqsort::sort_by_time(&mut self.heap, |h| h.time);
    }

    fn sift_up(&mut self, mut i: usize) -> usize {
        while i > 0 && self.heap[(i - 1) / 2].time > self.heap[i].time {
            self.heap.swap((i - 1) / 2, i);
            i = (i - 1) / 2;
        }
        i
    }

    /// Moves an entry down until no child has a smaller time.
    fn sift_down(&mut self, mut i: usize) {
        let Some(&moved) = self.heap.get(i) else { return };
        loop {
            let (left, right) = (2 * i + 1, 2 * i + 2);
            let Some(&l) = self.heap.get(left) else { break };
            let (mut child, mut at) = (l, left);
            // Of two children with the same time the left one rises.
            if let Some(&r) = self.heap.get(right)
                && r.time < l.time
            {
                (child, at) = (r, right);
            }
            if child.time >= moved.time {
                break;
            }
            self.heap[i] = child;
            i = at;
        }
        self.heap[i] = moved;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `heapSiftDown` of Go, with its swaps.
    fn go_sift_down(heap: &mut [Head], mut i: usize) {
        loop {
            let mut min = i;
            let mut time = heap[i].time;
            for child in [2 * i + 1, 2 * i + 2] {
                if child < heap.len() && heap[child].time < time {
                    time = heap[child].time;
                    min = child;
                }
            }
            if min == i {
                return;
            }
            heap.swap(i, min);
            i = min;
        }
    }

    proptest! {
        #[test]
        fn moves_are_those_of_go(times in proptest::collection::vec(0i64..6, 1..40), new in 0i64..8) {
            let mut ours = Frontier::default();
            for (i, &time) in times.iter().enumerate() {
                ours.insert(Head { time, cursor: i as u32 });
            }
            let mut go = ours.heap.clone();
            let new = new.max(go[0].time);
            go[0].time = new;
            go_sift_down(&mut go, 0);
            ours.update(0, new);
            let order = |h: &[Head]| h.iter().map(|h| (h.time, h.cursor)).collect::<Vec<_>>();
            prop_assert_eq!(order(&ours.heap), order(&go));
        }
    }
}
