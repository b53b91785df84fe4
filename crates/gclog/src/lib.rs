//! Floor 1: what Go's garbage collector prints, inside any log.
//!
//! `GODEBUG=gctrace=1`, `gctrace=2`, `gcpacertrace=1` and `scavtrace=1` of Go 1.19 to 1.27 (Go `src/runtime/mgc.go`,
//! `mgcpacer.go`, `mgcsweep.go`, `mgcscavenge.go`, `mgcmark_greenteagc.go`). [`Reader`] takes a log in blocks, in
//! constant memory, and says what is in it; [`Processes`] tells the processes apart that write into one log.
//! Does no I/O.
//!
//! The runtime writes a line in pieces, one `write` for each number, and others write to the same file. A line is
//! therefore taken only if
//!
//! - it is there from its first word to its end of line (or the end of the JSON string, or the colour, around it), each
//!   number in the form in which the runtime prints it;
//! - nothing but a prefix that ends in a gap, quote or bracket stands before it, and no other piece of a gctrace line
//!   stands in the same line of text;
//! - its parts agree ([`Rule`]): CPU time of a stopped world is a multiple of its wall time, marking takes no more CPU
//!   than the Ps have, the heap does not shrink while it is marked.
//!
//! What is not taken is counted with its place ([`Broken`]). A number that another process writes into the middle of
//! one of the line's own numbers is noticed by these rules in most cases, not in all.

mod cursor;
mod line;
mod processes;
mod reader;
mod trace;

pub use line::{Clock, Cpu, Cycle, Rule, precision};
pub use processes::{Assigned, ProcessId, Processes};
pub use reader::{Broken, Found, Kind, Place, Reader, Record, Why};
pub use trace::{PacerEnd, PacerStart, Scan, ScanClass, ScanSpans, Scavenge, SweepDone};
