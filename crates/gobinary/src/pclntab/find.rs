//! Where an executable has its function table, and where its code starts: by section, by the magic
//! in the bytes of a segment, by the runtime's `moduledata`. It owns the search in files; reading
//! the table is the parent's.

use super::{Functions, ModuleBases, Pclntab, u64_at};
use crate::{BinaryError, GoBinary};

/// Most places that look like a table and are tried; real files have one.
const MOST_TRIES: usize = 32;

/// By section `.gopclntab`, else by scanning all segments for the magic at 8-byte steps (external
/// linkers put the table of a position-independent executable into `.data.rel.ro`).
pub(crate) fn find<'a>(binary: &GoBinary<'a>) -> Result<Pclntab<'a>, BinaryError> {
    let mut damaged = None;
    let named = [".gopclntab", ".data.rel.ro.gopclntab"].into_iter().find_map(|name| binary.section(name));
    if let Some((address, data)) = named {
        match read(binary, address, data) {
            Ok(table) => return Ok(table),
            Err(e) => damaged = Some(e),
        }
    }
    let mut tries = 0;
    for segment in binary.segments() {
        for (i, word) in segment.data.chunks_exact(8).enumerate() {
            let first = [word.first(), word.get(1), word.get(2), word.get(3)];
            // Cheap test first: f0/f1 ff ff ff 00 00 minLC 08.
            if !matches!(first, [Some(0xf0 | 0xf1), Some(0xff), Some(0xff), Some(0xff)])
                || !matches!(word.get(4..), Some([0, 0, 1 | 4, 8]))
            {
                continue;
            }
            tries += 1;
            if tries > MOST_TRIES {
                break;
            }
            let Some(data) = segment.data.get(i * 8..) else {
                continue;
            };
            let address = segment.address.saturating_add(i as u64 * 8);
            match read(binary, address, data) {
                Ok(table) => return Ok(table),
                Err(e) => damaged = Some(e),
            }
        }
    }
    Err(damaged.unwrap_or(BinaryError::NotGo))
}

/// Reads the table at `address`, whose bytes (and perhaps more) are `data`.
fn read<'a>(binary: &GoBinary<'a>, address: u64, data: &'a [u8]) -> Result<Pclntab<'a>, BinaryError> {
    let (found, header) = Pclntab::parse(data)?;
    let text = text_start(binary, address, &found, header).ok_or_else(|| super::damaged(24, "a start of the code"))?;
    Ok(Pclntab { text, address, ..found })
}

/// Where the code starts. The header told it up to Go 1.25 (in a position-independent file it may
/// be left to a relocation); else the runtime's `moduledata` does; else `.text`.
fn text_start(binary: &GoBinary<'_>, address: u64, table: &Pclntab<'_>, header: u64) -> Option<u64> {
    let in_code = |text: u64| {
        let end = text.checked_add(u64::from(table.offset(table.count)?))?;
        let inside = binary
            .segments()
            .iter()
            .any(|s| s.executable && text >= s.address && end <= s.address.saturating_add(s.data.len() as u64));
        (inside && text != 0).then_some(text)
    };
    in_code(header)
        .or_else(|| in_code(binary.symbol("runtime.text")?))
        .or_else(|| in_code(moduledata_text(binary, address)?))
        .or_else(|| in_code(binary.section(".text")?.0))
}

/// `moduledata.text`: the 22nd word of the structure whose first word points to the table
/// (`src/runtime/symtab.go`, unchanged in Go 1.18 to 1.27: offset 176). The words are there
/// unless they are left to relocations (position-independent files).
fn moduledata_text(binary: &GoBinary<'_>, address: u64) -> Option<u64> {
    const TEXT: usize = 176;
    const MINPC: usize = 160;
    let needle = address.to_le_bytes();
    for segment in binary.segments() {
        for (i, word) in segment.data.chunks_exact(8).enumerate() {
            if word != needle {
                continue;
            }
            let at = i * 8;
            let text = u64_at(segment.data, at.checked_add(TEXT)?);
            let minpc = u64_at(segment.data, at.checked_add(MINPC)?);
            // minpc is the first function's address: text, or above it where C code comes first.
            if let (Some(text), Some(minpc)) = (text, minpc)
                && text != 0
                && text <= minpc
                && minpc - text < 1 << 32
            {
                return Some(text);
            }
        }
    }
    binary.relocated_word(address, TEXT as u64)
}

/// `moduledata.gofunc` and `moduledata.rodata`, which stand side by side in every version: by symbols,
/// else among the words of the `moduledata` by whether functions' FUNCDATA makes sense there.
fn gofunc(binary: &GoBinary<'_>, table: &Pclntab<'_>) -> Option<(u64, u64)> {
    let named = ["go:func.*", "go.func.*"].into_iter().find_map(|n| binary.symbol(n));
    if let (Some(gofunc), Some(rodata)) = (named, binary.symbol("runtime.rodata")) {
        return Some((gofunc, rodata));
    }
    // From `etypes` on to well behind `gofunc`, in Go 1.18 (304) to 1.27 (344).
    const PLACES: std::ops::Range<u64> = 280..376;
    let mut pairs = Vec::new();
    let needle = table.address.to_le_bytes();
    for segment in binary.segments() {
        let words = segment.data.chunks_exact(8).enumerate();
        for (i, _) in words.filter(|(_, w)| *w == needle).take(MOST_TRIES) {
            let word = |d: u64| u64_at(segment.data, i.checked_mul(8)?.checked_add(usize::try_from(d).ok()?)?);
            pairs.extend(PLACES.step_by(8).filter_map(|d| Some((word(d)?, word(d + 8)?))));
        }
    }
    let word = |d: u64| binary.relocated_word(table.address, d);
    let relocated = PLACES.step_by(8).filter_map(|d| Some((word(d)?, word(d + 8)?)));
    let pair = pairs.into_iter().chain(relocated).find(|&(rodata, gofunc)| {
        rodata <= gofunc && binary.bytes_from(gofunc).is_some_and(|b| Functions::new(*table, b, None).make_sense())
    });
    pair.map(|(rodata, gofunc)| (gofunc, rodata))
}

/// All that the file tells of where the tables are.
pub(crate) fn bases(binary: &GoBinary<'_>, table: &Pclntab<'_>) -> ModuleBases {
    let found = gofunc(binary, table);
    ModuleBases { pclntab: table.address, text: table.text, gofunc: found.map(|f| f.0), rodata: found.map(|f| f.1) }
}
