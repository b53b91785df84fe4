//! Floor 6: findings in, text out.
//!
//! Owns every form in which a [`model::Report`] reaches a person or a program: [`terminal`],
//! [`json`] with its [`schema`], [`markdown`], and [`html`], one offline file with flame graphs,
//! which also leave as [`flame_svg`] and [`speedscope`]; and those of a [`model::HeapOverview`]:
//! [`heap_overview`] and [`heap_html`]; and those of a [`model::GcLog`] and a
//! [`model::TraceDocument`]: [`gc_log`], [`trace()`]; and a
//! [`model::TimelineDocument`] as a page to zoom in: [`timeline_html`]. Refuses to judge: no number, verdict or
//! order here that the report does not hold, and nothing is read from or written to anywhere.
//!
//! Every string of a report may come from a hostile process (function names, file names, header
//! values); the `clean` module makes control characters visible and escapes for each format.

mod clean;
mod flame;
mod fmt;
mod gclog;
mod heap;
mod heap_diff;
mod heap_notes;
mod heap_queries;
mod hints;
mod html;
mod json;
mod markdown;
mod terminal;
mod trace;
mod watched;
mod wrap;

pub use clean::{block as visible_block, json as visible_json, line as visible_line};
pub use flame::{Flame, FlameError, flame_svg, speedscope, speedscope_of};
pub use gclog::gc_log;
pub use heap::heap_overview;
pub use heap_diff::heap_diff;
pub use heap_queries::{heap_holders, heap_retained};
pub use html::{heap_html, html, timeline_html};
pub use json::{gc_log_schema, heap_schemas, json, schema, timeline_schema, trace_schema};
pub use markdown::markdown;
pub use terminal::{TerminalOptions, terminal};
pub use trace::{TracePart, trace};
