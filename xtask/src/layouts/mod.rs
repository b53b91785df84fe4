//! Compares `crates/gobinary/src/layout/table.txt` with the debug information of programs that Go
//! toolchains build, for amd64 and arm64, and prints the column of a release that is not in it yet.

mod dwarf;

use crate::{Result, root};
use dwarf::Debug;
use gobinary::layout::{Arch, Group, Row, table};
use lab::Toolchain;
use model::GoVersion;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCES: [(&str, &str); 3] = [
    ("program.go", include_str!("program.go")),
    ("program_121.go", include_str!("program_121.go")),
    ("program_124.go", include_str!("program_124.go")),
];
/// Chained-bucket maps: Go up to 1.23, and 1.24 and 1.25 with an experiment switched off.
const CLASSIC_MAPS: [&str; 4] = ["hmap", "mapextra", "bmap", "classic_map_type"];
/// Swiss tables: from Go 1.24.
const SWISS_MAPS: [&str; 4] = ["swiss_map", "swiss_table", "swiss_groups", "swiss_map_type"];
/// `_KindSpecial...` and `waitReason...` of package runtime.
const WAIT_REASON: &str = "runtime.waitReason";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Go releases; those that are not on this machine are fetched
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1.21.13,1.22.10,1.23.9,1.24.11,1.25.5,1.26.6,1.27.3",
        conflicts_with = "print"
    )]
    versions: Vec<String>,
    /// `go` binaries to use besides, for releases that cannot be fetched
    #[arg(long, value_delimiter = ',')]
    go: Vec<PathBuf>,
    /// Print the column of this release, row by row
    #[arg(long, value_name = "VERSION")]
    print: Option<String>,
    /// Write what was checked to docs/layouts.md
    #[arg(long)]
    write: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let mut toolchains = Vec::new();
    for version in args.print.iter().chain(args.versions.iter().filter(|_| args.print.is_none())) {
        let want = GoVersion::parse(&format!("go{version}")).ok_or_else(|| format!("{version} is no Go version"))?;
        let found = Toolchain::find_or_fetch(Some(&want), &lab::default_cache_dir(), &mut |p| println!("{p}"))?;
        toolchains.push(Go {
            go: found.go().to_owned(),
            root: found.root().to_owned(),
            version: found.version().clone(),
        });
    }
    for go in &args.go {
        toolchains.push(Go::probe(go)?);
    }
    if args.print.is_some() {
        let go = toolchains.first().ok_or("no toolchain")?;
        return print(go);
    }
    let mut rows = Vec::new();
    for go in &toolchains {
        for arch in [Arch::Amd64, Arch::Arm64] {
            let row = check(go, arch)?;
            println!("{}", row.line());
            for fault in &row.faults {
                println!("  {fault}");
            }
            rows.push(row);
        }
    }
    if args.write {
        std::fs::write(root().join("docs/layouts.md"), document(&mut rows))?;
    }
    let faults: usize = rows.iter().map(|r| r.faults.len()).sum();
    if faults == 0 { Ok(()) } else { Err(format!("the table is wrong in {faults} places").into()) }
}

/// A Go toolchain: also ones too old for the specimens.
struct Go {
    go: PathBuf,
    root: PathBuf,
    version: GoVersion,
}

impl Go {
    fn probe(go: &Path) -> Result<Self> {
        let root = go.parent().and_then(Path::parent).ok_or("a go binary is in GOROOT/bin")?.to_owned();
        let out =
            Command::new(go).args(["env", "GOVERSION"]).env("GOROOT", &root).env("GOTOOLCHAIN", "local").output()?;
        let said = String::from_utf8_lossy(&out.stdout);
        let version = GoVersion::parse(&said).ok_or_else(|| format!("{}: no version: {said}", go.display()))?;
        Ok(Self { go: go.to_owned(), root, version })
    }

    /// Builds the program and reads its debug information.
    fn debug(&self, arch: Arch, experiment: &str) -> Result<Debug> {
        let dir = tempfile::tempdir()?;
        for (name, text) in SOURCES {
            std::fs::write(dir.path().join(name), text)?;
        }
        std::fs::write(dir.path().join("go.mod"), "module example.com/layouts\n\ngo 1.19\n")?;
        let exe = dir.path().join("layouts");
        let mut command = Command::new(&self.go);
        command
            .current_dir(dir.path())
            .args(["build", "-ldflags=-compressdwarf=false", "-o"])
            .arg(&exe)
            .arg(".")
            .env("GOROOT", &self.root)
            .env("GOTOOLCHAIN", "local")
            .env("GOFLAGS", "")
            .env("GOENV", "off")
            .env("GOWORK", "off")
            .env("CGO_ENABLED", "0")
            .env("GOOS", "linux")
            .env("GOARCH", arch.go_name())
            .env("GOEXPERIMENT", experiment);
        crate::tools::run(&mut command)?;
        dwarf::read(&std::fs::read(&exe)?)
    }

    /// What the runtime prints for each wait reason, from its source.
    fn wait_texts(&self) -> Result<BTreeMap<String, String>> {
        let source = std::fs::read_to_string(self.root.join("src/runtime/runtime2.go"))?;
        let entries = source.lines().filter_map(|l| l.trim().strip_prefix("waitReason")?.split_once(": "));
        let texts = entries.filter_map(|(name, text)| {
            Some((name.to_owned(), text.trim().strip_prefix('"')?.split('"').next()?.to_owned()))
        });
        Ok(texts.collect())
    }
}

/// What came of one release and processor.
struct Checked {
    version: GoVersion,
    arch: Arch,
    fields: usize,
    /// Structs of the table that the program's debug information leaves out.
    unseen: BTreeSet<&'static str>,
    faults: Vec<String>,
}

impl Checked {
    fn line(&self) -> String {
        let unseen: Vec<&str> = self.unseen.iter().copied().collect();
        let unseen = if unseen.is_empty() { "-".to_owned() } else { unseen.join(", ") };
        let v = &self.version;
        format!(
            "| {}.{}.{} | {} | {} | {} | {unseen} |",
            v.major,
            v.minor,
            v.patch,
            self.arch,
            self.fields,
            self.faults.len()
        )
    }

    fn group(&mut self, group: &'static Group, column: usize, debug: &Debug) {
        let found = group.names.iter().find_map(|n| debug.structs.get(*n));
        let listed = group.rows.first().and_then(|r| r.cell(column, self.arch)).is_some();
        let Some(found) = found else {
            if listed {
                self.unseen.insert(group.key);
            }
            return;
        };
        for row in &group.rows {
            self.fields += 1;
            let said = cell(row, found);
            let table = row.cell(column, self.arch).map(|c| (u64::from(c.offset), u64::from(c.width)));
            if said != table {
                let show = |c: Option<(u64, u64)>| c.map_or_else(|| "none".to_owned(), |(o, w)| format!("{o}:{w}"));
                self.faults.push(format!(
                    "{}.{}: the table has {}, the program {}",
                    group.key,
                    row.names.join("|"),
                    show(table),
                    show(said)
                ));
            }
        }
    }

    fn constants(&mut self, column: usize, debug: &Debug, texts: &BTreeMap<String, String>) {
        let kinds = table().constants.iter().map(|c| (c.name.to_owned(), c.value(column)));
        let reasons = table().wait_reasons.iter().map(|c| (format!("{WAIT_REASON}{}", c.name), c.value(column)));
        // A wait reason whose text changed has a row for each text.
        let mut known: BTreeMap<String, Option<u32>> = BTreeMap::new();
        for (name, value) in kinds.chain(reasons) {
            let entry = known.entry(name).or_default();
            *entry = entry.or(value);
        }
        for (name, value) in &known {
            self.fields += 1;
            let said = debug.constants.get(name).and_then(|&v| u32::try_from(v).ok());
            if said != *value {
                self.faults.push(format!("{name}: the table has {value:?}, the program {said:?}"));
            }
        }
        for name in
            debug.constants.keys().filter(|n| n.starts_with(WAIT_REASON) || n.starts_with("runtime._KindSpecial"))
        {
            if !known.contains_key(name) {
                self.faults.push(format!("{name} is not in the table"));
            }
        }
        for reason in table().wait_reasons.iter().filter(|r| r.value(column).is_some()) {
            let said = texts.get(reason.name).map_or("", String::as_str);
            if said != reason.text {
                self.faults.push(format!("{}: the table has {:?}, the source {said:?}", reason.name, reason.text));
            }
        }
    }
}

/// A row's cell out of the debug information.
fn cell(row: &Row, found: &dwarf::Struct) -> Option<(u64, u64)> {
    if row.is_size() {
        return Some((found.size, 0));
    }
    row.names.iter().find_map(|n| found.fields.get(*n)).copied()
}

/// Compares the table with what the toolchain builds.
fn check(go: &Go, arch: Arch) -> Result<Checked> {
    let minor = go.version.minor;
    let column = table().minors.iter().position(|&m| m == minor);
    let column = column.ok_or_else(|| format!("no column for {}: see --print", go.version))?;
    let mut checked =
        Checked { version: go.version.clone(), arch, fields: 0, unseen: BTreeSet::new(), faults: Vec::new() };
    let debug = go.debug(arch, "")?;
    let own_maps = if minor >= 24 { SWISS_MAPS } else { CLASSIC_MAPS };
    let is_map = |g: &Group| CLASSIC_MAPS.contains(&g.key) || SWISS_MAPS.contains(&g.key);
    for group in table().groups.iter().filter(|g| own_maps.contains(&g.key) || !is_map(g)) {
        checked.group(group, column, &debug);
    }
    checked.constants(column, &debug, &go.wait_texts()?);
    if matches!(minor, 24 | 25) {
        let debug = go.debug(arch, "noswissmap")?;
        for group in table().groups.iter().filter(|g| CLASSIC_MAPS.contains(&g.key)) {
            checked.group(group, column, &debug);
        }
    }
    Ok(checked)
}

/// Prints the column of a release in the order of the table.
fn print(go: &Go) -> Result<()> {
    let (amd64, arm64) = (go.debug(Arch::Amd64, "")?, go.debug(Arch::Arm64, "")?);
    let classic = if matches!(go.version.minor, 24 | 25) { Some(go.debug(Arch::Amd64, "noswissmap")?) } else { None };
    println!("{}", go.version);
    for group in &table().groups {
        println!("\nstruct {} = {}", group.key, group.names.join("|"));
        let is_classic = CLASSIC_MAPS.contains(&group.key);
        let (a, b) = match &classic {
            Some(c) if is_classic => (c, c),
            _ => (&amd64, &arm64),
        };
        let of = |d: &Debug, row: &Row| group.names.iter().find_map(|n| d.structs.get(*n)).and_then(|s| cell(row, s));
        for row in &group.rows {
            let text = match (of(a, row), of(b, row)) {
                (Some((offset, _)), Some((other, _))) if row.is_size() => pair(offset, other),
                (Some(x), Some(y)) => format!("{}:{}", pair(x.0, y.0), pair(x.1, y.1)),
                _ => "-".to_owned(),
            };
            println!("  {:26} {text}", row.names.join("|"));
        }
    }
    println!();
    for (name, value) in &amd64.constants {
        if name.starts_with(WAIT_REASON) || name.starts_with("runtime._KindSpecial") {
            println!("  {name:40} {value}");
        }
    }
    Ok(())
}

fn pair(a: u64, b: u64) -> String {
    if a == b { a.to_string() } else { format!("{a}/{b}") }
}

fn document(rows: &mut [Checked]) -> String {
    rows.sort_by_key(|r| (r.version.minor, r.version.patch, r.arch.go_name()));
    let mut text = String::from(
        "# Layouts of Go's runtime\n\n\
         `crates/gobinary/src/layout/table.txt` has the offsets of the runtime's structures for Go 1.19 to 1.27, one\n\
         column per minor release. `cargo xtask layouts --write` builds a program with each toolchain below, reads its\n\
         debug information, compares every row (offset, width, size, constant, text of a wait reason), and writes this\n\
         file. A new release is a new column: `cargo xtask layouts --print 1.28.0`.\n\n\
         Patch releases: checked by hand in Go 1.23.1 and 1.23.9, 1.24.3 and 1.24.11, 1.25.0 and 1.25.5, 1.26.0 and 1.26.6,\n\
         1.27.0 and 1.27.3. Fields of `m` behind `needextram` moved within 1.24 and are not in the table.\n\
         The column of 1.20 is from the debug information of a Go 1.20 program; no package has that toolchain any more.\n\n\
         | Go | processor | rows compared | wrong | not in the program's debug information |\n\
         |---|---|---:|---:|---|\n",
    );
    for row in rows {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", row.line());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_toolchain_at_hand_agrees_with_the_table() {
        let Some(found) = Toolchain::find(None, &lab::default_cache_dir()).expect("OOMPH_GO") else {
            eprintln!("skipped: no Go toolchain (set OOMPH_GO or put go on the PATH)");
            return;
        };
        let go = Go { go: found.go().to_owned(), root: found.root().to_owned(), version: found.version().clone() };
        if !table().minors.contains(&go.version.minor) {
            eprintln!("skipped: {} is not in the table", go.version);
            return;
        }
        let checked = check(&go, Arch::Amd64).expect("a check");
        assert_eq!(checked.faults, Vec::<String>::new());
        assert!(checked.fields > 500 && checked.unseen.len() < 8, "{}", checked.line());
    }
}
