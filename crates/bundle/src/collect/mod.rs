//! Collecting: from a web address or a process into a bundle.
//!
//! Two or more samples over a stretch of time, so that growth is measured. Within a sample the
//! counters come first and `/proc` right after them (the RSS ledger compares the two), then our own
//! GC cycle with the profile and the counters after it, then goroutines. Server-side deltas
//! (`?seconds=`) are never used: they subtract in-use values too. A process without pprof is read from
//! outside, by its memory. Nothing that fails is fatal while something useful remains; each failure is
//! noted with what it hides.

mod append;
mod context;
mod endpoint;
mod graph;
mod inspect;
mod options;
pub(crate) mod outside;
mod process;
mod trace;

pub use append::{AppendPlan, append, append_calls};
pub(crate) use graph::of_core;
pub use options::{CollectError, CollectOptions, CollectTarget, Collected, GcPolicy, GraphPolicy, Progress};

use crate::http::{Client, HttpLimits};
use crate::write::{BundleWriter, now};
use crate::{Address, BundleError, Manifest, OptionsRecord, SampleRecord, TargetRecord, pack};
use context::Context;
use endpoint::{Endpoint, find_pprof, same_process};
use process::ProcSource;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

/// Bounds of a probe of a port that may be anything.
const PROBE: HttpLimits = HttpLimits {
    connect: Duration::from_millis(500),
    whole: Duration::from_secs(2),
    retries: 0,
    insecure: false,
    authorities: None,
};
/// Above this share of its control group's limit a process gets no forced GC cycle.
const GC_HEADROOM: f64 = 0.9;

/// Collects from `target` into `to`: a directory, or one zip when the name ends in `.oomph`.
///
/// The stop flag ends it within about a second, also in the middle of a request; what was
/// collected is kept. A zip is built from the directory `NAME.part` beside it, which is what
/// remains when the process is killed.
///
/// # Errors
/// [`CollectError`]: nothing answers there, it is no pprof, the process cannot be read, the
/// destination is taken or cannot be written. Never for a part that is missing.
pub fn collect(
    target: &CollectTarget,
    to: &Path,
    options: &CollectOptions,
    progress: &mut dyn FnMut(Progress),
    stop: &Arc<AtomicBool>,
) -> Result<Collected, CollectError> {
    let zip = to.extension().is_some_and(|e| e == "oomph");
    let dir = if zip { with_part(to) } else { to.to_owned() };
    if zip && to.exists() {
        return Err(BundleError::Occupied { path: to.into() }.into());
    }
    let mut sources = Sources::resolve(target, options, progress, stop)?;
    let record = sources.record(target);
    progress(Progress::Resolved {
        url: record.url.clone(),
        pid: record.pid,
        program: record.program.clone(),
        go_version: record.go_version.clone(),
    });
    let writer = BundleWriter::create(&dir, new_manifest(record, options))?;
    let mut cx = Context { writer, options, progress, stop: Arc::clone(stop) };
    let result = sources.run(&mut cx);
    let stopped = cx.stopped();
    if stopped {
        (cx.progress)(Progress::Stopped);
    }
    // Also after a full disk: the manifest tells what there is.
    let manifest = cx.writer.finish(stopped)?;
    result?;
    if manifest.artifacts.is_empty() {
        let _ = fs::remove_dir_all(&dir);
        return Err(nothing(&manifest, stopped));
    }
    if zip {
        pack(&dir, to)?;
        let _ = fs::remove_dir_all(&dir);
    }
    Ok(Collected { path: to.into(), manifest, stopped })
}

fn with_part(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

fn new_manifest(target: TargetRecord, options: &CollectOptions) -> Manifest {
    let options = OptionsRecord {
        duration_ms: u64::try_from(options.duration.as_millis()).unwrap_or(u64::MAX),
        samples: samples(options),
        gc: match options.gc {
            GcPolicy::Always => "always".into(),
            GcPolicy::Never => "never".into(),
        },
    };
    Manifest::new(target, options)
}

fn nothing(manifest: &Manifest, stopped: bool) -> CollectError {
    if stopped {
        return CollectError::Stopped;
    }
    let mut reasons: Vec<String> = Vec::new();
    // What /proc would add is not what failed here.
    for f in manifest.failures.iter().filter(|f| f.source != "/proc") {
        let reason = format!("{}: {}", f.source, f.reason);
        if reasons.len() < 4 && !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    CollectError::Nothing(format!("{}: {}", manifest.target.name, reasons.join("; ")))
}

fn samples(options: &CollectOptions) -> u32 {
    if options.duration.is_zero() { 1 } else { options.samples.max(2) }
}

/// What a collection reads from.
struct Sources {
    web: Option<Endpoint>,
    process: Option<ProcSource>,
    /// Why one of the two is missing, where that matters: source, reason, what it hides.
    missing: Vec<(String, String, &'static str)>,
    /// The graph of the first sample, while it is read.
    reading: Option<graph::Reading>,
}

impl Sources {
    fn resolve(
        target: &CollectTarget,
        options: &CollectOptions,
        progress: &mut dyn FnMut(Progress),
        stop: &Arc<AtomicBool>,
    ) -> Result<Self, CollectError> {
        let client =
            |address: Address, limits: HttpLimits| Client::new(address, &options.headers, limits, Arc::clone(stop));
        let limits = HttpLimits {
            connect: options.connect_timeout,
            whole: options.timeout,
            retries: options.retries,
            insecure: options.insecure,
            authorities: options.authorities.clone(),
        };
        match target {
            CollectTarget::Url(address) => {
                progress(Progress::Asking { source: address.to_string(), sample: None });
                let web = client(address.clone(), limits).map_err(CollectError::Option)?;
                Ok(Self::with_process(Endpoint::resolve(web)?, address, options.join_process))
            }
            CollectTarget::Pid(pid) => {
                progress(Progress::Asking { source: format!("/proc/{pid}"), sample: None });
                let process = ProcSource::open(*pid).map_err(|reason| CollectError::Process { pid: *pid, reason })?;
                // The user's headers belong to an address the user named.
                let bare = |a: Address| Client::new(a, &[], PROBE, Arc::clone(stop));
                let found = find_pprof(&process.ports(), process.cmdline(), bare);
                let web = found
                    .and_then(|address| Client::new(address, &[], limits, Arc::clone(stop)).ok())
                    .and_then(|c| Endpoint::resolve(c).ok());
                let mut missing = Vec::new();
                if web.is_none() {
                    missing.push((
                        format!("/proc/{pid}/net/tcp"),
                        "no listening port of this process answers with pprof".to_owned(),
                        "the runtime's own counters (GC cycles, idle heap) and what is in use right after a \
                         collection: heap profile and goroutines are read from the memory of the process \
                         (give the address of its pprof if it has one)",
                    ));
                }
                Ok(Self { web, process: Some(process), missing, reading: None })
            }
        }
    }

    /// Joins `/proc` when the address is a loopback one and the listener is provably the service.
    fn with_process(web: Endpoint, address: &Address, join: bool) -> Self {
        let hides = "the resident memory by mapping, so no full RSS ledger, and the limits of its \
                     control group";
        let mut out = Self { web: None, process: None, missing: Vec::new(), reading: None };
        let found = if !join {
            Err("not looked at, as asked".to_owned())
        } else if !address.is_loopback() {
            Err("the service runs on another host or behind one".to_owned())
        } else {
            process::listening_on(address.port).and_then(|p| {
                // Behind docker-proxy or kubectl port-forward the listener is not the service.
                match &web.cmdline {
                    Some(c) if same_process(c, p.cmdline()) => Ok(p),
                    Some(_) => Err(format!(
                        "process {} listens on port {} but is not the service (a forwarded port)",
                        p.pid(),
                        address.port
                    )),
                    None => Err("the service does not tell its command line".to_owned()),
                }
            })
        };
        match found {
            Ok(p) => out.process = Some(p),
            Err(why) => out.missing.push(("/proc".to_owned(), why, hides)),
        }
        if web.pprof.is_none() {
            let hides = "which lines of code hold memory, and what goroutines wait for";
            let why = "pprof is not mounted (add `import _ \"net/http/pprof\"`)".to_owned();
            out.missing.push((web.url(), why, hides));
        }
        out.web = Some(web);
        out
    }

    fn record(&self, target: &CollectTarget) -> TargetRecord {
        let mut record = TargetRecord {
            name: match target {
                CollectTarget::Url(a) => a.to_string(),
                CollectTarget::Pid(pid) => pid.to_string(),
            },
            kind: match target {
                CollectTarget::Url(_) => "url".into(),
                CollectTarget::Pid(_) => "pid".into(),
            },
            url: self.web.as_ref().map(Endpoint::url),
            ..TargetRecord::default()
        };
        if let Some(p) = &self.process {
            p.describe(&mut record);
        }
        if record.program.is_none()
            && let Some(c) = self.web.as_ref().and_then(|w| w.cmdline.as_deref())
            && let Some(program) = procfs::cmdline(c).into_iter().next()
        {
            record.program = Some(program);
        }
        record
    }

    fn run(&mut self, cx: &mut Context<'_>) -> Result<(), BundleError> {
        for (source, reason, hides) in std::mem::take(&mut self.missing) {
            cx.missing(&source, None, &reason, hides)?;
        }
        self.once(cx)?;
        let of = samples(cx.options);
        let start = Instant::now();
        for index in 1..=of {
            let due = cx.options.duration.mul_f64(f64::from(index - 1) / f64::from((of - 1).max(1)));
            let wait = due.saturating_sub(start.elapsed());
            if !wait.is_zero() {
                (cx.progress)(Progress::Waiting { next: index, of, wait });
                wait_for(wait, &cx.stop);
            }
            if cx.stopped() || self.gone() {
                break;
            }
            (cx.progress)(Progress::Sample { index, of });
            self.sample(cx, index, of)?;
            if index == 1 {
                self.trace(cx)?;
            }
        }
        // Ended before the last sample.
        self.reading.take().map_or(Ok(()), |reading| reading.store(cx, 1))
    }

    /// Takes an execution trace, if one is asked for.
    fn trace(&self, cx: &mut Context<'_>) -> Result<(), BundleError> {
        let Some(time) = cx.options.trace.filter(|_| !cx.stopped()) else { return Ok(()) };
        match &self.web {
            Some(web) => web.trace(cx, time),
            None => cx.missing(
                "trace",
                None,
                "an execution trace needs the address of the pprof of the service",
                "what happened when: collections, stopped worlds, who waited for whom",
            ),
        }
    }

    /// Whether neither source can tell anything more.
    fn gone(&self) -> bool {
        self.web.as_ref().is_none_or(Endpoint::lost) && self.process.as_ref().is_none_or(|p| !p.alive())
    }

    /// What is read once: arguments, environment, build information.
    fn once(&mut self, cx: &mut Context<'_>) -> Result<(), BundleError> {
        if let Some(p) = &self.process {
            p.once(cx)?;
        } else if let Some(c) = self.web.as_ref().and_then(|w| w.cmdline.clone()) {
            process::store_cmdline(cx, &c, "cmdline")?;
        }
        Ok(())
    }

    /// Starts reading the graph at the first sample; at the last one stores it, and a second one.
    fn graph(&mut self, cx: &mut Context<'_>, index: u32, of: u32) -> Result<(), BundleError> {
        let Some(pid) = self.process.as_ref().map(ProcSource::pid) else { return Ok(()) };
        if cx.options.graph == GraphPolicy::Never || cx.stopped() {
            return Ok(());
        }
        if index == 1 {
            self.reading = graph::Reading::start(pid);
        }
        if index == of {
            let first = self.reading.take();
            let last = if of > 1 { graph::Reading::start(pid) } else { None };
            for (reading, sample) in [(first, 1), (last, of)] {
                let Some(reading) = reading else { continue };
                (cx.progress)(Progress::Asking { source: "the object graph".to_owned(), sample: Some(sample) });
                reading.store(cx, sample)?;
            }
        }
        Ok(())
    }

    fn sample(&mut self, cx: &mut Context<'_>, index: u32, of: u32) -> Result<(), BundleError> {
        let ends = index == 1 || index == of;
        let forced = self.web.as_ref().map_or(0, |w| w.forced_gcs);
        cx.writer.update(|m| {
            m.samples.push(SampleRecord { index, at: now(), forced_gcs_before: forced });
        })?;
        if let Some(w) = &mut self.web {
            w.heap_text(cx, index, false)?;
        }
        let mut usage = None;
        if let Some(p) = &mut self.process
            && !cx.stopped()
        {
            // Right after the counters: the ledger compares the two.
            usage = p.sample(cx, index)?;
        }
        if let Some(w) = &mut self.web {
            w.stats(cx, index)?;
            let gc = cx.options.gc == GcPolicy::Always && !near_limit(cx, index, usage)?;
            if w.heap(cx, index, gc)? {
                w.heap_text(cx, index, true)?;
            }
            w.goroutines(cx, index)?;
            if ends {
                w.allocs(cx, index)?;
            }
        }
        // The endpoint comes first: it can have the heap collected.
        self.graph(cx, index, of)?;
        let answered = self.web.as_ref().is_some_and(|w| w.pprof.is_some() && !w.lost());
        let mut told = false;
        if let Some(p) = &mut self.process
            && !cx.stopped()
        {
            if !answered {
                p.memory(cx, index, of)?;
            }
            told = p.call_targets(cx, index)?;
        }
        match &mut self.web {
            // The executable tells more than the service does: the service is asked in its place.
            Some(w) if ends && !told => w.symbols(cx, index),
            _ => Ok(()),
        }
    }
}

/// Whether a forced GC cycle is too much for a process at `usage` of its limit; notes it if so.
fn near_limit(cx: &mut Context<'_>, sample: u32, usage: Option<f64>) -> Result<bool, BundleError> {
    let Some(share) = usage.filter(|u| *u > GC_HEADROOM) else {
        return Ok(false);
    };
    let reason = format!("no GC cycle was forced: the control group uses {:.0} % of its memory limit", share * 100.0);
    let hides = "the state right after a GC cycle: the profile is that of the service's own last one";
    cx.missing("heap?gc=1", Some(sample), &reason, hides)?;
    Ok(true)
}

/// Waits, at most `how_long`, until the stop flag is raised.
fn wait_for(how_long: Duration, stop: &AtomicBool) {
    let (_keep, never) = sync_channel::<()>(0);
    let end = Instant::now() + how_long;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || stop.load(Ordering::Relaxed) {
            return;
        }
        let _ = never.recv_timeout(left.min(Duration::from_millis(100)));
    }
}

/// Finds the address of a process's pprof among the ports it listens on.
pub(crate) fn find_pprof_of(pid: u32, make: impl Fn(Address) -> Result<Client, String>) -> Option<Address> {
    let p = ProcSource::open(pid).ok()?;
    find_pprof(&p.ports(), p.cmdline(), make)
}

/// The process of this host that listens on a loopback port.
pub(crate) fn listening_on(port: u16) -> Option<u32> {
    process::listening_on(port).ok().map(|p| p.pid())
}
