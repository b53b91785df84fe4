//! Strings with the same content in different objects. Contents are compared by a 64-bit hash and their length;
//! one record of 16 bytes per string object is kept while they are counted.

use super::ContainerOptions;
use super::keys::shape_of;
use super::walk::TextRecord;
use crate::program::HeapGraph;
use rayon::prelude::*;
use std::cmp::Reverse;

/// Most bytes of a text that are shown or looked at for its shape.
const MOST_SHOWN: u32 = 64;

/// Strings of one content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateText {
    /// The content, cut, or its shape: letters as `a`, digits as `9`.
    pub text: String,
    /// Whether `text` is the content.
    pub shown: bool,
    /// Bytes of one.
    pub len: u64,
    /// Objects with it.
    pub count: u64,
    /// Bytes of all of these objects but one.
    pub waste: u64,
}

/// Strings whose content more than one object has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Duplicates {
    /// Objects of strings that were looked at.
    pub objects: u64,
    /// Contents that more than one object has.
    pub contents: u64,
    /// Objects that have a content that another one has before them.
    pub copies: u64,
    /// Their bytes: saved if each content were kept once.
    pub waste: u64,
    /// The largest, by `waste`.
    pub largest: Vec<DuplicateText>,
}

/// Counts equal contents.
pub(super) fn duplicates(graph: &HeapGraph<'_>, mut texts: Vec<TextRecord>, options: &ContainerOptions) -> Duplicates {
    texts.par_sort_unstable();
    let mut found = Duplicates { objects: texts.len() as u64, ..Duplicates::default() };
    let mut largest: Vec<(Reverse<u64>, usize, u64)> = Vec::new();
    let mut at = 0;
    for run in texts.chunk_by(|a, b| (a.0, a.2) == (b.0, b.2)) {
        let first = at;
        at += run.len();
        let copies = run.len() as u64 - 1;
        if copies == 0 {
            continue;
        }
        // A substring's object has more in it than the text.
        let own = |r: &TextRecord| {
            let (size, len) = (graph.objects.size(r.1)?, u64::from(r.2));
            Some(if size >= 2 * len.max(16) { len } else { size })
        };
        let bytes = run.iter().skip(1).filter_map(own).fold(0, u64::saturating_add);
        found.contents += 1;
        found.copies += copies;
        found.waste = found.waste.saturating_add(bytes);
        largest.push((Reverse(bytes), first, copies + 1));
        if largest.len() >= 16 * options.most.max(1) {
            largest.sort_unstable();
            largest.truncate(options.most);
        }
    }
    largest.sort_unstable();
    largest.truncate(options.most);
    for (Reverse(waste), first, count) in largest {
        let Some(&(_, object, len)) = texts.get(first) else { continue };
        let mut head = vec![0; len.min(MOST_SHOWN) as usize];
        let start = graph.objects.address(object).unwrap_or(0);
        // A substring's first bytes may lie further back: what is shown is the object's start.
        let text = match graph.runtime.memory.read(start, &mut head) {
            Ok(()) if options.show_keys => String::from_utf8_lossy(&head).into_owned(),
            Ok(()) => shape_of(&head),
            Err(_) => String::new(),
        };
        found.largest.push(DuplicateText { text, shown: options.show_keys, len: u64::from(len), count, waste });
    }
    found
}
