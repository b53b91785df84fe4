//! Asking a service's own pages, on a thread of its own: an endpoint that hangs holds up nobody, not even the
//! samples of its own process.

use crate::shared::lock;
use bundle::sampling::WebSampler;
use signals::Sample;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What came last.
#[derive(Debug, Default)]
struct Latest {
    sample: Option<(Instant, Sample)>,
    error: Option<String>,
    page: Option<&'static str>,
}

/// Asks again and again until dropped.
#[derive(Debug)]
pub(super) struct WebThread {
    latest: Arc<Mutex<Latest>>,
    stop: Arc<AtomicBool>,
    /// Milliseconds between requests; zero: not now.
    pace: Arc<AtomicU64>,
}

impl WebThread {
    pub(super) fn start(mut web: WebSampler, pace: Duration) -> Self {
        let out = Self {
            latest: Arc::default(),
            stop: Arc::default(),
            pace: Arc::new(AtomicU64::new(u64::try_from(pace.as_millis()).unwrap_or(5000))),
        };
        let (latest, stop, pace) = (Arc::clone(&out.latest), Arc::clone(&out.stop), Arc::clone(&out.pace));
        let _ = std::thread::Builder::new().name("web".into()).stack_size(256 << 10).spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let wait = pace.load(Ordering::Relaxed);
                if wait > 0 {
                    let mut s = Sample::new(0.0);
                    let result = web.sample(&mut s);
                    let mut l = lock(&latest);
                    match result {
                        Ok(()) => {
                            l.sample = Some((begun, s));
                            l.error = None;
                            l.page = web.page().map(|p| p.name());
                        }
                        Err(e) => l.error = Some(e),
                    }
                }
                let wait = Duration::from_millis(if wait == 0 { 500 } else { wait });
                std::thread::park_timeout(wait.saturating_sub(begun.elapsed()));
            }
        });
        out
    }

    /// Sets the pace; `None` asks nothing for now.
    pub(super) fn pace(&self, pace: Option<Duration>) {
        let ms = pace.map_or(0, |p| u64::try_from(p.as_millis()).unwrap_or(5000).max(1000));
        self.pace.store(ms, Ordering::Relaxed);
    }

    /// Adds what came lately to a sample; the page it came from.
    pub(super) fn fill(&self, s: &mut Sample, fresh: Duration) -> Result<&'static str, String> {
        let l = lock(&self.latest);
        match &l.sample {
            Some((at, web)) if at.elapsed() <= fresh => {
                s.fill_missing(web);
                Ok(l.page.unwrap_or("metrics"))
            }
            _ => Err(l.error.clone().unwrap_or_else(|| "no answer yet".to_owned())),
        }
    }
}

impl Drop for WebThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
