//! What is left out of a bundle: bundles travel in bug reports.
//!
//! Arguments whose name or shape says that they carry a secret lose their value; of the environment
//! only the Go runtime's own variables are ever stored.

const REDACTED: &str = "(redacted)";

/// Parts of option names whose value is a secret.
const SECRET_NAMES: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "api-key",
    "api_key",
    "accesskey",
    "access-key",
    "private",
    "credential",
    "dsn",
];

/// Arguments fit to be stored, and whether anything was left out.
pub(crate) fn redact_args(args: &[String]) -> (Vec<String>, bool) {
    let mut redacted = false;
    let mut secret_next = false;
    let out = args
        .iter()
        .enumerate()
        .map(|(i, arg)| {
            let is_option = arg.starts_with('-');
            if secret_next && !is_option {
                secret_next = false;
                redacted = true;
                return REDACTED.to_owned();
            }
            secret_next = false;
            if i > 0
                && let Some((name, _)) = arg.split_once('=')
                && is_secret(name)
            {
                redacted = true;
                return format!("{name}={REDACTED}");
            }
            if is_option && is_secret(arg) {
                secret_next = true;
                return arg.clone();
            }
            match without_user_info(arg) {
                Some(clean) => {
                    redacted = true;
                    clean
                }
                None => arg.clone(),
            }
        })
        .collect();
    (out, redacted)
}

fn is_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|s| lower.contains(s))
        || lower.trim_start_matches('-') == "key"
        || lower.trim_start_matches('-') == "auth"
}

/// `scheme://user:password@host` without the middle; `None` when there is none.
fn without_user_info(arg: &str) -> Option<String> {
    let start = arg.find("://")? + 3;
    let authority_end = arg.get(start..)?.find(['/', '?', '#']).map_or(arg.len(), |i| start + i);
    let at = arg.get(start..authority_end)?.rfind('@')? + start;
    Some(format!("{}{REDACTED}{}", arg.get(..start)?, arg.get(at..)?))
}

/// The answer of `/debug/vars` with the arguments in its `cmdline` redacted; `None` when nothing
/// had to be left out.
pub(crate) fn redact_expvar(json: &[u8]) -> Option<Vec<u8>> {
    let args = metrics::read_expvar(json).ok()?.cmdline;
    let (clean, redacted) = redact_args(&args);
    if !redacted {
        return None;
    }
    let mut document: serde_json::Value = serde_json::from_slice(json).ok()?;
    *document.get_mut("cmdline")? = clean.into();
    serde_json::to_vec(&document).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_secrets_out() {
        let args: Vec<String> = [
            "/bin/app",
            "--db-password",
            "hunter2",
            "-v",
            "--token=abc",
            "DB_DSN=x",
            "postgres://u:p@h/db",
            "--listen=:8080",
            "--key",
            "k",
        ]
        .map(str::to_owned)
        .to_vec();
        let (out, redacted) = redact_args(&args);
        assert!(redacted);
        assert_eq!(
            out,
            [
                "/bin/app",
                "--db-password",
                "(redacted)",
                "-v",
                "--token=(redacted)",
                "DB_DSN=(redacted)",
                "postgres://(redacted)@h/db",
                "--listen=:8080",
                "--key",
                "(redacted)",
            ]
        );
        assert!(!redact_args(&["a".into(), "-v".into()]).1);
    }

    #[test]
    fn redacts_expvar_only_where_needed() {
        assert_eq!(redact_expvar(b"{\"cmdline\":[\"a\"]}"), None);
        let out = redact_expvar(b"{\"cmdline\":[\"a\",\"--token=x\"],\"n\":1}").unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains("=x") && text.contains("\"n\":1"), "{text}");
    }
}
