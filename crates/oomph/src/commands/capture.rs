//! `oomph capture`.

use super::live;
use crate::args::Capture;
use crate::target_arg;
use crate::{Failure, Outcome, output};

pub(super) fn run(a: &Capture) -> Result<Outcome, Failure> {
    let arg = target_arg::parse(std::slice::from_ref(&a.target))?;
    let Some(target) = live::target(&arg)? else {
        return Err(Failure::new(format!("{} is a file: nothing to collect from", a.target))
            .hint("capture takes a URL, a pid or the name of a running program"));
    };
    let collected = live::collect(&target, &a.output, &a.collect)?;
    let m = &collected.manifest;
    let total: model::Bytes = m.artifacts.iter().map(|x| x.bytes).sum();
    let early = if collected.stopped { ", stopped early" } else { "" };
    output::note(&format!(
        "{}: {} artifacts of {} samples, {total}{early}",
        collected.path.display(),
        m.artifacts.len(),
        m.samples.len()
    ));
    for f in &m.failures {
        output::note(&format!("missing: {}: {}", f.source, f.reason));
    }
    output::note(&format!("next: oomph diagnose {}", collected.path.display()));
    Ok(Outcome::Fine)
}
