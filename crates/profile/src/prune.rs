//! `drop_frames` and `keep_frames`: pprof's `RemoveUninteresting` (`profile/prune.go`), frame for
//! frame, with its treatment of inlined frames.

use crate::ProfileError;
use crate::columns::Columns;
use crate::filter::rebuild_stacks;
use regex::Regex;
use std::borrow::Cow;

/// The columns without uninteresting frames; borrowed when there is nothing to drop.
pub(crate) fn prune(c: &Columns) -> Result<Cow<'_, Columns>, ProfileError> {
    let drop = c.str(c.drop_frames);
    if drop.is_empty() {
        return Ok(Cow::Borrowed(c));
    }
    let anchored = |s: &str, option| {
        Regex::new(&format!("^({s})$")).map_err(|e| ProfileError::BadRegex { option, detail: e.to_string() })
    };
    let drop = anchored(drop, "drop_frames")?;
    let keep = match c.str(c.keep_frames) {
        "" => None,
        s => Some(anchored(s, "keep_frames")?),
    };
    let matches: Vec<bool> = (c.functions.iter())
        .map(|f| {
            let name = simplify(c.str(f.name));
            !c.str(f.name).is_empty() && drop.is_match(name) && !keep.as_ref().is_some_and(|k| k.is_match(name))
        })
        .collect();
    Ok(Cow::Owned(apply(c, &matches)))
}

fn apply(c: &Columns, matches: &[bool]) -> Columns {
    let mut out = c.clone();
    // Per location: 0 keep, 1 cut beneath it, 2 cut it too.
    let mut cut = vec![0u8; c.locations.len()];
    for (i, l) in out.locations.iter_mut().enumerate() {
        let lines = c.lines_of(i as u32);
        let hit = lines.iter().rposition(|l| matches.get(l.function as usize).copied().unwrap_or(false));
        if let Some(hit) = hit {
            if hit + 1 == lines.len() {
                cut[i] = 2;
            } else {
                cut[i] = 1;
                l.lines.0 += hit as u32 + 1;
            }
        }
    }
    rebuild_stacks(c, &mut out, |stack, to| {
        let mut found_user = false;
        let mut from = 0;
        for (i, l) in stack.iter().enumerate().rev() {
            match cut[*l as usize] {
                0 => found_user = true,
                _ if !found_user => {}
                2 => {
                    from = i + 1;
                    break;
                }
                _ => {
                    from = i;
                    break;
                }
            }
        }
        to.extend_from_slice(&stack[from..]);
        true
    });
    out
}

/// pprof's `simplifyFunc`: without a leading dot and without an argument list.
fn simplify(name: &str) -> &str {
    let name = name.strip_prefix('.').unwrap_or(name);
    let mut from = 0;
    while let Some(i) = name[from..].find(['(', 'o']).map(|i| from + i) {
        let rest = &name[i..];
        if let Some(reserved) = ["(anonymous namespace)", "operator()"].iter().find(|r| rest.starts_with(**r)) {
            from = i + reserved.len();
        } else if rest.starts_with('(') {
            return &name[..i];
        } else {
            from = i + 1;
        }
    }
    name
}

#[cfg(test)]
mod tests {
    #[test]
    fn simplifies_as_pprof_does() {
        use super::simplify;
        assert_eq!(simplify("foo(int)"), "foo");
        assert_eq!(simplify("main.(*T).Put"), "main.");
        assert_eq!(simplify(".foo"), "foo");
        assert_eq!(simplify("operator()(int)"), "operator()");
        assert_eq!(simplify("(anonymous namespace)::f(x)"), "(anonymous namespace)::f");
    }
}
