//! The text of `go tool trace -d=parsed` (`trace.Event.String`), which differs between releases.

use std::fmt::Write as _;

use model::GoVersion;
use trace::{Detail, Event, Generation, Kind, Metric, Phase, Range, Scope, Wire};

/// Whose text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dialect {
    Go122,
    Go123,
    Go124,
    Go125,
    Go126,
}

impl Dialect {
    pub(crate) fn of(version: &GoVersion) -> Self {
        match version.minor {
            ..=22 => Self::Go122,
            23 => Self::Go123,
            24 => Self::Go124,
            25 => Self::Go125,
            _ => Self::Go126,
        }
    }
}

pub(crate) struct Writer {
    dialect: Dialect,
    last_time: i64,
}

impl Writer {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self { dialect, last_time: 0 }
    }

    /// Appends the text of an event with its line end; nothing where the release does not tell the event.
    pub(crate) fn event(&mut self, e: &Event<'_>, g: &Generation, out: &mut String) {
        let detail = e.detail(g);
        let mut time = e.time;
        if e.kind == Kind::Sync && self.dialect < Dialect::Go125 {
            // Before Go 1.25 a sync ends a generation and has no time of its own.
            if self.last_time == 0 {
                return;
            }
            time = self.last_time + 1;
        }
        self.last_time = time;
        let _ = write!(out, "M={} P={} G={} {} Time={time}", e.thread, e.proc, e.goroutine, kind(&detail));
        self.detail(e, &detail, g, out);
        let is_sample = e.kind == Kind::CpuSample;
        if e.stack() != 0 || is_sample {
            out.push_str("\nStack=\n");
            stack(e.stack(), g, out);
        }
        out.push('\n');
    }

    fn detail(&self, e: &Event<'_>, detail: &Detail<'_>, g: &Generation, out: &mut String) {
        let text = |id| string(id, g);
        let _ = match *detail {
            Detail::Sync(n) => {
                if self.dialect >= Dialect::Go125 {
                    let _ = write!(out, " N={n}");
                    if let Some(c) = g.clock() {
                        let wall = wall(c.wall_seconds, c.wall_nanoseconds, self.dialect >= Dialect::Go126);
                        let _ = write!(out, " Trace={} Mono={} Wall={wall}", c.trace, c.monotonic);
                    }
                }
                Ok(())
            }
            Detail::Metric(metric, value) => {
                let name = match metric {
                    Metric::Gomaxprocs => "/sched/gomaxprocs:threads",
                    Metric::HeapObjects => "/memory/classes/heap/objects:bytes",
                    Metric::HeapGoal => "/gc/heap/goal:bytes",
                };
                write!(out, " Name=\"{name}\" Value={}", self.value(value))
            }
            Detail::Label { label, scope: s } => write!(out, " Label={:?} Resource={}", text(label), scope(s)),
            Detail::StackSample => Ok(()),
            Detail::Range { phase, range, scope: s, swept } => {
                let name = match range {
                    Range::StopTheWorld(reason) => format!("stop-the-world ({})", text(reason)),
                    Range::GcMark => "GC concurrent mark phase".to_owned(),
                    Range::GcSweep => "GC incremental sweep".to_owned(),
                    Range::MarkAssist => "GC mark assist".to_owned(),
                };
                let _ = write!(out, " Name={name:?} Scope={}", scope(s));
                if phase == Phase::End {
                    out.push_str(" Attributes=[");
                    if let Some((swept, reclaimed)) = swept {
                        let (swept, reclaimed) = (self.value(swept), self.value(reclaimed));
                        let _ = write!(out, "\"bytes swept\"={swept} \"bytes reclaimed\"={reclaimed}");
                    }
                    out.push(']');
                }
                Ok(())
            }
            Detail::TaskBegin { task, parent, name } => {
                write!(out, " ID={task} Parent={parent} Type={:?}", text(name))
            }
            Detail::TaskEnd { task, parent, name } => {
                write!(out, " ID={task} Parent={parent} Type={:?}", String::from_utf8_lossy(name))
            }
            Detail::Region { task, name, .. } => write!(out, " Task={task} Type={:?}", text(name)),
            Detail::Log { task, category, message } => {
                write!(out, " Task={task} Category={:?} Message={:?}", text(category), text(message))
            }
            Detail::Goroutine { id, from, to, reason, stack: s } => {
                self.transition(out, "Goroutine", id, &format!("GoID={id} {from:?}->{to:?}"), &text(reason));
                let Kind::Wire(wire) = e.kind else { unreachable!() };
                // Creation has a stack even if that is empty; statuses have one from Go 1.26 on.
                let always = matches!(wire, Wire::GoCreate | Wire::GoCreateBlocked);
                let status = matches!(wire, Wire::GoStatus | Wire::GoStatusStack);
                if always || (s != 0 && (!status || self.dialect >= Dialect::Go126)) {
                    out.push_str("\nTransitionStack=\n");
                    stack(s, g, out);
                }
                Ok(())
            }
            Detail::Proc { id, from, to } => {
                self.transition(out, "Proc", id, &format!("ProcID={id} {from:?}->{to:?}"), "");
                Ok(())
            }
            Detail::Experimental(wire) => {
                self.experimental(wire, e.arguments(), out);
                Ok(())
            }
        };
    }

    fn transition(&self, out: &mut String, kind: &str, id: i64, what: &str, reason: &str) {
        let _ = if self.dialect >= Dialect::Go126 {
            write!(out, " {what} Reason={reason:?}")
        } else {
            write!(out, " Resource={kind}({id}) Reason={reason:?} {what}")
        };
    }

    fn experimental(&self, wire: Wire, values: &[u64], out: &mut String) {
        let (name, names) = (wire.name(), wire.arguments());
        if self.dialect < Dialect::Go125 {
            let values: Vec<String> = values.iter().map(u64::to_string).collect();
            let _ = write!(out, " Name={name} ArgNames=[{}] Args=[{}]", names.join(" "), values.join(" "));
            return;
        }
        let pairs: Vec<String> = names.iter().zip(values).map(|(n, &v)| format!("{n}={}", self.value(v))).collect();
        let _ = write!(out, " Name={name} Args=[{}]", pairs.join(", "));
    }

    fn value(&self, v: u64) -> String {
        if self.dialect >= Dialect::Go125 { format!("Value{{Uint64({v})}}") } else { format!("Uint64({v})") }
    }
}

fn kind(detail: &Detail<'_>) -> &'static str {
    match detail {
        Detail::Sync(_) => "Sync",
        Detail::Metric(..) => "Metric",
        Detail::Label { .. } => "Label",
        Detail::StackSample => "StackSample",
        Detail::Range { phase: Phase::Begin, .. } => "RangeBegin",
        Detail::Range { phase: Phase::Active, .. } => "RangeActive",
        Detail::Range { phase: Phase::End, .. } => "RangeEnd",
        Detail::TaskBegin { .. } => "TaskBegin",
        Detail::TaskEnd { .. } => "TaskEnd",
        Detail::Region { phase: Phase::Begin, .. } => "RegionBegin",
        Detail::Region { .. } => "RegionEnd",
        Detail::Log { .. } => "Log",
        Detail::Goroutine { .. } | Detail::Proc { .. } => "StateTransition",
        Detail::Experimental(_) => "Experimental",
    }
}

fn scope(s: Scope) -> String {
    match s {
        Scope::Global => "None".to_owned(),
        Scope::Goroutine(id) => format!("Goroutine({id})"),
        Scope::Proc(id) => format!("Proc({id})"),
    }
}

fn string(id: u64, g: &Generation) -> String {
    g.string(id).map_or_else(|| format!("no string {id}"), |s| String::from_utf8_lossy(s).into_owned())
}

fn stack(id: u64, g: &Generation, out: &mut String) {
    // A trace that is cut off may lack its stacks and strings.
    let Some(frames) = g.stack(id) else {
        let _ = writeln!(out, "no stack {id}");
        return;
    };
    for f in frames {
        let text = |id| string(id, g);
        let _ = write!(out, "\t{} @ 0x{:x}\n\t\t{}:{}\n", text(f.function), f.pc, text(f.file), f.line);
    }
}

/// `time.RFC3339Nano` or `time.RFC3339` in UTC.
fn wall(seconds: u64, nanoseconds: u64, fraction: bool) -> String {
    let days = seconds / 86_400;
    let (h, m, s) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    // Days to a date, after Howard Hinnant's `civil_from_days`.
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + u64::from(month <= 2);
    let mut out = format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}");
    if fraction && nanoseconds > 0 {
        out.push_str(format!(".{nanoseconds:09}").trim_end_matches('0'));
    }
    out + "Z"
}
