//! `oomph explain`.

use crate::{Failure, Outcome, output};

pub(super) fn run(rule: Option<&str>) -> Result<Outcome, Failure> {
    let Some(rule) = rule else {
        let mut list = String::new();
        for r in diagnose::rules() {
            let doc = r.doc();
            let mut meaning = doc.lines().skip_while(|l| !l.starts_with("## What it means")).skip(1);
            let first: Vec<&str> = meaning.by_ref().take_while(|l| !l.is_empty()).collect();
            let text = first.join(" ");
            let sentence = text.split_inclusive(". ").next().unwrap_or(&text).trim_end();
            list.push_str(&format!("{:<26} {sentence}\n", r.id));
        }
        list.push_str("\noomph explain RULE shows the whole page.\n");
        output::stdout(list.as_bytes())?;
        return Ok(Outcome::Fine);
    };
    match diagnose::explain(rule) {
        Some(doc) => output::stdout(doc.as_bytes()).map(|()| Outcome::Fine),
        None => {
            let known: Vec<&str> = diagnose::rules().iter().map(|r| r.id).collect();
            Err(Failure::new(format!("there is no rule `{rule}`")).hint(format!("rules: {}", known.join(", "))))
        }
    }
}
