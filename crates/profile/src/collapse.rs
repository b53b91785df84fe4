//! Collapsed stacks (Brendan Gregg's `root;...;leaf value` lines), the input of flame graphs.

use crate::ProfileError;
use crate::profile::Profile;
use hashbrown::HashMap;
use std::fmt::Write;

impl Profile {
    /// Collapsed stacks of one sample type, equal stacks added up, zero values left out, sorted.
    /// Inlined functions are frames of their own; `;` in a name becomes `:`; a location without
    /// symbols is its address in hexadecimal.
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
        for i in 0..c.samples() {
            let v = c.values_of(i).get(index).copied().unwrap_or(0);
            if v == 0 {
                continue;
            }
            stack.clear();
            for l in c.stack_of(i).iter().rev() {
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
                None => {
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
