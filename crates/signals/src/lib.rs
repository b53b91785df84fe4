//! Floor 1: pure arithmetic of change.
//!
//! Says how fast a measured quantity grows, how sure that is in the face of the measurement's own
//! noise, whether the growth goes on or levels off, and when it will meet a limit. Knows nothing
//! of Go, of profiles or of files; the rules give the numbers their meaning.

mod forecast;
mod growth;

pub use forecast::{TimeToLimit, time_to_limit};
pub use growth::{Growth, Measured, growth, median, theil_sen};
