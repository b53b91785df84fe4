//! Owns the machine-readable form: the report as JSON, and the JSON Schema that describes it.
//! Refuses to add to, drop from or reorder what the report holds.

use model::Report;
use serde_json::Value;

/// The `$id` of the published schema.
const SCHEMA_ID: &str = "urn:oomph:schema:report:1";

/// The report as pretty JSON: keys in the order of the model's fields, so the same report always
/// prints the same text, with a trailing newline. Characters that act on terminals or reorder text
/// are written as `\uXXXX`, so the output is safe to look at and parses to the same values.
#[must_use]
pub fn json(report: &Report) -> String {
    match serde_json::to_string_pretty(report) {
        Ok(text) => {
            let mut text = crate::clean::json(&text).into_owned();
            text.push('\n');
            text
        }
        // Plain structs with string keys: serde_json has no way to fail on them. Should the model
        // ever gain one, the reader gets valid JSON that says so.
        Err(e) => format!("{}\n", serde_json::json!({ "error": e.to_string() })),
    }
}

/// The JSON Schema (draft 2020-12) of what [`json`] prints, generated from the model's types, with
/// a trailing newline. Published as `docs/schema/report-1.schema.json`.
#[must_use]
pub fn schema() -> String {
    text(schemars::schema_for!(Report), model::REPORT_SCHEMA, SCHEMA_ID, "oomph report, version 1")
}

/// The schema of what `oomph gclog` prints as JSON. Published as `docs/schema/gclog-1.schema.json`.
#[must_use]
pub fn gc_log_schema() -> String {
    let schema = schemars::schema_for!(model::GcLog);
    text(schema, model::GCLOG_SCHEMA, "urn:oomph:schema:gclog:1", "oomph gclog, version 1")
}

/// The schema of what `oomph trace` prints as JSON. Published as `docs/schema/trace-1.schema.json`.
#[must_use]
pub fn trace_schema() -> String {
    let schema = schemars::schema_for!(model::TraceDocument);
    text(schema, model::TRACE_SCHEMA, "urn:oomph:schema:trace:1", "oomph trace, version 1")
}

/// The schema of a trace's timeline. Published as `docs/schema/timeline-1.schema.json`.
#[must_use]
pub fn timeline_schema() -> String {
    let schema = schemars::schema_for!(model::TimelineDocument);
    text(schema, model::TIMELINE_SCHEMA, "urn:oomph:schema:timeline:1", "a trace as lanes of time, version 1")
}

/// The schemas of what `oomph heap` prints as JSON, with the names of the files in `docs/schema/` that publish them.
#[must_use]
pub fn heap_schemas() -> Vec<(&'static str, String)> {
    vec![
        (
            "heap-1.schema.json",
            text(
                schemars::schema_for!(model::HeapOverview),
                model::HEAP_SCHEMA,
                "urn:oomph:schema:heap:1",
                "oomph heap and its parts: types, containers, roots, goroutines, chains, duplicates; version 1",
            ),
        ),
        (
            "heap-holders-1.schema.json",
            text(
                schemars::schema_for!(model::HeapHolders),
                model::HEAP_HOLDERS_SCHEMA,
                "urn:oomph:schema:heap-holders:1",
                "oomph heap holders, version 1",
            ),
        ),
        (
            "heap-retained-1.schema.json",
            text(
                schemars::schema_for!(model::HeapRetained),
                model::HEAP_RETAINED_SCHEMA,
                "urn:oomph:schema:heap-retained:1",
                "oomph heap retained, version 1",
            ),
        ),
        (
            "heap-diff-1.schema.json",
            text(
                schemars::schema_for!(model::HeapDiff),
                model::HEAP_DIFF_SCHEMA,
                "urn:oomph:schema:heap-diff:1",
                "oomph heap diff, version 1",
            ),
        ),
    ]
}

fn text(mut schema: schemars::Schema, constant: &str, id: &str, title: &str) -> String {
    schema.insert("$id".to_owned(), Value::from(id));
    schema.insert("title".to_owned(), Value::from(title));
    let mut value = schema.to_value();
    if let Some(defs) = value.get_mut("$defs").and_then(Value::as_object_mut) {
        for (name, def) in defs.iter_mut() {
            if let Some(def) = def.as_object_mut() {
                def.entry("title").or_insert_with(|| Value::from(name.as_str()));
            }
        }
    }
    if let Some(of) = value.pointer_mut("/properties/schema").and_then(Value::as_object_mut) {
        of.insert("const".to_owned(), Value::from(constant));
    }
    let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
    text.push('\n');
    text
}
