//! Progress of a collection, on standard error and only on a terminal.

use crate::output;
use bundle::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// A line that says what goes on.
pub(crate) struct Reporter {
    bar: ProgressBar,
    sample: String,
}

impl Reporter {
    /// Draws nothing when `quiet` or when standard error is no terminal.
    pub(crate) fn new(quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, sample: String::new() }
    }

    /// A plain message.
    pub(crate) fn say(&self, message: &str) {
        self.bar.set_message(output::plain(message).into_owned());
    }

    /// One event of a collection.
    pub(crate) fn event(&mut self, p: &Progress) {
        match p {
            Progress::Resolved { program, pid, go_version, .. } => {
                let name = program.as_deref().unwrap_or("service");
                let pid = pid.map_or_else(String::new, |p| format!(" (pid {p})"));
                let go = go_version.as_deref().unwrap_or("");
                self.say(&format!("{name}{pid} {go}"));
            }
            Progress::Sample { index, of } => self.sample = format!("sample {index} of {of}: "),
            Progress::Asking { source, .. } => self.say(&format!("{}{source}", self.sample)),
            Progress::Waiting { next, of, wait } => {
                self.say(&format!("waiting {:.0} s for sample {next} of {of}", wait.as_secs_f64()));
            }
            Progress::Failed { source, reason, matters: true } => {
                self.bar.println(output::plain(&format!("{source}: {reason}")));
            }
            _ => {}
        }
    }

    /// Takes the line away.
    pub(crate) fn done(&self) {
        self.bar.finish_and_clear();
    }
}
