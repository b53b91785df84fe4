//! One leak is seldom one line: the map's own memory, the value and the key are allocated in
//! neighbouring lines or in a caller. A cluster gathers the growing sites that are one story.

use crate::sites::{Site, SiteTable, SiteValue};
use model::Mechanism;
use signals::Growth;

/// Growing sites that belong together, the one to name first in front.
#[derive(Debug)]
pub(crate) struct Cluster<'a> {
    /// Members; the first allocates most of the growth.
    pub(crate) members: Vec<&'a Site>,
    /// Sum of the members, per profile.
    pub(crate) values: Vec<SiteValue>,
    /// Growth of the sum.
    pub(crate) growth: Growth,
    /// The member that shows what container grows (a map insert, an append, a list push), when
    /// one of them does, whether or not its own memory grew within the window.
    pub(crate) container: Option<&'a Site>,
}

impl Cluster<'_> {
    /// The site to show first: where the container grows, else where most is allocated.
    pub(crate) fn lead(&self) -> &Site {
        self.container.unwrap_or(self.members[0])
    }
}

/// Clusters of sites that grow by more than `z` standard deviations, the fastest first.
pub(crate) fn clusters(table: &SiteTable, z: f64, min_bytes_per_s: f64) -> Vec<Cluster<'_>> {
    let mut growing: Vec<(&Site, Growth)> =
        table.sites.iter().filter_map(|s| Some((s, table.growth(&s.values)?))).filter(|(_, g)| g.delta > 0.0).collect();
    growing.sort_by(|a, b| b.1.delta.total_cmp(&a.1.delta));
    let mut taken = vec![false; growing.len()];
    let mut out = Vec::new();
    for i in 0..growing.len() {
        // A leading site must stand above the noise by itself; its companions (small keys) need not.
        let (lead, g) = growing[i];
        if taken[i] || g.z() < z || g.per_second < min_bytes_per_s {
            continue;
        }
        let mut members = vec![lead];
        taken[i] = true;
        for (j, (other, _)) in growing.iter().enumerate() {
            if !taken[j] && same_story(table, lead, other) {
                taken[j] = true;
                members.push(other);
            }
        }
        out.extend(cluster(table, members));
    }
    out.sort_by(|a, b| b.growth.delta.total_cmp(&a.growth.delta));
    out
}

fn cluster<'a>(table: &'a SiteTable, members: Vec<&'a Site>) -> Option<Cluster<'a>> {
    let values: Vec<SiteValue> =
        (0..table.len()).map(|i| members.iter().fold(SiteValue::default(), |sum, s| sum.plus(&s.values[i]))).collect();
    let growth = table.growth(&values)?;
    let container = container(table, &members);
    Some(Cluster { members, values, growth, container })
}

/// Whether two growing sites are one leak: the same function, or one's function lies on the
/// other's stack and about as many objects of each appeared (one key and one value per insert).
fn same_story(table: &SiteTable, a: &Site, b: &Site) -> bool {
    let function = |s: &Site| table.frame(s.frame).function.as_str();
    if function(a) == function(b) {
        return true;
    }
    if !(on_stack(table, a, function(b)) || on_stack(table, b, function(a))) {
        return false;
    }
    let objects = |s: &Site| {
        let (first, last) = (s.values.first(), s.values.last());
        first.zip(last).map_or(0.0, |(f, l)| l.inuse_objects - f.inuse_objects)
    };
    let ratio = objects(a) / objects(b).max(1.0);
    // Small objects are sampled rarely: allow a factor of three either way.
    (0.33..3.0).contains(&ratio) || b.mechanism.is_map() || a.mechanism.is_map()
}

fn on_stack(table: &SiteTable, site: &Site, function: &str) -> bool {
    site.stack.iter().any(|f| table.frame(*f).function == function)
}

/// The site that shows the container. Among all sites with memory in use whose function is a member's
/// function or lies on a member's stack: the one with most map memory, else with most list elements
/// (their own memory may be too small to have been sampled within the window). Else a growing slice or
/// buffer among the members themselves.
fn container<'a>(table: &'a SiteTable, members: &[&'a Site]) -> Option<&'a Site> {
    let in_use = |s: &Site| s.values.last().map_or(0.0, |v| v.inuse_bytes);
    let function = |s: &Site| table.frame(s.frame).function.as_str();
    let near = |s: &Site| members.iter().any(|m| function(m) == function(s) || on_stack(table, m, function(s)));
    let largest = |kinds: &[Mechanism]| {
        let of_kind = table.sites.iter().filter(|s| kinds.contains(&s.mechanism) && in_use(s) > 0.0 && near(s));
        of_kind.max_by(|a, b| in_use(a).total_cmp(&in_use(b)))
    };
    let grown = |s: &&&Site| matches!(s.mechanism, Mechanism::SliceGrowth | Mechanism::BufferGrowth);
    largest(&[Mechanism::MapGrowth, Mechanism::MapInsert])
        .or_else(|| largest(&[Mechanism::ListElement]))
        .or_else(|| members.iter().filter(grown).max_by(|a, b| in_use(a).total_cmp(&in_use(b))).copied())
}
