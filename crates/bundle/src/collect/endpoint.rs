//! The web side of a sample: which endpoints are asked for, in which order, and when to give up.

use super::context::{ANY_SIZE, Ask, Asked, Context};
use super::options::CollectError;
use crate::http::Client;
use crate::{Address, ArtifactKind, BundleError, FetchError, symbols};
use model::Bytes;
use profile::{Profile, ReadLimits};
use std::collections::HashSet;
use std::net::IpAddr;

/// Probes are small; more than this is no answer to them.
const MAX_PROBE: Bytes = Bytes::mib(1);
/// Requests in a row that time out or find nobody before the service counts as gone.
const GIVE_UP_AFTER: u32 = 3;

/// A service that answers.
pub(crate) struct Endpoint {
    pub client: Client,
    /// Path of the pprof handlers, ends in `/`; `None` when they are not mounted.
    pub pprof: Option<String>,
    /// Path before `debug/pprof/`, where `/debug/vars` and `/metrics` are; ends in `/`.
    root: String,
    /// Answer of `cmdline`: which process this is.
    pub cmdline: Option<Vec<u8>>,
    /// Not there: not asked for again.
    absent: HashSet<&'static str>,
    /// Timed out before: asked once from now on.
    slow: HashSet<&'static str>,
    failures_in_a_row: u32,
    /// Addresses that `symbol` was asked for.
    symbols_asked: HashSet<u64>,
    /// GC cycles forced so far, those of failed requests included.
    pub forced_gcs: u32,
}

impl Endpoint {
    /// Finds where pprof is mounted.
    ///
    /// Without pprof, a service that publishes `go_memstats_*` or expvar is still of use.
    pub(crate) fn resolve(client: Client) -> Result<Self, CollectError> {
        let mut last = None;
        let mut instead = None;
        for base in client.address().pprof_candidates() {
            let root = base.strip_suffix("debug/pprof/").unwrap_or("/").to_owned();
            let found = match probe(&client, &format!("{base}cmdline")) {
                Ok(bytes) if is_cmdline(&bytes) => Some(Some(bytes)),
                // The path answers, though with something of its own: a profile would not.
                Ok(other) => {
                    instead = Some(other);
                    is_index(&client, &base).then_some(None)
                }
                // Routers that mount pprof.Index alone have no cmdline.
                Err(e @ FetchError::Status { code: 404 | 405, .. }) => {
                    last = Some((base.clone(), e));
                    is_index(&client, &base).then_some(None)
                }
                // A server in trouble may answer the next time.
                Err(FetchError::Status { code: 500.., .. }) => Some(None),
                Err(e) => return Err(unreachable(&client, &base, e)),
            };
            if let Some(cmdline) = found {
                return Ok(Self::new(client, Some(base), root, cmdline));
            }
        }
        Self::without_pprof(client, last, instead.as_deref())
    }

    fn new(client: Client, pprof: Option<String>, root: String, cmdline: Option<Vec<u8>>) -> Self {
        Self {
            client,
            pprof,
            root,
            cmdline,
            absent: HashSet::new(),
            slow: HashSet::new(),
            failures_in_a_row: 0,
            symbols_asked: HashSet::new(),
            forced_gcs: 0,
        }
    }

    fn without_pprof(
        client: Client,
        last: Option<(String, FetchError)>,
        instead: Option<&[u8]>,
    ) -> Result<Self, CollectError> {
        let root = format!("{}/", client.address().path.trim_end_matches('/'));
        let metrics = probe(&client, &format!("{root}metrics"))
            .is_ok_and(|b| metrics::read_exposition(&b).is_ok_and(|e| e.memstats.is_some()));
        let vars = || {
            probe(&client, &format!("{root}debug/vars"))
                .is_ok_and(|b| metrics::read_expvar(&b).is_ok_and(|e| e.memstats.is_some()))
        };
        if metrics || vars() {
            return Ok(Self::new(client, None, root, None));
        }
        if client.stopped() {
            return Err(CollectError::Stopped);
        }
        Err(match last {
            Some((base, error)) => {
                CollectError::Endpoint { url: format!("{}{base}", client.address().origin()), error }
            }
            None => CollectError::NotPprof {
                url: client.address().to_string(),
                reason: format!(
                    "{} instead of the answers of Go's pprof",
                    match instead.map(<[u8]>::trim_ascii_start).unwrap_or_default().first() {
                        Some(b'<') => "an HTML page",
                        Some(b'{' | b'[') => "JSON",
                        None => "an empty answer",
                        _ => "something else",
                    }
                ),
            },
        })
    }

    /// URL of the pprof handlers.
    pub(crate) fn url(&self) -> String {
        let base = self.pprof.as_deref().unwrap_or(&self.root);
        format!("{}{base}", self.client.address().origin())
    }

    /// Whether the service has gone away.
    pub(crate) const fn lost(&self) -> bool {
        self.failures_in_a_row >= GIVE_UP_AFTER
    }

    /// `heap?debug=1`: counters and records as text.
    pub(crate) fn heap_text(&mut self, cx: &mut Context<'_>, sample: u32, after_gc: bool) -> Result<(), BundleError> {
        let (name, file, kind) = if after_gc {
            ("heap text after gc", "after", ArtifactKind::HeapTextAfterGc)
        } else {
            ("heap text", "before", ArtifactKind::HeapText)
        };
        let ask = Ask {
            url: self.pprof_url("heap?debug=1"),
            path: format!("profiles/heap-{sample}-{file}.txt"),
            kind,
            sample: Some(sample),
            gc: false,
            tail: String::new(),
            max: ANY_SIZE,
            hides: if after_gc {
                "how much of the heap is live right after a GC cycle"
            } else {
                "the runtime's own counters (MemStats): heap size, idle memory, GC cycles"
            },
        };
        self.pprof_ask(cx, name, &ask).map(drop)
    }

    /// The heap profile; `true` when a GC cycle was forced.
    pub(crate) fn heap(&mut self, cx: &mut Context<'_>, sample: u32, gc: bool) -> Result<bool, BundleError> {
        let ask = Ask {
            url: self.pprof_url(if gc { "heap?gc=1" } else { "heap" }),
            path: format!("profiles/heap-{sample}.pb.gz"),
            kind: ArtifactKind::HeapProfile,
            sample: Some(sample),
            gc,
            tail: String::new(),
            max: ANY_SIZE,
            hides: "which lines of code hold memory at that time",
        };
        let before = self.failures_in_a_row;
        let asked = self.pprof_ask(cx, "heap", &ask)?;
        let reached = match &asked {
            Some(Asked::Stored | Asked::Useless) => true,
            // It may have run all the same: better to count one too many than one too few.
            Some(Asked::Failed(FetchError::Timeout { .. } | FetchError::Reset(_))) => true,
            _ => false,
        };
        if gc && reached {
            self.forced_gcs = self.forced_gcs.saturating_add(1);
        }
        if gc && matches!(&asked, Some(Asked::Failed(FetchError::Timeout { .. }))) {
            // The forced cycle may be what took so long.
            let ask = Ask { url: self.pprof_url("heap"), gc: false, ..ask };
            self.failures_in_a_row = before;
            self.pprof_ask(cx, "heap without gc", &ask)?;
        }
        Ok(gc && matches!(asked, Some(Asked::Stored)))
    }

    /// Allocation profile.
    pub(crate) fn allocs(&mut self, cx: &mut Context<'_>, sample: u32) -> Result<(), BundleError> {
        let ask = Ask {
            url: self.pprof_url("allocs"),
            path: format!("profiles/allocs-{sample}.pb.gz"),
            kind: ArtifactKind::AllocsProfile,
            sample: Some(sample),
            gc: false,
            tail: String::new(),
            max: ANY_SIZE,
            // The heap profile holds the same columns.
            hides: "",
        };
        self.pprof_ask(cx, "allocs", &ask).map(drop)
    }

    /// Both forms of the goroutine profile.
    pub(crate) fn goroutines(&mut self, cx: &mut Context<'_>, sample: u32) -> Result<(), BundleError> {
        let dump = Ask {
            url: self.pprof_url("goroutine?debug=2"),
            path: format!("goroutines/goroutine-{sample}.txt"),
            kind: ArtifactKind::GoroutineDump,
            sample: Some(sample),
            gc: false,
            tail: String::new(),
            max: ANY_SIZE,
            hides: "what the goroutines wait for, how long, and who created them",
        };
        let proto = Ask {
            url: self.pprof_url("goroutine"),
            path: format!("goroutines/goroutine-{sample}.pb.gz"),
            kind: ArtifactKind::GoroutineProfile,
            // The dump tells the same and more.
            hides: "",
            ..dump.clone()
        };
        self.pprof_ask(cx, "goroutine", &proto)?;
        self.pprof_ask(cx, "goroutine dump", &dump).map(drop)
    }

    /// `/debug/vars` and `/metrics`, where there.
    pub(crate) fn stats(&mut self, cx: &mut Context<'_>, sample: u32) -> Result<(), BundleError> {
        let vars = Ask {
            url: format!("{}debug/vars", self.root),
            path: format!("stats/expvar-{sample}.json"),
            kind: ArtifactKind::Expvar,
            sample: Some(sample),
            gc: false,
            tail: String::new(),
            max: ANY_SIZE,
            hides: "",
        };
        self.ask(cx, "expvar", &vars)?;
        let metrics = Ask {
            url: format!("{}metrics", self.root),
            path: format!("stats/metrics-{sample}.txt"),
            kind: ArtifactKind::Prometheus,
            ..vars
        };
        self.ask(cx, "metrics", &metrics).map(drop)
    }

    /// Names of the runtime functions that the stacks of sample `sample`'s heap text end in, as far as
    /// they were not asked for yet: at most [`symbols::MAX_REQUESTS`] requests.
    pub(crate) fn symbols(&mut self, cx: &mut Context<'_>, sample: u32) -> Result<(), BundleError> {
        let text = ["after", "before"].iter().find_map(|when| {
            let path = cx.writer.dir().join(format!("profiles/heap-{sample}-{when}.txt"));
            Profile::read(&std::fs::read(path).ok()?, &ReadLimits::default()).ok()
        });
        let Some(text) = text else {
            return Ok(());
        };
        let unknown = symbols::hidden_calls(&text).into_iter().map(|c| c.inside);
        let unknown = unknown.filter(|a| !self.symbols_asked.contains(a)).collect();
        for (i, batch) in symbols::batches(unknown).into_iter().enumerate() {
            let ask = Ask {
                url: self.pprof_url("symbol"),
                tail: symbols::query(&batch),
                max: symbols::MAX_ANSWER,
                path: format!("profiles/symbols-{sample}-{}.txt", i + 1),
                kind: ArtifactKind::Symbols,
                sample: Some(sample),
                gc: false,
                hides: "how memory is asked for (map insert, append, boxing): a growing map or slice \
                        shows as a risk, not as a leak",
            };
            self.pprof_ask(cx, "symbol", &ask)?;
            self.symbols_asked.extend(batch);
        }
        Ok(())
    }

    fn pprof_url(&self, tail: &str) -> String {
        format!("{}{tail}", self.pprof.as_deref().unwrap_or_default())
    }

    fn pprof_ask(&mut self, cx: &mut Context<'_>, name: &'static str, ask: &Ask) -> Result<Option<Asked>, BundleError> {
        if self.pprof.is_none() {
            return Ok(None);
        }
        self.ask(cx, name, ask)
    }

    fn ask(&mut self, cx: &mut Context<'_>, name: &'static str, ask: &Ask) -> Result<Option<Asked>, BundleError> {
        if self.lost() || self.absent.contains(name) || cx.stopped() {
            return Ok(None);
        }
        // A forced cycle is not repeated because its answer took long.
        let patient = !ask.gc && self.slow.is_empty();
        let asked = cx.fetch(&self.client, ask, patient)?;
        match &asked {
            Asked::Stored => self.failures_in_a_row = 0,
            Asked::Useless => {
                self.failures_in_a_row = 0;
                if ask.hides.is_empty() {
                    self.absent.insert(name);
                }
            }
            Asked::Failed(FetchError::Status { code, .. }) => {
                self.failures_in_a_row = 0;
                if *code < 500 {
                    self.absent.insert(name);
                }
            }
            Asked::Failed(FetchError::RedirectElsewhere(_)) => {
                self.absent.insert(name);
            }
            Asked::Failed(FetchError::Timeout { .. }) => {
                self.slow.insert(name);
                self.failures_in_a_row += 1;
            }
            Asked::Failed(FetchError::Stopped) => {}
            Asked::Failed(_) => self.failures_in_a_row += 1,
        }
        if self.lost() {
            cx.missing(
                &self.url(),
                ask.sample,
                "the service stopped answering",
                "everything the service itself would tell from then on",
            )?;
        }
        Ok(Some(asked))
    }
}

fn probe(client: &Client, path: &str) -> Result<Vec<u8>, FetchError> {
    let mut out = Vec::new();
    client.get(path, &mut out, MAX_PROBE, true)?;
    Ok(out)
}

/// Arguments separated by NUL: no page and no document.
fn is_cmdline(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii_start();
    !start.is_empty() && !start.starts_with(b"<") && !start.starts_with(b"{") && !start.starts_with(b"[")
}

/// Whether pprof answers below `base`: its smallest profile as text.
fn is_index(client: &Client, base: &str) -> bool {
    probe(client, &format!("{base}threadcreate?debug=1")).is_ok_and(|b| b.starts_with(b"threadcreate profile:"))
}

fn unreachable(client: &Client, base: &str, error: FetchError) -> CollectError {
    if error == FetchError::Stopped {
        return CollectError::Stopped;
    }
    CollectError::Endpoint { url: format!("{}{base}", client.address().origin()), error }
}

/// Finds a pid's pprof among its listening sockets: the one whose `cmdline` is that process's.
pub(crate) fn find_pprof(
    ports: &[(IpAddr, u16)],
    cmdline: &[u8],
    make: impl Fn(Address) -> Result<Client, String>,
) -> Option<Address> {
    ports.iter().find_map(|&(ip, port)| {
        let host = match ip {
            IpAddr::V4(v4) if v4.is_unspecified() => "127.0.0.1".to_owned(),
            IpAddr::V6(v6) if v6.is_unspecified() => "[::1]".to_owned(),
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => format!("[{v6}]"),
        };
        let address = Address::parse(&format!("http://{host}:{port}")).ok()?;
        // One question only: the port may belong to anything.
        let answer = probe(&make(address.clone()).ok()?, "/debug/pprof/cmdline").ok()?;
        same_process(&answer, cmdline).then_some(address)
    })
}

/// Whether `cmdline` of pprof and of `/proc` are of one process: behind a forwarded port another
/// process answers than the one that listens.
pub(crate) fn same_process(pprof: &[u8], proc_: &[u8]) -> bool {
    let trim = |b: &[u8]| -> Vec<u8> {
        let end = b.iter().rposition(|&c| c != 0).map_or(0, |i| i + 1);
        b.get(..end).unwrap_or_default().to_vec()
    };
    !trim(proc_).is_empty() && trim(pprof) == trim(proc_)
}
