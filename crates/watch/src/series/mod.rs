//! Samples on disk: append-only, each record checked by a CRC, in segments of which the oldest go first.
//!
//! A watcher killed in the middle of a record loses that record. What a full disk cut off is cut away before the
//! next record. A damaged stretch is skipped; reading goes on at the next whole record that needs none before it.

mod codec;
mod read;
mod write;

pub use codec::{Record, SeriesHead};
pub use read::{Series, read_segment, read_series};
pub use write::SeriesWriter;
