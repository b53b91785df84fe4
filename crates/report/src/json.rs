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
    let mut schema = schemars::schema_for!(Report);
    schema.insert("$id".to_owned(), Value::from(SCHEMA_ID));
    schema.insert("title".to_owned(), Value::from("oomph report, version 1"));
    let mut value = schema.to_value();
    if let Some(defs) = value.get_mut("$defs").and_then(Value::as_object_mut) {
        for (name, def) in defs.iter_mut() {
            if let Some(def) = def.as_object_mut() {
                def.entry("title").or_insert_with(|| Value::from(name.as_str()));
            }
        }
    }
    if let Some(constant) = value.pointer_mut("/properties/schema").and_then(Value::as_object_mut) {
        constant.insert("const".to_owned(), Value::from(model::REPORT_SCHEMA));
    }
    let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
    text.push('\n');
    text
}
