//! Threads that decode chunks ahead of the order.
//!
//! A cursor lends its stream with empty chunks and gets it back with full ones; it lends it again before it uses
//! them, so that the next ones are decoded meanwhile. Refuses: reordering; a stream is at one place at a time.

use std::sync::{
    Mutex, PoisonError,
    mpsc::{Receiver, Sender, channel},
};

use crate::{
    columns::{CHUNK, Chunk, Unit},
    source::Source,
    stream::{Filled, Stream},
};

/// Chunks decoded at a time for a thread of the trace, where there are so many threads: enough that handing them over
/// costs little (two threads that wait for each other at every turn cost more than the decoding), few enough that a
/// trace of hundreds of threads stays small.
pub(crate) fn group(threads: usize) -> usize {
    (1024 / threads.max(1)).clamp(4, 48)
}

/// A stream with chunks to fill.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) cursor: usize,
    pub(crate) stream: Stream,
    pub(crate) unit: Unit,
    pub(crate) chunks: Vec<Chunk>,
}

/// What became of a job.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) job: Job,
    /// How many of the chunks hold events.
    pub(crate) filled: usize,
    /// What comes after them: `Events` for more.
    pub(crate) then: Filled,
}

impl Job {
    fn run<S: Source + ?Sized>(mut self, source: &S) -> Done {
        let mut filled = 0;
        let mut then = Filled::Events;
        for chunk in &mut self.chunks {
            then = self.stream.fill(source, self.unit, chunk, CHUNK);
            match then {
                Filled::Events => filled += 1,
                _ => break,
            }
        }
        Done { job: self, filled, then }
    }
}

/// The caller's end of the threads that work ahead.
#[derive(Debug)]
pub(crate) struct Ahead {
    jobs: Sender<Job>,
    done: Receiver<Done>,
    /// Results that nobody has asked for yet, by cursor.
    early: Vec<Option<Done>>,
    away: usize,
    /// Chunks for a job.
    pub(crate) group: usize,
}

impl Ahead {
    pub(crate) fn submit(&mut self, job: Job) {
        self.away += 1;
        // Without threads to take it there is nothing to wait for either: `wait` then says so.
        let _ = self.jobs.send(job);
    }

    /// Waits for a cursor's job; `None` if no thread is left that could do it.
    pub(crate) fn wait(&mut self, cursor: usize) -> Option<Done> {
        loop {
            if let Some(done) = self.early.get_mut(cursor).and_then(Option::take) {
                return Some(done);
            }
            let done = self.done.recv().ok()?;
            self.away = self.away.saturating_sub(1);
            let at = done.job.cursor;
            if at == cursor {
                return Some(done);
            }
            if self.early.len() <= at {
                self.early.resize_with(at + 1, || None);
            }
            if let Some(place) = self.early.get_mut(at) {
                *place = Some(done);
            }
        }
    }

    /// Waits for all jobs and forgets their results.
    pub(crate) fn drain(&mut self) {
        while self.away > 0 && self.done.recv().is_ok() {
            self.away -= 1;
        }
        self.early.clear();
    }
}

/// Runs `body` with `threads` threads at hand that decode ahead; without any, `body` gets none.
pub(crate) fn with_threads<S: Source + ?Sized, R>(
    source: &S,
    threads: usize,
    body: impl FnOnce(Option<Ahead>) -> R,
) -> R {
    if threads == 0 {
        return body(None);
    }
    let (jobs, queue) = channel::<Job>();
    let queue = Mutex::new(queue);
    std::thread::scope(|scope| {
        let (send, done) = channel();
        let mut started = false;
        for _ in 0..threads {
            let send = send.clone();
            let queue = &queue;
            let work = move || {
                loop {
                    let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(job) = job else { return };
                    if send.send(job.run(source)).is_err() {
                        return;
                    }
                }
            };
            started |= std::thread::Builder::new().name("trace-decode".to_owned()).spawn_scoped(scope, work).is_ok();
        }
        drop(send);
        // Dropping the caller's end, which `body` does, ends the threads.
        body(started.then_some(Ahead { jobs, done, early: Vec::new(), away: 0, group: 4 }))
    })
}
