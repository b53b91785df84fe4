//! The Go version of an executable that was built without build information: `runtime.buildVersion`
//! (`src/runtime/extern.go`), a string variable, found without a symbol by what it holds. Owns that search
//! alone; where build information is, that is asked first.

use crate::GoBinary;
use model::GoVersion;

/// Shortest and longest text that is taken: `go1.9` to a version with its experiments.
const LENGTHS: std::ops::RangeInclusive<u64> = 5..=200;

/// The newest of all versions that the program's string variables hold. Lists of releases that a program may
/// have (`go/build.Context.ReleaseTags`) end with its own, without the patch.
pub(crate) fn in_data(binary: &GoBinary<'_>) -> Option<String> {
    let versions = in_place(binary).chain(relocated(binary));
    let newest = versions.max_by_key(|(_, v)| (v.major, v.minor, v.patch))?;
    Some(newest.0.to_owned())
}

/// String headers as they stand in the file.
fn in_place<'b>(binary: &'b GoBinary<'_>) -> impl Iterator<Item = (&'b str, GoVersion)> {
    let data = binary.segments().iter().filter(|s| s.writable).map(|s| s.data);
    data.flat_map(|d| d.windows(16).step_by(8)).filter_map(|header| {
        let (data, len) = header.split_at(8);
        version(binary, word(data)?, word(len)?)
    })
}

/// In a position-independent file the addresses stand in the relocations.
fn relocated<'b>(binary: &'b GoBinary<'_>) -> impl Iterator<Item = (&'b str, GoVersion)> {
    binary.relative_relocations().filter_map(|(place, address)| {
        let len = binary.bytes_from(place.checked_add(8)?)?.get(..8)?;
        version(binary, address, word(len)?)
    })
}

fn version<'b>(binary: &'b GoBinary<'_>, address: u64, len: u64) -> Option<(&'b str, GoVersion)> {
    if !LENGTHS.contains(&len) {
        return None;
    }
    let text = binary.bytes_from(address)?.get(..usize::try_from(len).ok()?)?;
    let text = std::str::from_utf8(text).ok().filter(|t| t.starts_with("go1."))?;
    // A path or a sentence may begin so, too.
    let number = text.split(' ').next()?;
    let plain = number.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+:,".contains(&b));
    Some((text, GoVersion::parse(text).filter(|_| plain)?))
}

fn word(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}
