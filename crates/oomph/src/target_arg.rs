//! What the user named: a URL, a pid, a program name, a bundle, profile files.

use crate::Failure;
use std::path::{Path, PathBuf};

/// A target as far as its spelling tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TargetArg {
    /// `http://host:port`, `host:port`.
    Url(String),
    /// A process id.
    Pid(u32),
    /// A bundle: a directory with a manifest, or a zip file.
    Bundle(PathBuf),
    /// One or more files of profiles, dumps, MemStats text.
    Files(Vec<PathBuf>),
    /// The name of a running Go program.
    Name(String),
}

/// Tells what `names` are. Several names are files.
pub(crate) fn parse(names: &[String]) -> Result<TargetArg, Failure> {
    match names {
        [] => Err(Failure::new("no target given")
            .hint("name a URL, a pid, a bundle or profile files: oomph diagnose http://localhost:6060")),
        [one] => match single(one) {
            TargetArg::Name(name) if looks_like_path(&name) => {
                Err(Failure::new(format!("{name}: no such file or directory"))
                    .hint("an address needs its scheme or port: http://host/path or host:port/path"))
            }
            arg => Ok(arg),
        },
        many => {
            let files: Vec<PathBuf> = many.iter().map(PathBuf::from).collect();
            match files.iter().find(|f| f.is_dir() || !f.exists()) {
                Some(f) => Err(Failure::new(format!("several targets were given, but {} is not a file", f.display()))
                    .hint("give one URL, pid or bundle, or any number of profile files")),
                None => Ok(TargetArg::Files(files)),
            }
        }
    }
}

fn single(name: &str) -> TargetArg {
    if name.contains("://") {
        return TargetArg::Url(name.to_owned());
    }
    let path = if name == "-" { Path::new("/dev/stdin") } else { Path::new(name) };
    if path.is_dir() || (path.is_file() && is_zip(path)) {
        return TargetArg::Bundle(path.to_owned());
    }
    // Pipes (`<(curl ...)`) and devices are files as well.
    if path.exists() {
        return TargetArg::Files(vec![path.to_owned()]);
    }
    if let Ok(pid) = name.parse::<u32>() {
        return TargetArg::Pid(pid);
    }
    if is_host_port(name) { TargetArg::Url(format!("http://{name}")) } else { TargetArg::Name(name.to_owned()) }
}

fn is_zip(path: &Path) -> bool {
    use std::io::Read as _;
    let mut head = [0; 4];
    std::fs::File::open(path).and_then(|mut f| f.read_exact(&mut head)).is_ok() && head.starts_with(b"PK")
}

/// `host:port`, `:port`, `[::1]:port`, with or without a path behind.
fn is_host_port(name: &str) -> bool {
    let authority = name.split('/').next().unwrap_or(name);
    // Whether the port is one is told by who reads the address.
    authority.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// Names of programs have no slash; files that people name have one or a known ending.
fn looks_like_path(name: &str) -> bool {
    let ending = |e| name.len() > 1 && name.to_ascii_lowercase().ends_with(e);
    name.contains('/')
        || [".gz", ".zst", ".pb", ".oomph", ".zip", ".txt", ".json", ".out", ".prof"].into_iter().any(ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_targets_apart() {
        let url = |s: &str| TargetArg::Url(s.to_owned());
        assert_eq!(single("http://localhost:6060"), url("http://localhost:6060"));
        assert_eq!(single("localhost:6060"), url("http://localhost:6060"));
        assert_eq!(single("10.0.0.1:80/debug/pprof/"), url("http://10.0.0.1:80/debug/pprof/"));
        assert_eq!(single("1234"), TargetArg::Pid(1234));
        assert_eq!(single("localhost:99999"), url("http://localhost:99999"));
        assert_eq!(single("prometheus"), TargetArg::Name("prometheus".to_owned()));
        assert_eq!(single("/"), TargetArg::Bundle(PathBuf::from("/")));
    }

    #[test]
    fn several_names_are_files() {
        assert!(parse(&[]).is_err());
        for missing in ["heap.pb.gz", "./x", "/no/such/x.oomph", "host/debug/pprof"] {
            assert!(parse(&[missing.to_owned()]).is_err(), "{missing}");
        }
        assert!(parse(&["/no/such".to_owned(), "/nor/this".to_owned()]).is_err());
    }
}
