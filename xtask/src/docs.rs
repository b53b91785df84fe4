//! Docs that are generated from the code, so that they cannot go stale.

use crate::{Result, root};
use std::path::PathBuf;

/// Every generated file with its content.
fn generated() -> Vec<(PathBuf, String)> {
    let docs = root().join("docs");
    let mut out = vec![(docs.join("schema/report-1.schema.json"), report::schema())];
    let mut index = String::from("# Rules\n\nEach page is what `oomph explain RULE` prints.\n\n");
    for rule in diagnose::rules() {
        index.push_str(&format!("- [{0}]({0}.md)\n", rule.id));
        out.push((docs.join(format!("rules/{}.md", rule.id)), rule.doc()));
    }
    out.push((docs.join("rules/README.md"), index));
    out
}

pub(crate) fn run(check: bool) -> Result<()> {
    for (path, text) in generated() {
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        if check {
            return Err(format!("{} is not what the code says; run `cargo xtask docs`", path.display()).into());
        }
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        std::fs::write(&path, text)?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn generated_docs_are_current() {
        super::run(true).expect("run `cargo xtask docs`");
    }
}
