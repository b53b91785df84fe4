//! `capture TARGET DESTINATION SECONDS SAMPLES`: collects and prints what goes on. The tests kill it.

use bundle::{CollectOptions, CollectTarget, collect};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [target, to, seconds, samples] = args.as_slice() else {
        return Err("usage: capture TARGET DESTINATION SECONDS SAMPLES".into());
    };
    let options = CollectOptions {
        duration: Duration::from_secs_f64(seconds.parse()?),
        samples: samples.parse()?,
        ..CollectOptions::default()
    };
    let mut progress = |p| {
        let _ = writeln!(std::io::stdout(), "{p:?}");
    };
    let stop = Arc::new(AtomicBool::new(false));
    let target = CollectTarget::parse(target)?;
    collect(&target, to.as_ref(), &options, &mut progress, &stop)?;
    Ok(())
}
