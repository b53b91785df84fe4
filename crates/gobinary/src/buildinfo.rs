//! Build information as the Go linker writes it: `src/debug/buildinfo/buildinfo.go` (Go 1.18+
//! inline format) and `src/runtime/debug/mod.go` (the module text).

use crate::{BinaryError, GoBinary};
use model::GoVersion;

/// The bytes before the data; `\xff Go buildinf:` (`buildInfoMagic`).
const MAGIC: &[u8; 14] = b"\xff Go buildinf:";
/// The linker aligns the header to this (`buildInfoAlign`).
const ALIGN: usize = 16;
/// Size of the header before the inline strings (`buildInfoHeaderSize`).
const HEADER: usize = 32;
/// Flag at byte 15: the strings follow inline (always so since Go 1.18).
const INLINE: u8 = 2;
/// Longest string that is taken: dependency lists of the largest programs are far below.
const MOST_TEXT: u64 = 16 << 20;
/// Most places with the magic that are tried in a segment; programs that know the format hold one
/// or two besides their own.
const MOST_TRIES: usize = 32;
const PART: &str = "build information";

/// A module of the build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Module {
    /// Module path.
    pub path: String,
    /// Version; `(devel)` for a main module built from a checkout.
    pub version: String,
    /// Checksum (`h1:...`); empty for the main module.
    pub sum: String,
    /// The module that stands in for it (`replace`).
    pub replace: Option<Box<Module>>,
}

/// What the linker recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildInfo {
    /// Toolchain, with its experiments; `None` when the text has no version (`devel` alone).
    pub go_version: Option<GoVersion>,
    /// The text of the version as written.
    pub go_version_text: String,
    /// Package path of main.
    pub path: Option<String>,
    /// The main module.
    pub main: Option<Module>,
    /// The modules it depends on.
    pub deps: Vec<Module>,
    /// Build settings in their order: `CGO_ENABLED`, `-buildmode`, `GOEXPERIMENT`, `vcs.revision`, ...
    pub settings: Vec<(String, String)>,
}

impl BuildInfo {
    /// The value of a build setting.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// `CGO_ENABLED`; `None` when not recorded (`-buildvcs` and old builds apart, builds by other
    /// tools such as Bazel). `Some(true)` does not say that any C code is linked in.
    #[must_use]
    pub fn cgo(&self) -> Option<bool> {
        Some(self.setting("CGO_ENABLED")? == "1")
    }

    /// The text form that `go version -m` prints below the file name; [`BuildInfo::parse_text`]
    /// reads it back.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = format!("go\t{}\n", self.go_version_text);
        if let Some(path) = &self.path {
            out.push_str(&format!("path\t{path}\n"));
        }
        let mut module = |word: &str, m: &Module| {
            out.push_str(&format!("{word}\t{}\t{}\t{}\n", m.path, m.version, m.sum));
            if let Some(r) = &m.replace {
                out.push_str(&format!("=>\t{}\t{}\t{}\n", r.path, r.version, r.sum));
            }
        };
        if let Some(main) = &self.main {
            module("mod", main);
        }
        for dep in &self.deps {
            module("dep", dep);
        }
        for (k, v) in &self.settings {
            out.push_str(&format!("build\t{}={}\n", quote(k), quote(v)));
        }
        out
    }

    /// Reads the module text (`runtime/debug.ParseBuildInfo`), with or without a leading
    /// `go<TAB>version` line. Lines of other shapes are left out.
    #[must_use]
    pub fn parse_text(text: &str) -> Self {
        let mut out = Self::default();
        let mut last_is_main = true;
        for line in text.lines() {
            let mut parts = line.split('\t');
            let word = parts.next().unwrap_or_default();
            match word {
                "go" => {
                    out.set_version(parts.next().unwrap_or_default());
                }
                "path" => out.path = parts.next().map(str::to_owned),
                "mod" => {
                    out.main = Some(module(parts));
                    last_is_main = true;
                }
                "dep" => {
                    out.deps.push(module(parts));
                    last_is_main = false;
                }
                "=>" => {
                    let replaced = if last_is_main { out.main.as_mut() } else { out.deps.last_mut() };
                    if let Some(m) = replaced {
                        m.replace = Some(Box::new(module(parts)));
                    }
                }
                "build" => {
                    let rest = line.get(word.len() + 1..).unwrap_or_default();
                    if let Some(pair) = setting(rest) {
                        out.settings.push(pair);
                    }
                }
                _ => {}
            }
        }
        out
    }

    fn set_version(&mut self, text: &str) {
        text.clone_into(&mut self.go_version_text);
        self.go_version = GoVersion::parse(text);
    }
}

fn module<'a>(mut parts: impl Iterator<Item = &'a str>) -> Module {
    let mut next = || parts.next().unwrap_or_default().to_owned();
    Module { path: next(), version: next(), sum: next(), replace: None }
}

/// `key=value`, either quoted as a Go string when it holds blanks or quotes.
fn setting(text: &str) -> Option<(String, String)> {
    let (key, rest) = unquote_until(text, '=')?;
    let (value, _) = unquote_until(rest, '\n').unwrap_or((rest.to_owned(), ""));
    Some((key, value))
}

/// The (perhaps quoted) text before `end`, and what follows `end`.
fn unquote_until(text: &str, end: char) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '`'));
    let Some(quote) = quote else {
        return match text.split_once(end) {
            Some((a, b)) => Some((a.to_owned(), b)),
            None => (end == '\n').then(|| (text.to_owned(), "")),
        };
    };
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((i, c)) = chars.next() {
        match c {
            _ if c == quote => {
                let rest = text.get(i + 1..)?;
                return Some((out, rest.strip_prefix(end).unwrap_or(rest)));
            }
            '\\' if quote == '"' => match chars.next()?.1 {
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                't' => out.push('\t'),
                other => out.push(other),
            },
            _ => out.push(c),
        }
    }
    None
}

fn quote(text: &str) -> String {
    if text.contains(['"', '`', '\n', '\r', '\t', ' ', '=']) || text.is_empty() {
        let escaped = text
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
            .replace('\r', "\\r")
            .replace('\t', "\\t");
        format!("\"{escaped}\"")
    } else {
        text.to_owned()
    }
}

/// By section `.go.buildinfo`, else by scanning the writable segments, else all of them. Where there is none,
/// the version alone.
pub(crate) fn find(binary: &GoBinary<'_>) -> Result<BuildInfo, BinaryError> {
    let mut damaged = None;
    let section = binary.section(".go.buildinfo");
    let by_writable = |w: bool| binary.segments().iter().filter(move |s| s.writable == w).map(|s| (s.address, s.data));
    // Of a program of another language no more is looked at than of most Go programs: a watch looks at each new one.
    let rest = binary.may_be_go().then(|| by_writable(false));
    for (_, data) in section.into_iter().chain(by_writable(true)).chain(rest.into_iter().flatten()) {
        for offset in candidates(data).take(MOST_TRIES) {
            match inline(data, offset) {
                Ok(info) => return Ok(info),
                Err(e) => damaged = Some(e),
            }
        }
    }
    // Some builds remove it: the program knows its version all the same.
    let version = (damaged.is_none() && binary.may_be_go()).then(|| crate::version::in_data(binary)).flatten();
    match version {
        Some(version) => {
            let mut info = BuildInfo::default();
            info.set_version(&version);
            Ok(info)
        }
        None => Err(damaged.unwrap_or(BinaryError::NotGo)),
    }
}

/// Aligned offsets at which the magic lies.
fn candidates(data: &[u8]) -> impl Iterator<Item = usize> {
    data.chunks_exact(ALIGN).enumerate().filter(|(_, chunk)| chunk.starts_with(MAGIC)).map(|(i, _)| i * ALIGN)
}

fn inline(data: &[u8], offset: usize) -> Result<BuildInfo, BinaryError> {
    let damaged = |at: usize, expected: &'static str| BinaryError::Damaged { part: PART, offset: at as u64, expected };
    let header =
        data.get(offset..offset.saturating_add(HEADER)).ok_or_else(|| damaged(offset, "a header of 32 bytes"))?;
    if header.get(15).is_none_or(|f| f & INLINE == 0) {
        return Err(damaged(offset.saturating_add(15), "the inline format of Go 1.18 and newer"));
    }
    let at = offset + HEADER;
    let (version, at) = text(data, at).ok_or_else(|| damaged(at, "the Go version"))?;
    let (modules, _) = text(data, at).ok_or_else(|| damaged(at, "the module text"))?;
    // The text is framed by two sentinels of 16 bytes (src/cmd/go/internal/modload/build.go).
    let inner = modules
        .get(16..modules.len().saturating_sub(16))
        .filter(|_| modules.len() >= 33 && modules.get(modules.len() - 17) == Some(&b'\n'))
        .unwrap_or_default();
    let mut info = BuildInfo::parse_text(&String::from_utf8_lossy(inner));
    info.set_version(&String::from_utf8_lossy(version));
    Ok(info)
}

/// A length as uvarint and that many bytes.
fn text(data: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let mut len = 0u64;
    let mut at = at;
    for shift in (0..63).step_by(7) {
        let byte = *data.get(at)?;
        at += 1;
        len |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let len = usize::try_from(len).ok().filter(|&l| l as u64 <= MOST_TEXT)?;
            let end = at.checked_add(len)?;
            return Some((data.get(at..end)?, end));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_round_trips() {
        let text = "go\tgo1.26.6\npath\texample.com/cmd/app\nmod\texample.com/app\t(devel)\t\ndep\tgithub.com/x/y\tv1.2.3\th1:abc=\n=>\t../y\t\t\nbuild\t-ldflags=\"-s -w -X main.v=1\"\nbuild\tCGO_ENABLED=1\nbuild\tvcs.revision=abc\n";
        let info = BuildInfo::parse_text(text);
        assert_eq!(info.go_version.as_ref().map(|v| v.minor), Some(26));
        assert_eq!(info.path.as_deref(), Some("example.com/cmd/app"));
        assert_eq!(info.main.as_ref().unwrap().path, "example.com/app");
        assert_eq!(info.deps[0].replace.as_ref().unwrap().path, "../y");
        assert_eq!(info.setting("-ldflags"), Some("-s -w -X main.v=1"));
        assert_eq!(info.cgo(), Some(true));
        assert_eq!(info.setting("vcs.revision"), Some("abc"));
        assert_eq!(info.to_text(), text);
    }

    #[test]
    fn settings_with_any_blank_round_trip() {
        let settings = vec![("-ldflags".to_owned(), "a\r".to_owned()), ("k y\r".to_owned(), "\\ \t\n\"".to_owned())];
        let info = BuildInfo { settings, ..BuildInfo::default() };
        assert_eq!(BuildInfo::parse_text(&info.to_text()), info);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC{0,200}") {
            let info = BuildInfo::parse_text(&text);
            let _ = BuildInfo::parse_text(&info.to_text());
        }

        #[test]
        fn any_bytes_after_the_magic_are_read(tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut data = MAGIC.to_vec();
            data.extend_from_slice(&[8, 2]);
            data.extend_from_slice(&tail);
            let _ = inline(&data, 0);
        }
    }
}
