//! What the cases share: the programs, a watch with its pages, samples as they are on disk, memory of processes.
//! Refuses to judge.

use crate::Result;
use crate::watch_crash;
use crate::watch_matrix::live::{Watch, pause};
use bundle::Bundle;
use model::{GoVersion, WatchStatus};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = include_str!("program.go");
/// A watch that serves its pages does so within this.
const SERVES_WITHIN: Duration = Duration::from_secs(20);
pub(crate) const MIB: f64 = 1_048_576.0;

/// A case's place and programs.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) dir: PathBuf,
    /// A copy of the program, so that its processes can be told from others.
    pub(crate) oomph: PathBuf,
    program: PathBuf,
    /// An address of this host that is not the loopback: the process behind it is not looked for.
    pub(crate) host: String,
    pub(crate) go: String,
    pub(crate) dumps: u32,
}

impl Scene {
    pub(crate) fn new(dir: &Path, built: &Path, go: &str, dumps: u32) -> Result<Self> {
        let oomph = dir.join("oomph-under-test");
        // A new file: the old one may be running.
        let _ = fs::remove_file(&oomph);
        fs::copy(built, &oomph)?;
        let source = dir.join("program");
        fs::create_dir_all(&source)?;
        fs::write(source.join("go.mod"), "module hostile\n\ngo 1.21\n")?;
        fs::write(source.join("main.go"), PROGRAM)?;
        let want = GoVersion::parse(&format!("go{go}")).ok_or_else(|| format!("{go} is no Go version"))?;
        let toolchain =
            lab::Toolchain::find_or_fetch(Some(&want), &lab::default_cache_dir(), &mut |p| println!("{p}"))?;
        toolchain.run(&source, &["build", "-o", "hostile-go", "."])?;
        let program = source.join("hostile-go");
        Ok(Self { dir: dir.into(), oomph, program, host: own_address(), go: go.to_owned(), dumps })
    }

    /// The scene of one case, in an empty directory of its own.
    pub(crate) fn case(&self, name: &str) -> Result<Self> {
        let dir = self.dir.join(name);
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        Ok(Self { dir, ..self.clone() })
    }

    /// A copy of the Go program under another name.
    pub(crate) fn named(&self, name: &str) -> Result<PathBuf> {
        let path = self.dir.join(name);
        fs::copy(&self.program, &path)?;
        Ok(path)
    }

    /// Starts the Go program.
    pub(crate) fn start(&self, args: &[&str]) -> Result<Go> {
        Go::start(&self.program, args)
    }

    pub(crate) fn config(&self, text: &str) -> Result<PathBuf> {
        let path = self.dir.join("watch.toml");
        // At once: it may be read at any moment.
        let new = self.dir.join("watch.toml.new");
        fs::write(&new, text)?;
        fs::rename(&new, &path)?;
        Ok(path)
    }

    /// Processes of the watch's own executable that are there although no watch runs.
    pub(crate) fn orphans(&self) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        watch_crash::processes(&self.oomph, &[], &mut problems)?;
        Ok(problems)
    }

    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(self.dir.join("watch.stderr")).unwrap_or_default()
    }

    /// Lines that the watch wrote for people, and that contain this.
    pub(crate) fn said(&self, text: &str) -> usize {
        self.stderr().lines().filter(|l| l.contains("oomph watch: ") && l.contains(text)).count()
    }
}

/// The address from which this host speaks to others; the loopback where it has none.
fn own_address() -> String {
    let outward = UdpSocket::bind("0.0.0.0:0").and_then(|s| {
        s.connect("192.0.2.1:9")?;
        s.local_addr()
    });
    outward.map_or_else(|_| "127.0.0.1".to_owned(), |a| a.ip().to_string())
}

/// A running Go program; it ends when this value is dropped, and with this process.
#[derive(Debug)]
pub(crate) struct Go {
    child: Child,
    _stdin: Option<ChildStdin>,
    said: Value,
}

impl Go {
    pub(crate) fn start(program: &Path, args: &[&str]) -> Result<Self> {
        let mut child = Command::new(program).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no stdout")?).read_line(&mut line)?;
        Ok(Self { _stdin: child.stdin.take(), child, said: serde_json::from_str(&line)? })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An address that it told.
    pub(crate) fn at(&self, name: &str) -> Result<&str> {
        Ok(self.said.get(name).and_then(Value::as_str).ok_or_else(|| format!("the program told no {name}"))?)
    }

    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        crate::tools::run(Command::new("kill").args([name, &self.pid().to_string()]))
    }
}

impl Drop for Go {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A watch that serves its pages.
pub(crate) struct Served {
    pub(crate) watch: Watch,
    pub(crate) address: String,
}

impl Served {
    /// Starts one; the configuration says `listen = "127.0.0.1:0"`.
    pub(crate) fn start(scene: &Scene, config: &Path, targets: &[String], set: &[(&str, &Path)]) -> Result<Self> {
        let mut command = Command::new(&scene.oomph);
        command.envs(set.iter().copied());
        let mut watch = Watch::start_with(command, &scene.dir, Some(config), targets)?;
        let begin = Instant::now();
        while begin.elapsed() < SERVES_WITHIN {
            if let Some(status) = watch.child.try_wait()? {
                return Err(format!("the watch ended with {status}: {}", scene.stderr()).into());
            }
            let stderr = scene.stderr();
            let address = stderr.lines().rev().find_map(|l| l.split_once("/status at http://"));
            if let Some((_, address)) = address {
                return Ok(Self { watch, address: address.trim().to_owned() });
            }
            pause(Duration::from_millis(50));
        }
        Err("the watch does not serve its pages".into())
    }

    pub(crate) fn status(&self) -> Result<WatchStatus> {
        Ok(serde_json::from_str(&self.page("/status")?)?)
    }

    /// A page of it.
    pub(crate) fn page(&self, path: &str) -> Result<String> {
        let mut to = TcpStream::connect(&self.address)?;
        to.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(to, "GET {path} HTTP/1.0\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address)?;
        let mut answer = String::new();
        to.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").ok_or("no HTTP answer")?;
        Ok(body.to_owned())
    }

    /// The value of a metric: the sum over its labels.
    pub(crate) fn metric(&self, name: &str) -> Result<f64> {
        let page = self.page("/metrics")?;
        let values = page.lines().filter(|l| l.strip_prefix(name).is_some_and(|r| r.starts_with([' ', '{'])));
        let values: Vec<f64> = values.filter_map(|l| l.rsplit(' ').next()?.parse().ok()).collect();
        if values.is_empty() {
            return Err(format!("there is no metric {name}").into());
        }
        Ok(values.iter().sum())
    }

    pub(crate) fn rss(&self) -> u64 {
        memory(self.watch.child.id(), "VmRSS:").unwrap_or_default()
    }

    /// Waits until something holds, asking again and again; whether it came to hold.
    pub(crate) fn until(&self, within: Duration, mut holds: impl FnMut(&Self) -> bool) -> bool {
        let begin = Instant::now();
        while !holds(self) {
            if begin.elapsed() > within {
                return false;
            }
            pause(Duration::from_millis(100));
        }
        true
    }

    /// Ends it as a service manager does: how long that took, and what was wrong with it.
    pub(crate) fn stop(self) -> Result<(Duration, Option<String>)> {
        let begin = Instant::now();
        let wrong = self.watch.stop()?;
        Ok((begin.elapsed(), wrong))
    }
}

/// A size out of `/proc/PID/status`, bytes.
pub(crate) fn memory(pid: u32, key: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kb = status.lines().find_map(|l| l.strip_prefix(key)?.trim().strip_suffix(" kB")?.parse::<u64>().ok())?;
    Some(kb << 10)
}

/// A sample as it was kept.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct Sample {
    pub(crate) at: i64,
    pub(crate) monotonic_s: f64,
    #[serde(default)]
    pub(crate) target: String,
    #[serde(default)]
    pub(crate) p50: Option<f64>,
}

/// The samples on disk by target, in the order in which they are kept.
pub(crate) fn series(scene: &Scene, state: &Path) -> Result<BTreeMap<String, Vec<Sample>>> {
    let out = Command::new(&scene.oomph).args(["watch", "--dump-series"]).arg(state).output()?;
    if !out.status.success() {
        return Err(format!("the series cannot be read: {}", String::from_utf8_lossy(&out.stderr).trim()).into());
    }
    let mut by_target: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
    for line in String::from_utf8_lossy(&out.stdout).lines() {
        let sample: Sample = serde_json::from_str(line).map_err(|e| format!("{e}: {line:.80}"))?;
        by_target.entry(sample.target.clone()).or_default().push(sample);
    }
    Ok(by_target)
}

/// Bytes of the series on disk that are no whole record, and files, over all targets.
pub(crate) fn damage(state: &Path) -> Result<(u64, usize)> {
    let (mut damaged, mut files) = (0, 0);
    for entry in fs::read_dir(state.join("series"))?.flatten() {
        damaged += watch::series::read_series(&entry.path())?.damaged;
        files += fs::read_dir(entry.path())?.count();
    }
    Ok((damaged, files))
}

/// The longest time between two samples, seconds, and how many samples there are.
pub(crate) fn longest_gap(samples: &[Sample]) -> (f64, usize) {
    let gaps = samples.windows(2).map(|w| w[1].monotonic_s - w[0].monotonic_s);
    (gaps.fold(0.0, f64::max), samples.len())
}

/// The row of a target's gaps.
pub(crate) fn gap_row(
    goal: &str,
    series: &BTreeMap<String, Vec<Sample>>,
    target: &str,
    most: f64,
) -> super::table::Row {
    let Some(samples) = series.get(target) else { return super::table::Row::missed(goal, "no samples") };
    let (gap, count) = longest_gap(samples);
    super::table::Row::new(
        format!("{goal}: no gap above {most} s"),
        format!("longest gap {gap:.2} s, {count} samples"),
        gap <= most && count > 10,
    )
}

/// Incidents that do not open or are not intact, and how many there are.
pub(crate) fn unreadable(scene: &Scene, state: &Path) -> Result<(Vec<String>, usize)> {
    let all = crate::watch_matrix::left::incident_directories(state)?;
    let mut problems = Vec::new();
    for path in &all {
        let verified = Command::new(&scene.oomph).args(["bundle", "verify"]).arg(path).output()?;
        if !verified.status.success() {
            let said = [verified.stdout, verified.stderr].concat();
            problems.push(format!("{}: {}", path.display(), String::from_utf8_lossy(&said).trim()));
        } else if let Err(e) = Bundle::open(path) {
            problems.push(format!("{}: {e}", path.display()));
        }
    }
    Ok((problems, all.len()))
}

/// Bytes below a directory.
pub(crate) fn size(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|e| match e.metadata() {
            Ok(m) if m.is_dir() => size(&e.path()),
            Ok(m) => m.len(),
            Err(_) => 0,
        })
        .sum()
}
