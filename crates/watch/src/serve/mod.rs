//! The watcher's own web server: `/metrics` (Prometheus text), `/healthz`, `/status` (`oomph.watch/1`). Owns the
//! answers; the connections are `connection`'s. Refuses everything but GET and HEAD, and keeps no state: each answer
//! is made from what the watcher says at that moment.

mod connection;
mod exposition;
mod table;

pub use table::{Kind, MetricInfo, metrics, metrics_doc};

use crate::alert::AlertCounters;
use connection::{Answer, Listener};
use model::WatchStatus;
use serde::Serialize;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;

/// What the server tells: the targets at this moment, and what alerting has done.
pub type Source = Arc<dyn Fn() -> (WatchStatus, AlertCounters) + Send + Sync>;

/// Intervals without a tick after which `/healthz` says so.
const MISSED: u64 = 3;

/// A running server; it ends when this is dropped.
pub struct Server {
    addr: SocketAddr,
    wake: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on `listen` (`127.0.0.1:9464`, `[::]:9464`, `localhost:0`) and answers from `source`, on one thread.
    ///
    /// # Errors
    /// When the address cannot be used; the message names it.
    pub fn start(listen: &str, source: Source) -> io::Result<Self> {
        let named = |e: io::Error| io::Error::new(e.kind(), format!("cannot listen on {listen}: {e}"));
        let socket = TcpListener::bind(listen).map_err(named)?;
        let addr = socket.local_addr().map_err(named)?;
        let (wake, woken) = UnixStream::pair().map_err(named)?;
        let listener = Listener::new(socket, woken).map_err(named)?;
        let serve = move || listener.serve(&|path| answer(path, &source));
        let thread = std::thread::Builder::new().name("serve".into()).spawn(serve).map_err(named)?;
        Ok(Self { addr, wake, thread: Some(thread) })
    }

    /// The address with the port that was given.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The thread sees the end of the pair.
        let _ = self.wake.shutdown(std::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The answer to a GET.
fn answer(path: &str, source: &Source) -> Answer {
    match path {
        "/metrics" => {
            let (status, alerts) = source();
            let body = exposition::write(&table::Scene { status: &status, alerts: &alerts });
            Answer { status: 200, content_type: "text/plain; version=0.0.4; charset=utf-8", body: body.into_bytes() }
        }
        "/healthz" => {
            let (status, alerts) = source();
            let health = health(&status, &alerts);
            json(if health.reasons.is_empty() { 200 } else { 503 }, &health)
        }
        "/status" => json(200, &source().0),
        "/" => text(
            200,
            "oomph watch\n\n/metrics  Prometheus text\n/healthz  200 while samples are taken\n/status   oomph.watch/1\n",
        ),
        _ => text(404, "not found: expected /metrics, /healthz or /status\n"),
    }
}

fn text(status: u16, body: &str) -> Answer {
    Answer { status, content_type: "text/plain; charset=utf-8", body: body.as_bytes().to_vec() }
}

fn json(status: u16, document: &impl Serialize) -> Answer {
    match serde_json::to_vec(document) {
        Ok(body) => Answer { status, content_type: "application/json", body },
        Err(e) => text(500, &format!("{e}\n")),
    }
}

/// What `/healthz` says.
#[derive(Debug, PartialEq, Serialize)]
struct Health {
    /// `ok` or `failing`.
    status: &'static str,
    /// Why it is failing.
    reasons: Vec<String>,
    /// What is wrong while samples are taken all the same.
    warnings: Vec<String>,
}

fn health(status: &WatchStatus, alerts: &AlertCounters) -> Health {
    let mut reasons = Vec::new();
    let (age, interval) = (status.watcher.tick_age_ms, status.watcher.interval_ms);
    let bound = interval.saturating_mul(MISSED);
    if interval > 0 && age > bound {
        let s = |ms: u64| ms as f64 / 1000.0;
        reasons.push(format!("no sample was taken for {:.1} s; {MISSED} intervals are {:.1} s", s(age), s(bound)));
    }
    let mut warnings: Vec<String> = alerts.outbox_error.iter().map(|e| format!("outbox: {e}")).collect();
    warnings.extend(status.watcher.unwritten_why.iter().map(|e| format!("samples are not written: {e}")));
    let failing = alerts.sinks.iter().filter(|s| !s.last_error.is_empty());
    warnings.extend(failing.map(|s| format!("alerts to {}: {}", s.sink, s.last_error)));
    let status = if reasons.is_empty() { "ok" } else { "failing" };
    Health { status, reasons, warnings }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_intervals_without_a_tick_are_unhealthy() {
        let mut status = WatchStatus::default();
        let alerts = AlertCounters { outbox_error: Some("full".into()), ..AlertCounters::default() };
        status.watcher.interval_ms = 5000;
        for (age, reasons) in [(0, 0), (15_000, 0), (15_001, 1), (u64::MAX, 1)] {
            status.watcher.tick_age_ms = age;
            let health = health(&status, &alerts);
            assert_eq!((health.reasons.len(), health.warnings.len()), (reasons, 1), "{age}");
        }
    }
}
