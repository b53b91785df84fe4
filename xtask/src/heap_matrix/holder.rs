//! The way from a root to a container, as the product names it, against the path that the program names.

use super::Form;
use heap::graph::Rooted;
use heap::{HeapGraph, Names, ProgramNames, RootGroup};
use lab::HeapContainer;
use std::collections::HashSet;

/// Bytes of a variable that a root's word may be from its start.
const VARIABLE: u64 = 64 << 10;

/// Who holds an object: the root and the fields on the way.
#[derive(Debug)]
pub(super) struct Holder {
    root: String,
    /// Of a word of the program's variables.
    address: Option<u64>,
    /// `.cache.users`: fields, elements and slots that lead on; where none is known, nothing.
    fields: String,
}

impl Holder {
    /// The shortest way to an object.
    pub(super) fn of(graph: &HeapGraph<'_>, names: &ProgramNames<'_>, object: u32) -> Option<Self> {
        let path = graph.holder_paths(&[object], names).ok()?.pop()?;
        let (root, steps) = path.split_first()?;
        let address = u64::from_str_radix(root.address.trim_start_matches("0x"), 16).ok();
        let fields = steps.iter().map(|s| s.via.as_str()).collect();
        Some(Self { root: root.type_name.clone(), address, fields })
    }

    /// What is not as the program says.
    pub(super) fn differs_from(&self, truth: &HeapContainer, names: &ProgramNames<'_>, form: Form) -> Option<String> {
        let said = || Some(format!("held by {}{}", self.root, self.fields));
        let wanted = if truth.holder.is_empty() { &truth.name } else { &truth.holder };
        if let Some(function) = wanted.strip_prefix("goroutine ") {
            let right = self.root.starts_with("goroutine ") && self.root.ends_with(&format!(" {function}"));
            return if right { None } else { said() };
        }
        if truth.root == 0 && !wanted.starts_with("main.") {
            return None;
        }
        // Several variables that hold it are named one by one.
        let mut variables = wanted.split(" and ");
        let named = names.variable(self.address?);
        if wanted.contains(" and ") {
            let right = named.is_none_or(|(name, _)| variables.any(|v| v == name));
            return if right { None } else { said() };
        }
        if truth.root != 0 && !(truth.root..truth.root + VARIABLE).contains(&self.address?) {
            return said();
        }
        match named {
            // With debug information the fields of variables have names too.
            Some(_) if form.has_dwarf() => {
                let ours = format!("{}{}", self.root, self.fields);
                (!same_way(&ours, wanted, truth)).then(said).flatten()
            }
            Some((name, _)) => {
                let right = wanted.strip_prefix(&name).is_some_and(|rest| ends_alike(rest, &self.fields, truth));
                (!right).then(said).flatten()
            }
            None => (!ends_alike(wanted, &self.fields, truth)).then(said).flatten(),
        }
    }
}

/// The ways are the same, what is behind the container's own place (the array of a buffer) left out.
fn same_way(ours: &str, wanted: &str, truth: &HeapContainer) -> bool {
    let inside = truth.address == 0 || truth.address == truth.root;
    // What a `reflect.Value` holds is held by its second field.
    let ours = ours.strip_suffix(".ptr").unwrap_or(ours);
    ours == wanted || (inside && ours.starts_with(wanted))
}

/// The fields that are known end the path; what is before them belongs to the variable.
fn ends_alike(wanted: &str, fields: &str, truth: &HeapContainer) -> bool {
    let inside = truth.address == 0 || truth.address == truth.root;
    inside || wanted.ends_with(fields)
}

/// What some goroutines retain, by their index in the list, without their descriptors and wait records.
pub(super) fn retained_by_goroutines(graph: &HeapGraph<'_>, mine: &[u32]) -> Option<u64> {
    let goroutines = graph.runtime.goroutines.as_ref().ok()?;
    let rooted = Rooted::new(&graph.edges, &graph.roots.roots).ok()?;
    let mine: HashSet<u32> = mine.iter().copied().collect();
    let mut sum = 0_u64;
    for (i, group) in graph.roots.groups.iter().enumerate() {
        let RootGroup::Goroutine { index } = group else { continue };
        if !mine.contains(index) {
            continue;
        }
        let node = rooted.group_node(i)?;
        let g = goroutines.list.get(*index as usize)?;
        let own = [g.address, g.waiting_on].into_iter().filter_map(|a| graph.objects.find(a));
        let own = own.filter(|f| graph.tree.dominator(f.object) == Some(node));
        let own: u64 = own.filter_map(|f| graph.objects.size(f.object)).sum();
        sum += graph.tree.retained(node).saturating_sub(own);
    }
    Some(sum)
}
