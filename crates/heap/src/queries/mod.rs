//! Questions about a heap that is read: what holds an object or a type, what would be free without some of it, what
//! the roots hold, what changed from one instant to another. Owns the answers as plain data; refuses to print them.

mod census;
mod diff;
mod holders;
mod pattern;
mod places;
mod retained;
mod roots;
mod vias;

pub(crate) use census::MOST_CONTAINERS as MOST_IN_CENSUS;
pub use diff::{NoCensus, diff};
pub use holders::NotFound;
pub use pattern::{Pattern, PatternError};
pub use places::{Follow, Place, PlaceId, Places};
