//! `oomph bundle ls|verify`.

use crate::args::BundleCommand;
use crate::{Failure, Outcome, output};
use ::bundle::Bundle;
use std::fmt::Write as _;

pub(super) fn run(c: &BundleCommand) -> Result<Outcome, Failure> {
    match c {
        BundleCommand::Ls { bundle, json } => {
            let b = open(bundle)?;
            let text = if *json { output::json(b.manifest())? } else { list(&b) };
            output::stdout(text.as_bytes()).map(|()| Outcome::Fine)
        }
        BundleCommand::Verify { bundle, json } => verify(&open(bundle)?, *json),
    }
}

fn open(path: &std::path::Path) -> Result<Bundle, Failure> {
    Bundle::open(path).map_err(|e| match e.hint() {
        "" => Failure::from(e),
        hint => Failure::new(e.to_string()).hint(hint),
    })
}

fn list(b: &Bundle) -> String {
    let m = b.manifest();
    let mut out = String::new();
    let t = &m.target;
    let _ = write!(out, "{}  oomph {}  target {}", m.schema, m.oomph, output::plain(&t.name));
    for part in [&t.program, &t.go_version].into_iter().flatten() {
        let _ = write!(out, "  {}", output::plain(part));
    }
    let _ = writeln!(out, "  {} samples", m.samples.len());
    for a in &m.artifacts {
        let sample = a.sample.map_or_else(|| "-".to_owned(), |s| s.to_string());
        let _ = writeln!(out, "{sample:>4}  {:>10}  {:<20}  {}", a.bytes, a.kind.as_str(), output::plain(&a.path));
    }
    for f in &m.failures {
        let _ = writeln!(out, "missing  {}: {}", output::plain(&f.source), output::plain(&f.reason));
    }
    out
}

fn verify(b: &Bundle, json: bool) -> Result<Outcome, Failure> {
    let v = b.verify()?;
    if json {
        let value = serde_json::json!({
            "ok": v.is_ok(), "intact": v.intact, "damaged": v.damaged, "missing": v.missing, "extra": v.extra, "finished": v.finished,
        });
        output::stdout(output::json(&value)?.as_bytes())?;
    } else {
        let mut out = String::new();
        for (path, why) in &v.damaged {
            let _ = writeln!(out, "damaged  {}: {}", output::plain(path), output::plain(why));
        }
        for path in &v.missing {
            let _ = writeln!(out, "missing  {}", output::plain(path));
        }
        for path in &v.extra {
            let _ = writeln!(out, "extra    {}", output::plain(path));
        }
        if !v.finished {
            let _ = writeln!(out, "note     collecting was cut off; what is listed is all there is");
        }
        let word = if v.is_ok() { "intact" } else { "DAMAGED" };
        let _ = writeln!(out, "{word}: {} artifacts as the manifest says", v.intact);
        output::stdout(out.as_bytes())?;
    }
    Ok(if v.is_ok() { Outcome::Fine } else { Outcome::Findings })
}
