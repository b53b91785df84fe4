//! Core files of a real Go program, as gcore and the kernel write them: known contents at known
//! addresses, whole, compressed, cut, damaged.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use gobinary::Memory;
use gobinary::layout::Arch;
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{Running, check_pattern};
use target::memory::{CoreFile, CoreOptions, MemoryError};

struct Dumped {
    dir: tempfile::TempDir,
    core: PathBuf,
    pattern: u64,
    words: u64,
    counter: u64,
    pid: u32,
}

/// gdb's gcore of a running specimen; `None` where gdb is not installed.
fn gcore() -> Option<Dumped> {
    Command::new("gcore").arg("-h").output().ok()?;
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(&["-mb", "4"]);
    let prefix = dir.path().join("core");
    let done = Command::new("gcore").arg("-o").arg(&prefix).arg(running.pid.to_string()).output().unwrap();
    let core = dir.path().join(format!("core.{}", running.pid));
    assert!(core.exists(), "{done:?}");
    let (pattern, words, counter, pid) = (running.pattern, running.words, running.counter, running.pid);
    Some(Dumped { dir, core, pattern, words, counter, pid })
}

/// The kernel's core of a specimen that aborts; `None` where cores go to a program.
fn kernel_core() -> Option<Dumped> {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    if pattern.starts_with('|') || pattern.contains('/') {
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "ulimit -c unlimited; exec \"$0\" -mb 4 -abort"])
        .arg(support::specimen())
        .env("GOTRACEBACK", "crash")
        .current_dir(dir.path())
        .stderr(Stdio::null())
        .process_group(0);
    let mut running = Running::spawn(&mut command);
    running.request_abort();
    running.child.wait().unwrap();
    let core = fs::read_dir(dir.path()).unwrap().flatten().map(|e| e.path()).next()?;
    let (pattern, words, counter, pid) = (running.pattern, running.words, running.counter, running.pid);
    Some(Dumped { dir, core, pattern, words, counter, pid })
}

fn check(dumped: &Dumped, core: &CoreFile) {
    assert_eq!(core.arch(), if cfg!(target_arch = "x86_64") { Arch::Amd64 } else { Arch::Arm64 });
    check_pattern(core, dumped.pattern, dumped.words);
    assert!(core.u64(dumped.counter).unwrap() > 0);
    assert_eq!(core.process().unwrap().pid, dumped.pid);
    assert!(core.threads().len() > 2);
    let exe = core.executable().expect("the executable was found");
    assert!(exe.verified);
    assert_eq!(fs::canonicalize(&exe.path).unwrap(), fs::canonicalize(support::specimen()).unwrap());
    // Code: in the core file or from the executable, the same bytes.
    let own = fs::read(support::specimen()).unwrap();
    let binary = gobinary::GoBinary::parse(&own).unwrap();
    let (entry, _) = binary.pclntab().unwrap().functions().nth(1000).unwrap();
    let code = binary.code_bytes_before(entry + 16, 16).unwrap();
    let mut there = [0; 16];
    core.read(entry + exe.load_bias, &mut there).unwrap();
    assert_eq!(there, code);
    let c = core.coverage();
    assert_eq!(c.cut.0, 0);
    assert_eq!(c.mapped.0, c.in_core.0 + c.from_files.0 + c.cut.0 + c.left_out.0);
    for t in core.threads() {
        let region = |a: u64| core.regions().iter().find(|r| r.start <= a && a < r.end).copied();
        assert!(region(t.sp()).is_some_and(|r| r.writable && r.readable), "sp {:#x}", t.sp());
        assert!(region(t.pc()).is_some_and(|r| r.executable), "pc {:#x}", t.pc());
    }
    assert!(core.regions().windows(2).all(|w| w[0].end <= w[1].start));
}

#[test]
fn reads_a_core_of_gcore() {
    let Some(dumped) = gcore() else { return };
    let core = CoreFile::open(&dumped.core).unwrap();
    check(&dumped, &core);
    // In one piece of a mapped file: no copy.
    assert!(core.bytes(dumped.pattern, 4096).is_some());
    salvages_what_is_there(&dumped);
    takes_compressed_ones(&dumped);
    compares_executables(&dumped);
}

#[test]
fn reads_a_core_of_the_kernel() {
    let Some(dumped) = kernel_core() else { return };
    let core = CoreFile::open(&dumped.core).unwrap();
    check(&dumped, &core);
    assert!(core.coverage().from_files.0 > 0, "the kernel leaves code out: {:?}", core.coverage());
    // Without its executable, code is missing and that is said.
    let bytes = fs::read(&dumped.core).unwrap();
    let alone = CoreFile::from_bytes(bytes).unwrap();
    check_pattern(&alone, dumped.pattern, dumped.words);
    assert!(alone.executable().is_none());
    assert!(alone.gaps().iter().any(|g| g.what.contains("give it by its path")), "{:?}", alone.gaps());
    assert!(alone.coverage().left_out.0 > core.coverage().left_out.0);
}

fn salvages_what_is_there(dumped: &Dumped) {
    let bytes = fs::read(&dumped.core).unwrap();
    let whole = CoreFile::open(&dumped.core).unwrap();
    let path = dumped.dir.path().join("cut");
    for tenth in [1, 5, 9] {
        let len = bytes.len() * tenth / 10;
        fs::write(&path, &bytes[..len]).unwrap();
        let cut = CoreFile::open(&path).unwrap();
        let c = cut.coverage();
        // Pages that gcore left out altogether come from the executable, where that is still found.
        let w = whole.coverage();
        assert!(c.mapped.0 - c.from_files.0 <= w.mapped.0 && w.mapped.0 - w.from_files.0 <= c.mapped.0);
        // gcore writes all it has: what is not there was cut or comes from the executable.
        assert!(c.cut.0 > 0 && c.in_core < whole.coverage().in_core);
        assert!(cut.gaps().iter().any(|g| g.what.contains("ends here")), "{:?}", cut.gaps());
        let dumped_segments =
            |c: &CoreFile| -> Vec<_> { c.segments().iter().filter(|s| s.in_core + s.cut > 0).cloned().collect() };
        for (s, w) in dumped_segments(&cut).iter().zip(&dumped_segments(&whole)) {
            assert_eq!((s.start, s.end), (w.start, w.end));
            assert!(s.in_core + s.cut <= w.in_core);
        }
        // gcore writes its notes last: registers and the names of files are lost with the end.
        assert_eq!(cut.threads().len(), 0);
        assert!(cut.gaps().iter().any(|g| g.what.contains("names no thread")), "{:?}", cut.gaps());
        let with = CoreOptions { executable: Some(support::specimen().to_owned()), ..CoreOptions::default() };
        let with = CoreFile::open_with(&path, &with).unwrap();
        assert!(with.executable().unwrap().verified);
    }
}

fn takes_compressed_ones(dumped: &Dumped) {
    let gz = dumped.dir.path().join("core.gz");
    let mut encoder = flate2::write::GzEncoder::new(fs::File::create(&gz).unwrap(), flate2::Compression::fast());
    encoder.write_all(&fs::read(&dumped.core).unwrap()).unwrap();
    encoder.finish().unwrap();
    check(dumped, &CoreFile::open(&gz).unwrap());
    let scratch = CoreOptions { scratch: Some(dumped.dir.path().to_owned()), ..CoreOptions::default() };
    let before = fs::read_dir(dumped.dir.path()).unwrap().count();
    let core = CoreFile::open_with(&gz, &scratch).unwrap();
    assert_eq!(fs::read_dir(dumped.dir.path()).unwrap().count(), before, "no name is left");
    check(dumped, &core);
    // Cut in the middle of the compressed data.
    let half = fs::read(&gz).unwrap();
    fs::write(&gz, &half[..half.len() / 2]).unwrap();
    let cut = CoreFile::open(&gz).unwrap();
    assert!(cut.gaps().iter().any(|g| g.what.contains("compressed core file is damaged or cut")), "{:?}", cut.gaps());
    assert!(cut.coverage().cut.0 > 0);
    let zst = dumped.dir.path().join("core.zst");
    let done = Command::new("zstd").args(["-q", "-f", "-o"]).arg(&zst).arg(&dumped.core).status();
    if done.is_ok_and(|s| s.success()) {
        check(dumped, &CoreFile::open(&zst).unwrap());
    }
}

fn compares_executables(dumped: &Dumped) {
    let with = |path: &Path| {
        let options = CoreOptions { executable: Some(path.to_owned()), ..CoreOptions::default() };
        CoreFile::open_with(&dumped.core, &options)
    };
    check(dumped, &with(support::specimen()).unwrap());
    let wrong = with(Path::new("/proc/self/exe")).unwrap_err();
    assert!(matches!(wrong, MemoryError::WrongExecutable { .. }), "{wrong}");
    let not = CoreFile::open(support::specimen()).unwrap_err();
    assert!(not.to_string().ends_with("a program, not a core file of one"), "{not}");
}

#[test]
fn reads_cores_of_other_releases_and_of_pie() {
    for go in support::toolchains() {
        let dir = tempfile::tempdir().unwrap();
        let exe = dir.path().join("specimen");
        support::build(&go, &["-buildmode=pie", "-ldflags=-s -w"], &exe);
        let running = Running::spawn(Command::new(&exe).args(["-mb", "1"]));
        let done = Command::new("gcore").arg("-o").arg(dir.path().join("core")).arg(running.pid.to_string()).output();
        if done.is_err() {
            return;
        }
        let core = CoreFile::open(&dir.path().join(format!("core.{}", running.pid))).unwrap();
        check_pattern(&core, running.pattern, running.words);
        let found = core.executable().expect("found");
        assert!(found.verified && found.load_bias != 0);
        // The note that the linker wrote, at the place it is mapped to.
        let bytes = core.executable_bytes().unwrap();
        let at = bytes.windows(14).position(|w| w == b"\xff Go buildinf:").unwrap() as u64;
        let binary = gobinary::GoBinary::parse(bytes).unwrap();
        let address = binary.address_of_file_offset(at).unwrap() + found.load_bias;
        let mut magic = [0; 14];
        core.read(address, &mut magic).unwrap();
        assert_eq!(&magic, b"\xff Go buildinf:");
    }
}

/// The beginning of a core file: headers, notes and the first segments.
fn small() -> Vec<u8> {
    let Some(dumped) = kernel_core().or_else(gcore) else { return Vec::new() };
    let mut bytes = fs::read(&dumped.core).unwrap();
    bytes.truncate(256 << 10);
    bytes
}

#[test]
fn damaged_cores_do_no_harm() {
    let bytes = small();
    if bytes.is_empty() {
        return;
    }
    let mut state = 0x1234_5678_9abc_def0_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let touch = |core: &CoreFile| {
        let mut buf = [0; 64];
        for r in core.regions().iter().take(500) {
            let _ = core.read(r.end.saturating_sub(32), &mut buf);
            let _ = core.bytes(r.start, 4096);
        }
        let c = core.coverage();
        assert!(c.in_core.0 <= c.mapped.0);
    };
    for _ in 0..100 {
        let len = random(bytes.len());
        if let Ok(core) = CoreFile::from_bytes(bytes[..len].to_vec()) {
            touch(&core);
        }
    }
    // Headers and notes are in the first pages.
    for _ in 0..1000 {
        let mut damaged = bytes.clone();
        for _ in 0..=random(8) {
            let at = random(12 << 10);
            damaged[at] ^= 1 << random(8);
        }
        if let Ok(core) = CoreFile::from_bytes(damaged) {
            touch(&core);
        }
    }
}

#[test]
fn a_core_that_is_being_written_is_read_without_a_mapping() {
    let Some(dumped) = gcore() else { return };
    let writer = fs::File::options().append(true).open(&dumped.core).unwrap();
    let core = CoreFile::open(&dumped.core).unwrap();
    assert!(core.gaps().iter().any(|g| g.what.contains("still being written")), "{:?}", core.gaps());
    assert!(core.bytes(dumped.pattern, 8).is_none());
    check_pattern(&core, dumped.pattern, dumped.words);
    // Cut while open: an error, not the end of this program.
    writer.set_len(4096).unwrap();
    assert!(core.u64(dumped.pattern).is_err());
}
