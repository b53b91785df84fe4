//! `oomph watch` under hostile circumstances: endpoints that never end, dumps of 100 MB, a full disk, a clock that
//! jumps, targets that restart and hang. Each case runs the real program against real Go processes and gives rows of a
//! table: the goal, what was seen, whether it is met. Owns the order of the cases; refuses to judge the diagnosis.

mod clock;
mod disk;
mod dumps;
mod endpoints;
mod restarts;
mod scene;
mod table;

use crate::Result;
use crate::specimens;
use scene::Scene;
use std::path::PathBuf;
use table::Row;

/// Name, and what runs it.
type Case = (&'static str, fn(&Scene) -> Result<Vec<Row>>);

const CASES: [Case; 5] = [
    ("slow-endpoint", endpoints::run),
    ("dumps", dumps::run),
    ("disk-full", disk::run),
    ("clock-jump", clock::run),
    ("restarts", restarts::run),
];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the cases whose name contains this
    #[arg(long)]
    only: Option<String>,
    /// Go version
    #[arg(long, default_value = "1.26.6")]
    go: String,
    /// This program instead of one built now
    #[arg(long)]
    oomph: Option<PathBuf>,
    /// Write the table here
    #[arg(long)]
    output: Option<PathBuf>,
    /// Whole goroutine dumps of 100 MB that are captured
    #[arg(long, default_value_t = 300)]
    dumps: u32,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let dir = specimens::directory("watch-hostile")?;
    let built = args.oomph.clone().map_or_else(specimens::built, Ok)?;
    let scene = Scene::new(&dir, &built, &args.go, args.dumps)?;
    let wanted = |name: &str| args.only.as_ref().is_none_or(|o| name.contains(o.as_str()));
    let mut rows = Vec::new();
    for (name, case) in CASES.into_iter().filter(|c| wanted(c.0)) {
        println!("{name}");
        let seen = case(&scene.case(name)?).unwrap_or_else(|e| vec![Row::missed("the case runs to its end", e)]);
        for row in seen {
            let row = row.of(name, &dir);
            println!("  {}", row.line());
            rows.push(row);
        }
    }
    if rows.is_empty() {
        return Err("no case has such a name".into());
    }
    if let Some(path) = &args.output {
        std::fs::write(path, table::table(&rows))?;
    }
    let missed = rows.iter().filter(|r| !r.ok()).count();
    println!("{} goals met, {missed} missed", rows.len() - missed);
    if missed == 0 { Ok(()) } else { Err(format!("{missed} goals missed").into()) }
}
