//! `oomph pprof top|diff|merge|flame|raw`.

use crate::args::{FlameFormat, Granularity, PprofCommand, Select, TableFormat};
use crate::{Failure, Outcome, output};
use profile::{Filter, HeapStacks, Merger, Profile, ProfileKind, ReadLimits, SortBy, Top, TopOptions, TopRow};
use report::Flame;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

pub(super) fn run(c: &PprofCommand) -> Result<Outcome, Failure> {
    match c {
        PprofCommand::Top { files, select, by, cum, rows, binary, format } => {
            let p = read_all(files)?;
            let table = Table { select, by: *by, cum: *cum, rows: *rows, binary: binary.as_deref(), format: *format };
            table.print(&p)
        }
        PprofCommand::Diff { base, new, select, by, cum, rows, output: to, format } => {
            let p = read(new)?.diff(&read(base)?)?;
            if let Some(path) = to {
                output::write(Some(path), &p.write())?;
            }
            Table { select, by: *by, cum: *cum, rows: *rows, binary: None, format: *format }.print(&p)
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
                p = p.diff(&read(base)?)?;
            }
            flame(&p, files, select, *format, to.as_deref())
        }
        PprofCommand::Raw { file } => output::stdout(read(file)?.raw().as_bytes()).map(|()| Outcome::Fine),
    }
}

fn read(path: &Path) -> Result<Profile, Failure> {
    let fail = |e: String| Failure::new(format!("{}: {e}", path.display()));
    let bytes = std::fs::read(path).map_err(|e| fail(e.to_string()))?;
    let p = Profile::read(&bytes, &ReadLimits::default()).map_err(|e| fail(e.to_string()))?;
    for gap in p.gaps().iter().take(5) {
        output::note(&format!("oomph: warning: {}: {gap}", path.display()));
    }
    Ok(p)
}

/// One profile as it is; several added up, one in memory at a time.
fn read_all(files: &[PathBuf]) -> Result<Profile, Failure> {
    if let [one] = files {
        return read(one);
    }
    let mut merger = Merger::new();
    for f in files {
        merger.add(&read(f)?).map_err(|e| Failure::new(format!("{}: {e}", f.display())))?;
    }
    Ok(merger.finish()?)
}

fn filter(select: &Select) -> Result<Filter, Failure> {
    Ok(Filter::new(select.focus.as_deref(), select.ignore.as_deref(), None, None, None)?)
}

struct Table<'a> {
    select: &'a Select,
    by: Granularity,
    cum: bool,
    rows: usize,
    binary: Option<&'a Path>,
    format: TableFormat,
}

impl Table<'_> {
    fn print(&self, p: &Profile) -> Result<Outcome, Failure> {
        let top = match self.by {
            Granularity::Sites => self.sites(p)?,
            by => self.nodes(p, by)?,
        };
        let text = match self.format {
            TableFormat::Text => profile::render_top(p, &top, self.rows, ""),
            TableFormat::Json => json(&top, self.rows)?,
        };
        output::stdout(text.as_bytes()).map(|()| Outcome::Fine)
    }

    fn nodes(&self, p: &Profile, by: Granularity) -> Result<Top, Failure> {
        let granularity = match by {
            Granularity::Lines => profile::Granularity::Line,
            Granularity::Packages => profile::Granularity::Package,
            Granularity::Functions | Granularity::Sites => profile::Granularity::Function,
        };
        let sort = if self.cum { SortBy::Cum } else { SortBy::Flat };
        let sample_type = self.select.sample_type.clone().unwrap_or_default();
        Ok(p.top(&TopOptions { sample_type, granularity, sort, filter: filter(self.select)? })?)
    }

    /// By user line and mechanism.
    fn sites(&self, p: &Profile) -> Result<Top, Failure> {
        p.expect_kind(ProfileKind::Heap)?;
        let sample_type = self.select.sample_type.clone().unwrap_or_else(|| p.default_sample_type());
        let index = p.sample_index(&sample_type)?;
        let filtered = p.filtered(&filter(self.select)?)?;
        let stacks = match self.binary {
            Some(path) => {
                let exe = std::fs::read(path).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
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
    Ok(serde_json::to_string_pretty(&value)? + "\n")
}

fn flame(
    p: &Profile,
    files: &[PathBuf],
    select: &Select,
    format: FlameFormat,
    to: Option<&Path>,
) -> Result<Outcome, Failure> {
    let sample_type = select.sample_type.clone().unwrap_or_else(|| p.default_sample_type());
    let index = p.sample_index(&sample_type)?;
    let unit = p.sample_types().get(index).map_or_else(|| "count".to_owned(), |t| t.unit.clone());
    let collapsed = p.filtered(&filter(select)?)?.collapsed(&sample_type)?;
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
