//! What a watch leaves: alerts on its stderr, samples with their forecasts, incidents with their bundles. Owns
//! reading them; refuses to judge. What is not there or cannot be read is told, for that is a failure of the watch.

use crate::Result;
use bundle::Bundle;
use model::Report;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A line of `oomph.alert/1`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Alert {
    pub(crate) schema: String,
    #[serde(alias = "state")]
    pub(crate) status: String,
    pub(crate) level: String,
    #[serde(default)]
    pub(crate) rule: String,
    #[serde(default)]
    pub(crate) title: String,
    /// When it arrived, Unix milliseconds: what it says of itself is not asked.
    #[serde(skip)]
    pub(crate) at: i64,
}

impl Alert {
    /// It fires, at a level above notice.
    pub(crate) fn alarms(&self) -> bool {
        self.status == "firing" && matches!(self.level.as_str(), "warning" | "critical")
    }
}

/// A sample and the forecast made with it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Sample {
    /// Unix milliseconds.
    pub(crate) at: i64,
    /// Seconds to the limit: a tenth, half, nine tenths of futures are sooner; absent where there is no such time.
    #[serde(default)]
    pub(crate) p10: Option<f64>,
    #[serde(default)]
    pub(crate) p50: Option<f64>,
    #[serde(default)]
    pub(crate) p90: Option<f64>,
}

/// `incident.json`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Told {
    #[serde(default)]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) cause: String,
    #[serde(default)]
    pub(crate) oom_killed: bool,
}

/// A piece of evidence.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) kind: String,
    /// Unix milliseconds.
    pub(crate) at: i64,
    pub(crate) bytes: u64,
    /// It is the last piece only in part.
    pub(crate) cut: bool,
}

/// An incident and the evidence in its bundle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Incident {
    pub(crate) told: Told,
    pub(crate) pieces: Vec<Piece>,
    /// When the bundle's samples were begun, Unix milliseconds.
    pub(crate) samples: Vec<i64>,
    /// What `oomph diagnose` says of the bundle.
    pub(crate) report: Option<Report>,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Left {
    pub(crate) alerts: Vec<Alert>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) incidents: Vec<Incident>,
    /// What could not be read.
    pub(crate) problems: Vec<String>,
}

impl Left {
    /// Reads a state directory and the file that holds the watch's stderr. Bundles are diagnosed and samples read by
    /// `oomph`; the samples are kept in `series`.
    pub(crate) fn read(oomph: &Path, state: &Path, stderr: &Path, series: &Path) -> Result<Self> {
        let mut left = Self { alerts: alerts(&fs::read_to_string(stderr)?), ..Self::default() };
        let dump = Command::new(oomph).args(["watch", "--dump-series"]).arg(state).output()?;
        fs::write(series, &dump.stdout)?;
        if dump.status.success() {
            left.add_samples(&String::from_utf8_lossy(&dump.stdout));
        } else {
            let why = String::from_utf8_lossy(&dump.stderr);
            left.problems.push(format!("the series cannot be read: {}", why.trim()));
        }
        for directory in incident_directories(state)? {
            left.add_incident(&directory, |bundle| diagnose(oomph, bundle));
        }
        Ok(left)
    }

    fn add_samples(&mut self, text: &str) {
        for (i, line) in text.lines().enumerate() {
            match serde_json::from_str(line) {
                Ok(sample) => self.samples.push(sample),
                Err(e) => self.problems.push(format!("line {} of the series: {e}", i + 1)),
            }
        }
        self.samples.sort_by_key(|s| s.at);
    }

    pub(crate) fn add_incident(&mut self, directory: &Path, diagnose: impl Fn(&Path) -> Result<Report>) {
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let told = fs::read_to_string(directory.join("incident.json")).map_err(|e| e.to_string());
        let told = told.and_then(|text| serde_json::from_str::<Told>(&text).map_err(|e| e.to_string()));
        let told = told.unwrap_or_else(|e| {
            self.problems.push(format!("{name}/incident.json: {e}"));
            Told { id: name.clone(), ..Told::default() }
        });
        let mut incident = Incident { told, ..Incident::default() };
        match Bundle::open(directory) {
            Ok(bundle) => {
                let m = bundle.manifest();
                let piece = |a: &bundle::Artifact| Piece {
                    kind: a.kind.as_str().to_owned(),
                    at: a.taken_at.0,
                    bytes: a.bytes.0,
                    cut: a.cut,
                };
                incident.pieces = m.artifacts.iter().map(piece).collect();
                incident.samples = m.samples.iter().map(|s| s.at.0).collect();
                match diagnose(directory) {
                    Ok(report) => incident.report = Some(report),
                    Err(e) => self.problems.push(format!("{name} cannot be diagnosed: {}", e.to_string().trim())),
                }
            }
            Err(e) => self.problems.push(format!("{name}: {e}")),
        }
        self.incidents.push(incident);
    }
}

/// The alerts among the lines of a stderr, each after the time of its arrival; other lines are for people.
pub(crate) fn alerts(stderr: &str) -> Vec<Alert> {
    let alert = |line: &str| {
        let (at, line) = line.split_once(' ')?;
        Some(Alert { at: at.parse().ok()?, ..serde_json::from_str(line).ok()? })
    };
    stderr.lines().filter_map(alert).filter(|a| a.schema == "oomph.alert/1").collect()
}

/// The directories below `incidents/`, by name; none where there is no such directory.
pub(crate) fn incident_directories(state: &Path) -> Result<Vec<PathBuf>> {
    let mut out = Vec::new();
    let top = state.join("incidents");
    if top.is_dir() {
        for entry in fs::read_dir(&top)? {
            let entry = entry?;
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            if entry.file_type()?.is_dir() && !hidden {
                out.push(entry.path());
            }
        }
    }
    out.sort();
    Ok(out)
}

fn diagnose(oomph: &Path, bundle: &Path) -> Result<Report> {
    crate::specimens::json(oomph, &["diagnose", &bundle.to_string_lossy()])
}
