//! `pprof top|merge|diff|raw|collapsed FILE...`: the profile crate from the command line, for
//! measuring it alone. Prints what was asked for to stdout, or writes `-o FILE`.
#![expect(clippy::print_stdout, reason = "an example program")]
#![expect(clippy::print_stderr, reason = "an example program")]

use profile::{GoroutineDump, Granularity, Merger, Profile, ReadLimits, TopOptions, render_top};
use std::error::Error;
use std::fs::File;
use std::io::Read;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut option = |name: &str| -> Option<String> {
        let i = args.iter().position(|a| a == name)?;
        args.remove(i);
        (i < args.len()).then(|| args.remove(i))
    };
    let out = option("-o");
    let sample_type = option("-sample_index").unwrap_or_default();
    let unit = option("-unit").unwrap_or_default();
    let lines = option("-granularity").is_some_and(|g| g == "lines");
    let limits = ReadLimits::default();
    let read = |path: &String| -> Result<Profile, Box<dyn Error>> {
        let p = Profile::read(&std::fs::read(path)?, &limits).map_err(|e| format!("{path}: {e}"))?;
        for g in p.gaps() {
            eprintln!("{path}: {g}");
        }
        Ok(p)
    };
    let options = TopOptions {
        sample_type: sample_type.clone(),
        granularity: if lines { Granularity::Line } else { Granularity::Function },
        ..TopOptions::default()
    };
    let (command, files) = args.split_first().ok_or("which command?")?;
    let bytes = match (command.as_str(), files) {
        ("top", [file]) => {
            let p = read(file)?;
            render_top(&p, &p.top(&options)?, 0, &unit).into_bytes()
        }
        ("merge", files) => {
            let mut m = Merger::new();
            let mut bytes = Vec::new();
            for f in files {
                bytes.clear();
                File::open(f)?.read_to_end(&mut bytes)?;
                m.add_bytes(&bytes, &limits)?;
            }
            m.finish()?.write()
        }
        ("diff", [base, file]) => {
            let p = read(file)?.diff(&read(base)?)?;
            render_top(&p, &p.top(&options)?, 0, &unit).into_bytes()
        }
        ("raw", [file]) => read(file)?.raw().into_bytes(),
        ("collapsed", [file]) => read(file)?.collapsed(&sample_type)?.into_bytes(),
        ("goroutines", [file]) => {
            let d = GoroutineDump::read(&std::fs::read(file)?, &limits)?;
            let mut s = format!("{} goroutines\n", d.goroutines.len());
            for g in d.groups().iter().take(20) {
                s += &format!("{} {} {:?}\n", g.count, g.state, g.user);
            }
            s.into_bytes()
        }
        _ => return Err("usage: pprof top|merge|diff|raw|collapsed|goroutines FILE... [-o FILE]".into()),
    };
    match out {
        Some(path) => std::fs::write(path, bytes)?,
        None => print!("{}", String::from_utf8_lossy(&bytes)),
    }
    Ok(())
}
