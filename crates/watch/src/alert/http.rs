//! POST requests with bounds: connecting, the whole exchange, the answer's size; no redirects, so that
//! neither credentials nor alerts reach a host that nobody named. Messages name scheme and host of the
//! address, never its path, which may be a secret.

use super::secret::{From3, Secret};
use bundle::{Address, Authorities};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::time::Duration;
use ureq::http::{HeaderName, HeaderValue, Uri};

/// Longest time for connecting.
const CONNECT: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read.
const MOST_ANSWER: u64 = 4096;
/// Characters of an answer that a message repeats.
const EXCERPT: usize = 200;
/// Most bytes of a file with certificates.
const MOST_PEM: u64 = 4 << 20;

/// Why something was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SendError {
    /// Trying again may help.
    Again(String),
    /// The receiver refuses this message: trying again helps only when its settings change.
    Refused(String),
}

impl SendError {
    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Again(m) | Self::Refused(m) => m,
        }
    }
}

/// A client for one receiver.
pub(crate) struct Poster {
    agent: ureq::Agent,
    /// What may not be repeated from an answer.
    secrets: Vec<String>,
}

impl Poster {
    /// A client that gives up after `timeout`, and trusts `authorities` in place of the public ones.
    pub(crate) fn new(timeout: Duration, authorities: Option<&Path>) -> Result<Self, String> {
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT.min(timeout)))
            .timeout_global(Some(timeout))
            .max_response_header_size(16 << 10)
            .max_idle_connections(1)
            .user_agent(concat!("oomph/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity");
        if let Some(path) = authorities {
            let shown = path.display();
            let mut pem = Vec::new();
            std::fs::File::open(path)
                .and_then(|f| f.take(MOST_PEM).read_to_end(&mut pem))
                .map_err(|e| format!("ca-file: cannot read {shown}: {e}"))?;
            let roots = Authorities::from_pem(&pem).map_err(|e| format!("ca-file: {shown}: {e}"))?.roots();
            config = config.tls_config(ureq::tls::TlsConfig::builder().root_certs(roots).build());
        }
        Ok(Self { agent: config.build().new_agent(), secrets: Vec::new() })
    }

    /// POSTs `body` to the address, which is read anew, with `path` behind it.
    pub(crate) fn post(
        &mut self,
        url: From3<'_>,
        authorization: From3<'_>,
        path: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<(), SendError> {
        let url = url.read().map_err(SendError::Again)?.unwrap_or_default();
        let authorization = authorization.read().map_err(SendError::Again)?;
        let host = check_url(url.reveal()).map_err(SendError::Again)?;
        self.secrets = [Some(&url), authorization.as_ref()].into_iter().flatten().map(sensitive).collect();
        let mut request = self.agent.post(format!("{}{path}", url.reveal().trim_end_matches('/')));
        if Address::parse(&host).is_ok_and(|a| a.is_loopback()) {
            // A proxy's loopback is another one.
            request = request.config().proxy(None).build();
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(value) = authorization {
            let mut value = HeaderValue::from_str(value.reveal())
                .map_err(|_| SendError::Again("authorization: it has characters a header cannot hold".into()))?;
            value.set_sensitive(true);
            request = request.header("Authorization", value);
        }
        let answer = request.send(body).map_err(|e| SendError::Again(self.clean(&format!("{host}: {e}"))))?;
        let status = answer.status().as_u16();
        if (200..=299).contains(&status) {
            return Ok(());
        }
        let mut page = Vec::new();
        // What arrives of the page helps; that it does not is no other error.
        let _ = answer.into_body().into_reader().take(MOST_ANSWER).read_to_end(&mut page);
        let said = self.clean(&excerpt(&page));
        let message = format!("{host} answered {status}{}{said}", if said.is_empty() { "" } else { ": " });
        Err(match status {
            300..=399 => SendError::Refused(format!("{message} (redirects are not followed)")),
            408 | 409 | 425 | 429 => SendError::Again(message),
            400..=499 => SendError::Refused(message),
            _ => SendError::Again(message),
        })
    }

    /// Without the secrets that a server may have repeated.
    fn clean(&self, text: &str) -> String {
        self.secrets.iter().filter(|s| !s.is_empty()).fold(text.to_owned(), |t, s| t.replace(s.as_str(), "(redacted)"))
    }
}

/// The part of a secret that a message might repeat: of an address its path, of a header its last word.
fn sensitive(secret: &Secret) -> String {
    let text = secret.reveal();
    match text.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|i| rest.get(i + 1..)).unwrap_or_default().to_owned(),
        None => text.rsplit(' ').next().unwrap_or_default().to_owned(),
    }
}

/// Scheme and host of an address, which may be shown.
pub(crate) fn check_url(url: &str) -> Result<String, String> {
    let uri: Uri = url.parse().map_err(|_| "url: expected an http:// or https:// address".to_owned())?;
    let scheme = uri.scheme_str().unwrap_or_default();
    if !matches!(scheme, "http" | "https") {
        return Err("url: expected an http:// or https:// address".to_owned());
    }
    let authority = uri.authority().map(|a| a.as_str()).unwrap_or_default();
    if authority.contains('@') {
        return Err("url: credentials do not belong into the address; use authorization".to_owned());
    }
    if uri.host().unwrap_or_default().is_empty() {
        return Err("url: the address names no host".to_owned());
    }
    Ok(format!("{scheme}://{authority}"))
}

/// Refuses headers that cannot be sent.
pub(crate) fn check_headers(headers: &BTreeMap<String, String>, content_type: &str) -> Result<(), String> {
    let of_body = std::iter::once(("Content-Type", content_type));
    for (name, value) in headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).chain(of_body) {
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("headers: {name:?} is no name of a header"))?;
        HeaderValue::from_str(value)
            .map_err(|_| format!("headers: the value of {name} has characters a header cannot hold"))?;
    }
    Ok(())
}

/// The beginning of an answer on one line.
fn excerpt(page: &[u8]) -> String {
    let text = String::from_utf8_lossy(page);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(EXCERPT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_hosts_only() {
        assert_eq!(check_url("https://h:1/services/T/secret?x=y").unwrap(), "https://h:1");
        for bad in ["", "h", "file:///x", "http://", "http://u:p@h/", "http:///x", "http://h h/"] {
            assert!(check_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_answer_cannot_repeat_a_secret() {
        let mut poster = Poster::new(Duration::from_secs(1), None).unwrap();
        poster.secrets =
            vec![sensitive(&Secret::new("https://h/services/hush")), sensitive(&Secret::new("Bearer t0p"))];
        assert_eq!(poster.clean("no /services/hush for t0p"), "no /(redacted) for (redacted)");
        assert_eq!(excerpt(b"\x1b[2J a\n\n b"), "[2J a b");
        assert!(Poster::new(Duration::from_secs(1), Some(Path::new("/nonexistent"))).is_err());
    }
}
