//! The only sockets of floors 0 to 6: GET requests with bounds.
//!
//! Each request runs on a thread of its own, so that the caller can give up within a tenth of a
//! second when told to stop; the thread ends by its own deadline. Bounds: connecting, the whole
//! answer, its size, redirects (same host only), retries. No request is ever sent to another host
//! than the one named, so neither are the user's headers.

use crate::address::Address;
use crate::fetch_error::{FetchError, describe};
use crate::trust::Authorities;
use model::Bytes;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use ureq::http::{HeaderName, HeaderValue, Response};

/// How often the stop flag is looked at while waiting.
const TICK: Duration = Duration::from_millis(100);
/// Redirects followed.
const MAX_REDIRECTS: u32 = 5;
/// Bytes of an error page kept for the message.
const EXCERPT: usize = 4096;

/// Bounds of one capture's requests.
#[derive(Clone, Debug)]
pub(crate) struct HttpLimits {
    pub connect: Duration,
    pub whole: Duration,
    pub retries: u32,
    /// Accept any TLS certificate.
    pub insecure: bool,
    /// Whose TLS certificates are accepted; `None` for the public authorities.
    pub authorities: Option<Authorities>,
}

/// Where the bytes of an answer go.
pub(crate) trait Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Forget everything: the request is made again.
    fn restart(&mut self) -> io::Result<()>;
    fn len(&self) -> u64;
}

impl Sink for Vec<u8> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }
    fn restart(&mut self) -> io::Result<()> {
        self.clear();
        Ok(())
    }
    fn len(&self) -> u64 {
        self.as_slice().len() as u64
    }
}

impl Sink for crate::write::PartFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        io::Write::write_all(self, bytes)
    }
    fn restart(&mut self) -> io::Result<()> {
        crate::write::PartFile::restart(self)
    }
    fn len(&self) -> u64 {
        self.bytes()
    }
}

/// An answer with status 2xx.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub content_type: String,
    /// Why it is incomplete, if it is.
    pub cut: Option<String>,
    /// Requests that were sent, redirects not counted.
    pub tries: u32,
}

/// A client bound to one address.
#[derive(Clone)]
pub(crate) struct Client {
    agent: ureq::Agent,
    address: Address,
    headers: Vec<(HeaderName, HeaderValue)>,
    pub limits: HttpLimits,
    stop: Arc<AtomicBool>,
}

enum Event {
    Head { status: u16, location: Option<String>, content_type: String },
    Chunk(Vec<u8>),
    End,
    Failed(FetchError),
}

impl Client {
    pub(crate) fn new(
        address: Address,
        headers: &[(String, String)],
        limits: HttpLimits,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, String> {
        let mut parsed = Vec::new();
        if let Some(value) = &address.authorization {
            parsed.push(header("Authorization", value)?);
        }
        for (name, value) in headers {
            parsed.push(header(name, value)?);
        }
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(limits.connect))
            .max_response_header_size(64 << 10)
            .user_agent(concat!("oomph/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity");
        if limits.insecure {
            config = config.tls_config(ureq::tls::TlsConfig::builder().disable_verification(true).build());
        } else if let Some(a) = &limits.authorities {
            config = config.tls_config(ureq::tls::TlsConfig::builder().root_certs(a.roots()).build());
        }
        if address.is_loopback() {
            // A proxy's loopback is another one.
            config = config.proxy(None);
        }
        Ok(Self { agent: config.build().new_agent(), address, headers: parsed, limits, stop })
    }

    pub(crate) const fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// GETs `path` (with query) into `sink`, at most `max` bytes. Tries again after a lost
    /// connection or status 5xx, after a timeout only with `retry_timeouts`.
    pub(crate) fn get(
        &self,
        path: &str,
        sink: &mut impl Sink,
        max: Bytes,
        retry_timeouts: bool,
    ) -> Result<Answer, FetchError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let last = tries > self.limits.retries;
            let error = match self.once(path, sink, max) {
                Ok(mut answer) if answer.cut.is_none() || last || !answer_lost(&answer) => {
                    answer.tries = tries;
                    return Ok(answer);
                }
                Ok(answer) => FetchError::Reset(answer.cut.unwrap_or_default()),
                Err(e) => e,
            };
            let again = match &error {
                FetchError::Reset(_) => true,
                FetchError::Status { code, .. } => *code >= 500,
                FetchError::Timeout { .. } => retry_timeouts,
                _ => false,
            };
            if last || !again {
                return Err(error);
            }
            sink.restart().map_err(|e| FetchError::Disk(e.to_string()))?;
            self.pause(Duration::from_millis(200 << tries.min(4)))?;
        }
    }

    /// Waits without sleeping past the stop flag.
    fn pause(&self, how_long: Duration) -> Result<(), FetchError> {
        let (_keep, never) = sync_channel::<()>(0);
        let end = Instant::now() + how_long;
        while Instant::now() < end {
            if self.stopped() {
                return Err(FetchError::Stopped);
            }
            let _ = never.recv_timeout(TICK.min(end.saturating_duration_since(Instant::now())));
        }
        Ok(())
    }

    fn once(&self, path: &str, sink: &mut impl Sink, max: Bytes) -> Result<Answer, FetchError> {
        let deadline = Instant::now() + self.limits.whole;
        let mut at = (self.address.clone(), path.to_owned());
        for _ in 0..=MAX_REDIRECTS {
            let events = self.start(&at.0, &at.1);
            let (status, location, content_type) = match self.next(&events, deadline)? {
                Some(Event::Head { status, location, content_type }) => (status, location, content_type),
                Some(Event::Failed(e)) => return Err(e),
                _ => return Err(FetchError::Protocol("no answer".into())),
            };
            match (status, location) {
                (301 | 302 | 303 | 307 | 308, Some(location)) => {
                    at = at.0.redirect(&at.1, &location).map_err(FetchError::RedirectElsewhere)?;
                }
                (200..=299, _) => {
                    let cut = self.body(&events, deadline, sink, max)?;
                    return Ok(Answer { status, content_type, cut, tries: 1 });
                }
                (code, _) => {
                    let mut page: Vec<u8> = Vec::new();
                    // What arrives of the page helps; that it does not is no other error.
                    let _ = self.body(&events, deadline, &mut page, Bytes(EXCERPT as u64));
                    return Err(FetchError::Status { code, text: excerpt(&page) });
                }
            }
        }
        Err(FetchError::RedirectElsewhere(format!("more than {MAX_REDIRECTS} redirects")))
    }

    fn start(&self, address: &Address, path: &str) -> Receiver<Event> {
        let (send, events) = sync_channel(4);
        let request = self
            .headers
            .iter()
            .fold(self.agent.get(format!("{}{path}", address.origin())), |r, (name, value)| r.header(name, value));
        let whole = self.limits.whole;
        let request = request.config().timeout_global(Some(whole)).build();
        let spawned = std::thread::Builder::new().name("oomph-get".into()).spawn(move || {
            let result = request.call();
            relay(result, &send, whole);
        });
        if spawned.is_err() {
            // The channel is closed then: "no answer".
            return sync_channel(0).1;
        }
        events
    }

    /// The next event; `None` when the thread went away.
    fn next(&self, events: &Receiver<Event>, deadline: Instant) -> Result<Option<Event>, FetchError> {
        loop {
            if self.stopped() {
                return Err(FetchError::Stopped);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(FetchError::Timeout { after: self.limits.whole });
            }
            match events.recv_timeout(TICK.min(left)) {
                Ok(e) => return Ok(Some(e)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Receives the body; `Some(reason)` when it was cut but something arrived.
    fn body(
        &self,
        events: &Receiver<Event>,
        deadline: Instant,
        sink: &mut impl Sink,
        max: Bytes,
    ) -> Result<Option<String>, FetchError> {
        loop {
            let cut = match self.next(events, deadline) {
                Ok(Some(Event::Chunk(bytes))) => {
                    let room = max.0.saturating_sub(sink.len());
                    let fits = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
                    sink.write(bytes.get(..fits).unwrap_or_default()).map_err(|e| FetchError::Disk(e.to_string()))?;
                    if fits == bytes.len() {
                        continue;
                    }
                    return Ok(Some(format!("cut at the size cap of {max}")));
                }
                Ok(Some(Event::Failed(e))) => e,
                Ok(Some(Event::End)) => return Ok(None),
                Ok(Some(Event::Head { .. }) | None) => FetchError::Reset("the connection closed".into()),
                Err(e) => e,
            };
            if sink.len() == 0 {
                return Err(cut);
            }
            return Ok(Some(format!("{cut}, after {} had arrived", Bytes(sink.len()))));
        }
    }
}

/// Whether an incomplete answer is worth asking for again: the connection was lost, no bound was met.
fn answer_lost(answer: &Answer) -> bool {
    answer.cut.as_deref().is_some_and(|c| c.starts_with(FetchError::RESET))
}

fn relay(result: Result<Response<ureq::Body>, ureq::Error>, to: &SyncSender<Event>, whole: Duration) {
    let response = match result {
        Ok(r) => r,
        Err(e) => {
            let _ = to.send(Event::Failed(describe(e, whole)));
            return;
        }
    };
    let text = |name: &str| {
        let value = response.headers().get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let head = Event::Head {
        status: response.status().as_u16(),
        location: text("location"),
        content_type: text("content-type").unwrap_or_default(),
    };
    if to.send(head).is_err() {
        return;
    }
    let mut body = response.into_body().into_reader();
    let mut buffer = vec![0_u8; 64 << 10];
    loop {
        let event = match body.read(&mut buffer) {
            Ok(0) => Event::End,
            Ok(n) => Event::Chunk(buffer.get(..n).unwrap_or_default().to_vec()),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => Event::Failed(describe(ureq::Error::from(e), whole)),
        };
        let over = !matches!(event, Event::Chunk(_));
        // A closed channel means that the caller has given up.
        if to.send(event).is_err() || over {
            return;
        }
    }
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let parsed = HeaderName::from_bytes(name.trim().as_bytes())
        .map_err(|_| format!("header {name:?}: expected `Name: value`"))?;
    // The value may be a secret: it is not repeated.
    let mut value = HeaderValue::from_str(value.trim())
        .map_err(|_| format!("header {name}: the value has characters a header cannot hold"))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

/// The first line of a page that says something, tags removed.
fn excerpt(page: &[u8]) -> String {
    let text = String::from_utf8_lossy(page);
    let mut out = String::new();
    let mut tag = false;
    for c in text.chars() {
        match c {
            '<' => tag = true,
            '>' => tag = false,
            _ if tag => {}
            c if c.is_control() || c.is_whitespace() => {
                if !out.ends_with(' ') && !out.is_empty() {
                    out.push(' ');
                }
            }
            c => out.push(c),
        }
        if out.len() >= 200 {
            out.push_str("...");
            break;
        }
    }
    out.trim_end().to_owned()
}
