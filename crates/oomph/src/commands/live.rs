//! From a live target to a bundle on disk: options, progress, stop.

use crate::args::{Collect, Connect};
use crate::progress::Reporter;
use crate::target_arg::TargetArg;
use crate::{Failure, output, stop};
use bundle::{Address, Authorities, CollectError, CollectOptions, CollectTarget, Collected, GcPolicy, GraphPolicy};
use std::path::Path;
use std::time::Duration;

/// Collects from `target` into `to`.
pub(super) fn collect(target: &CollectTarget, to: &Path, c: &Collect) -> Result<Collected, Failure> {
    let options = CollectOptions {
        duration: if c.samples == 1 { Duration::ZERO } else { c.for_ },
        samples: c.samples,
        gc: if c.no_gc { GcPolicy::Never } else { GcPolicy::Always },
        graph: if c.no_snapshot { GraphPolicy::Never } else { GraphPolicy::Ends },
        trace: c.trace,
        ..options(&c.connect)?
    };
    with_options(target, to, &c.connect, &options)
}

/// An execution trace of `target` with what belongs to it, into `to`.
pub(super) fn trace(target: &CollectTarget, to: &Path, time: Duration, c: &Connect) -> Result<Collected, Failure> {
    let options =
        CollectOptions { duration: time, samples: 2, trace: Some(time), graph: GraphPolicy::Never, ..options(c)? };
    with_options(target, to, c, &options)
}

fn with_options(
    target: &CollectTarget,
    to: &Path,
    c: &Connect,
    options: &CollectOptions,
) -> Result<Collected, Failure> {
    if c.url_only && matches!(target, CollectTarget::Pid(_)) {
        return Err(Failure::new("--url-only leaves nothing to read of a process")
            .hint("name the address of its pprof: oomph diagnose http://localhost:6060 --url-only"));
    }
    let stop = stop::flag();
    let mut reporter = Reporter::new(c.quiet);
    let result = bundle::collect(target, to, options, &mut |p| reporter.event(&p), &stop);
    reporter.done();
    result.map_err(|e| {
        let hint = e.hint();
        let failure = Failure::new(e.to_string());
        match (&e, hint.is_empty()) {
            (CollectError::Stopped, _) => failure.hint("give it a moment: the first sample takes a second or so"),
            (_, true) => failure,
            (_, false) => failure.hint(hint),
        }
    })
}

fn options(c: &Connect) -> Result<CollectOptions, Failure> {
    let headers = c.headers.iter().map(|h| header(h)).collect::<Result<_, _>>()?;
    Ok(CollectOptions {
        timeout: c.timeout,
        headers,
        insecure: c.insecure,
        authorities: c.ca_file.as_deref().map(authorities).transpose()?,
        join_process: !c.url_only,
        ..CollectOptions::default()
    })
}

fn authorities(file: &Path) -> Result<Authorities, Failure> {
    Authorities::from_pem(&output::read(file)?).map_err(|why| {
        Failure::new(format!("--ca-file {}: {why}", file.display()))
            .hint("the certificate of the authority that signed the service's own")
    })
}

fn header(text: &str) -> Result<(String, String), Failure> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
        _ => Err(Failure::new("a --header must read 'Name: value'")
            .hint("for example --header 'Authorization: Bearer TOKEN'")),
    }
}

/// What to collect from; `None` when the target is no live one.
pub(super) fn target(arg: &TargetArg) -> Result<Option<CollectTarget>, Failure> {
    match arg {
        TargetArg::Url(url) => Address::parse(url)
            .map(|a| Some(CollectTarget::Url(a)))
            .map_err(|e| Failure::new(e).hint("an address reads http://host:port, for example http://localhost:6060")),
        TargetArg::Pid(pid) => Ok(Some(CollectTarget::Pid(*pid))),
        TargetArg::Name(name) => by_name(name).map(|pid| Some(CollectTarget::Pid(pid))),
        TargetArg::Bundle(_) | TargetArg::Files(_) => Ok(None),
    }
}

/// The one Go process of that name on this host.
fn by_name(name: &str) -> Result<u32, Failure> {
    let base = |path: &str| path.trim_end_matches(" (deleted)").rsplit('/').next().unwrap_or("").to_owned();
    let all = target::go_processes();
    let found: Vec<_> = all.iter().filter(|p| p.name == name || base(&p.exe) == name).collect();
    match found.as_slice() {
        [one] => {
            output::note(&format!("{name} is process {}", one.pid));
            Ok(one.pid)
        }
        [] => Err(Failure::new(format!("`{name}` is no file, no address, and no Go process of that name runs here"))
            .hint(
                "name a URL (http://host:port), a pid, a bundle or profile files; processes of other users are seen \
                 by root alone",
            )),
        many => {
            let pids: Vec<String> = many.iter().map(|p| p.pid.to_string()).collect();
            Err(Failure::new(format!("{} Go processes are called `{name}`: {}", many.len(), pids.join(", ")))
                .hint("name one by its pid"))
        }
    }
}
