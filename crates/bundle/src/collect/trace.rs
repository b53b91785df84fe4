//! An execution trace of a service, with a CPU profile at the same time: the runtime puts the samples of the one into
//! the other, and only so does a trace tell what code ran.

use super::context::{ANY_SIZE, Ask, Asked, Context};
use super::endpoint::Endpoint;
use crate::{ArtifactKind, BundleError};
use model::Bytes;
use std::time::Duration;

/// Largest CPU profile that is taken in. It is thrown away: its samples are in the trace.
const MAX_PROFILE: Bytes = Bytes::mib(64);

impl Endpoint {
    /// A trace of so much time, at least a millisecond.
    pub(crate) fn trace(&self, cx: &mut Context<'_>, time: Duration) -> Result<(), BundleError> {
        const HIDES: &str = "what happened when: collections, stopped worlds, who waited for whom";
        let Some(pprof) = &self.pprof else {
            return cx.missing(&self.url(), None, "an execution trace needs pprof, which is not mounted", HIDES);
        };
        let time = time.max(Duration::from_millis(1));
        let mut client = self.client.clone();
        // The answer comes while the time passes.
        client.limits.whole = client.limits.whole.saturating_add(time);
        client.limits.retries = 0;
        let ask = Ask {
            url: format!("{pprof}trace?seconds={}", time.as_secs_f64()),
            tail: String::new(),
            max: ANY_SIZE,
            path: "traces/trace-1.out".to_owned(),
            kind: ArtifactKind::Trace,
            sample: None,
            gc: false,
            hides: HIDES,
        };
        // net/http/pprof takes whole seconds here.
        let profile = format!("{pprof}profile?seconds={}", time.as_secs_f64().ceil());
        let sampler = client.clone();
        let (asked, sampled) = std::thread::scope(|scope| {
            let sampling = std::thread::Builder::new().name("oomph-cpu".into()).spawn_scoped(scope, move || {
                let mut thrown_away: Vec<u8> = Vec::new();
                sampler.get(&profile, &mut thrown_away, MAX_PROFILE, false).map(drop)
            });
            let asked = cx.fetch(&client, &ask, false);
            let sampled = match sampling.map(std::thread::ScopedJoinHandle::join) {
                Ok(Ok(result)) => result.map_err(|e| e.to_string()),
                _ => Err("no thread could be started for it".to_owned()),
            };
            (asked, sampled)
        });
        match (asked?, sampled) {
            (Asked::Stored, Err(why)) => {
                let hides = "what code ran at which time: the trace has no CPU samples";
                cx.missing(&format!("{pprof}profile"), None, &why, hides)
            }
            _ => Ok(()),
        }
    }
}
