//! Why a request brought nothing, in words that say what to do.

use std::io;
use std::time::Duration;

/// A request that brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchError {
    /// Nobody listens there.
    Refused,
    /// No way to the host.
    Unreachable(String),
    /// The name does not resolve.
    HostNotFound,
    /// TLS failed.
    Tls(String),
    /// No complete answer in time.
    Timeout {
        /// The bound that was met.
        after: Duration,
    },
    /// The connection was lost.
    Reset(String),
    /// A status other than 2xx.
    Status {
        /// The code.
        code: u16,
        /// Start of the page, tags removed.
        text: String,
    },
    /// A redirect that is not followed.
    RedirectElsewhere(String),
    /// Not HTTP, or broken.
    Protocol(String),
    /// The bundle could not be written.
    Disk(String),
    /// The user said stop.
    Stopped,
}

impl FetchError {
    pub(crate) const RESET: &'static str = "the connection was lost";

    /// What to do about it, one sentence; empty when there is nothing to say.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Refused => {
                "is the service running, and is this the port its debug server listens on? \
                 In a container, forward or publish the port first"
            }
            Self::HostNotFound => "check the spelling of the host name, or use its address",
            Self::Unreachable(_) => "check the network and firewall between here and the host",
            Self::Tls(why) if why.contains("certificate") => {
                "--ca-file FILE names a private authority (or the self-signed certificate itself); \
                 --insecure accepts any certificate"
            }
            Self::Tls(_) => "the port may speak plain HTTP: try http://",
            Self::Reset(_) => "if the port speaks TLS, use https://; else look into the service's own log",
            Self::Status { code: 500.., .. } => "the service or a proxy before it fails: look into its log",
            Self::Timeout { .. } => "the service may be starved of CPU or memory; a longer --timeout may help",
            Self::Status { code: 401 | 403, .. } => "pass credentials: --header 'Authorization: Bearer TOKEN'",
            Self::Status { code: 404 | 405, .. } => {
                "pprof is not mounted here: add `import _ \"net/http/pprof\"` and \
                 `go http.ListenAndServe(\"localhost:6060\", nil)` to the program; with a mux of \
                 your own, mux.HandleFunc(\"/debug/pprof/\", pprof.Index); a custom prefix goes \
                 into the address (http://host:port/prefix/debug/pprof/)"
            }
            Self::Status { code: 400, text } if text.contains("HTTPS server") => "the port speaks TLS: use https://",
            Self::Protocol(_) => "something other than an HTTP server answers on this port",
            _ => "",
        }
    }
}

impl std::fmt::Display for FetchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::Unreachable(why) => write!(f, "host unreachable: {why}"),
            Self::HostNotFound => f.write_str("the host name does not resolve"),
            Self::Tls(why) => write!(f, "TLS failed: {why}"),
            Self::Timeout { after } => {
                write!(f, "no complete answer within {:.0} s", after.as_secs_f64().max(1.0))
            }
            Self::Reset(why) => write!(f, "{}: {why}", Self::RESET),
            Self::Status { code, text } if text.is_empty() => write!(f, "HTTP status {code}"),
            Self::Status { code, text } => write!(f, "HTTP status {code}: {text}"),
            Self::RedirectElsewhere(why) => f.write_str(why),
            Self::Protocol(why) => write!(f, "not a usable HTTP answer: {why}"),
            Self::Disk(why) => write!(f, "the bundle could not be written: {why}"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

impl std::error::Error for FetchError {}

/// Sorts the client's errors by what a person can do about them.
pub(crate) fn describe(e: ureq::Error, whole: Duration) -> FetchError {
    match e {
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            FetchError::Unreachable("no connection in time".into())
        }
        ureq::Error::Timeout(_) => FetchError::Timeout { after: whole },
        ureq::Error::HostNotFound => FetchError::HostNotFound,
        ureq::Error::ConnectionFailed => FetchError::Refused,
        ureq::Error::Tls(e) => FetchError::Tls(e.to_owned()),
        ureq::Error::Rustls(e) => FetchError::Tls(tls(&e.to_string())),
        ureq::Error::Io(e) => describe_io(&e, whole),
        other => FetchError::Protocol(other.to_string()),
    }
}

/// The TLS library's text for what people meet most, in words.
fn tls(why: &str) -> String {
    if why.contains("InvalidContentType") {
        return "the answer is not TLS".to_owned();
    }
    for (sign, words) in [
        ("CaUsedAsEndEntity", "it is self-signed"),
        ("UnknownIssuer", "its issuer is unknown here"),
        ("Expired", "it has expired"),
        ("NotValidForName", "it is for another host name"),
    ] {
        if why.contains(sign) {
            return format!("the certificate is not trusted: {words}");
        }
    }
    why.to_owned()
}

fn describe_io(e: &io::Error, whole: Duration) -> FetchError {
    use io::ErrorKind as K;
    match e.kind() {
        K::ConnectionRefused => FetchError::Refused,
        K::HostUnreachable | K::NetworkUnreachable | K::AddrNotAvailable => FetchError::Unreachable(e.to_string()),
        K::TimedOut | K::WouldBlock => FetchError::Timeout { after: whole },
        K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::UnexpectedEof => {
            FetchError::Reset(e.to_string())
        }
        // rustls reports its errors as InvalidData inside an I/O error.
        K::InvalidData => FetchError::Tls(tls(&e.to_string())),
        // The resolver's error has no kind of its own in stable Rust.
        _ if e.to_string().contains("lookup address") => FetchError::HostNotFound,
        _ => FetchError::Protocol(e.to_string()),
    }
}
