//! The heap over time, in bounded memory.

use model::TraceHeapPoint;

/// At most twice `MOST` points: when there are more, of two the one with the larger heap stays.
#[derive(Debug, Default)]
pub(crate) struct HeapSeries<const MOST: usize> {
    points: Vec<TraceHeapPoint>,
    /// Nanoseconds between two points.
    apart: u64,
}

impl<const MOST: usize> HeapSeries<MOST> {
    pub(crate) fn push(&mut self, point: TraceHeapPoint) {
        match self.points.last_mut() {
            Some(last) if point.at_ns.saturating_sub(last.at_ns) < self.apart => {
                // Peaks are kept.
                last.heap = last.heap.max(point.heap);
                last.goal = point.goal;
            }
            _ => self.points.push(point),
        }
        if self.points.len() >= 2 * MOST {
            let half = self.points.chunks(2).filter_map(|pair| pair.iter().max_by_key(|p| p.heap)).copied().collect();
            self.points = half;
            self.apart = point.at_ns / MOST as u64;
        }
    }

    pub(crate) fn told(self) -> Vec<TraceHeapPoint> {
        self.points
    }
}
