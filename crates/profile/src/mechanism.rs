//! By which runtime entry an allocation came about.
//!
//! What a heap profile can tell: Go's writer (`src/runtime/pprof/protomem.go`) drops leading
//! `runtime.` frames (and `internal/runtime/` frames since 1.24), so the leaf usually is the
//! function that allocated, and the profile alone says nothing of *how*. Three things still do:
//! frames of the standard library between the runtime and the user (`strings.(*Builder).grow`,
//! `container/list.(*List).insertValue`, `math/big.nat.make`, `fmt.Sprintf`); runtime frames in stacks that
//! have nothing else; and the leaf's address, behind a CALL whose target the executable names, or the
//! service itself ([`MechanismHints`]). Where none of them speaks, the answer is `Mechanism::Other`, not a guess.

use crate::std_packages::package_of;
use model::{Frame, Mechanism};

/// What an upper floor with the executable or with `/debug/pprof/symbol` knows of addresses.
pub trait MechanismHints {
    /// The function called by the instruction that ends at `return_address`, e.g.
    /// `runtime.mapassign_faststr`: out of the executable (`gobinary::code::call_target`) or out of a heap text
    /// and [`crate::read_symbols`].
    fn callee(&self, return_address: u64) -> Option<&str>;

    /// The function that holds the code at `address`, e.g. `runtime.growslice`. Asked for addresses
    /// without symbols: the runtime frames of `heap?debug=1`, which prints addresses but no names.
    fn function(&self, address: u64) -> Option<&str> {
        let _ = address;
        None
    }
}

/// Knows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHints;

impl MechanismHints for NoHints {
    fn callee(&self, _return_address: u64) -> Option<&str> {
        None
    }
}

/// The mechanism from the frames alone, leaf first. Only frames of the distribution next to the leaf
/// count. A library that names a mechanism of its own stands for what it calls (`fmt.Sprintf` for
/// the buffer it grows), a map's growth for the insert around it; a library that says nothing
/// (`net/http`, `encoding/json`) ends the search, so that what it does inside is not laid at the
/// door of its caller.
#[must_use]
pub fn classify_stack<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> Mechanism {
    let mut found: Option<Mechanism> = None;
    for f in frames {
        if !crate::is_standard(&f.function) {
            break;
        }
        match classify_callee(&f.function) {
            Some(Mechanism::MapInsert) if found == Some(Mechanism::MapGrowth) => {}
            Some(m) => found = Some(m),
            None if is_transparent(&f.function) => {}
            None => break,
        }
    }
    found.unwrap_or(Mechanism::Other)
}

/// Packages that allocate on behalf of others in this list and of the runtime.
fn is_transparent(function: &str) -> bool {
    let package = package_of(function);
    matches!(
        package,
        "runtime"
            | "sync"
            | "strconv"
            | "fmt"
            | "bytes"
            | "strings"
            | "io"
            | "slices"
            | "maps"
            | "time"
            | "container/list"
            | "math/big"
            | "unicode/utf8"
            | "errors"
    ) || package.starts_with("internal/")
}

/// The mechanism a function stands for, by its linker name; `None` for functions that say nothing
/// (`runtime.mallocgc` under another entry, plain library code). Names: Go 1.19 to 1.27.
#[must_use]
pub fn classify_callee(function: &str) -> Option<Mechanism> {
    if let Some(name) = function.strip_prefix("runtime.") {
        return runtime(name);
    }
    if let Some(name) = function.strip_prefix("internal/runtime/maps.") {
        return swiss_map(name);
    }
    library(function)
}

/// `src/runtime`: map*.go, slice.go, string.go, iface.go, chan.go, malloc.go, proc.go.
fn runtime(name: &str) -> Option<Mechanism> {
    use Mechanism as M;
    const EXACT: &[(&str, Mechanism)] = &[
        ("hashGrow", M::MapGrowth),
        ("growWork", M::MapGrowth),
        ("evacuate", M::MapGrowth),
        ("(*hmap).newoverflow", M::MapInsert),
        ("reflect_mapassign", M::MapInsert),
        ("reflect_mapassign0", M::MapInsert),
        ("reflect_mapassign_faststr", M::MapInsert),
        ("reflect_mapassign_faststr0", M::MapInsert),
        ("reflect_makemap", M::MapMake),
        ("maps_clone", M::MapMake),
        ("mapclone", M::MapMake),
        ("mapclone2", M::MapMake),
        ("growslice", M::SliceGrowth),
        ("growsliceNoAlias", M::SliceGrowth),
        ("nextslicecap", M::SliceGrowth),
        ("reflect_growslice", M::SliceGrowth),
        ("growsliceBuf", M::SliceGrowth),
        ("growsliceBufNoAlias", M::SliceGrowth),
        ("moveSlice", M::SliceGrowth),
        ("moveSliceNoScan", M::SliceGrowth),
        ("moveSliceNoCap", M::SliceGrowth),
        ("moveSliceNoCapNoScan", M::SliceGrowth),
        ("makeslicecopy", M::MakeSlice),
        ("makeslice", M::MakeSlice),
        ("makeslice64", M::MakeSlice),
        ("newarray", M::MakeSlice),
        ("reflect_unsafe_NewArray", M::MakeSlice),
        ("reflectlite_unsafe_NewArray", M::MakeSlice),
        ("slicebytetostring", M::StringConversion),
        ("stringtoslicebyte", M::StringConversion),
        ("stringtoslicerune", M::StringConversion),
        ("slicerunetostring", M::StringConversion),
        ("intstring", M::StringConversion),
        ("gostring", M::StringConversion),
        ("gostringn", M::StringConversion),
        ("makechan", M::Channel),
        ("makechan64", M::Channel),
        ("reflect_makechan", M::Channel),
        ("newproc", M::GoroutineStack),
        ("newproc1", M::GoroutineStack),
        ("malg", M::GoroutineStack),
        ("newobject", M::NewObject),
        ("reflect_unsafe_New", M::NewObject),
        ("reflectlite_unsafe_New", M::NewObject),
        ("bytealg_MakeNoZero", M::BufferGrowth),
    ];
    if let Some((_, m)) = EXACT.iter().find(|(n, _)| *n == name) {
        return Some(*m);
    }
    for (prefix, m) in [
        ("growWork_", M::MapGrowth),
        ("evacuate_", M::MapGrowth),
        ("mapassign", M::MapInsert),
        ("makemap", M::MapMake),
        ("convT", M::Boxing),
        ("convI2I", M::Boxing),
        ("concatstring", M::StringConcat),
        ("concatbyte", M::StringConcat),
        // Go 1.27: new(T) calls the allocator of its size class.
        ("mallocgcTinySC", M::NewObject),
        ("mallocgcSmallNoScanSC", M::NewObject),
        ("mallocgcSmallScanNoHeaderSC", M::NewObject),
    ] {
        if name.starts_with(prefix) {
            return Some(m);
        }
    }
    None
}

/// `src/internal/runtime/maps`, Go 1.24 and later.
fn swiss_map(name: &str) -> Option<Mechanism> {
    use Mechanism as M;
    match name {
        "(*table).rehash"
        | "(*table).grow"
        | "(*table).split"
        | "(*Map).growToTable"
        | "(*Map).growToSmall"
        | "(*Map).installTableSplit" => Some(M::MapGrowth),
        // Reached from growth and from making a map: what is around them decides.
        "newTable" | "newGroups" | "newarray" | "newobject" | "(*table).reset" => None,
        "NewMap" | "NewEmptyMap" | "(*Map).Clone" => Some(M::MapMake),
        _ if name.contains("PutSlot")
            || name.contains("putSlot")
            || name.ends_with(".Put")
            || name.starts_with("runtime_mapassign") =>
        {
            Some(M::MapInsert)
        }
        _ => None,
    }
}

/// Library functions whose allocations have a name of their own.
fn library(f: &str) -> Option<Mechanism> {
    use Mechanism as M;
    const PREFIXES: &[(&str, Mechanism)] = &[
        ("container/list.(*List).insert", M::ListElement),
        ("container/list.(*List).Push", M::ListElement),
        ("container/list.(*List).Insert", M::ListElement),
        ("math/big.nat.", M::BigNumber),
        ("math/big.(*nat", M::BigNumber),
        ("math/big.(*Int).", M::BigNumber),
        ("math/big.NewInt", M::BigNumber),
        ("bytes.growSlice", M::BufferGrowth),
        ("bytes.(*Buffer).", M::BufferGrowth),
        ("strings.(*Builder).", M::BufferGrowth),
        ("internal/bytealg.MakeNoZero", M::BufferGrowth),
        ("io.ReadAll", M::BufferGrowth),
        ("io/ioutil.ReadAll", M::BufferGrowth),
        ("os.ReadFile", M::BufferGrowth),
        ("fmt.Sprint", M::Formatting),
        ("fmt.Errorf", M::Formatting),
        ("fmt.Append", M::Formatting),
        ("fmt.Fprint", M::Formatting),
        ("fmt.newPrinter", M::Formatting),
        ("fmt.(*buffer).", M::Formatting),
        ("time.NewTimer", M::Timer),
        ("time.NewTicker", M::Timer),
        ("time.AfterFunc", M::Timer),
        ("time.After", M::Timer),
        ("time.Tick", M::Timer),
        ("time.newTimer", M::Timer),
        ("slices.Grow", M::SliceGrowth),
        ("slices.Insert", M::SliceGrowth),
        ("strings.Join", M::StringConcat),
        ("maps.Clone", M::MapMake),
        ("maps.clone", M::MapMake),
    ];
    PREFIXES.iter().find(|(p, _)| f.starts_with(p)).map(|(_, m)| *m)
}
