//! `oomph demo`: a real Go service with a known fault, built, started, diagnosed live, compared with its own
//! count, and stopped.

use super::{diagnose, live};
use crate::args::{Collect, Connect, Demo, Format};
use crate::progress::Reporter;
use crate::{Failure, Outcome, config, output};
use bundle::CollectTarget;
use lab::{Phase, Running, Specimen, Toolchain, Truth};
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

/// A capture of `map-cache`, for machines without Go.
const RECORDED: &[u8] = include_bytes!("../../../../lab/recorded/map-cache.oomph");
/// Longest wait for a specimen to show its steady behaviour.
const WARM_UP: Duration = Duration::from_secs(60);

pub(super) fn run(a: &Demo) -> Result<Outcome, Failure> {
    if a.list {
        return list();
    }
    let temporary = tempfile::tempdir().map_err(|e| Failure::new(format!("no temporary directory: {e}")))?;
    let thresholds = config::thresholds(a.output.config.as_deref())?;
    if a.recorded {
        let path = temporary.path().join("map-cache.oomph");
        std::fs::write(&path, RECORDED).map_err(|e| Failure::new(format!("cannot write {}: {e}", path.display())))?;
        diagnose::of_bundle(&path, &thresholds, &a.output)?;
        return Ok(Outcome::Fine);
    }
    let specimen = Specimen::by_name(&a.specimen)?;
    let binary = build(a, &specimen, temporary.path())?;
    let service = specimen.start(&binary, &[])?;
    output::note(&format!("{} runs as process {} at {}", specimen.name(), service.pid(), service.url()));
    let before = steady(&service)?;
    let to: PathBuf = a.save.clone().unwrap_or_else(|| temporary.path().join("bundle"));
    let collect = Collect {
        no_snapshot: false,
        for_: a.for_,
        samples: 4,
        no_gc: false,
        trace: None,
        connect: Connect {
            headers: Vec::new(),
            ca_file: None,
            insecure: false,
            url_only: false,
            timeout: Duration::from_secs(30),
            quiet: false,
        },
    };
    let address = bundle::Address::parse(service.url()).map_err(Failure::new)?;
    output::note(&format!("watching it for {:.0} s", a.for_.as_secs_f64()));
    let collected = live::collect(&CollectTarget::Url(address), &to, &collect)?;
    let after = service.truth()?;
    service.stop()?;
    diagnose::of_bundle(&collected.path, &thresholds, &a.output)?;
    if a.output.format == Format::Text && a.output.output.is_none() {
        output::stdout(own_count(&specimen, &before, &after)?.as_bytes())?;
    }
    Ok(Outcome::Fine)
}

fn list() -> Result<Outcome, Failure> {
    let mut out = String::new();
    for s in Specimen::all()? {
        out.push_str(&format!("{:<22} {}\n", s.name(), s.truth().summary));
    }
    output::stdout(out.as_bytes()).map(|()| Outcome::Fine)
}

fn build(a: &Demo, specimen: &Specimen, dir: &std::path::Path) -> Result<PathBuf, Failure> {
    let want = match &a.go {
        Some(text) => Some(
            model::GoVersion::parse(&format!("go{}", text.trim_start_matches("go")))
                .ok_or_else(|| Failure::new(format!("`{text}` is no Go version")).hint("for example --go 1.27.3"))?,
        ),
        None => None,
    };
    let reporter = Reporter::new(false);
    reporter.say("looking for a Go toolchain");
    let go = Toolchain::find_or_fetch(want.as_ref(), &lab::default_cache_dir(), &mut |p| reporter.say(&p.to_string()));
    let built = go.and_then(|go| {
        reporter.say(&format!("building {} with {}", specimen.name(), go.version()));
        specimen.build(&go, dir).map(|binary| (go, binary))
    });
    reporter.done();
    let (go, binary) = built?;
    output::note(&format!("built {} with {} ({})", specimen.name(), go.version(), go.go().display()));
    Ok(binary)
}

/// Waits until the specimen shows the behaviour it stands for.
fn steady(service: &Running) -> Result<Truth, Failure> {
    let (_keep, never) = sync_channel::<()>(0);
    let end = Instant::now() + WARM_UP;
    loop {
        let truth = service.truth()?;
        if (truth.phase == Phase::Steady && truth.uptime_seconds > 2.0) || Instant::now() > end {
            return Ok(truth);
        }
        // Nothing will come: this is a wait.
        let _ = never.recv_timeout(Duration::from_millis(250));
    }
}

/// What the service itself says, for comparison.
fn own_count(specimen: &Specimen, before: &Truth, after: &Truth) -> Result<String, Failure> {
    let seconds = (after.uptime_seconds - before.uptime_seconds).max(0.001);
    let grown = after.held_bytes as f64 - before.held_bytes as f64;
    let mut out = String::from("\nThe service's own count, for comparison\n");
    if after.held_bytes > 0 {
        out.push_str(&format!(
            "  holds   {} -> {} in {} entries: {}/s\n",
            model::Bytes(before.held_bytes),
            model::Bytes(after.held_bytes),
            after.entries,
            model::format_iec_signed(grown / seconds),
        ));
    }
    if after.goroutines > 0 {
        out.push_str(&format!("  parked  {} -> {} goroutines\n", before.goroutines, after.goroutines));
    }
    for (site, line) in specimen.site_lines()? {
        out.push_str(&format!("  line    {}:{line} in {}\n", site.file, site.function));
    }
    Ok(out)
}
