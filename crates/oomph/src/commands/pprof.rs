//! `oomph pprof top|diff|merge|flame|raw`.

use crate::args::{FlameFormat, Granularity, PprofCommand, Select, Table, TableFormat};
use crate::{Failure, Outcome, output};
use profile::{
    Filter, HeapStacks, Merger, Profile, ProfileError, ProfileKind, ReadLimits, SortBy, Top, TopOptions, TopRow,
};
use report::Flame;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};

pub(super) fn run(c: &PprofCommand) -> Result<Outcome, Failure> {
    match c {
        PprofCommand::Top { files, table, binary } => {
            let p = read_all(files)?;
            print_table(&p, table, binary.as_deref()).map_err(|e| e.of(files))
        }
        PprofCommand::Diff { base, new, table, output: to } => {
            let both = [new.clone(), base.clone()];
            let p = read(new)?.diff(&read(base)?).map_err(|e| explained(&e).of(&both))?;
            if let Some(path) = to {
                output::write(Some(path), &p.write())?;
            }
            print_table(&p, table, None).map_err(|e| e.of(&both))
        }
        PprofCommand::Merge { files, output: to } => {
            let p = read_all(files)?;
            output::write(Some(to), &p.write())?;
            output::note(&format!("{}: {} samples of {} profiles", to.display(), p.sample_count(), files.len()));
            Ok(Outcome::Fine)
        }
        PprofCommand::Flame { files, select, base, format, output: to } => {
            let mut p = read_all(files)?;
            if let Some(base) = base {
                p = p.diff(&read(base)?).map_err(|e| explained(&e).of(std::slice::from_ref(base)).of(files))?;
            }
            flame(&p, files, select, *format, to.as_deref()).map_err(|e| e.of(files))
        }
        PprofCommand::Raw { file } => {
            output::stdout(output::visible(&read(file)?.raw()).as_bytes()).map(|()| Outcome::Fine)
        }
    }
}

fn read(path: &Path) -> Result<Profile, Failure> {
    let mut bytes = Vec::new();
    read_into(path, &mut bytes)?;
    let p = Profile::read(&bytes, &ReadLimits::default()).map_err(|e| explained(&e).of(&[path.to_owned()]))?;
    warn(path, p.gaps());
    Ok(p)
}

/// One profile as it is; several added up, one in memory at a time.
fn read_all(files: &[PathBuf]) -> Result<Profile, Failure> {
    if let [one] = files {
        return read(one);
    }
    let mut merger = Merger::new();
    let mut bytes = Vec::new();
    for f in files {
        read_into(f, &mut bytes)?;
        let added = merger.add_bytes(&bytes, &ReadLimits::default());
        warn(f, &added.map_err(|e| explained(&e).of(std::slice::from_ref(f)))?);
    }
    merger.finish().map_err(|e| explained(&e))
}

/// Largest file read into memory that is used again.
const USUAL: u64 = 64 << 20;

/// An ordinary file in the memory of the one before; everything else, and each error, is
/// [`output::read`]'s.
fn read_into(path: &Path, bytes: &mut Vec<u8>) -> Result<(), Failure> {
    let usual = |m: &Metadata| m.is_file() && m.len() <= USUAL;
    let done = std::fs::metadata(path).ok().filter(usual).and_then(|m| {
        bytes.clear();
        bytes.reserve(usize::try_from(m.len()).ok()?.checked_add(1)?);
        let n = File::open(path).ok()?.take(USUAL + 1).read_to_end(bytes).ok()?;
        (n as u64 <= USUAL).then_some(())
    });
    if done.is_none() {
        *bytes = output::read(path)?;
    }
    Ok(())
}

fn warn(path: &Path, gaps: &[model::Gap]) {
    for gap in gaps.iter().take(5) {
        output::note(&format!("oomph: warning: {}: {gap}", path.display()));
    }
}

/// An error of the profile engine with what to do about it.
fn explained(e: &ProfileError) -> Failure {
    let hint = match e {
        ProfileError::WrongKind { .. } => "leave --by sites away: any profile has functions, lines and packages",
        ProfileError::WrongText { .. } => "oomph diagnose reads goroutine dumps and pages of counters",
        ProfileError::NoSampleType { .. } => "name one of these by --type",
        ProfileError::Incompatible(_) => "profiles of one kind can be combined: heap with heap, CPU with CPU",
        ProfileError::BadRegex { .. } => "a regular expression: put \\ before ( ) [ ] * + ? . to mean the character",
        ProfileError::OtherFile { what } if what.contains("zip") => "a bundle? oomph diagnose reads it whole",
        ProfileError::Empty
        | ProfileError::HtmlPage
        | ProfileError::Json
        | ProfileError::OtherFile { .. }
        | ProfileError::UnknownText { .. }
        | ProfileError::Malformed { .. }
        | ProfileError::Compression { .. } => {
            "a profile is what curl -o heap.pb.gz http://HOST:PORT/debug/pprof/heap saves"
        }
        _ => return Failure::new(e.to_string()),
    };
    // The engine knows fields, people know options.
    let dashes = if matches!(e, ProfileError::BadRegex { .. }) { "--" } else { "" };
    Failure::new(format!("{dashes}{e}")).hint(hint)
}

fn filter(select: &Select) -> Result<Filter, Failure> {
    Filter::new(select.focus.as_deref(), select.ignore.as_deref(), None, None, None).map_err(|e| explained(&e))
}

fn print_table(p: &Profile, t: &Table, binary: Option<&Path>) -> Result<Outcome, Failure> {
    let mut top = match t.by {
        Granularity::Sites => sites(p, t, binary)?,
        by => nodes(p, t, by)?,
    };
    let text = match t.format {
        TableFormat::Text => {
            // A line break in a name would break the row.
            for row in &mut top.rows {
                if let Cow::Owned(clean) = output::plain(&row.name) {
                    row.name = clean;
                }
            }
            output::visible(&profile::render_top(p, &top, t.rows, "")).into_owned()
        }
        TableFormat::Json => json(&top, t.rows)?,
    };
    output::stdout(text.as_bytes()).map(|()| Outcome::Fine)
}

fn nodes(p: &Profile, t: &Table, by: Granularity) -> Result<Top, Failure> {
    let granularity = match by {
        Granularity::Lines => profile::Granularity::Line,
        Granularity::Packages => profile::Granularity::Package,
        Granularity::Functions | Granularity::Sites => profile::Granularity::Function,
    };
    let sort = if t.cum { SortBy::Cum } else { SortBy::Flat };
    let sample_type = t.select.sample_type.clone().unwrap_or_default();
    p.top(&TopOptions { sample_type, granularity, sort, filter: filter(&t.select)? }).map_err(|e| explained(&e))
}

/// By user line and mechanism.
fn sites(p: &Profile, t: &Table, binary: Option<&Path>) -> Result<Top, Failure> {
    p.expect_kind(ProfileKind::Heap).map_err(|e| explained(&e))?;
    let sample_type = t.select.sample_type.clone().unwrap_or_else(|| p.default_sample_type());
    let index = p.sample_index(&sample_type).map_err(|e| explained(&e))?;
    let filtered = p.filtered(&filter(&t.select)?)?;
    let stacks = match binary {
        Some(path) => {
            let exe = output::read(path)?;
            if !exe.starts_with(b"\x7fELF") {
                return Err(Failure::new(format!("--binary {} is no ELF executable", path.display()))
                    .hint("name the service's own executable, for example /proc/PID/exe"));
            }
            HeapStacks::with_hints(&filtered, &bundle::CallHints::of_executable(&filtered, &exe))?
        }
        None => HeapStacks::of(&filtered)?,
    };
    let mut sums: HashMap<(u32, model::Mechanism), i64> = HashMap::new();
    for s in &stacks.stacks {
        let values = [s.alloc_objects, s.alloc_bytes, s.inuse_objects, s.inuse_bytes];
        let frame = s.frames.get(s.user.unwrap_or(0) as usize).copied().unwrap_or(0);
        let sum = sums.entry((frame, s.mechanism)).or_default();
        *sum = sum.saturating_add(values.get(index).copied().unwrap_or(0));
    }
    let mut rows: Vec<TopRow> = sums
        .into_iter()
        .filter(|(_, v)| *v != 0)
        .map(|((frame, mechanism), v)| {
            let name = stacks.frames.get(frame as usize).map_or_else(String::new, ToString::to_string);
            TopRow { name: format!("{mechanism}: {name}"), flat: v, cum: v, ..TopRow::default() }
        })
        .collect();
    rows.sort_by(|a, b| b.flat.abs().cmp(&a.flat.abs()).then_with(|| a.name.cmp(&b.name)));
    let unit = if sample_type.ends_with("objects") { "count" } else { "bytes" };
    Ok(Top { sample_type, unit: unit.to_owned(), total: p.total(index), rows })
}

fn json(top: &Top, rows: usize) -> Result<String, Failure> {
    let most = if rows == 0 { top.rows.len() } else { rows };
    let rows: Vec<_> = top
        .rows
        .iter()
        .take(most)
        .map(|r| serde_json::json!({ "name": r.name, "flat": r.flat, "cum": r.cum }))
        .collect();
    let value = serde_json::json!({
        "schema": "oomph.top/1", "type": top.sample_type, "unit": top.unit, "total": top.total,
        "nodes": top.rows.len(), "rows": rows,
    });
    output::json(&value)
}

fn flame(
    p: &Profile,
    files: &[PathBuf],
    select: &Select,
    format: FlameFormat,
    to: Option<&Path>,
) -> Result<Outcome, Failure> {
    let sample_type = select.sample_type.clone().unwrap_or_else(|| p.default_sample_type());
    let index = p.sample_index(&sample_type).map_err(|e| explained(&e))?;
    let unit = p.sample_types().get(index).map_or_else(|| "count".to_owned(), |t| t.unit.clone());
    let collapsed = p.filtered(&filter(select)?)?.collapsed(&sample_type)?;
    if collapsed.is_empty() {
        let what =
            if select.focus.is_some() || select.ignore.is_some() { " that --focus and --ignore let pass" } else { "" };
        return Err(Failure::new(format!("no stack{what} has a value of {sample_type}"))
            .hint("another --type may have values; oomph pprof raw shows all of them"));
    }
    let note = match files {
        [one] => one.display().to_string(),
        many => format!("{} profiles", many.len()),
    };
    let flame = Flame { name: sample_type, unit, collapsed, note };
    let text = match format {
        FlameFormat::Svg => report::flame_svg(&flame)?,
        FlameFormat::Collapsed => flame.collapsed,
        FlameFormat::Speedscope => report::speedscope(&flame),
    };
    output::write(to, text.as_bytes()).map(|()| Outcome::Fine)
}
