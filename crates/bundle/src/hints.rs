//! Which functions the code calls at the leaf of each stack: kept in the bundle, so that a reader
//! elsewhere classifies allocations as the live run did, without the executable.
//!
//! A heap profile hides the runtime function that allocated. The user's leaf frame ends at a CALL
//! whose target the executable names (`runtime.mapassign_faststr`).

use gobinary::code::call_target;
use gobinary::layout::Arch;
use gobinary::{GoBinary, Pclntab};
use profile::{MechanismHints, Profile};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// The value of [`CallTargets::schema`].
const SCHEMA: &str = "oomph.call-targets/1";
/// Most addresses kept of one bundle.
const MAX_ADDRESSES: usize = 2_000_000;
/// Longest CALL instruction decoded, bytes.
const CALL_LENGTH: usize = 8;

/// An artifact of kind `call-targets`. Addresses are hexadecimal text: JSON numbers end at 2^53.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CallTargets {
    schema: String,
    /// Return address to the function called before it.
    #[serde(default)]
    callees: BTreeMap<String, String>,
    /// Address without symbols to the function around it.
    #[serde(default)]
    functions: BTreeMap<String, String>,
}

/// Addresses of a heap profile's leaves that are not known yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    callees: Vec<u64>,
    functions: Vec<u64>,
}

impl Wanted {
    pub(crate) const fn is_empty(&self) -> bool {
        self.callees.is_empty() && self.functions.is_empty()
    }
}

/// Call targets in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hints {
    callees: HashMap<u64, String>,
    functions: HashMap<u64, String>,
}

impl MechanismHints for Hints {
    fn callee(&self, return_address: u64) -> Option<&str> {
        self.callees.get(&return_address).map(String::as_str).filter(|s| !s.is_empty())
    }

    fn function(&self, address: u64) -> Option<&str> {
        self.functions.get(&address).map(String::as_str).filter(|s| !s.is_empty())
    }
}

impl Hints {
    /// Adds an artifact's content.
    pub(crate) fn add_json(&mut self, json: &[u8]) -> Result<(), String> {
        let read: CallTargets = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        if read.schema != SCHEMA {
            return Err(format!("expected schema {SCHEMA:?}, found {:?}", read.schema));
        }
        self.add(read);
        Ok(())
    }

    /// Adds the function called before `return_address`, unless one is known: the executable's word
    /// stands.
    pub(crate) fn add_callee(&mut self, return_address: u64, name: &str) {
        if self.callee(return_address).is_none() && self.room() > 0 {
            self.callees.insert(return_address, name.to_owned());
        }
    }

    /// Whether any call target is known.
    pub(crate) fn tells_callees(&self) -> bool {
        self.callees.values().any(|name| !name.is_empty())
    }

    fn room(&self) -> usize {
        MAX_ADDRESSES.saturating_sub(self.callees.len().saturating_add(self.functions.len()))
    }

    fn add(&mut self, read: CallTargets) {
        let mut room = self.room();
        for (from, to) in [(read.callees, &mut self.callees), (read.functions, &mut self.functions)] {
            let entries = from.into_iter().filter_map(|(a, name)| Some((address(&a)?, name)));
            for (a, name) in entries.take(room) {
                room -= 1;
                to.insert(a, name);
            }
        }
    }

    /// Leaf addresses of a profile that were not looked up before.
    pub(crate) fn unknown(&self, profile: &Profile) -> Wanted {
        let mut out = Wanted::default();
        for sample in profile.samples() {
            for location in sample.locations() {
                let bare = location.lines().next().is_none();
                let address = location.address();
                if bare {
                    if !self.functions.contains_key(&address) {
                        out.functions.push(address);
                    }
                } else {
                    // The location is one byte before the return address.
                    let back = address.wrapping_add(1);
                    if !self.callees.contains_key(&back) {
                        out.callees.push(back);
                    }
                    break;
                }
            }
        }
        for list in [&mut out.callees, &mut out.functions] {
            list.sort_unstable();
            list.dedup();
        }
        out
    }

    /// Looks addresses up in the executable; the artifact to store. Addresses that it does not tell
    /// are remembered, so that they are not looked up again.
    pub(crate) fn look_up(&mut self, wanted: &Wanted, exe: &[u8], maps: &[model::Mapping]) -> Option<Vec<u8>> {
        let code = Code::open(exe, maps)?;
        let mut found = CallTargets { schema: SCHEMA.into(), ..CallTargets::default() };
        for &a in &wanted.callees {
            match code.callee(a) {
                Some(name) => drop(found.callees.insert(format!("{a:#x}"), name.to_owned())),
                None => drop(self.callees.insert(a, String::new())),
            }
        }
        for &a in &wanted.functions {
            match code.function(a) {
                Some(name) => drop(found.functions.insert(format!("{a:#x}"), name.to_owned())),
                None => drop(self.functions.insert(a, String::new())),
            }
        }
        if found.callees.is_empty() && found.functions.is_empty() {
            return None;
        }
        let json = serde_json::to_vec_pretty(&found).ok();
        self.add(found);
        json
    }
}

fn address(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// The executable's code and names, at the addresses of the running process.
struct Code<'a> {
    binary: GoBinary<'a>,
    table: Pclntab<'a>,
    arch: Arch,
    /// Run-time address minus address in the file.
    bias: u64,
}

impl<'a> Code<'a> {
    fn open(exe: &'a [u8], maps: &[model::Mapping]) -> Option<Self> {
        let binary = GoBinary::parse(exe).ok()?;
        let table = binary.pclntab().ok()?;
        let arch = binary.arch()?;
        let bias = if binary.is_position_independent() {
            // The kernel maps the executable before everything else it names.
            let first = maps.iter().find(|m| m.inode != 0)?;
            first.start.wrapping_sub(binary.address_of_file_offset(first.offset)?)
        } else {
            0
        };
        Some(Self { binary, table, arch, bias })
    }

    fn callee(&self, return_address: u64) -> Option<&'a str> {
        let at = return_address.wrapping_sub(self.bias);
        let code = self.binary.code_bytes_before(at, CALL_LENGTH)?;
        let target = call_target(self.arch, code, at)?;
        self.table.function_starting_at(target)
    }

    fn function(&self, address: u64) -> Option<&'a str> {
        self.table.function_at(address.wrapping_sub(self.bias))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_the_bundle() {
        let mut h = Hints::default();
        let json = br#"{"schema":"oomph.call-targets/1","callees":{"0x10":"runtime.makeslice","zz":"x"},
                        "functions":{"0xffffffffffffffff":"runtime.growslice"},"later":[]}"#;
        h.add_json(json).unwrap();
        assert_eq!(h.callee(16), Some("runtime.makeslice"));
        assert_eq!(h.function(u64::MAX), Some("runtime.growslice"));
        assert_eq!(h.callee(17), None);
        assert!(h.add_json(b"{\"schema\":\"other\"}").is_err());
        assert!(h.add_json(b"[").is_err());
    }
}
