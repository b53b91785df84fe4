//! `/proc/PID/environ` and `/proc/PID/cmdline`. Of the environment only the variables of the Go
//! runtime leave this file: the rest may hold secrets.

/// The variables that are read; no other one is ever kept.
pub const GO_VARIABLES: [&str; 4] = ["GOGC", "GOMEMLIMIT", "GODEBUG", "GOMAXPROCS"];

/// The settings of the Go runtime in an environment, as written there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoEnvironment {
    /// GOGC.
    pub gogc: Option<String>,
    /// GOMEMLIMIT.
    pub gomemlimit: Option<String>,
    /// GODEBUG.
    pub godebug: Option<String>,
    /// GOMAXPROCS.
    pub gomaxprocs: Option<String>,
}

/// Reads `/proc/PID/environ` (entries end in NUL) or the text of [`go_environment_text`]
/// (entries end in a line end). The first entry of a name counts, as in the Go runtime.
#[must_use]
pub fn environ(bytes: &[u8]) -> GoEnvironment {
    let mut out = GoEnvironment::default();
    let separator = if bytes.contains(&0) { 0 } else { b'\n' };
    for entry in bytes.split(|&b| b == separator) {
        let Some(equals) = entry.iter().position(|&b| b == b'=') else {
            continue;
        };
        let (name, value) = entry.split_at(equals);
        let slot = match name {
            b"GOGC" => &mut out.gogc,
            b"GOMEMLIMIT" => &mut out.gomemlimit,
            b"GODEBUG" => &mut out.godebug,
            b"GOMAXPROCS" => &mut out.gomaxprocs,
            _ => continue,
        };
        if slot.is_none() {
            let value = value.get(1..).unwrap_or_default();
            *slot = Some(String::from_utf8_lossy(value).into_owned());
        }
    }
    out
}

/// The Go variables of an environment as `NAME=value` lines: what may be stored.
#[must_use]
pub fn go_environment_text(environment: &GoEnvironment) -> String {
    let values = [&environment.gogc, &environment.gomemlimit, &environment.godebug, &environment.gomaxprocs];
    GO_VARIABLES
        .iter()
        .zip(values)
        .filter_map(|(name, value)| Some(format!("{name}={}\n", value.as_ref()?.replace('\n', " "))))
        .collect()
}

/// Reads `/proc/PID/cmdline`: the arguments. Empty for kernel threads and zombies.
#[must_use]
pub fn cmdline(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes.split(|&b| b == 0).map(|a| String::from_utf8_lossy(a).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_go_variables_only() {
        let e = environ(b"PATH=/bin\0GOGC=50\0AWS_SECRET=x\0GOGC=60\0GODEBUG=a=1,b=2\0GOMEMLIMIT=\0");
        assert_eq!(e.gogc.as_deref(), Some("50"));
        assert_eq!(e.godebug.as_deref(), Some("a=1,b=2"));
        assert_eq!(e.gomemlimit.as_deref(), Some(""));
        assert_eq!(e.gomaxprocs, None);
        let text = go_environment_text(&e);
        assert_eq!(text, "GOGC=50\nGOMEMLIMIT=\nGODEBUG=a=1,b=2\n");
        assert_eq!(environ(text.as_bytes()), e);
    }

    #[test]
    fn splits_arguments() {
        assert_eq!(cmdline(b"/bin/a\0-x\0\0"), ["/bin/a", "-x", ""]);
        assert!(cmdline(b"").is_empty());
    }
}
