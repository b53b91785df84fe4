//! What every step of a collection shares: the writer, the options, the progress, the stop flag.

use super::inspect::{Inspected, inspect};
use super::options::{CollectOptions, Progress};
use crate::http::{Answer, Client};
use crate::write::{ArtifactMeta, PartFile};
use crate::{ArtifactKind, BundleError, BundleWriter, Failure, FetchError};
use model::Bytes;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A request for one artifact.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    /// Path with query, from the root of the host.
    pub url: String,
    /// Sent behind `url`, but recorded nowhere: too long to be read.
    pub tail: String,
    /// Largest answer, below the cap of all artifacts.
    pub max: Bytes,
    /// Path inside the bundle.
    pub path: String,
    pub kind: ArtifactKind,
    pub sample: Option<u32>,
    /// Whether it forces a GC cycle.
    pub gc: bool,
    /// What its absence hides; empty for optional endpoints.
    pub hides: &'static str,
}

/// What came of an [`Ask`].
#[derive(Debug)]
pub(crate) enum Asked {
    /// Stored.
    Stored,
    /// The answer was of no use; said so.
    Useless,
    /// No answer.
    Failed(FetchError),
}

pub(crate) struct Context<'a> {
    pub writer: BundleWriter,
    pub options: &'a CollectOptions,
    pub progress: &'a mut dyn FnMut(Progress),
    pub stop: Arc<AtomicBool>,
}

/// For an [`Ask`] that only the cap of all artifacts bounds.
pub(crate) const ANY_SIZE: Bytes = Bytes(u64::MAX);

impl Context<'_> {
    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Room for the next artifact.
    fn room(&self) -> Bytes {
        self.options.max_artifact.min(self.options.max_total.minus(self.writer.stored()))
    }

    /// Fetches an artifact, looks at it, stores it or notes why not.
    pub(crate) fn fetch(&mut self, client: &Client, ask: &Ask, retry_timeouts: bool) -> Result<Asked, BundleError> {
        (self.progress)(Progress::Asking { source: ask.url.clone(), sample: ask.sample });
        if self.room() == Bytes::ZERO {
            let total = self.options.max_total;
            self.failed(ask, &format!("the bundle has reached its cap of {total}"))?;
            return Ok(Asked::Useless);
        }
        let mut part = self.writer.begin(&ask.path)?;
        let answer = match client.get(
            &format!("{}{}", ask.url, ask.tail),
            &mut part,
            self.room().min(ask.max),
            retry_timeouts,
        ) {
            Ok(a) => a,
            Err(e) => {
                part.discard();
                if let FetchError::Disk(why) = e {
                    let why = std::io::Error::other(why);
                    return Err(BundleError::io(self.writer.dir(), why));
                }
                self.failed(ask, &e.to_string())?;
                return Ok(Asked::Failed(e));
            }
        };
        let location = part.location().to_owned();
        let meta = match described(ask, answer, &location) {
            Ok(meta) => meta,
            Err(why) => {
                part.discard();
                self.failed(ask, &why)?;
                return Ok(Asked::Useless);
            }
        };
        if meta.cut {
            self.failed(ask, &meta.notes.join("; "))?;
        }
        let bytes = Bytes(part.bytes());
        self.keep(ask, part, meta)?;
        (self.progress)(Progress::Stored { path: ask.path.clone(), bytes });
        Ok(Asked::Stored)
    }

    /// Makes a fetched artifact part of the bundle, secrets in its arguments left out.
    fn keep(&mut self, ask: &Ask, part: PartFile, mut meta: ArtifactMeta) -> Result<(), BundleError> {
        if ask.kind == ArtifactKind::Expvar
            && let Ok(json) = std::fs::read(part.location())
            && let Some(clean) = crate::privacy::redact_expvar(&json)
        {
            part.discard();
            meta.redacted = true;
            return self.writer.add(&ask.path, &clean, meta);
        }
        self.writer.commit(part, meta)
    }

    /// Stores bytes that are at hand.
    pub(crate) fn store(&mut self, path: &str, bytes: &[u8], mut meta: ArtifactMeta) -> Result<(), BundleError> {
        let room = usize::try_from(self.room().0).unwrap_or(usize::MAX);
        let fits = bytes.get(..room).unwrap_or(bytes);
        if fits.len() < bytes.len() {
            meta.cut = true;
            meta.notes.push("cut at the size cap".into());
        }
        self.writer.add(path, fits, meta)?;
        (self.progress)(Progress::Stored { path: path.to_owned(), bytes: Bytes(fits.len() as u64) });
        Ok(())
    }

    /// Notes a failed request.
    pub(crate) fn failed(&mut self, ask: &Ask, reason: &str) -> Result<(), BundleError> {
        self.missing(&ask.url, ask.sample, reason, ask.hides)
    }

    /// Notes that something could not be had, and what that hides.
    pub(crate) fn missing(
        &mut self,
        source: &str,
        sample: Option<u32>,
        reason: &str,
        hides: &str,
    ) -> Result<(), BundleError> {
        (self.progress)(Progress::Failed {
            source: source.to_owned(),
            reason: reason.to_owned(),
            matters: !hides.is_empty(),
        });
        self.writer.fail(Failure {
            source: source.to_owned(),
            sample,
            reason: reason.to_owned(),
            hides: hides.to_owned(),
        })
    }
}

/// What is to be said of an answer, or why it is of no use.
fn described(ask: &Ask, answer: Answer, location: &Path) -> Result<ArtifactMeta, String> {
    let mut meta = ArtifactMeta::new(ask.kind.clone(), ask.sample, &ask.url);
    meta.http_status = Some(answer.status);
    meta.forced_gc = ask.gc;
    if let Some(cut) = answer.cut {
        meta.cut = true;
        meta.notes.push(cut);
    }
    if answer.tries > 1 {
        meta.notes.push(format!("answered at try {}", answer.tries));
    }
    // The kind of profile cannot change between samples of one endpoint.
    let first = ask.sample.is_none_or(|s| s == 1);
    match inspect(&ask.kind, &answer.content_type, || File::open(location), first) {
        Inspected::Good => {}
        Inspected::Cut(_) if meta.cut => {}
        Inspected::Cut(why) => {
            meta.cut = true;
            meta.notes.push(why);
        }
        Inspected::Refused(why) => return Err(why),
    }
    Ok(meta)
}
