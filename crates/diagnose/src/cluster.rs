//! One leak is seldom one line: the map's own memory, the value and the key are allocated in
//! neighbouring lines or in a caller. A cluster gathers the growing sites that are one story.

use crate::sites::{FrameId, Site, SiteTable, SiteValue};
use model::Mechanism;
use signals::Growth;

/// Bytes that an entry of a container takes at least in the container itself: a pointer.
const LEAST_ENTRY: f64 = 8.0;
/// By which factor a sampled container may look smaller than its entries make it.
const ROOM_FACTOR: f64 = 4.0;
/// Bytes that a sampled profile may not show at all: twice the default distance between samples.
const UNSAMPLED: f64 = 1048576.0;
/// Standard deviations above sampling noise by which a container grows itself: ten samples, not one.
const GROWS_Z: f64 = 3.0;

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
    if function_of(table, a) == function_of(table, b) {
        return true;
    }
    if !(does_both(table, a, b) || does_both(table, b, a)) {
        return false;
    }
    let ratio = appeared(a) / appeared(b).max(1.0);
    // Small objects are sampled rarely: allow a factor of three either way.
    (0.33..3.0).contains(&ratio)
        || (a.mechanism.is_map() && may_hold(table, a, appeared(b)))
        || (b.mechanism.is_map() && may_hold(table, b, appeared(a)))
}

fn function_of<'t>(table: &'t SiteTable, s: &Site) -> &'t str {
    table.frame(s.frame).function.as_str()
}

/// Objects in use at the end beyond those at the beginning.
fn appeared(s: &Site) -> f64 {
    let (first, last) = (s.values.first(), s.values.last());
    first.zip(last).map_or(0.0, |(f, l)| l.inuse_objects - f.inuse_objects)
}

/// Whether the function of the outer site allocates there and also calls what allocates at the inner site. It does not
/// where both lie beneath one line of a library that it calls, a router or a middleware's next handler: what is
/// dispatched there has nothing to do with each other.
fn does_both(table: &SiteTable, outer: &Site, inner: &Site) -> bool {
    let function = |f: &FrameId| table.frame(*f).function.as_str();
    let owner = function_of(table, outer);
    let Some(at_inner) = inner.stack.iter().position(|f| function(f) == owner) else { return false };
    if inner.stack.get(at_inner) != Some(&outer.frame) {
        return true;
    }
    let at_outer = outer.stack.iter().position(|f| *f == outer.frame).unwrap_or(0);
    let inner = inner.stack.get(..at_inner).unwrap_or_default();
    let outer = outer.stack.get(..at_outer).unwrap_or_default();
    match inner.iter().rev().zip(outer.iter().rev()).position(|(a, b)| a != b) {
        // The line itself does both, or one of them is all that the other calls.
        None | Some(0) => true,
        // Where they part: one function of the library that does both, or two that it dispatches to.
        Some(n) => {
            let parts = |calls: &[FrameId]| calls.iter().rev().nth(n).map(function);
            parts(inner) == parts(outer)
        }
    }
}

/// Whether a container may be what holds so many new objects. It may when it grows itself. Else it must have room for
/// them: an entry is a pointer at least, so what the container has of its own is not much smaller than that, unless too
/// small to be sampled. And an object that only becomes larger is none that was put into anything.
fn may_hold(table: &SiteTable, container: &Site, objects: f64) -> bool {
    let has_room = objects >= 1.0 && objects * LEAST_ENTRY <= ROOM_FACTOR * container.inuse_bytes() + UNSAMPLED;
    has_room || table.growth(&container.values).is_some_and(|g| g.delta > 0.0 && g.z() >= GROWS_Z)
}

/// The site that shows the container. Among all sites with memory in use whose function is a member's function, or
/// calls what allocates at a member, and that may hold what appeared at the first: the one with most map memory, else
/// with most list elements (their own memory may be too small to have been sampled within the window). Else a growing
/// slice or buffer among the members themselves.
fn container<'a>(table: &'a SiteTable, members: &[&'a Site]) -> Option<&'a Site> {
    let lead = *members.first()?;
    let near = |s: &Site, m: &Site| function_of(table, m) == function_of(table, s) || does_both(table, s, m);
    let largest = |kinds: &[Mechanism]| {
        let of_kind = table.sites.iter().filter(|s| kinds.contains(&s.mechanism) && s.inuse_bytes() > 0.0);
        let holding = of_kind.filter(|s| {
            members.iter().any(|m| near(s, m)) && (std::ptr::eq(*s, lead) || may_hold(table, s, appeared(lead)))
        });
        holding.max_by(|a, b| a.inuse_bytes().total_cmp(&b.inuse_bytes()))
    };
    let grown = |s: &&&Site| matches!(s.mechanism, Mechanism::SliceGrowth | Mechanism::BufferGrowth);
    largest(&[Mechanism::MapGrowth, Mechanism::MapInsert])
        .or_else(|| largest(&[Mechanism::ListElement]))
        .or_else(|| members.iter().filter(grown).max_by(|a, b| a.inuse_bytes().total_cmp(&b.inuse_bytes())).copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Frame;

    const MIB: f64 = 1048576.0;

    /// A stack as functions and lines, leaf first; bytes and objects in use at the beginning and at the end.
    type Given<'a> = (&'a [(&'a str, u32)], Mechanism, [(f64, f64); 2]);

    /// Each site is charged to the first frame of package `app`.
    fn table(sites: &[Given<'_>]) -> SiteTable {
        let mut t = SiteTable { times: vec![0.0, 30.0], artifacts: vec![String::new(); 2], ..SiteTable::default() };
        for (stack, mechanism, values) in sites {
            let mut intern = |(function, line): &(&str, u32)| {
                let frame = Frame { function: (*function).into(), file: "f.go".into(), line: *line };
                let at = t.frames.iter().position(|f| *f == frame).unwrap_or_else(|| {
                    t.frames.push(frame);
                    t.frames.len() - 1
                });
                at as FrameId
            };
            let stack: Vec<FrameId> = stack.iter().map(&mut intern).collect();
            let frame = *stack.iter().find(|f| t.frames[**f as usize].function.starts_with("app.")).unwrap();
            let value = |seen: (f64, f64)| {
                let mut v = SiteValue::default();
                (v.inuse_bytes, v.inuse_objects) = seen;
                v
            };
            t.sites.push(Site::new(frame, *mechanism, values.map(value).to_vec(), stack));
        }
        t
    }

    fn container_at(t: &SiteTable) -> Option<(&str, u32)> {
        let all = clusters(t, 3.0, 1.0);
        let frame = t.frame(all[0].container?.frame);
        Some((frame.function.as_str(), frame.line))
    }

    const SERVE: [(&str, u32); 3] =
        [("net/http.HandlerFunc.ServeHTTP", 2220), ("net/http.(*ServeMux).ServeHTTP", 2747), ("app.Log", 126)];

    fn served(below: &[(&'static str, u32)]) -> Vec<(&'static str, u32)> {
        below.iter().chain(&SERVE).copied().collect()
    }

    /// A map that another handler fills, beneath the same middleware, does not hold what this handler lets grow.
    #[test]
    fn a_middleware_does_not_put_into_the_maps_of_other_handlers() {
        let grows = served(&[("app.Record", 31), ("app.handle", 9)]);
        let other = served(&[("runtime/pprof.newProfileBuilder", 404), ("net/http/pprof.Index", 380)]);
        for objects in [[1.0, 1.0], [10.0, 5000.0]] {
            let t = table(&[
                (&grows, Mechanism::Other, [(17.0 * MIB, objects[0]), (197.0 * MIB, objects[1])]),
                (&other, Mechanism::MapInsert, [(0.0, 0.0), (0.5 * MIB, 1.0)]),
            ]);
            assert_eq!(container_at(&t), None);
        }
    }

    /// A counter of the middleware's own, far too small for what appears.
    #[test]
    fn a_map_without_room_for_the_new_objects_does_not_hold_them() {
        let value = served(&[("app.NewSession", 31), ("app.handle", 9)]);
        let own = [("app.Log", 130)];
        let map = |mib: f64| [(mib * MIB, 1.0), (mib * MIB, 1.0)];
        let grows = [(17.0 * MIB, 1e5), (197.0 * MIB, 3e6)];
        let t = table(&[(&value, Mechanism::NewObject, grows), (&own, Mechanism::MapInsert, map(0.5))]);
        assert_eq!(container_at(&t), None);
        let t = table(&[(&value, Mechanism::NewObject, grows), (&own, Mechanism::MapInsert, map(80.0))]);
        assert_eq!(container_at(&t), Some(("app.Log", 130)));
    }

    /// What a line makes and puts into a library's cache, and what a library makes by calling back.
    #[test]
    fn a_library_holds_what_a_line_gives_it() {
        let grows = [(17.0 * MIB, 100.0), (197.0 * MIB, 5000.0)];
        let map = [(0.5 * MIB, 1.0), (0.5 * MIB, 1.0)];
        let put: [(&str, u32); 2] = [("lru.(*Cache).Add", 70), ("app.handle", 12)];
        let given: [(&str, u32); 2] = [("strings.Clone", 25), ("app.handle", 12)];
        let t = table(&[(&given, Mechanism::NewObject, grows), (&put, Mechanism::MapInsert, map)]);
        assert_eq!(container_at(&t), Some(("app.handle", 12)));
        let load: [(&str, u32); 3] = [("app.load", 40), ("lru.(*Cache).GetOrLoad", 80), ("app.handle", 12)];
        let insert: [(&str, u32); 2] = [("lru.(*Cache).GetOrLoad", 84), ("app.handle", 12)];
        let t = table(&[(&load, Mechanism::NewObject, grows), (&insert, Mechanism::MapInsert, map)]);
        assert_eq!(container_at(&t), Some(("app.handle", 12)));
    }
}
