//! Collapsed stacks (Brendan Gregg's `root;...;leaf value` lines), the input of flame graphs.

use crate::ProfileError;
use crate::profile::Profile;
use hashbrown::HashMap;
use std::fmt::Write;

/// Longest line, bytes. What calls deeper than that is left out.
const MAX_LINE: usize = 1 << 20;
/// Most bytes of all distinct stacks; the rest is added up in one line of its own.
const MAX_STACKS: usize = 192 << 20;
const REST: &str = "(stacks beyond the size limit)";

impl Profile {
    /// Collapsed stacks of one sample type, equal stacks added up, zero values left out, sorted.
    /// Inlined functions are frames of their own; `;` in a name becomes `:`; a location without
    /// symbols is its address in hexadecimal. What no real profile has, stacks beyond a MiB of names or 192 MiB
    /// together, is cut or added up in one line.
    ///
    /// # Errors
    /// When there is no such sample type, or `drop_frames`/`keep_frames` do not compile.
    pub fn collapsed(&self, sample_type: &str) -> Result<String, ProfileError> {
        let index = self.sample_index(sample_type)?;
        let c = &*self.pruned()?;
        let names: Vec<String> = (c.functions.iter())
            .map(|f| match c.str(f.name) {
                "" => "<unknown>".to_owned(),
                n => n.replace(';', ":").replace(['\n', '\r'], " "),
            })
            .collect();
        let mut sums: HashMap<String, i64> = HashMap::new();
        let mut stack = String::new();
        let mut kept = 0_usize;
        for i in 0..c.samples() {
            let v = c.values_of(i).get(index).copied().unwrap_or(0);
            if v == 0 {
                continue;
            }
            stack.clear();
            for l in c.stack_of(i).iter().rev() {
                if stack.len() > MAX_LINE {
                    stack.push_str(";(deeper frames)");
                    break;
                }
                let lines = c.lines_of(*l);
                for line in lines.iter().rev() {
                    if !stack.is_empty() {
                        stack.push(';');
                    }
                    stack.push_str(names.get(line.function as usize).map_or("", |n| n));
                }
                if lines.is_empty() {
                    if !stack.is_empty() {
                        stack.push(';');
                    }
                    let address = c.locations.get(*l as usize).map_or(0, |l| l.address);
                    let _ = write!(stack, "{address:#x}");
                }
            }
            if stack.is_empty() {
                stack.push_str("<unknown>");
            }
            match sums.get_mut(&stack) {
                Some(sum) => *sum = sum.wrapping_add(v),
                None if kept > MAX_STACKS => {
                    let sum = sums.entry(REST.to_owned()).or_insert(0);
                    *sum = sum.wrapping_add(v);
                }
                None => {
                    kept = kept.saturating_add(stack.len());
                    sums.insert(stack.clone(), v);
                }
            }
        }
        let mut rows: Vec<_> = sums.into_iter().filter(|(_, v)| *v != 0).collect();
        rows.sort();
        let mut out = String::with_capacity(rows.iter().map(|(s, _)| s.len() + 12).sum());
        for (s, v) in rows {
            let _ = writeln!(out, "{s} {v}");
        }
        Ok(out)
    }
}
