//! Embeds the Go module in `lab/`, so that the specimens can be built away from the repository.
//! Owns the list of embedded files; refuses build products and anything that is not source.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let missing = || io::Error::other("cargo sets OUT_DIR");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or_else(missing)?);
    // Relative to the package, where build scripts run: a target directory shared by checkouts then sees the
    // sources of the one at hand.
    let root = PathBuf::from("../../lab");
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    let mut code = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(&root).map_err(io::Error::other)?;
        let name = name.to_str().ok_or_else(|| io::Error::other("UTF-8 file name"))?;
        let absolute = file.canonicalize()?;
        let path = absolute.to_str().ok_or_else(|| io::Error::other("UTF-8 path"))?;
        let _ = writeln!(code, "    ({name:?}, include_str!({path:?})),");
    }
    code.push_str("]\n");
    fs::write(out.join("sources.rs"), code)
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", dir.display());
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name();
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(&path, files)?;
        } else if name == "go.mod" || name == "truth.json" || path.extension().is_some_and(|e| e == "go") {
            println!("cargo::rerun-if-changed={}", path.display());
            files.push(path);
        }
    }
    Ok(())
}
