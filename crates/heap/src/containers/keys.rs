//! What the keys of maps look like: enough to tell session numbers from country codes without showing them.
//! Owns sampling keys of maps and redacting them; refuses to show contents unless asked.

use super::{ContainerOptions, KeySample};
use crate::pointers::HeapView;
use gobinary::TypeId;
use gobinary::types::{Detail, Kind, Map, MapSlots};
use goruntime::Fields;
use std::collections::BTreeMap;

/// Most keys of one map that are looked at.
const MOST_KEYS: usize = 256;
/// Most bytes of a key that are looked at.
const MOST_BYTES: u64 = 256;
/// Most groups or buckets that are read for one sample.
const MOST_PARTS: u64 = 4096;
/// Most shapes that a sample lists.
pub const MAX_SHAPES: usize = 4;
/// Fewest keys from which a common prefix is told.
const LEAST_FOR_PREFIX: usize = 8;
/// Keys that are shown when asked for.
const SHOWN: usize = 5;

/// The shape of a text: runs of letters, digits and other bytes, `sess-2f0a` is `a{4}-9a9a`.
pub(super) fn shape_of(text: &[u8]) -> String {
    let class = |b: u8| match b {
        b'0'..=b'9' => '9',
        b'a'..=b'z' => 'a',
        b'A'..=b'Z' => 'A',
        b' '..=b'~' => char::from(b),
        0x80.. => 'u',
        _ => '?',
    };
    let mut shape = String::new();
    for run in text.chunk_by(|&a, &b| class(a) == class(b)) {
        let Some(&first) = run.first() else { continue };
        shape.push(class(first));
        if run.len() > 1 {
            shape.push_str(&format!("{{{}}}", run.len()));
        }
    }
    shape
}

/// Describes keys that were read.
pub(super) fn describe(keys: &[Vec<u8>], options: &ContainerOptions) -> Option<KeySample> {
    let first = keys.first()?;
    let mut sample = KeySample { keys: keys.len() as u64, len: (u64::MAX, 0), ..KeySample::default() };
    let mut prefix = first.len();
    let mut shapes: BTreeMap<String, u64> = BTreeMap::new();
    for key in keys {
        let len = key.len() as u64;
        sample.len = (sample.len.0.min(len), sample.len.1.max(len));
        prefix = prefix.min(first.iter().zip(key).take_while(|(a, b)| a == b).count());
        *shapes.entry(shape_of(key)).or_default() += 1;
    }
    let all_go_on = keys.iter().all(|k| k.len() > prefix);
    if keys.len() >= LEAST_FOR_PREFIX && all_go_on {
        let text = first.get(..prefix).unwrap_or_default();
        let text: String = text.iter().take_while(|b| (b' '..=b'~').contains(b)).map(|&b| char::from(b)).collect();
        // Leading digits of a number that all share belong to the number.
        sample.prefix = text.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    }
    let mut counts = [0_u64; 256];
    for byte in keys.iter().filter_map(|k| k.get(prefix..)).flatten() {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let total = counts.iter().sum::<u64>() as f64;
    let bits: f64 = counts.iter().filter(|&&c| c > 0).map(|&c| c as f64 / total).map(|p| -p * p.log2()).sum();
    sample.entropy = (bits * 1000.0) as u32;
    let mut shapes: Vec<(String, u64)> = shapes.into_iter().collect();
    shapes.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    shapes.truncate(MAX_SHAPES);
    sample.shapes = shapes;
    if options.show_keys {
        sample.shown = keys.iter().take(SHOWN).map(|k| String::from_utf8_lossy(k).into_owned()).collect();
    }
    Some(sample)
}

/// Reads some keys of a map: strings by their content, numbers in decimal. Keys of other types are passed over.
pub(super) fn of_map(heap: &HeapView<'_>, typ: TypeId, header: u64) -> Option<Vec<Vec<u8>>> {
    let Detail::Map(map) = heap.types.get(typ)?.detail else { return None };
    if map.indirect_key {
        return None;
    }
    let mut reader = Reader { heap, map, keys: Vec::new(), parts: MOST_PARTS };
    // What was read until it went wrong counts.
    let _ = if heap.types.layout().swiss_maps { reader.swiss(header) } else { reader.classic(header) };
    Some(reader.keys)
}

struct Reader<'a> {
    heap: &'a HeapView<'a>,
    map: Map,
    keys: Vec<Vec<u8>>,
    parts: u64,
}

impl Reader<'_> {
    fn word(&self, address: u64) -> Option<u64> {
        self.heap.memory.u64(address).ok()
    }

    /// `None` when enough was read.
    fn part(&mut self) -> Option<()> {
        self.parts = self.parts.checked_sub(1)?;
        (self.keys.len() < MOST_KEYS).then_some(())
    }

    fn swiss(&mut self, header: u64) -> Option<()> {
        let layout = self.heap.types.layout();
        let (m, t, g) = (layout.swiss_map?, layout.swiss_table?, layout.swiss_groups?);
        let dir = self.word(header.checked_add(u64::from(m.dir_ptr))?)?;
        let len = self.word(header.checked_add(u64::from(m.dir_len))?)?;
        if dir == 0 {
            return None;
        }
        if len == 0 {
            return self.group(dir);
        }
        // Tables are looked at in turn, a few groups of each, so that the sample is not of one table.
        let step = (len / 32).max(1);
        for i in (0..len).step_by(step as usize) {
            let table = self.word(dir.checked_add(8 * i)?)?;
            let groups = table.checked_add(u64::from(t.groups))?;
            let data = self.word(groups.checked_add(u64::from(g.data))?)?;
            let mask = self.word(groups.checked_add(u64::from(g.length_mask))?)?;
            let MapSlots::Groups { group_size, .. } = self.map.slots else { return None };
            for j in 0..=mask.min(7) {
                self.group(data.checked_add(j.checked_mul(group_size)?)?)?;
            }
        }
        Some(())
    }

    fn group(&mut self, at: u64) -> Option<()> {
        let MapSlots::Groups { keys_offset, key_stride, .. } = self.map.slots else { return None };
        self.part()?;
        let control = self.word(at)?.to_le_bytes();
        for (i, byte) in control.iter().enumerate() {
            if byte & 0x80 == 0 {
                self.key(at.checked_add(keys_offset)?.checked_add(key_stride.checked_mul(i as u64)?)?);
            }
        }
        Some(())
    }

    fn classic(&mut self, header: u64) -> Option<()> {
        let MapSlots::Buckets { bucket_size, key_size, .. } = self.map.slots else { return None };
        let h = self.heap.types.layout().hmap?;
        let buckets = self.word(header.checked_add(u64::from(h.buckets))?)?;
        let b = self.heap.memory.u8(header.checked_add(u64::from(h.b))?).ok()?;
        if buckets == 0 || b > 40 {
            return None;
        }
        let count = 1_u64 << b;
        let step = (count / MOST_PARTS).max(1);
        for i in (0..count).step_by(step as usize) {
            self.part()?;
            let at = buckets.checked_add(i.checked_mul(u64::from(bucket_size))?)?;
            let top = self.word(at)?.to_le_bytes();
            for (j, _) in top.iter().enumerate().filter(|(_, t)| **t >= 5) {
                self.key(at.checked_add(8 + j as u64 * u64::from(key_size))?);
            }
        }
        Some(())
    }

    fn key(&mut self, at: u64) {
        if let Some(key) = key_text(self.heap, self.map.key, at) {
            self.keys.push(key);
        }
    }
}

/// The key of this type at an address: a string's content, a number in decimal, what an interface holds.
pub(super) fn key_text(heap: &HeapView<'_>, typ: TypeId, at: u64) -> Option<Vec<u8>> {
    let t = heap.types.get(typ)?;
    let mut copy = [0; 16];
    let bytes = copy.get_mut(..t.size.min(16) as usize)?;
    heap.memory.read(at, bytes).ok()?;
    let f = Fields(&copy);
    match (t.kind, &t.detail) {
        (Kind::String, _) => {
            let mut text = vec![0; f.u64(8).min(MOST_BYTES) as usize];
            heap.memory.read(f.u64(0), &mut text).ok()?;
            Some(text)
        }
        (Kind::Interface, Detail::Interface { methods: 0, .. }) => {
            let inner = heap.types.id(f.u64(0));
            let kind = heap.types.get(inner)?.kind;
            // Only what cannot be an interface again.
            (kind != Kind::Interface && !heap.types.get(inner)?.direct_iface)
                .then(|| key_text(heap, inner, f.u64(8)))?
        }
        (Kind::Int | Kind::Int64, _) => Some(f.u64(0).cast_signed().to_string().into_bytes()),
        (Kind::Uint | Kind::Uint64 | Kind::Uintptr, _) => Some(f.u64(0).to_string().into_bytes()),
        (Kind::Int32, _) => Some(f.u32(0).cast_signed().to_string().into_bytes()),
        (Kind::Uint32, _) => Some(f.u32(0).to_string().into_bytes()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_described_and_not_shown() {
        assert_eq!(shape_of(b"sess-2f0A/ZZ"), "a{4}-9a9A/A{2}");
        assert_eq!(shape_of(&[0xc3, 0xa9, 0]), "u{2}?");
        let keys: Vec<Vec<u8>> = (0..16).map(|i| format!("user:{:04}", i * 617).into_bytes()).collect();
        let sample = describe(&keys, &ContainerOptions::default()).unwrap();
        assert_eq!((sample.keys, sample.len, sample.prefix.as_str()), (16, (9, 9), "user:"));
        assert_eq!(sample.shapes, [("a{4}:9{4}".to_owned(), 16)]);
        assert!(sample.shown.is_empty() && (1000..3400).contains(&sample.entropy), "{sample:?}");
        // The same key many times is not told as the prefix of all.
        let same = vec![b"secret".to_vec(); 20];
        assert_eq!(describe(&same, &ContainerOptions::default()).unwrap().prefix, "");
        let shown = ContainerOptions { show_keys: true, ..ContainerOptions::default() };
        assert_eq!(describe(&same, &shown).unwrap().shown, vec!["secret"; 5]);
        assert_eq!(describe(&[], &shown), None);
    }
}
