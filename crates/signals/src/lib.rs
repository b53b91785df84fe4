//! Floor 1: pure arithmetic of change.
//!
//! Says how fast a measured quantity grows, how sure that is in the face of the measurement's own
//! noise, whether the growth goes on or levels off, and when it will meet a limit; and what a series
//! of garbage collections shows ([`GcMonitor`]) and costs ([`GcLoad`]). Knows nothing of profiles,
//! logs or files; the rules give the numbers their meaning.

mod forecast;
mod gc;
mod growth;
mod watch;

pub use forecast::{TimeToLimit, time_to_limit};
pub use gc::{
    Decimated, GcLoad, GcMonitor, GcPoint, GcPredicted, GcSignal, GcThresholds, GrowthWindow, HEAP_MINIMUM,
    LogQuantiles, Raised, gogc_of_goal, growth_window,
};
pub use growth::{Growth, Measured, growth, median, rises, theil_sen};
pub use watch::{
    Alarm, COLUMNS, Column, Driver, FieldAlarm, FieldRule, FieldRules, FieldSettings, HeapStanding, Level, Monitor,
    MonitorSettings, Rate, Reading, Sample, Shape, Shift, Standing, Track, Trend, alarms, earliest, outlook, trend,
};
