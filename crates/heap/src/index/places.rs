//! Variables whose types are known, in an index: types by the addresses of their descriptors.

use super::{IndexError, IndexReader, IndexWriter};
use gobinary::types::PointerKind;
use gobinary::{Contents, RuntimeTypes, TypeId, TypedPlace};

/// Most variables.
const MOST_PLACES: usize = 1 << 26;

/// Writes them.
pub(super) fn save(places: &[TypedPlace], types: &RuntimeTypes<'_>, out: &mut IndexWriter<'_>) -> std::io::Result<()> {
    let rows: Vec<[u64; 4]> = places.iter().map(|p| encode(p, types)).collect();
    out.section(&rows)
}

/// Reads them back; none of an unknown type.
pub(super) fn load(types: &RuntimeTypes<'_>, input: &mut IndexReader<'_>) -> Result<Vec<TypedPlace>, IndexError> {
    let rows = input.array_to::<[u64; 4]>(MOST_PLACES)?;
    let places: Option<Vec<TypedPlace>> = rows.iter().map(|r| decode(*r, types)).collect();
    places.ok_or(IndexError::Other("its types are not those of the program"))
}

fn encode(place: &TypedPlace, types: &RuntimeTypes<'_>) -> [u64; 4] {
    let at = |id: TypeId| types.address(id).unwrap_or(0);
    let (what, typ, count) = match place.contents {
        Contents::Values { typ, count } => (0, at(typ), count),
        Contents::Pointer(kind) => match kind {
            PointerKind::Ptr(id) => (1, at(id), 0),
            PointerKind::Slice(id) => (2, at(id), 0),
            PointerKind::String => (3, 0, 0),
            PointerKind::Map(id) => (4, at(id), 0),
            PointerKind::Chan(id) => (5, at(id), 0),
            PointerKind::Func(id) => (6, at(id), 0),
            PointerKind::Iface(id) => (7, at(id), 0),
            PointerKind::Eface => (8, 0, 0),
            PointerKind::Unsafe => (9, 0, 0),
        },
    };
    [place.address, what, typ, count]
}

fn decode([address, what, at, count]: [u64; 4], types: &RuntimeTypes<'_>) -> Option<TypedPlace> {
    let id = || Some(types.id(at)).filter(|id| *id != TypeId::NONE && types.get(*id).is_some());
    let contents = match what {
        0 => Contents::Values { typ: id()?, count },
        1 => Contents::Pointer(PointerKind::Ptr(id()?)),
        2 => Contents::Pointer(PointerKind::Slice(id()?)),
        3 => Contents::Pointer(PointerKind::String),
        4 => Contents::Pointer(PointerKind::Map(id()?)),
        5 => Contents::Pointer(PointerKind::Chan(id()?)),
        6 => Contents::Pointer(PointerKind::Func(id()?)),
        7 => Contents::Pointer(PointerKind::Iface(id()?)),
        8 => Contents::Pointer(PointerKind::Eface),
        9 => Contents::Pointer(PointerKind::Unsafe),
        _ => return None,
    };
    Some(TypedPlace { address, contents })
}
