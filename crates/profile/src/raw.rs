//! The whole profile as text: `go tool pprof -raw`. For people and for comparing; no reader of it
//! exists here.

use crate::columns::NONE;
use crate::profile::Profile;
use std::fmt::Write;

impl Profile {
    /// Samples, locations and mappings, in pprof's layout (times as nanoseconds since 1970).
    #[must_use]
    pub fn raw(&self) -> String {
        let c = &self.c;
        let mut out = String::with_capacity(c.stack.len() * 6 + c.values.len() * 12);
        for s in self.comments() {
            let _ = writeln!(out, "Comment: {s}");
        }
        if !self.doc_url().is_empty() {
            let _ = writeln!(out, "Doc: {}", self.doc_url());
        }
        if let Some(t) = self.period_type() {
            let _ = writeln!(out, "PeriodType: {} {}", t.kind, t.unit);
        }
        let _ = writeln!(out, "Period: {}", c.period);
        if c.time_nanos != 0 {
            let _ = writeln!(out, "Time: {}", c.time_nanos);
        }
        if c.duration_nanos != 0 {
            let _ = writeln!(out, "Duration: {}ns", c.duration_nanos);
        }
        out.push_str("Samples:\n");
        let default = c.str(c.default_sample_type);
        let types: Vec<_> = (self.sample_types().iter())
            .map(|t| {
                let mark = if t.kind == default { "[dflt]" } else { "" };
                format!("{}/{}{mark}", t.kind, t.unit)
            })
            .collect();
        let _ = writeln!(out, "{}", types.join(" "));
        for i in 0..c.samples() {
            for v in c.values_of(i) {
                let _ = write!(out, " {v:>10}");
            }
            out.push_str(": ");
            for l in c.stack_of(i) {
                let id = c.locations.get(*l as usize).map_or(0, |l| l.id);
                let _ = write!(out, "{id} ");
            }
            out.push('\n');
            self.raw_labels(i, &mut out);
        }
        self.raw_tables(&mut out);
        out
    }

    fn raw_labels(&self, i: usize, out: &mut String) {
        let c = &self.c;
        for numbers in [false, true] {
            let mut keys: Vec<(&str, Vec<String>)> = Vec::new();
            for l in c.labels_of(i).iter().filter(|l| (l.text == 0) == numbers) {
                let value = match (numbers, c.str(l.unit)) {
                    (false, _) => c.str(l.text).to_owned(),
                    (true, "") => l.number.to_string(),
                    (true, unit) => format!("{} {unit}", l.number),
                };
                let key = c.str(l.key);
                match keys.iter_mut().find(|k| k.0 == key) {
                    Some(k) => k.1.push(value),
                    None => keys.push((key, vec![value])),
                }
            }
            if keys.is_empty() {
                continue;
            }
            keys.sort();
            let all: Vec<_> = (keys.iter()).map(|(k, v)| format!("{k}:[{}]", v.join(" "))).collect();
            let _ = writeln!(out, "                {}", all.join(" "));
        }
    }

    fn raw_tables(&self, out: &mut String) {
        let c = &self.c;
        out.push_str("Locations\n");
        for (i, l) in c.locations.iter().enumerate() {
            let _ = write!(out, "{:>6}: {:#x} ", l.id, l.address);
            if l.mapping != NONE {
                let id = c.mappings.get(l.mapping as usize).map_or(0, |m| m.id);
                let _ = write!(out, "M={id} ");
            }
            if l.folded {
                out.push_str("[F] ");
            }
            let lines = c.lines_of(i as u32);
            for (k, line) in lines.iter().enumerate() {
                let f = c.function(line);
                if k > 0 {
                    out.push_str("             ");
                }
                let _ =
                    write!(out, "{} {}:{}:{} s={}", c.str(f.name), c.str(f.file), line.line, line.column, f.start_line);
                if c.str(f.name) != c.str(f.system_name) {
                    let _ = write!(out, "({})", c.str(f.system_name));
                }
                out.push('\n');
            }
            if lines.is_empty() {
                out.push('\n');
            }
        }
        out.push_str("Mappings\n");
        for m in &c.mappings {
            let has: String = [(1, "[FN]"), (2, "[FL]"), (4, "[LN]"), (8, "[IN]")]
                .iter()
                .filter(|(bit, _)| m.has & bit != 0)
                .map(|(_, s)| *s)
                .collect();
            let _ = writeln!(
                out,
                "{}: {:#x}/{:#x}/{:#x} {} {} {has}",
                m.id,
                m.start,
                m.limit,
                m.offset,
                c.str(m.file),
                c.str(m.build_id)
            );
        }
    }
}
