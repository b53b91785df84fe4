//! What the functions that code calls take and give back in registers (`ABIInternal`,
//! `src/cmd/compile/abi-internal.md`, the same in Go 1.19 to 1.27): those of the runtime that take a type
//! descriptor, by name; methods, by their receiver and signature in the type descriptors.

use super::state::Value;
use crate::layout::Arch;
use crate::types::{Detail, Kind, PointerKind};
use crate::{RuntimeTypes, TypeId};

/// How deep structs and arrays nest in parameters.
const MOST_DEEP: u32 = 16;

/// What a call does, as far as types go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Callee {
    /// Returns a new value of the type in the register of this place.
    New { typ: usize },
    /// `mallocgc`: takes the size, then the type.
    Malloc,
    /// Returns an array of elements of the type in the register of this place.
    Array { typ: usize },
    /// Returns a new map of the type in the first register.
    Map,
    /// Returns a new channel of the type in the first register.
    Chan,
    /// Returns a new map in the first register; of which type, it is not told.
    SmallMap,
    /// Returns the bytes of a new string in the first register.
    Text,
    /// Takes a map type, then a map.
    MapUse,
    /// The write barrier: changes no register but the scratch one.
    Barrier,
    /// Does not return.
    Never,
    /// A method: what its registers hold on entry and on return.
    Method { params: Box<[Value]>, results: Box<[Value]> },
}

/// Registers of integer parameters and results, in order.
pub(super) const fn registers(arch: Arch) -> &'static [u8] {
    match arch {
        // rax, rbx, rcx, rdi, rsi, r8, r9, r10, r11
        Arch::Amd64 => &[0, 3, 1, 7, 6, 8, 9, 10, 11],
        Arch::Arm64 => &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    }
}

/// Floating-point registers of parameters.
const fn floats(arch: Arch) -> usize {
    match arch {
        Arch::Amd64 => 15,
        Arch::Arm64 => 16,
    }
}

/// What the runtime's function of this name does, in Go 1.`minor`.
pub(super) fn runtime_function(name: &str, minor: u32) -> Option<Callee> {
    let name = name.strip_prefix("runtime.")?;
    Some(match name {
        "newobject" | "convT" => Callee::New { typ: 0 },
        "mallocgc" => Callee::Malloc,
        "makeslice" | "makeslice64" | "makeslicecopy" | "newarray" => Callee::Array { typ: 0 },
        "growslice" | "growsliceNoAlias" | "growsliceBuf" | "growsliceBufNoAlias" => {
            // `func growslice(et *_type, old slice, cap int) slice` up to Go 1.19.
            Callee::Array { typ: if minor < 20 { 0 } else { 4 } }
        }
        "makemap" | "makemap64" => Callee::Map,
        "makemap_small" => Callee::SmallMap,
        "makechan" | "makechan64" => Callee::Chan,
        "slicebytetostring" | "slicerunetostring" | "intstring" => Callee::Text,
        _ if name.starts_with("concatstring") => Callee::Text,
        "mapiterinit" | "mapIterStart" | "mapclear" => Callee::MapUse,
        _ if ["mapaccess", "mapassign", "mapdelete"].iter().any(|p| name.starts_with(p)) => Callee::MapUse,
        // From Go 1.26 on the compiler picks the function for the size of the type.
        _ if ["mallocgcSmallNoScanSC", "mallocgcSmallScanNoHeaderSC", "mallocgcTinySize"]
            .iter()
            .any(|p| name.strip_prefix(p).is_some_and(|n| n.parse::<u8>().is_ok())) =>
        {
            Callee::Malloc
        }
        _ if name.starts_with("gcWriteBarrier") => Callee::Barrier,
        _ if ["panic", "goPanic", "throw", "fatal"].iter().any(|p| name.starts_with(p)) => Callee::Never,
        "gopanic" => Callee::Never,
        _ => return None,
    })
}

/// Assigns values to registers, one after the other.
struct Assign<'t, 'm> {
    types: &'t RuntimeTypes<'m>,
    ints: usize,
    floats: usize,
    values: Vec<Value>,
}

/// The qualified name of the type whose method has this name, as far as names tell: `net/http.Transport` of
/// `net/http.(*Transport).RoundTrip`; and whether the receiver is a pointer to it.
pub(super) fn receiver(name: &str) -> Option<(String, bool)> {
    let is_name = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80);
    let package_end = name.rfind('/').map_or(0, |i| i + 1);
    let (path, rest) = name.split_at(package_end);
    let (package, rest) = rest.split_once('.')?;
    let (typ, method, pointer) = match rest.strip_prefix("(*") {
        Some(rest) => {
            let (typ, method) = rest.split_once(").")?;
            (typ, method, true)
        }
        None => {
            let (typ, method) = rest.split_once('.')?;
            (typ, method, false)
        }
    };
    (is_name(typ) && is_name(method)).then(|| (format!("{path}{}.{typ}", unescape(package)), pointer))
}

/// A package's name without the linker's escapes (`%2e` for a dot; `PathToPrefix` of `src/cmd/internal/objabi`).
fn unescape(name: &str) -> String {
    let mut parts = name.split('%');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(u8::is_ascii) {
            Some(byte) => {
                out.push(char::from(byte));
                out.push_str(part.get(2..).unwrap_or_default());
            }
            None => {
                out.push('%');
                out.push_str(part);
            }
        }
    }
    out
}

/// What registers hold on entry to a method whose parameters are not known.
pub(super) fn received(types: &RuntimeTypes<'_>, receiver: TypeId, pointer: bool) -> Callee {
    let params = match pointer {
        true => Box::from([Value::known(PointerKind::Ptr(receiver))]),
        false => assign(types, std::iter::once(&receiver)),
    };
    Callee::Method { params, results: Box::default() }
}

/// What registers hold on entry to a method, and on return from it.
pub(super) fn method(types: &RuntimeTypes<'_>, receiver: TypeId, signature: TypeId) -> Callee {
    let none: &[TypeId] = &[];
    let (params, results) = match types.get(signature).map(|t| &t.detail) {
        Some(Detail::Func { params, results, .. }) => (&**params, &**results),
        _ => (none, none),
    };
    Callee::Method {
        params: assign(types, std::iter::once(&receiver).chain(params)),
        results: assign(types, results.iter()),
    }
}

fn assign<'i>(types: &RuntimeTypes<'_>, list: impl Iterator<Item = &'i TypeId>) -> Box<[Value]> {
    let arch = types.layout().arch;
    let mut to = Assign { types, ints: registers(arch).len(), floats: floats(arch), values: Vec::new() };
    for &id in list {
        let (ints, floats, len) = (to.ints, to.floats, to.values.len());
        match to.add(id, MOST_DEEP) {
            Some(true) => {}
            // It goes onto the stack as a whole; those behind it may still fit.
            Some(false) => {
                (to.ints, to.floats) = (ints, floats);
                to.values.truncate(len);
            }
            // Where those behind it go is not known.
            None => {
                to.values.truncate(len);
                break;
            }
        }
    }
    to.values.into_boxed_slice()
}

impl Assign<'_, '_> {
    /// Whether the value fits into the registers that are left; `None` when that cannot be told.
    fn add(&mut self, id: TypeId, deep: u32) -> Option<bool> {
        let typ = self.types.get(id)?;
        let deep = deep.checked_sub(1)?;
        let known = |kind| [Value::known(kind)];
        const TWO: [Value; 2] = [Value::Unknown; 2];
        Some(match (&typ.detail, typ.kind) {
            _ if typ.size == 0 => true,
            (Detail::Pointer { elem }, _) => self.ints(&known(PointerKind::Ptr(*elem))),
            (Detail::Map(_), _) => self.ints(&known(PointerKind::Map(id))),
            (Detail::Chan { .. }, _) => self.ints(&known(PointerKind::Chan(id))),
            (Detail::Func { .. }, _) => self.ints(&known(PointerKind::Func(id))),
            (Detail::Slice { elem }, _) => {
                self.ints(&[Value::known(PointerKind::Slice(*elem)), Value::Unknown, Value::Unknown])
            }
            (Detail::Interface { .. }, _) => self.ints(&TWO),
            (Detail::Basic, Kind::String) => self.ints(&[Value::known(PointerKind::String), Value::Unknown]),
            (Detail::Basic, Kind::Float32 | Kind::Float64) => self.float(1),
            (Detail::Basic, Kind::Complex64 | Kind::Complex128) => self.float(2),
            (Detail::Basic, _) => self.ints(&[Value::Unknown]),
            (Detail::Array { elem, len: 1 }, _) => return self.add(*elem, deep),
            (Detail::Array { .. }, _) => false,
            (Detail::Struct { fields }, _) => {
                for field in fields {
                    if !self.add(field.typ, deep)? {
                        return Some(false);
                    }
                }
                true
            }
        })
    }

    fn ints(&mut self, values: &[Value]) -> bool {
        let Some(left) = self.ints.checked_sub(values.len()) else { return false };
        self.ints = left;
        self.values.extend(values);
        true
    }

    fn float(&mut self, n: usize) -> bool {
        match self.floats.checked_sub(n) {
            Some(left) => {
                self.floats = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_methods_tell_their_receivers() {
        let is = |name, typ: &str, pointer| assert_eq!(receiver(name), Some((typ.to_owned(), pointer)), "{name}");
        is("net/http.(*Transport).RoundTrip", "net/http.Transport", true);
        is("sync.(*Map).Store", "sync.Map", true);
        is("gopkg.in/yaml%2ev3.(*parser).parse", "gopkg.in/yaml.v3.parser", true);
        is("time.Time.Add", "time.Time", false);
        for name in
            ["main.main", "main.(*T).run.func1", "main.(*T[...]).run", "main.(*T).run-fm", "main.init.0.func1", ""]
        {
            assert_eq!(receiver(name), None, "{name}");
        }
    }
}
