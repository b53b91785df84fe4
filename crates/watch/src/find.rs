//! Which processes the targets are at this moment. Each process is looked at once in its life: whether an executable
//! is a Go program is read from its build information.

use crate::config::TargetConfig;
use crate::shared::Settings;
use crate::target_spec::{TargetSpec, WatchTarget};
use bundle::Address;
use std::collections::{BTreeMap, HashMap, HashSet};
use target::{GoProcess, ProcFile, Process};

/// A process or address to watch.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub name: String,
    pub pid: Option<u32>,
    pub url: Option<Address>,
    pub config: TargetConfig,
}

/// Looks for targets again and again.
#[derive(Debug, Default)]
pub(crate) struct Finder {
    known: target::GoProcesses,
    groups: HashMap<(u32, u64), Vec<String>>,
    /// Names given to processes: they stay the same as long as the process lives.
    names: HashMap<(u32, u64), String>,
    listeners: HashMap<String, u32>,
    missing: Vec<String>,
}

impl Finder {
    /// What is there of what is wanted. The first target that a process belongs to decides its settings.
    pub(crate) fn find(&mut self, wanted: &[WatchTarget], settings: &Settings) -> Vec<Found> {
        let needs_list = wanted.iter().any(|t| !matches!(t.spec, TargetSpec::Pid(_) | TargetSpec::Url(_)));
        let go: Vec<GoProcess> = if needs_list { self.known.list() } else { Vec::new() };
        let mut out: BTreeMap<String, Found> = BTreeMap::new();
        let mut taken: HashSet<u32> = HashSet::new();
        self.missing.clear();
        for t in wanted {
            let before = out.len();
            match &t.spec {
                TargetSpec::Pid(pid) => {
                    if let Ok(p) = Process::open(*pid) {
                        taken.insert(*pid);
                        let name = t.config.name.clone().unwrap_or_else(|| format!("{}-{pid}", p.name()));
                        add(&mut out, name, Some(*pid), None, t);
                    }
                }
                TargetSpec::Url(address) => {
                    let pid = self.listener(address);
                    taken.extend(pid);
                    let name = t.config.name.clone().unwrap_or_else(|| address.to_string());
                    add(&mut out, name, pid, Some(address.clone()), t);
                }
                spec => {
                    for p in &go {
                        if !taken.contains(&p.pid) && self.belongs(spec, p, settings) {
                            taken.insert(p.pid);
                            let name = self.name_of(p, t, &out);
                            add(&mut out, name, Some(p.pid), None, t);
                        }
                    }
                }
            }
            if out.len() == before
                && let Some(name) = &t.config.name
            {
                self.missing.push(name.clone());
            }
        }
        let alive: HashSet<(u32, u64)> = go.iter().map(|p| (p.pid, p.start_ticks)).collect();
        if needs_list {
            self.groups.retain(|k, _| alive.contains(k));
            self.names.retain(|k, _| alive.contains(k));
        }
        out.into_values().collect()
    }

    /// Named targets of which nothing is there.
    pub(crate) fn missing(&self) -> &[String] {
        &self.missing
    }

    /// The process behind a loopback address.
    fn listener(&mut self, address: &Address) -> Option<u32> {
        if !address.is_loopback() {
            return None;
        }
        let key = address.to_string();
        if let Some(pid) = self.listeners.get(&key)
            && Process::open(*pid).is_ok()
        {
            return Some(*pid);
        }
        let pid = bundle::sampling::process_behind(address);
        match pid {
            Some(pid) => self.listeners.insert(key, pid),
            None => self.listeners.remove(&key),
        };
        pid
    }

    fn belongs(&mut self, spec: &TargetSpec, p: &GoProcess, settings: &Settings) -> bool {
        match spec {
            TargetSpec::Auto => {
                let excluded = |e: &String| p.name == *e || p.exe.contains(e.as_str()) || p.main.as_deref() == Some(e);
                p.pid != std::process::id() && !settings.file.watch.exclude.iter().any(excluded)
            }
            TargetSpec::Name(n) => {
                let base = p.exe.rsplit('/').next().unwrap_or_default();
                p.name == *n || base == n || p.main.as_deref().is_some_and(|m| m.rsplit('/').next() == Some(n))
            }
            TargetSpec::Unit(_) | TargetSpec::Cgroup(_) => spec.holds_groups(self.groups_of(p)),
            TargetSpec::Pid(_) | TargetSpec::Url(_) => false,
        }
    }

    fn groups_of(&mut self, p: &GoProcess) -> &[String] {
        self.groups.entry((p.pid, p.start_ticks)).or_insert_with(|| {
            let text = Process::open(p.pid).and_then(|o| o.require(ProcFile::Cgroup)).unwrap_or_default();
            procfs::pid_cgroup(&text).0.into_iter().map(|e| e.path).collect()
        })
    }

    /// The configured name where there is one process of it; else the program's with its pid.
    fn name_of(&mut self, p: &GoProcess, t: &WatchTarget, out: &BTreeMap<String, Found>) -> String {
        let key = (p.pid, p.start_ticks);
        if let Some(name) = self.names.get(&key) {
            return name.clone();
        }
        let free = |n: &String| !out.contains_key(n);
        let name = match &t.config.name {
            Some(n) if free(n) => n.clone(),
            Some(n) => format!("{n}-{}", p.pid),
            None => {
                let base = procfs::path_without_deleted(&p.exe).rsplit('/').next().unwrap_or(&p.name).to_owned();
                format!("{base}-{}", p.pid)
            }
        };
        self.names.insert(key, name.clone());
        name
    }
}

fn add(out: &mut BTreeMap<String, Found>, name: String, pid: Option<u32>, url: Option<Address>, t: &WatchTarget) {
    out.entry(name.clone()).or_insert(Found { name, pid, url, config: t.config.clone() });
}
