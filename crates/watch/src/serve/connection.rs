//! Connections of the watcher's web server: all on one thread, by poll. Owns their bounds: how many, how large a
//! request may be, how long it may take. A client that sends a byte a second costs a slot, and loses it when the
//! slot is needed or its time is over. (tiny_http gives each connection a thread and reads without a deadline.)

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Connections at a time.
const MOST_CONNECTIONS: usize = 64;
/// Bytes of a request's head.
const MOST_HEAD: usize = 8 << 10;
/// Lines of a request's head.
const MOST_HEADERS: usize = 64;
/// Longest time for a request to arrive.
const TO_ARRIVE: Duration = Duration::from_secs(5);
/// Longest time for an answer to be taken.
const TO_LEAVE: Duration = Duration::from_secs(15);

/// An answer.
pub(super) struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

/// The listening socket, and the other end of what tells it to end.
pub(super) struct Listener {
    socket: TcpListener,
    woken: UnixStream,
}

/// How far a connection is.
enum Phase {
    Reading(Vec<u8>),
    Writing { bytes: Vec<u8>, done: usize },
}

struct Connection {
    stream: TcpStream,
    phase: Phase,
    deadline: Instant,
}

/// Whether a connection goes on.
#[derive(PartialEq)]
enum Step {
    Goes,
    Ends,
}

impl Listener {
    pub(super) fn new(socket: TcpListener, woken: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket, woken })
    }

    /// Answers until the other end of the pair is closed.
    pub(super) fn serve(self, answer: &dyn Fn(&str) -> Answer) {
        let mut connections: Vec<Connection> = Vec::new();
        loop {
            let ready = match self.wait(&connections) {
                Ok(Some(ready)) => ready,
                Ok(None) => return,
                // Out of memory for a moment: the connections go, the server stays.
                Err(_) => {
                    connections.clear();
                    continue;
                }
            };
            let (accept, ready) = (ready.0, ready.1);
            let now = Instant::now();
            let mut flags = ready.into_iter();
            connections.retain_mut(|c| {
                let goes = !flags.next().unwrap_or(false) || c.step(answer, now) == Step::Goes;
                goes && c.deadline > now
            });
            if accept {
                self.accept(&mut connections, now);
            }
        }
    }

    /// Waits for something to do: whether somebody connects, and which connections go on. `None`: the end.
    fn wait(&self, connections: &[Connection]) -> io::Result<Option<(bool, Vec<bool>)>> {
        let mut fds = Vec::with_capacity(connections.len() + 2);
        fds.push(PollFd::new(&self.woken, PollFlags::IN));
        fds.push(PollFd::new(&self.socket, PollFlags::IN));
        fds.extend(connections.iter().map(|c| {
            let what = if matches!(c.phase, Phase::Reading(_)) { PollFlags::IN } else { PollFlags::OUT };
            PollFd::new(&c.stream, what)
        }));
        let next = connections.iter().map(|c| c.deadline).min();
        let left = next.map(|at| at.saturating_duration_since(Instant::now()) + Duration::from_millis(1));
        let timeout = left.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        let mut any = fds.iter().map(|f| !f.revents().is_empty());
        if any.next() == Some(true) {
            return Ok(None);
        }
        let accept = any.next() == Some(true);
        Ok(Some((accept, any.collect())))
    }

    fn accept(&self, connections: &mut Vec<Connection>, now: Instant) {
        // What is not taken now shows at the next poll.
        for _ in 0..MOST_CONNECTIONS {
            let Ok((stream, _)) = self.socket.accept() else { return };
            if stream.set_nonblocking(true).is_err() {
                continue;
            }
            if connections.len() >= MOST_CONNECTIONS {
                // The one that has kept its slot the longest without having asked anything, else the oldest.
                let reading = |c: &Connection| matches!(c.phase, Phase::Writing { .. });
                let oldest =
                    (0..connections.len()).min_by_key(|i| connections.get(*i).map(|c| (reading(c), c.deadline)));
                connections.remove(oldest.unwrap_or(0));
            }
            connections.push(Connection { stream, phase: Phase::Reading(Vec::new()), deadline: now + TO_ARRIVE });
        }
    }
}

impl Connection {
    fn step(&mut self, answer: &dyn Fn(&str) -> Answer, now: Instant) -> Step {
        if let Phase::Reading(head) = &mut self.phase {
            let Some(request) = (match read_head(&mut self.stream, head) {
                Ok(request) => request,
                Err(_) => return Step::Ends,
            }) else {
                return Step::Goes;
            };
            self.phase = Phase::Writing { bytes: respond(&request, answer), done: 0 };
            self.deadline = now + TO_LEAVE;
        }
        let Phase::Writing { bytes, done } = &mut self.phase else { return Step::Goes };
        loop {
            match self.stream.write(bytes.get(*done..).unwrap_or_default()) {
                Ok(0) => return Step::Ends,
                Ok(n) => *done = done.saturating_add(n),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Step::Goes,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Step::Ends,
            }
            if *done >= bytes.len() {
                return Step::Ends;
            }
        }
    }
}

/// What was asked for.
#[derive(Debug, PartialEq)]
enum Request {
    Get {
        path: String,
        head_only: bool,
    },
    /// Not HTTP, or more than is taken: status and reason.
    Wrong(u16, &'static str),
}

/// Reads on; the request when its head is complete.
fn read_head(stream: &mut TcpStream, head: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let mut buffer = [0_u8; 2048];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                head.extend_from_slice(buffer.get(..n).unwrap_or_default());
                if let Some(request) = parse(head) {
                    return Ok(Some(request));
                }
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// The request in these bytes; `None` while more has to come.
fn parse(head: &[u8]) -> Option<Request> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Partial) if head.len() < MOST_HEAD => None,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            Some(Request::Wrong(431, "the request is too large"))
        }
        Err(_) => Some(Request::Wrong(400, "expected an HTTP/1.1 request")),
        Ok(httparse::Status::Complete(_)) => {
            let head_only = match request.method {
                Some("GET") => false,
                Some("HEAD") => true,
                _ => return Some(Request::Wrong(405, "only GET and HEAD are answered")),
            };
            let path = request.path.unwrap_or_default();
            let path = path.split(['?', '#']).next().unwrap_or_default().to_owned();
            Some(Request::Get { path, head_only })
        }
    }
}

/// The bytes of the answer.
fn respond(request: &Request, answer: &dyn Fn(&str) -> Answer) -> Vec<u8> {
    let (answer, head_only) = match request {
        Request::Get { path, head_only } => (answer(path), *head_only),
        Request::Wrong(status, why) => {
            let body = format!("{why}\n").into_bytes();
            (Answer { status: *status, content_type: "text/plain; charset=utf-8", body }, false)
        }
    };
    let reason = match answer.status {
        200 => "OK",
        404 => "Not Found",
        405 => "Method Not Allowed",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Bad Request",
    };
    let allow = if answer.status == 405 { "Allow: GET, HEAD\r\n" } else { "" };
    let mut out = format!(
        "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\n{allow}Connection: close\r\n\r\n",
        answer.status,
        answer.content_type,
        answer.body.len()
    )
    .into_bytes();
    if !head_only {
        out.extend(answer.body);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_requests_and_refuses_others() {
        let get = |path: &str, head_only| Some(Request::Get { path: path.into(), head_only });
        assert_eq!(parse(b"GET /metrics?x=y HTTP/1.1\r\nHost: h\r\n\r\n"), get("/metrics", false));
        assert_eq!(parse(b"HEAD / HTTP/1.0\r\n\r\n"), get("/", true));
        assert_eq!(parse(b"GET /metrics HTTP/1.1\r\nHost"), None);
        for (bytes, want) in [
            (b"POST / HTTP/1.1\r\n\r\n".to_vec(), 405),
            (b"\x16\x03\x01\x02".to_vec(), 400),
            (format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(MOST_HEAD)).into_bytes(), 431),
            (format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(65)).into_bytes(), 431),
        ] {
            assert!(matches!(parse(&bytes), Some(Request::Wrong(status, _)) if status == want), "{want}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
