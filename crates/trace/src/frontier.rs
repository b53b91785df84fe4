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

    #[inline]
    fn sift_down(&mut self, mut i: usize) {
        let len = self.heap.len();
        while i < len {
            let mut min = i;
            for child in [2 * i + 1, 2 * i + 2] {
                if child < len && self.heap[child].time < self.heap[min].time {
                    min = child;
                }
            }
            if min == i {
                break;
            }
            self.heap.swap(i, min);
            i = min;
        }
    }
}
