//! The exec hook: runs a program for each alert. Owns how: no shell, `oomph.alert/1` on standard input, a small
//! environment, a process group of its own that is killed when the time is over, and death together with oomph
//! (by [`run_hook`], which the binary offers as a hidden command). Its output is thrown away.

use super::super::config::ExecConfig;
use super::super::http::SendError;
use super::super::mailbox::Sender;
use super::super::types::{AlertDocument, AlertState, Notification};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a hook gets of oomph's own environment, which may hold secrets.
const PASSED: [&str; 6] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ"];
/// How often a child is looked after on kernels without pidfd (before 5.3).
const LOOK: Duration = Duration::from_millis(20);

pub(super) struct Exec {
    config: ExecConfig,
    launcher: Arc<[OsString]>,
}

impl Exec {
    pub(super) fn new(config: ExecConfig, launcher: Arc<[OsString]>) -> Self {
        Self { config, launcher }
    }

    fn run(&self, document: &AlertDocument) -> Result<(), SendError> {
        let shown = self.config.program.display();
        let failed = |e: io::Error| SendError::Again(format!("cannot run {shown}: {e}"));
        let input = input(document).map_err(failed)?;
        let mut command = match self.launcher.split_first() {
            Some((program, args)) => {
                let mut command = Command::new(program);
                command.args(args).arg(std::process::id().to_string()).arg(&self.config.program);
                command
            }
            None => Command::new(&self.config.program),
        };
        command.args(&self.config.args).env_clear().stdin(input).stdout(Stdio::null()).stderr(Stdio::null());
        command.envs(PASSED.iter().filter_map(|name| Some((name, std::env::var_os(name)?)))).process_group(0);
        command.envs(environment(document));
        let mut child = command.spawn().map_err(failed)?;
        match wait(&mut child, self.config.timeout.0).map_err(failed)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => {
                let how = match (status.code(), status.signal()) {
                    (Some(code), _) => format!("ended with code {code}"),
                    (None, signal) => format!("was ended by signal {}", signal.unwrap_or_default()),
                };
                Err(SendError::Refused(format!("{shown} {how}")))
            }
            None => Err(SendError::Refused(format!("{shown} took longer than {} and was killed", self.config.timeout))),
        }
    }
}

impl Sender for Exec {
    fn send(&mut self, notifications: &[Arc<Notification>]) -> Result<(), SendError> {
        notifications.iter().flat_map(|n| &n.alerts).try_for_each(|document| self.run(document))
    }
}

/// The document in a file without a name: a program that does not read it is not waited for.
fn input(document: &AlertDocument) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("oomph-alert", rustix::fs::MemfdFlags::CLOEXEC)?);
    serde_json::to_writer(&mut file, document)?;
    file.write_all(b"\n")?;
    file.rewind()?;
    Ok(file)
}

/// `OOMPH_*`: the fields a script asks for first.
fn environment(document: &AlertDocument) -> Vec<(&'static str, String)> {
    let alert = &document.alert;
    let status = if document.status == AlertState::Firing { "firing" } else { "resolved" };
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    let mut out = vec![
        ("OOMPH_STATUS", status.to_owned()),
        ("OOMPH_LEVEL", alert.level.as_str().to_owned()),
        ("OOMPH_TARGET", alert.key.target.clone()),
        ("OOMPH_RULE", alert.key.rule.clone()),
        ("OOMPH_CULPRIT", text(&alert.culprit)),
        ("OOMPH_TITLE", alert.title.clone()),
        ("OOMPH_FINDING", text(&alert.finding)),
        ("OOMPH_SITE", text(&alert.site)),
        ("OOMPH_CONTAINER", text(&alert.container)),
        ("OOMPH_BUNDLE", text(&alert.bundle)),
        ("OOMPH_ADVICE", alert.advice.clone()),
        ("OOMPH_SECONDS_LEFT", alert.seconds_left.map(|s| format!("{:.0}", s.p50)).unwrap_or_default()),
        ("OOMPH_PID", alert.labels.get("pid").cloned().unwrap_or_default()),
    ];
    for (_, value) in &mut out {
        // The environment's own terminator cannot be part of a value.
        value.retain(|c| c != '\0');
    }
    out
}

/// Waits for a child, kills it and its process group after `timeout`; `None` when it had to be killed. The group
/// is killed in any case: a hook leaves nothing behind.
fn wait(child: &mut Child, timeout: Duration) -> io::Result<Option<ExitStatus>> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let ended = wait_until(child, pid, Instant::now() + timeout);
    if let Some(pid) = pid {
        // Still unreaped, so the number is still the child's own; an empty group is no error.
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    }
    let in_time = matches!(ended, Ok(true));
    if !in_time {
        child.kill()?;
    }
    let status = child.wait()?;
    ended?;
    Ok(in_time.then_some(status))
}

/// Whether it ended in time; it stays to be reaped.
fn wait_until(child: &Child, pid: Option<Pid>, deadline: Instant) -> io::Result<bool> {
    let pid = pid.ok_or_else(|| io::Error::other(format!("pid {} is none", child.id())))?;
    let Ok(fd) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else {
        return poll_state(pid, deadline);
    };
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// The same where the kernel has no pidfd.
fn poll_state(pid: Pid, deadline: Instant) -> io::Result<bool> {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    loop {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if waitid(WaitId::Pid(pid), options)?.is_some() {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        std::thread::sleep(LOOK);
    }
}

/// Runs a hook's program so that it dies, with all it has started in its process group, when oomph does, however
/// that ends: `args` are the pid of oomph, the program and its arguments. To be called by the hidden command that
/// `AlertOptions::launcher` names, whose process gives back the code as its own.
///
/// # Errors
/// When the program cannot be started, or oomph has ended before.
pub fn run_hook(args: &[OsString]) -> io::Result<u8> {
    let [parent, program, rest @ ..] = args else {
        return Err(io::Error::other("expected the pid of oomph, a program and its arguments"));
    };
    let parent = parent.to_str().and_then(|p| p.parse::<i32>().ok()).and_then(Pid::from_raw);
    let parent = parent.ok_or_else(|| io::Error::other("expected the pid of oomph"))?;
    let Ok(oomph) = rustix::process::pidfd_open(parent, PidfdFlags::empty()) else {
        return die_together(parent, program, rest);
    };
    // The number may have been another's already.
    if rustix::process::getppid() != Some(parent) {
        return Err(io::Error::other("oomph has ended"));
    }
    let mut child = Command::new(program).args(rest).spawn()?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("no pid"))?;
    let ended = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    loop {
        let mut fds = [PollFd::new(&ended, PollFlags::IN), PollFd::new(&oomph, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) if !fds[0].revents().is_empty() => break,
            Ok(_) if !fds[1].revents().is_empty() => {
                // This process is of the group, so this is its end too.
                rustix::process::kill_process_group(rustix::process::getpgrp(), Signal::KILL)?;
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    let status = child.wait()?;
    let code = status.code().or_else(|| status.signal().map(|s| 128 + s)).unwrap_or(1);
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}

/// The same where the kernel has no pidfd: the program takes this process's place and dies with oomph; what it has
/// started does not.
fn die_together(parent: Pid, program: &OsStr, args: &[OsString]) -> io::Result<u8> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have died before the line above.
    if rustix::process::getppid() != Some(parent) {
        return Err(io::Error::other("oomph has ended"));
    }
    Err(Command::new(program).args(args).exec())
}

#[cfg(test)]
mod tests {
    use super::super::super::types::{ALERT_SCHEMA, tests::alert};
    use super::*;
    use crate::period::Period;
    use model::WatchLevel;

    fn document() -> AlertDocument {
        let mut alert = alert("web\0", "r", Some("main.put"), WatchLevel::Critical);
        // More than a pipe holds, to a program that does not read.
        alert.advice = "x".repeat(100_000);
        AlertDocument {
            schema: ALERT_SCHEMA.into(),
            status: AlertState::Firing,
            peak: alert.level,
            resolved_at: None,
            alert,
        }
    }

    fn exec(script: &str, timeout: Period) -> Exec {
        let args = vec!["-c".to_owned(), script.to_owned()];
        Exec::new(ExecConfig { program: "/bin/sh".into(), args, timeout, ..ExecConfig::default() }, Vec::new().into())
    }

    #[test]
    fn gets_the_alert_and_a_small_environment() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out").display().to_string();
        let script = format!("cat > {out}; env | cut -c1-80 > {out}.env");
        exec(&script, Period::seconds(30)).run(&document()).unwrap();
        let read: AlertDocument = serde_json::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
        assert_eq!(read, document());
        let env = std::fs::read_to_string(format!("{out}.env")).unwrap();
        for line in ["OOMPH_TARGET=web\n", "OOMPH_LEVEL=critical\n", "OOMPH_PID=4711\n", "OOMPH_SECONDS_LEFT=40\n"] {
            assert!(env.contains(line), "{env}");
        }
        assert!(!env.contains("CARGO"), "{env}");
    }

    #[test]
    fn failure_and_slowness_are_told_and_nothing_is_left_behind() {
        let e = exec("exit 3", Period::seconds(30)).run(&document()).unwrap_err();
        assert_eq!(e, SendError::Refused("/bin/sh ended with code 3".into()));
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        // A grandchild that holds the writing end for ever: reading ends only when it is dead.
        let script = format!("sleep 1000 > {} & wait", fifo.display());
        let reader = std::thread::spawn(move || std::fs::read(fifo));
        let e = exec(&script, Period::millis(300)).run(&document()).unwrap_err();
        assert!(e.message().contains("took longer than 300ms"), "{e:?}");
        assert!(reader.join().unwrap().unwrap().is_empty());
        let nothing =
            Exec::new(ExecConfig { program: "/nonexistent".into(), ..ExecConfig::default() }, Vec::new().into());
        assert!(matches!(nothing.run(&document()), Err(SendError::Again(_))));
    }
}
