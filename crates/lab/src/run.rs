//! A running specimen: its address, its truth, its end. It ends when this value is dropped. Refuses
//! to judge what it says.

use crate::process::Process;
use crate::{LabError, Leak, Truth};
use serde::de::DeserializeOwned;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

const START_WITHIN: Duration = Duration::from_secs(30);
const TRUTH_WITHIN: Duration = Duration::from_secs(20);
const ANSWER_LIMIT: u64 = 16 << 20;

/// A specimen that runs.
#[derive(Debug)]
pub struct Running {
    process: Process,
    client: Client,
}

/// Asks a specimen's server; may be used beside the specimen, by another thread, and after its end.
#[derive(Clone, Debug)]
pub struct Client {
    url: String,
    agent: ureq::Agent,
}

impl Client {
    /// The answer to a GET of a path, which begins with a slash; at most 16 MiB, within 20 s.
    ///
    /// # Errors
    /// When there is none, or not with status 200.
    pub fn get(&self, path: &str) -> Result<Vec<u8>, LabError> {
        let url = format!("{}{path}", self.url);
        let failed = |e: ureq::Error| LabError::Truth { url: url.clone(), reason: e.to_string() };
        let mut answer = self.agent.get(&url).call().map_err(failed)?;
        answer.body_mut().with_config().limit(ANSWER_LIMIT).read_to_vec().map_err(failed)
    }

    fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<T, LabError> {
        let body = self.get(path)?;
        let url = format!("{}{path}", self.url);
        serde_json::from_slice(&body).map_err(|e| LabError::Truth { url, reason: e.to_string() })
    }
}

impl Running {
    pub(crate) fn start(name: &str, binary: &Path, args: &[&str]) -> Result<Self, LabError> {
        Self::listening(name, Process::start(name, binary, args)?)
    }

    /// As soon as a process that was started says where it listens.
    pub(crate) fn listening(name: &str, mut process: Process) -> Result<Self, LabError> {
        let config = ureq::Agent::config_builder()
            .proxy(None) // loopback
            .timeout_global(Some(TRUTH_WITHIN))
            .build();
        // On an error the process is dropped here, which ends it.
        let url = address(&mut process).map_err(|reason| LabError::Start { name: name.to_owned(), reason })?;
        Ok(Self { process, client: Client { url, agent: config.into() } })
    }

    /// The specimen's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.process.name()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Where it listens: `http://127.0.0.1:PORT`; pprof is at `/debug/pprof/`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.client.url
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// The end of what it wrote to stderr.
    #[must_use]
    pub fn stderr_end(&self) -> String {
        self.process.stderr_end()
    }

    /// Asks what it holds now.
    ///
    /// # Errors
    /// When it does not answer, or with something else.
    pub fn truth(&self) -> Result<Truth, LabError> {
        self.client.ask("/truth")
    }

    /// Lets it collect garbage and asks what it holds; the runtime's counts are then filled in.
    ///
    /// # Errors
    /// When it does not answer, or with something else.
    pub fn truth_after_gc(&self) -> Result<Truth, LabError> {
        self.client.ask("/truth?gc=1")
    }

    /// What each container of a specimen with several faults holds, the largest first (`three-leaks` and
    /// its twin; others have no such list).
    ///
    /// # Errors
    /// When it does not answer, or with something else.
    pub fn leaks(&self) -> Result<Vec<Leak>, LabError> {
        self.client.ask("/leaks")
    }

    pub(crate) const fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends it: closes its stdin, waits, and kills it if it does not end by itself within 5 s.
    ///
    /// # Errors
    /// When the system refuses to wait for it.
    pub fn stop(mut self) -> Result<ExitStatus, LabError> {
        self.process.end().map_err(LabError::io(format!("stopping {}", self.process.name())))
    }
}

fn address(process: &mut Process) -> Result<String, String> {
    let line = process.line(START_WITHIN)?;
    match line.strip_prefix("listening ") {
        Some(url) => Ok(url.trim().to_owned()),
        None => Err(format!("expected \"listening http://...\", got {line:?}")),
    }
}
