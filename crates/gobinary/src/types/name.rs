//! Names of types, fields and methods (`abi.Name`, `src/internal/abi/type.go`).

use super::{Detail, Kind, RuntimeTypes, TypeId};
use crate::types::read::{EXTRA_STAR, NAMED, UNCOMMON};
use std::fmt::Write as _;

/// Longest name that is taken; names of generic instances are long.
const MOST_NAME: u64 = 64 << 10;
/// How deep the name of a type without one is put together.
const MOST_DEEP: u32 = 8;

/// A name in the program's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub text: String,
    /// It is exported.
    pub exported: bool,
    /// The field is embedded.
    pub embedded: bool,
}

impl RuntimeTypes<'_> {
    /// The name at `address` ([`super::Field::name`]); `None` when none can be read.
    #[must_use]
    pub fn name_at(&self, address: u64) -> Option<Name> {
        let flags = self.memory.u8(address).ok()?;
        let (mut len, mut at) = (0_u64, address.checked_add(1)?);
        for shift in [0, 7, 14, 21] {
            let byte = self.memory.u8(at).ok()?;
            at = at.checked_add(1)?;
            len |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        if len > MOST_NAME {
            return None;
        }
        let mut scratch = Vec::new();
        let text = self.memory.view(at, len as usize, &mut scratch).ok()?;
        let text = std::str::from_utf8(text).ok()?.to_owned();
        Some(Name { text, exported: flags & 1 != 0, embedded: flags & 8 != 0 })
    }

    /// The name that a name offset in the descriptor at `address` names. Offsets of types made at run time
    /// are known to the running program alone.
    fn name_at_offset(&self, address: u64, offset: i32) -> Option<Name> {
        let base = self.section_of(address)?.start;
        let offset = u64::try_from(offset).ok().filter(|&o| o != 0)?;
        self.name_at(base.checked_add(offset)?)
    }

    /// The type as `reflect.Type.String` gives it: `*main.T`, `map[string]http.Header`. A type that
    /// package reflect made at run time gets one put together from its parts.
    #[must_use]
    pub fn name(&self, id: TypeId) -> String {
        let mut name = String::new();
        self.write_name(id, MOST_DEEP, &mut name);
        name
    }

    /// The name as the program keeps it; `None` for types made at run time and damaged ones.
    #[must_use]
    pub fn stored_name(&self, id: TypeId) -> Option<String> {
        let (typ, address) = (self.get(id)?, self.address(id)?);
        let text = self.name_at_offset(address, typ.str_offset)?.text;
        match text.strip_prefix('*') {
            Some(rest) if typ.flags & EXTRA_STAR != 0 => Some(rest.to_owned()),
            _ => Some(text),
        }
    }

    /// Whether it stands for several types that generic functions are compiled for together (`go.shape.int`).
    #[must_use]
    pub fn is_generic(&self, id: TypeId) -> bool {
        self.stored_name(id).is_some_and(|n| n.contains("go.shape."))
    }

    /// Import path of the package that declares a named type.
    #[must_use]
    pub fn package(&self, id: TypeId) -> Option<String> {
        let (typ, address) = (self.get(id)?, self.address(id)?);
        // A type without a name has one too when it has methods: that of what it embeds.
        if typ.flags & (UNCOMMON | NAMED) != UNCOMMON | NAMED {
            return None;
        }
        let uncommon = address.checked_add(u64::from(self.descriptor_size(typ.kind)?))?;
        let field = uncommon.checked_add(u64::from(self.layout.uncommon_type.pkg_path))?;
        let offset = self.memory.u32(field).ok()?.cast_signed();
        self.name_at_offset(address, offset).map(|n| n.text).filter(|p| !p.is_empty())
    }

    /// The name with the import path in front where the type has a name of its own:
    /// `github.com/x/y.T`, while [`RuntimeTypes::name`] gives `y.T`.
    #[must_use]
    pub fn qualified_name(&self, id: TypeId) -> String {
        let name = self.name(id);
        // A package's name holds no dot: the first one ends it.
        match (self.package(id), name.split_once('.')) {
            (Some(path), Some((_, rest))) => format!("{path}.{rest}"),
            _ => name,
        }
    }

    fn write_name(&self, id: TypeId, deep: u32, out: &mut String) {
        if let Some(name) = self.stored_name(id) {
            out.push_str(&name);
            return;
        }
        let Some(typ) = self.get(id).filter(|_| deep > 0) else {
            out.push('?');
            return;
        };
        let part = |out: &mut String, prefix: &str, elem: TypeId| {
            out.push_str(prefix);
            self.write_name(elem, deep - 1, out);
        };
        // Writing to a string does not fail.
        match &typ.detail {
            Detail::Pointer { elem } => part(out, "*", *elem),
            Detail::Slice { elem } => part(out, "[]", *elem),
            Detail::Chan { elem, .. } => part(out, "chan ", *elem),
            Detail::Array { elem, len } => part(out, &format!("[{len}]"), *elem),
            Detail::Map(map) => {
                part(out, "map[", map.key);
                part(out, "]", map.elem);
            }
            Detail::Func { .. } => out.push_str("func(?)"),
            Detail::Interface { .. } => out.push_str("interface { ? }"),
            Detail::Struct { fields } => {
                let _ = write!(out, "struct {{ {} fields, {} bytes }}", fields.len(), typ.size);
            }
            Detail::Basic => {
                let _ = write!(out, "{:?}?", typ.kind);
            }
        }
    }

    /// Bytes of a descriptor of this kind, without its uncommon part.
    pub(super) fn descriptor_size(&self, kind: Kind) -> Option<u32> {
        let l = &self.layout;
        Some(match kind {
            Kind::Array => l.array_type.size,
            Kind::Chan => l.chan_type.size,
            Kind::Func => l.func_type.size,
            Kind::Interface => l.interface_type.size,
            Kind::Map => match (l.swiss_map_type, l.classic_map_type) {
                (Some(m), _) => m.size,
                (None, m) => m?.size,
            },
            Kind::Pointer => l.ptr_type.size,
            Kind::Slice => l.slice_type.size,
            Kind::Struct => l.struct_type.size,
            _ => l.abi_type.size,
        })
    }
}
