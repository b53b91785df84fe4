//! Watching one service's memory as its samples arrive: what it does, whether that will end it, and when.

mod alarm;
mod column;
mod field;
mod growth;
mod monitor;
mod outlook;
mod settings;
mod shape;
mod shift;
mod track;

pub use alarm::{Alarm, alarms};
pub use column::{COLUMNS, Column, Sample};
pub use field::{FieldAlarm, FieldRule, FieldRules, FieldSettings, Level};
pub use monitor::{Driver, Monitor, Reading};
pub use outlook::{HeapStanding, Rate, Standing, earliest, outlook};
pub use settings::MonitorSettings;
pub use shape::Shape;
pub use shift::Shift;
pub use track::{Track, Trend, trend};
