//! From the ids of a file to row numbers. Owns what is done about ids that are taken already; refuses
//! none of them, however sparse.

use super::sorts;
use crate::columns::NONE;
use crate::gaps::Gaps;
use std::collections::HashMap;

/// From ids to row numbers. Writers number densely from 1; anything else takes a table or a map
/// (with std's keyed hash: ids are hostile).
#[derive(Default)]
pub(super) enum Ids {
    #[default]
    Empty,
    FromOne(u64),
    Dense(Vec<u32>),
    Sparse(HashMap<u64, u32>),
}

impl Ids {
    /// Indexes `rows` by id; rows with an id already used are removed.
    pub(super) fn unique<T>(rows: &mut Vec<T>, id: impl Fn(&T) -> u64, gaps: &mut Gaps) -> Self {
        let n = rows.len() as u64;
        if rows.iter().zip(1..).all(|(r, i)| id(r) == i) {
            return Self::FromOne(n);
        }
        let max = rows.iter().map(&id).max().unwrap_or(0);
        let dense = max <= n.saturating_mul(4).saturating_add(1024);
        let mut out = if dense {
            Self::Dense(vec![NONE; max as usize + 1])
        } else {
            Self::Sparse(HashMap::with_capacity(rows.len()))
        };
        let mut next = 0u32;
        rows.retain(|r| {
            let fresh = match &mut out {
                Self::Dense(t) => match t.get_mut(id(r) as usize) {
                    Some(slot) if *slot == NONE => {
                        *slot = next;
                        true
                    }
                    _ => false,
                },
                Self::Sparse(m) => match m.entry(id(r)) {
                    std::collections::hash_map::Entry::Vacant(v) => {
                        v.insert(next);
                        true
                    }
                    std::collections::hash_map::Entry::Occupied(_) => false,
                },
                Self::Empty | Self::FromOne(_) => false,
            };
            if fresh {
                next += 1;
            } else {
                gaps.count(0, sorts::ID);
            }
            fresh
        });
        out
    }

    #[inline(always)]
    pub(super) fn get(&self, id: u64) -> u32 {
        match self {
            Self::FromOne(n) => {
                if id.wrapping_sub(1) < *n {
                    (id - 1) as u32
                } else {
                    NONE
                }
            }
            Self::Dense(t) => usize::try_from(id).ok().and_then(|i| t.get(i)).copied().unwrap_or(NONE),
            Self::Sparse(m) => m.get(&id).copied().unwrap_or(NONE),
            Self::Empty => NONE,
        }
    }
}
