//! `oomph top`: a live view of Go services. Owns starting a watcher that only looks, and printing once; what is seen
//! and drawn is in the modules below.

mod app;
mod cells;
mod chart;
mod draw;
#[cfg(test)]
mod recorded;
mod screen;

use super::watch::own_program;
use crate::args::{Colour, TableFormat, TopArgs};
use crate::{Failure, Outcome, output, stop};
use app::App;
use cells::{LEAST, Layout};
use draw::Palette;
use model::WatchStatus;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use watch::top::{RemoteWatch, TopSource};
use watch::{WatchOptions, WatchTarget, Watcher};

/// How often it is looked whether there are samples.
const LOOK: Duration = Duration::from_millis(100);
/// Samples after which growth may be known.
const ENOUGH: u64 = 2;

pub(super) fn run(a: &TopArgs) -> Result<Outcome, Failure> {
    let terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if !a.once && !terminal {
        return Err(Failure::new("standard input and output are not a terminal")
            .hint("oomph top --once prints the table, with -f json everything that is known"));
    }
    let stop = stop::quiet_flag();
    if let Some(address) = &a.watch {
        let remote = RemoteWatch::connect(address)
            .map_err(|e| Failure::new(e).hint("start the watch with oomph watch --listen ADDRESS"))?;
        return show(a, &remote, &stop).map(|()| Outcome::Fine);
    }
    let config = a.config.clone().or_else(|| Path::new("oomph.toml").is_file().then(|| PathBuf::from("oomph.toml")));
    let targets = a
        .targets
        .iter()
        .map(|t| WatchTarget::of_argument(t).map_err(|e| Failure::new(format!("{t}: {e}"))))
        .collect::<Result<Vec<_>, _>>()?;
    // Samples of a view that only looks are gone when it ends.
    let state = tempfile::tempdir().map_err(|e| Failure::io("cannot make a temporary directory", &e))?;
    let options =
        WatchOptions { config, state_dir: state.path().to_owned(), targets, quiet: true, oomph: own_program()? };
    let watcher = Watcher::start(options, Arc::clone(&stop)).map_err(Failure::new)?;
    let done = show(a, &watcher, &stop);
    stop.store(true, Ordering::SeqCst);
    watcher.join();
    done.map(|()| Outcome::Fine)
}

fn show(a: &TopArgs, source: &dyn TopSource, stop: &AtomicBool) -> Result<(), Failure> {
    if a.once {
        return once(a, source, stop);
    }
    let colour = match a.color {
        Colour::Auto => output::colour(),
        Colour::Always => true,
        Colour::Never => false,
    };
    screen::run(source, Palette { colour }, stop).map_err(|e| Failure::io("cannot use the terminal", &e))
}

fn once(a: &TopArgs, source: &dyn TopSource, stop: &AtomicBool) -> Result<(), Failure> {
    let end = Instant::now() + a.for_;
    let mut status = source.status();
    while Instant::now() < end && !stop.load(Ordering::Relaxed) && !enough(&status) {
        std::thread::park_timeout(LOOK);
        status = source.status();
    }
    let text = match a.format {
        TableFormat::Json => output::json(&status)?,
        TableFormat::Text => table(&status, output::width()),
    };
    output::stdout(text.as_bytes())
}

/// Whether everything that answers has been sampled often enough.
fn enough(status: &WatchStatus) -> bool {
    let known = |t: &model::TargetStatus| t.samples >= ENOUGH || t.failed_samples >= ENOUGH;
    !status.targets.is_empty() && status.targets.iter().all(known)
}

/// The table of services as text.
fn table(status: &WatchStatus, width: usize) -> String {
    let columns = Layout::of(width.max(LEAST));
    let rows = App::new().rows(status).into_iter().map(|t| columns.row(t));
    let lines: Vec<String> = std::iter::once(columns.head()).chain(rows).collect();
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_as_text() {
        insta::assert_snapshot!("top_once_80", table(&recorded::status(), 80));
        insta::assert_snapshot!("top_once_140", table(&recorded::status(), 140));
    }
}
