//! Counts the events of a trace: `count FILE [THREADS]`.

use std::{fs::File, io, os::unix::fs::FileExt};

use trace::{Event, Generation, Options, Source, read};

/// A file read by position, so that memory stays constant.
struct Positioned {
    file: File,
    size: u64,
}

impl Source for Positioned {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|r| !r.is_empty()) {
            match self.file.read_at(rest, offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }
}

#[expect(clippy::print_stdout, reason = "an example prints")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("usage: count FILE [THREADS]")?;
    let threads = args.next().map_or(Ok(0), |n| n.parse())?;
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut visitor = |_: &Event<'_>, _: &Generation| {};
    let summary = read(&Positioned { file, size }, &Options { threads }, &mut visitor)?;
    println!("{} events, {} generations", summary.events, summary.generations);
    for gap in &summary.gaps {
        println!("{gap}");
    }
    Ok(())
}
