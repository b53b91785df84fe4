//! What the tests share: a real HTTP server over a listener, told answer by answer what to send,
//! and real Go programs.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "test support; each test binary uses its part")]

use bundle::{CollectError, CollectOptions, CollectTarget, Collected, GcPolicy, Progress, collect};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub headers: Vec<String>,
}

/// An HTTP server on loopback whose handler writes the raw answer.
pub struct Server {
    pub address: SocketAddr,
    pub seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Each connection carries one request; `answer` gets its path and how often it was asked.
    pub fn start(answer: impl Fn(&str, usize, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::<Seen>::new()));
        let log = Arc::clone(&seen);
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                std::thread::spawn(move || {
                    let mut stream = stream;
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    let mut line = String::new();
                    match reader.read_line(&mut line) {
                        Ok(n) if n > 0 => {}
                        Ok(_) => return,
                        // As Go's server answers bytes that are no request.
                        Err(_) => return reply(&mut stream, "400 Bad Request", "text/plain", b"400 Bad Request"),
                    }
                    let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
                    let mut headers = Vec::new();
                    loop {
                        let mut h = String::new();
                        if reader.read_line(&mut h).unwrap_or(0) == 0 || h == "\r\n" {
                            break;
                        }
                        headers.push(h.trim().to_owned());
                    }
                    let nth = {
                        let mut log = log.lock().unwrap();
                        let n = log.iter().filter(|s| s.path == path).count();
                        log.push(Seen { path: path.clone(), headers });
                        n
                    };
                    answer(&path, nth, &mut stream);
                });
            }
        });
        Self { address, seen }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn asked(&self, path: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|s| s.path == path).count()
    }
}

/// Sends a whole answer and closes.
pub fn reply(s: &mut TcpStream, status: &str, content_type: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = s.write_all(head.as_bytes());
    let _ = s.write_all(body);
    let _ = s.flush();
}

pub fn ok(s: &mut TcpStream, body: &[u8]) {
    reply(s, "200 OK", "application/octet-stream", body);
}

/// Short bounds, one sample.
pub fn quick() -> CollectOptions {
    CollectOptions {
        duration: Duration::ZERO,
        timeout: Duration::from_secs(5),
        retries: 2,
        gc: GcPolicy::Always,
        ..CollectOptions::default()
    }
}

pub fn run(target: &str, to: &Path, options: &CollectOptions) -> Result<Collected, CollectError> {
    run_until(target, to, options, &Arc::new(AtomicBool::new(false)), |_| {})
}

pub fn run_until(
    target: &str,
    to: &Path,
    options: &CollectOptions,
    stop: &Arc<AtomicBool>,
    mut progress: impl FnMut(Progress),
) -> Result<Collected, CollectError> {
    let target = CollectTarget::parse(target).unwrap();
    collect(&target, to, options, &mut progress, stop)
}

/// The `go` tool: `OOMPH_GO`, else from PATH.
pub fn go() -> String {
    std::env::var("OOMPH_GO").unwrap_or_else(|_| "go".to_owned())
}

/// Builds `main.go` text into an executable.
pub fn build_go(dir: &Path, name: &str, source: &str) -> PathBuf {
    build_go_with(dir, name, source, &[])
}

/// The same with further flags of `go build`.
pub fn build_go_with(dir: &Path, name: &str, source: &str, flags: &[&str]) -> PathBuf {
    let src = dir.join(format!("{name}-src"));
    std::fs::create_dir_all(&src).unwrap();
    std::fs::write(src.join("main.go"), source).unwrap();
    std::fs::write(src.join("go.mod"), format!("module example.com/{name}\n\ngo 1.21\n")).unwrap();
    let exe = dir.join(name);
    let out = Command::new(go())
        .arg("build")
        .args(flags)
        .arg("-o")
        .arg(&exe)
        .arg(".")
        .current_dir(&src)
        .env("GOFLAGS", "-mod=mod")
        .env("GOTOOLCHAIN", "local")
        .env("CGO_ENABLED", "0")
        .output()
        .expect("a Go toolchain (PATH or OOMPH_GO)");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    exe
}

/// A running Go program that prints its address as its first line.
pub struct GoServer {
    pub child: Child,
    pub address: String,
}

impl GoServer {
    pub fn start(exe: &Path, args: &[&str], env: &[(&str, &str)]) -> Self {
        Self::spawn(exe, args, env, Stdio::inherit())
    }

    /// The same with its standard error in a file or pipe.
    pub fn start_to(exe: &Path, env: &[(&str, &str)], stderr: impl Into<Stdio>) -> Self {
        Self::spawn(exe, &[], env, stderr.into())
    }

    fn spawn(exe: &Path, args: &[&str], env: &[(&str, &str)], stderr: Stdio) -> Self {
        let mut child = Command::new(exe)
            .args(args)
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, address: line.trim().to_owned() }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for GoServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// GETs a path by hand, for truth that does not pass through the crate.
pub fn get(address: &str, path: &str) -> Vec<u8> {
    let mut s = TcpStream::connect(address).unwrap();
    write!(s, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let mut all = Vec::new();
    s.read_to_end(&mut all).unwrap();
    let body = all.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    all.split_off(body)
}
