//! ARCHITECTURE.md says which crate stands on which floor and imports what; the manifests must agree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}

/// Crate name, floor and imports of each row of the floors table.
fn documented() -> BTreeMap<String, (u32, BTreeSet<String>)> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let mut out = BTreeMap::new();
    for line in text.lines().filter(|l| l.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [floor, name, _, imports] = cells.as_slice() else { continue };
        let Ok(floor) = floor.parse::<u32>() else { continue };
        let imports = imports.split(',').map(str::trim).filter(|i| *i != "-").map(str::to_owned).collect();
        out.insert((*name).to_owned(), (floor, imports));
    }
    out
}

/// The same, from the manifests: dependencies with a path, those for tests only left out.
fn actual() -> BTreeMap<String, BTreeSet<String>> {
    let names = documented();
    let mut out = BTreeMap::new();
    for entry in std::fs::read_dir(root().join("crates")).expect("crates/") {
        let dir = entry.expect("an entry of crates/").path();
        let text = std::fs::read_to_string(dir.join("Cargo.toml")).expect("Cargo.toml");
        let manifest: toml::Table = text.parse().expect("a TOML manifest");
        let deps = manifest.get("dependencies").and_then(|d| d.as_table()).cloned().unwrap_or_default();
        let own = deps.keys().filter(|k| names.contains_key(*k)).cloned().collect();
        let name = dir.file_name().and_then(|n| n.to_str()).expect("a UTF-8 name").to_owned();
        out.insert(name, own);
    }
    out
}

#[test]
fn crates_import_what_the_architecture_says() {
    let documented = documented();
    let actual = actual();
    assert!(documented.len() > 5, "the floors table was not found");
    assert_eq!(documented.keys().collect::<Vec<_>>(), actual.keys().collect::<Vec<_>>(), "crates");
    for (name, imports) in &actual {
        assert_eq!(&documented[name].1, imports, "imports of {name}");
    }
}

#[test]
fn imports_go_down_only() {
    let documented = documented();
    for (name, (floor, imports)) in &documented {
        for i in imports {
            let below = documented[i].0;
            assert!(below < *floor, "{name} (floor {floor}) imports {i} (floor {below})");
        }
    }
}
