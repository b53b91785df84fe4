//! The runtime's numbers by way of the service's own pages, for processes whose memory cannot be read: the
//! cheapest page that answers. `/metrics` stops nothing; `/debug/vars` and the counters at the end of
//! `heap?debug=1` stop the world for an instant (`runtime.ReadMemStats`), so they are not asked of a process that
//! is about to die. Never asks for a garbage collection.

use crate::http::{Client, HttpLimits};
use crate::{Address, Authorities};
use model::{Bytes, MemStats};
use signals::{Column, Sample};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Largest page that is read.
const MOST: Bytes = Bytes::mib(8);
/// A page that failed is asked for again after this many samples, twice as many each time.
const REST: u32 = 4;
/// ... and at most this many.
const MOST_REST: u32 = 256;

/// A page with the runtime's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebSource {
    /// `/metrics`.
    Metrics,
    /// `/debug/vars`.
    Expvar,
    /// `/debug/pprof/heap?debug=1`.
    HeapText,
}

impl WebSource {
    const ALL: [Self; 3] = [Self::Metrics, Self::Expvar, Self::HeapText];

    /// As sources are named in a status.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Expvar => "expvar",
            Self::HeapText => "pprof",
        }
    }
}

/// Reads the runtime's numbers of one service by HTTP.
pub struct WebSampler {
    client: Client,
    root: String,
    /// The page that answered last.
    page: Option<WebSource>,
    /// GOGC and GOMEMLIMIT as the environment sets them, for pages that do not tell.
    gogc: Option<f64>,
    memory_limit: Option<f64>,
    /// Samples to let pass before asking again, after a failure; and how many next time.
    rest: u32,
    next_rest: u32,
    /// Why it failed last.
    why: String,
}

impl std::fmt::Debug for WebSampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebSampler").field("root", &self.root).field("page", &self.page).finish_non_exhaustive()
    }
}

impl WebSampler {
    /// A sampler of a service at an address. Nothing is asked yet. `whole` bounds each request.
    ///
    /// # Errors
    /// A header that is none.
    pub fn new(
        address: &Address,
        headers: &[(String, String)],
        authorities: Option<Authorities>,
        insecure: bool,
        whole: Duration,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, String> {
        let limits =
            HttpLimits { connect: whole.min(Duration::from_secs(2)), whole, retries: 0, insecure, authorities };
        let path = address.path.trim_end_matches('/');
        let path = path.strip_suffix("debug/pprof").unwrap_or(path).trim_end_matches('/');
        let root = format!("{path}/");
        let client = Client::new(address.clone(), headers, limits, stop)?;
        Ok(Self {
            client,
            root,
            page: None,
            gogc: None,
            memory_limit: None,
            rest: 0,
            next_rest: REST,
            why: String::new(),
        })
    }

    /// Takes GOGC and GOMEMLIMIT from the environment of the process, where that may be read.
    pub fn environment(&mut self, process: &target::Process) {
        let Ok(bytes) = process.read(target::ProcFile::Environ) else { return };
        let set = procfs::environ(&bytes);
        self.gogc = set.gogc.as_deref().and_then(crate::settings::gogc).map(|g| g as f64);
        self.memory_limit = set.gomemlimit.as_deref().and_then(crate::settings::memory_limit).map(|b| b.0 as f64);
    }

    /// The page that answers.
    #[must_use]
    pub const fn page(&self) -> Option<WebSource> {
        self.page
    }

    /// Fills in the runtime's numbers.
    ///
    /// # Errors
    /// Why there are none, without a full stop. After a failure some samples pass before it is tried again.
    pub fn sample(&mut self, s: &mut Sample) -> Result<(), String> {
        if self.rest > 0 {
            self.rest -= 1;
            return Err(format!("{}; asked again later", self.why));
        }
        let known = self.page;
        let mut why = String::new();
        for page in WebSource::ALL.into_iter().filter(|p| known.is_none_or(|k| k == *p)) {
            match self.read(page, s) {
                Ok(()) => {
                    self.page = Some(page);
                    self.next_rest = REST;
                    return Ok(());
                }
                Err(e) if why.is_empty() || known.is_some() => why = e,
                Err(_) => {}
            }
        }
        self.rest = self.next_rest;
        self.next_rest = (2 * self.next_rest).min(MOST_REST);
        // Another page may answer next time.
        self.page = None;
        self.why.clone_from(&why);
        Err(why)
    }

    fn read(&self, page: WebSource, s: &mut Sample) -> Result<(), String> {
        let path = match page {
            WebSource::Metrics => "metrics",
            WebSource::Expvar => "debug/vars",
            WebSource::HeapText => "debug/pprof/heap?debug=1",
        };
        let mut text: Vec<u8> = Vec::new();
        let url = format!("{}{path}", self.root);
        let answer = self.client.get(&url, &mut text, MOST, false).map_err(|e| format!("{url}: {e}"))?;
        if let Some(cut) = answer.cut {
            return Err(format!("{url}: {cut}"));
        }
        let none = || format!("{url}: no counters of the Go runtime");
        match page {
            WebSource::Metrics => {
                let read = metrics::read_exposition(&text).map_err(|e| format!("{url}: {e}"))?;
                let m = read.memstats.as_ref().ok_or_else(none)?;
                self.fill(s, m);
                s.put(Column::Goroutines, read.goroutines.map(|n| n as f64));
                s.put(Column::HeapLive, read.heap_live.map(|b| b.0 as f64).or_else(|| s.get(Column::HeapLive)));
                // What the service says of its process, where `/proc` was not to be had.
                s.put_missing(Column::Rss, read.resident.map(|b| b.0 as f64));
                s.put_missing(Column::Cpu, read.cpu_seconds);
            }
            WebSource::Expvar => {
                let read = metrics::read_expvar(&text).map_err(|e| format!("{url}: {e}"))?;
                self.fill(s, read.memstats.as_ref().ok_or_else(none)?);
            }
            WebSource::HeapText => self.fill(s, &profile::read_memstats(&text).map_err(|_| none())?.0),
        }
        Ok(())
    }

    /// Columns of `runtime.MemStats`.
    fn fill(&self, s: &mut Sample, m: &MemStats) {
        let size = |b: Bytes| b.0 as f64;
        s.set(Column::HeapAlloc, size(m.heap_alloc));
        s.set(Column::HeapGoal, size(m.next_gc));
        s.set(Column::HeapInuse, size(m.heap_inuse));
        s.set(Column::HeapIdle, size(m.heap_retained_idle()));
        s.set(Column::HeapReleased, size(m.heap_released));
        s.set(Column::TotalAlloc, size(m.total_alloc));
        s.set(Column::Mallocs, m.mallocs as f64);
        s.set(Column::Mapped, size(m.sys.minus(m.heap_released)));
        s.set(Column::Stacks, size(m.stack_inuse));
        s.set(Column::GcCycles, m.num_gc as f64);
        s.put(Column::GcCpuFraction, m.gc_cpu_fraction);
        s.put(Column::GcPauses, m.pause_total_ns.map(|n| n as f64 / 1e9));
        if let (Some(pause), Some(_)) = (m.recent_pauses_ns.first(), m.recent_pause_ends_ns.first()) {
            s.set(Column::GcPauseMax, *pause as f64 / 1e9);
        }
        let gogc = m.gogc_percent.map(|g| g as f64).or(self.gogc).unwrap_or(100.0);
        s.set(Column::Gogc, gogc);
        s.put(Column::MemoryLimit, m.gomemlimit.map(size).or(self.memory_limit));
        if m.num_gc > 0 {
            s.put(Column::HeapLive, live(m, gogc));
        }
    }
}

/// The live heap by the goal: `goal = live + (live + stacks + globals) * GOGC / 100` (`src/runtime/mgcpacer.go`).
/// Where the memory limit sets the goal, by what was allocated since the cycle, at the least.
fn live(m: &MemStats, gogc: f64) -> Option<f64> {
    if gogc <= 0.0 {
        return None;
    }
    let share = gogc / 100.0;
    let live = (m.next_gc.0 as f64 - m.stack_inuse.0 as f64 * share) / (1.0 + share);
    (live > 0.0).then_some(live)
}

/// The address at which a process serves pprof, among the ports it listens on.
#[must_use]
pub fn find_web(pid: u32, stop: &Arc<AtomicBool>) -> Option<Address> {
    let limits = HttpLimits {
        connect: Duration::from_millis(500),
        whole: Duration::from_secs(2),
        retries: 0,
        insecure: false,
        authorities: None,
    };
    crate::collect::find_pprof_of(pid, |a| Client::new(a, &[], limits.clone(), Arc::clone(stop)))
}

/// The process of this host that listens on a loopback address.
#[must_use]
pub fn process_behind(address: &Address) -> Option<u32> {
    crate::collect::listening_on(address.port)
}
