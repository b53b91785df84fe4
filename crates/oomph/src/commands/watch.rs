//! `oomph watch`, and what it has other processes of itself do.

use crate::args::{WatchArgs, WatchCaptureArgs};
use crate::{Failure, Outcome, config, output, stop};
use bundle::{Address, AppendPlan, Bundle, CollectOptions, CollectTarget, GcPolicy};
use model::{Bytes, UnixMillis};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use watch::serve::Server;
use watch::{WatchFile, WatchOptions, WatchTarget, Watcher};

/// Runs until it is told to end.
pub(super) fn run(a: &WatchArgs) -> Result<Outcome, Failure> {
    if a.print_config {
        let all = format!("{}\n{}", ::diagnose::Thresholds::documented(), WatchFile::documented());
        output::stdout(all.as_bytes())?;
        return Ok(Outcome::Fine);
    }
    if let Some(dir) = &a.dump_series {
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        watch::dump::dump(dir, a.target.as_deref(), &mut out)?;
        return Ok(Outcome::Fine);
    }
    let path = a.config.clone().or_else(|| Path::new("oomph.toml").is_file().then(|| PathBuf::from("oomph.toml")));
    let file = match &path {
        Some(p) => {
            WatchFile::read(p).map_err(|e| Failure::new(e).hint("oomph watch --print-config shows every key"))?
        }
        None => WatchFile::default(),
    };
    if a.check_config {
        return Ok(Outcome::Fine);
    }
    let targets = a
        .targets
        .iter()
        .map(|t| WatchTarget::of_argument(t).map_err(|e| Failure::new(format!("{t}: {e}"))))
        .collect::<Result<Vec<_>, _>>()?;
    start_small()?;
    let state_dir = a.state_dir.clone().or_else(|| file.watch.state_dir.clone()).unwrap_or_else(default_state_dir);
    let options = WatchOptions { config: path, state_dir, targets, quiet: false, oomph: own_program()? };
    let stop = stop::quiet_flag();
    let watcher = Watcher::start(options, Arc::clone(&stop)).map_err(Failure::new)?;
    let listen = a.listen.clone().or_else(|| watcher.listen());
    let server = match listen {
        Some(at) => {
            let server = Server::start(&at, watcher.source())?;
            output::note(&format!("serving /metrics, /healthz and /status at http://{}", server.addr()));
            Some(server)
        }
        None => None,
    };
    while !stop.load(Ordering::Relaxed) {
        std::thread::park_timeout(Duration::from_millis(200));
    }
    drop(server);
    watcher.join();
    Ok(Outcome::Fine)
}

/// Starts the program again under the allocator's settings that keep a watch small, unless it runs so.
fn start_small() -> Result<(), Failure> {
    if std::env::var_os(watch::ALLOCATOR[0].0).is_some() {
        return Ok(());
    }
    let mut command = std::process::Command::new(own_program()?);
    command.args(std::env::args_os().skip(1)).envs(watch::ALLOCATOR);
    // Comes back only when it fails; then it runs as it is.
    let e = std::os::unix::process::CommandExt::exec(&mut command);
    output::note(&format!("more memory than needed will be used: {e}"));
    Ok(())
}

/// Where a watch keeps what it knows.
pub(super) fn default_state_dir() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/oomph");
    }
    let home = || std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".local/state"));
    let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).or_else(home);
    base.unwrap_or_else(std::env::temp_dir).join("oomph")
}

/// The program itself: also when its file was replaced meanwhile.
pub(super) fn own_program() -> Result<PathBuf, Failure> {
    let link = PathBuf::from("/proc/self/exe");
    let path = std::fs::read_link(&link).map_err(|e| Failure::io("cannot find this program's own file", &e))?;
    Ok(if path.exists() { path } else { PathBuf::from(format!("/proc/{}/exe", std::process::id())) })
}

/// Ends with the process that started it, also when that is killed.
pub(super) fn end_with(parent: u32) -> Result<(), Failure> {
    let signal = rustix::process::Signal::KILL;
    rustix::process::set_parent_process_death_signal(Some(signal))
        .map_err(|e| Failure::io("cannot be bound to the watch", &e.into()))?;
    let now = rustix::process::getppid().map(|p| p.as_raw_nonzero().get());
    if now != i32::try_from(parent).ok() {
        return Err(Failure::new("the watch has ended"));
    }
    Ok(())
}

/// Adds to a bundle, or diagnoses it.
pub(super) fn capture(a: &WatchCaptureArgs) -> Result<Outcome, Failure> {
    end_with(a.parent)?;
    if a.diagnose {
        let thresholds = config::thresholds(a.config.as_deref())?;
        let bundle = Bundle::open(&a.dir).map_err(super::diagnose::failure)?;
        let facts = bundle.facts();
        let report = ::diagnose::diagnose(&facts, &thresholds, env!("CARGO_PKG_VERSION"));
        output::stdout(report::json(&report).as_bytes())?;
        return Ok(Outcome::Fine);
    }
    if let Some(executable) = &a.executable {
        bundle::append_calls(&a.dir, executable)?;
        return Ok(Outcome::Fine);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let target = match (a.pid, &a.url) {
        (Some(pid), _) => CollectTarget::Pid(pid),
        (None, Some(url)) => CollectTarget::Url(Address::parse(url).map_err(Failure::new)?),
        (None, None) => return Err(Failure::new("neither a pid nor an address to capture from")),
    };
    let plan = AppendPlan { urgent: a.urgent, graph: a.graph, at: a.at.map(UnixMillis) };
    let options = CollectOptions {
        gc: GcPolicy::Never,
        trace: a.trace,
        retries: 0,
        timeout: Duration::from_secs(if a.urgent { 5 } else { 20 }),
        max_total: Bytes(a.max_bytes),
        ..CollectOptions::default()
    };
    bundle::append(&a.dir, &target, &plan, &options, &mut |_| {}, &stop)?;
    Ok(Outcome::Fine)
}
