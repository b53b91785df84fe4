//! `oomph gclog`: has a log read as it comes, from a file or a pipe, plain or compressed, and its GC lines summed up.

use crate::args::{GcLogArgs, TableFormat};
use crate::{Failure, Outcome, output, stop};
use diagnose::{GcLogNote, GcLogReading};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Bytes read at a time.
const BLOCK: usize = 1 << 20;
/// Blocks between the thread that reads a pipe and the one that looks at them.
const AHEAD: usize = 4;
/// How soon Ctrl-C is seen while a pipe says nothing.
const LOOK: Duration = Duration::from_millis(100);
/// How long what is left in a pipe is read after Ctrl-C.
const DRAIN: Duration = Duration::from_millis(500);

pub(super) fn run(a: &GcLogArgs) -> Result<Outcome, Failure> {
    let thresholds = crate::config::thresholds(a.config.as_deref())?;
    let piped = a.file == Path::new("-");
    let stop = stop::flag();
    let mut reading = GcLogReading::new(&thresholds);
    let mut say = |n: GcLogNote| {
        if piped {
            output::note(&format!(
                "{}: gc {} at {:.3} s: {}: {}",
                n.severity.as_str(),
                n.at.cycle,
                n.at.at,
                n.id,
                n.summary
            ));
        }
    };
    let ended =
        if piped { pipe(&mut reading, &stop, &mut say)? } else { file(&a.file, &mut reading, &stop, &mut say)? };
    if !reading.found() {
        let shown = if piped { "standard input".into() } else { a.file.display().to_string() };
        return Err(Failure::new(format!("{shown}: no line of Go's garbage collector")).hint(
            "start the service with GODEBUG=gctrace=1 in its environment; it prints them to its standard error",
        ));
    }
    let mut log = reading.finish(&a.file.to_string_lossy(), env!("CARGO_PKG_VERSION"), &mut say);
    log.limits.extend(ended);
    let to = a.output.as_deref();
    match a.format {
        TableFormat::Text => output::write_text(to, |width| report::gc_log(&log, width))?,
        TableFormat::Json => output::write(to, output::json(&log)?.as_bytes())?,
    }
    Ok(Outcome::Fine)
}

/// Reads all of a file; what kept it from the end, if anything.
fn file(
    path: &Path,
    reading: &mut GcLogReading,
    stop: &AtomicBool,
    say: &mut dyn FnMut(GcLogNote),
) -> Result<Option<String>, Failure> {
    let fail = |e: &io::Error| Failure::io(path.display(), e);
    let file = File::open(path).map_err(|e| fail(&e))?;
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        return Err(Failure::new(format!("{} is a directory", path.display())).hint("name a log file"));
    }
    let mut input = inflated(file).map_err(|e| fail(&e))?;
    let mut block = vec![0; BLOCK];
    let mut bytes = 0_u64;
    loop {
        if stop.load(Ordering::SeqCst) {
            return Ok(Some(format!("stopped early, after byte {bytes}")));
        }
        match input.read(&mut block) {
            Ok(0) => return Ok(None),
            Ok(n) => {
                bytes = bytes.saturating_add(n as u64);
                reading.feed(block.get(..n).unwrap_or_default(), say);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            // What came before is worth having.
            Err(e) if bytes > 0 => return Ok(Some(format!("reading failed after byte {bytes}: {e}"))),
            Err(e) => return Err(fail(&e)),
        }
    }
}

/// The content, whether compressed or not.
fn inflated<R: Read + Send + 'static>(mut input: R) -> io::Result<Box<dyn Read + Send>> {
    let mut head = Vec::new();
    input.by_ref().take(2).read_to_end(&mut head)?;
    let gzip = head == [0x1f, 0x8b];
    let whole = io::Cursor::new(head).chain(input);
    Ok(if gzip { Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(BLOCK, whole))) } else { Box::new(whole) })
}

/// Reads standard input to its end or to Ctrl-C. The reading is done by a thread of its own: it cannot be woken.
fn pipe(
    reading: &mut GcLogReading,
    stop: &Arc<AtomicBool>,
    say: &mut dyn FnMut(GcLogNote),
) -> Result<Option<String>, Failure> {
    let (to, from) = sync_channel::<io::Result<Vec<u8>>>(AHEAD);
    let (back, free) = sync_channel::<Vec<u8>>(AHEAD);
    std::thread::Builder::new()
        .name("standard input".to_owned())
        .spawn(move || read_on(&to, &free))
        .map_err(|e| Failure::io("cannot start a thread", &e))?;
    let mut bytes = 0_u64;
    let mut asked: Option<Instant> = None;
    loop {
        match from.recv_timeout(LOOK) {
            Ok(Ok(block)) => {
                bytes = bytes.saturating_add(block.len() as u64);
                reading.feed(&block, say);
                // Full: one block more is made anew.
                let _ = back.try_send(block);
            }
            Ok(Err(e)) if bytes > 0 => return Ok(Some(format!("reading failed after byte {bytes}: {e}"))),
            Ok(Err(e)) => return Err(Failure::io("standard input", &e)),
            Err(RecvTimeoutError::Timeout) if asked.is_none() => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(None),
        }
        // What is in the pipe already is taken along, as far as that is soon done.
        if stop.load(Ordering::SeqCst) && asked.get_or_insert_with(Instant::now).elapsed() >= DRAIN {
            return Ok(None);
        }
    }
}

fn read_on(to: &SyncSender<io::Result<Vec<u8>>>, free: &Receiver<Vec<u8>>) {
    let mut input = match inflated(io::stdin()) {
        Ok(input) => input,
        Err(e) => {
            // Nobody listens any more: the end was asked for.
            let _ = to.send(Err(e));
            return;
        }
    };
    loop {
        let mut block = free.try_recv().unwrap_or_default();
        block.resize(BLOCK, 0);
        let sent = match input.read(&mut block) {
            Ok(0) => return,
            Ok(n) => {
                block.truncate(n);
                to.send(Ok(block))
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => {
                let _ = to.send(Err(e));
                return;
            }
        };
        if sent.is_err() {
            return;
        }
    }
}
