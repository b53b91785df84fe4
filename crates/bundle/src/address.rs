//! Addresses of pprof endpoints as people write them, and the rule which redirects are followed.
//!
//! Credentials inside an address (`http://user:password@host`) become a header and never reach the
//! manifest, a message or another host.

use base64::Engine as _;
use std::fmt;
use ureq::http::Uri;

/// A web address taken apart: scheme, host with port, base path.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    /// Lower case; IPv6 in brackets.
    pub(crate) host: String,
    /// Port, the scheme's default filled in.
    pub(crate) port: u16,
    /// Path without trailing `/`; empty for the root.
    pub(crate) path: String,
    /// `Basic ...` out of the address.
    pub(crate) authorization: Option<String>,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Address {
    /// Without credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path)
    }
}

impl Address {
    /// Reads `http://host:port/...`, `host:port`, `:port`, or the same with a path. Below
    /// `/debug/pprof/` the rest of the path (and its query) is dropped: a copied endpoint works.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (scheme, rest) = if let Some(rest) = strip_scheme(text, "https://") {
            ("https", rest)
        } else if let Some(rest) = strip_scheme(text, "http://") {
            ("http", rest)
        } else if text.contains("://") {
            return Err(format!("{}: expected an http:// or https:// address", public(text)));
        } else {
            ("http", text)
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let (user, host_port) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let (host, port) = split_port(host_port)?;
        let port = port.unwrap_or(if scheme == "https" { 443 } else { 80 });
        let path = base_path(tail)?;
        let out = Self {
            scheme,
            host: if host.is_empty() { "127.0.0.1".to_owned() } else { host.to_ascii_lowercase() },
            port,
            path,
            authorization: user.map(basic),
        };
        // The client's own parser has the last word on what an address is.
        format!("{out}/").parse::<Uri>().map_err(|e| format!("{out}: not a web address: {e}"))?;
        Ok(out)
    }

    /// Scheme, host and port; the port left out where it is the default.
    #[must_use]
    pub fn origin(&self) -> String {
        let default = if self.scheme == "https" { 443 } else { 80 };
        if self.port == default {
            format!("{}://{}", self.scheme, self.host)
        } else {
            format!("{}://{}:{}", self.scheme, self.host, self.port)
        }
    }

    /// Whether the host is this machine by name or loopback address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let bare = self.host.trim_matches(['[', ']']);
        bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// Where pprof may be mounted, the likely first: paths that end in `/`.
    pub(crate) fn pprof_candidates(&self) -> Vec<String> {
        if self.path.ends_with("/debug/pprof") {
            vec![format!("{}/", self.path)]
        } else if self.path.is_empty() {
            vec!["/debug/pprof/".to_owned()]
        } else {
            vec![format!("{}/debug/pprof/", self.path), format!("{}/", self.path)]
        }
    }

    /// Where a redirect from this origin leads: a path with query when it stays on the host
    /// (same port, or from http to https), else the reason why it is not followed.
    pub(crate) fn redirect(&self, from: &str, location: &str) -> Result<(Self, String), String> {
        if location.starts_with("//") {
            return self.redirect(from, &format!("{}:{location}", self.scheme));
        }
        if location.starts_with('/') {
            return Ok((self.clone(), location.to_owned()));
        }
        if !location.contains("://") {
            let path = from.split('?').next().unwrap_or_default();
            let dir = path.rsplit_once('/').map_or("", |(d, _)| d);
            return Ok((self.clone(), format!("{dir}/{location}")));
        }
        let start = location.find("://").map_or(0, |i| i + 3);
        let end = location.get(start..).and_then(|r| r.find(['/', '?', '#'])).map_or(location.len(), |i| start + i);
        let (origin, path) = location.split_at(end);
        let to = Self::parse(origin)?;
        let same = to.host == self.host && to.port == self.port && to.scheme == self.scheme;
        let upgrade = to.host == self.host && self.scheme == "http" && to.scheme == "https";
        if !(same || upgrade) || to.authorization.is_some() {
            return Err(format!(
                "it redirects to {}, another host: not followed; name that address yourself if \
                 you trust it",
                to.origin()
            ));
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok((Self { authorization: self.authorization.clone(), path: self.path.clone(), ..to }, path))
    }
}

fn strip_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let head = text.get(..scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then(|| text.get(scheme.len()..))?
}

/// `host:port`, `[v6]:port`, `host`.
fn split_port(host_port: &str) -> Result<(&str, Option<u16>), String> {
    let colon = match host_port.rfind(']') {
        Some(close) => host_port[close..].find(':').map(|i| close + i),
        None => host_port.rfind(':'),
    };
    let Some(colon) = colon else {
        if host_port.is_empty() {
            return Err("expected host:port".to_owned());
        }
        return Ok((host_port, None));
    };
    let (host, port) = host_port.split_at(colon);
    let port = port.get(1..).unwrap_or_default();
    match port.parse() {
        Ok(p) if p > 0 => Ok((host, Some(p))),
        _ => Err(format!("expected a port from 1 to 65535 after {host:?}")),
    }
}

/// The path up to and including `/debug/pprof`, or all of it.
fn base_path(tail: &str) -> Result<String, String> {
    const PPROF: &str = "/debug/pprof";
    let (path, query) = match tail.find(['?', '#']) {
        Some(i) => tail.split_at(i),
        None => (tail, ""),
    };
    if let Some(i) = path.find(PPROF) {
        let end = i + PPROF.len();
        if path[end..].is_empty() || path[end..].starts_with('/') {
            return Ok(path[..end].to_owned());
        }
    }
    // Other endpoints that people have at hand: their base is meant.
    let trimmed = path.trim_end_matches('/');
    if let Some(base) = trimmed.strip_suffix("/metrics").or_else(|| trimmed.strip_suffix("/debug/vars")) {
        return Ok(base.to_owned());
    }
    if !query.is_empty() {
        return Err("the address has a query, which would have to be stored; give its base, and \
             credentials by --header"
            .to_owned());
    }
    Ok(path.trim_end_matches('/').to_owned())
}

fn basic(user: &str) -> String {
    let decoded = percent_decode(user);
    let code = base64::engine::general_purpose::STANDARD.encode(decoded);
    format!("Basic {code}")
}

fn percent_decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(&b) = bytes.get(i) {
        let code = (b == b'%').then(|| text.get(i + 1..i + 3)).flatten().and_then(|h| u8::from_str_radix(h, 16).ok());
        out.push(code.unwrap_or(b));
        i += if code.is_some() { 3 } else { 1 };
    }
    out
}

/// A text the user typed, fit for a message: user info removed, length bounded.
fn public(text: &str) -> String {
    let start = text.find("://").map_or(0, |i| i + 3);
    let clean = match text[start..].find('@') {
        Some(at) => format!("{}{}", &text[..start], &text[start + at + 1..]),
        None => text.to_owned(),
    };
    clean.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        for (text, want, first) in [
            ("localhost:6060", "http://localhost:6060", "/debug/pprof/"),
            (":6060", "http://127.0.0.1:6060", "/debug/pprof/"),
            ("http://h:1/debug/pprof/heap?debug=1", "http://h:1/debug/pprof", "/debug/pprof/"),
            ("https://H/x/", "https://h/x", "/x/debug/pprof/"),
            ("h:1/x/metrics", "http://h:1/x", "/x/debug/pprof/"),
            ("h:1/debug/vars", "http://h:1", "/debug/pprof/"),
            ("[::1]:6060", "http://[::1]:6060", "/debug/pprof/"),
            ("http://u:p%40@h:9/a/debug/pprof/", "http://h:9/a/debug/pprof", "/a/debug/pprof/"),
        ] {
            let a = Address::parse(text).unwrap();
            assert_eq!(a.to_string(), want);
            assert_eq!(a.pprof_candidates()[0], first);
        }
        let a = Address::parse("http://u:p%40@h").unwrap();
        // base64 of "u:p@"
        assert_eq!(a.authorization.as_deref(), Some("Basic dTpwQA=="));
        assert!(!format!("{a:?}").contains("dTpw"));
        for bad in ["", "h:0", "h:99999", "ftp://h", "http://", "http://h/x?token=s", "h h:1"] {
            let e = Address::parse(bad).unwrap_err();
            assert!(!e.contains("token=s"), "{e}");
        }
    }

    #[test]
    fn follows_only_on_the_same_host() {
        let a = Address::parse("http://h:6060").unwrap();
        assert_eq!(a.redirect("/debug/pprof", "/x?y").unwrap().1, "/x?y");
        assert_eq!(a.redirect("/a/b?q", "c").unwrap().1, "/a/c");
        assert_eq!(a.redirect("/", "http://h:6060/z").unwrap().1, "/z");
        assert_eq!(a.redirect("/", "https://h/z").unwrap().0.scheme, "https");
        for bad in [
            "http://evil:6060/z",
            "//evil/z",
            "http://h:7070/",
            "http://h@evil:6060/",
            "http://x@h:6060/",
            "file:///etc/passwd",
        ] {
            assert!(a.redirect("/", bad).is_err(), "{bad}");
        }
        let s = Address::parse("https://h").unwrap();
        assert!(s.redirect("/", "http://h/").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,60}", location in "\\PC{0,60}") {
            let _ = Address::parse(&text);
            let _ = Address::parse("h:1").unwrap().redirect(&text, &location);
            let _ = Address::parse(&format!("http://{text}"));
        }
    }
}
