//! Stack frames, and the mechanisms by which Go code comes to allocate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One frame of a Go stack. Empty strings and line 0 mean "not recorded".
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Frame {
    /// Full name as the linker has it, e.g. `example.com/app/cache.(*Store).Put`.
    pub function: String,
    /// Source file as recorded by the compiler (absolute, or trimmed by `-trimpath`).
    pub file: String,
    /// Line, from 1; 0 when not recorded.
    pub line: u32,
}

impl Frame {
    /// The last path element of the file and the line: `store.go:88`.
    #[must_use]
    pub fn short_location(&self) -> String {
        let name = self.file.rsplit('/').next().unwrap_or(&self.file);
        if self.line == 0 { name.to_owned() } else { format!("{name}:{}", self.line) }
    }

    /// The function without its import path's directories: `cache.(*Store).Put`.
    #[must_use]
    pub fn short_function(&self) -> &str {
        short_function(&self.function)
    }
}

/// `example.com/app/cache.(*Store).Put` as `cache.(*Store).Put`. Slashes inside type arguments
/// (`main.Get[example.com/x.T]`) are left alone.
pub(crate) fn short_function(name: &str) -> &str {
    let end = name.find('[').unwrap_or(name.len());
    match name[..end].rfind('/') {
        Some(i) => &name[i + 1..],
        None => name,
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.short_function(), self.short_location())
    }
}

/// How an allocation came about: which runtime entry the compiler's code called. The user's line
/// says *where*; the mechanism says *what happened there*. Names of runtime functions are those of
/// Go 1.19 to 1.27 (`src/runtime`, `src/internal/runtime/maps`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Mechanism {
    /// A map's table grew: `hashGrow`, `growWork`, Swiss `(*table).rehash/grow/split`.
    MapGrowth,
    /// A map insert needed memory for the entry itself: `mapassign*` (overflow bucket, indirect key or element).
    MapInsert,
    /// A map was made: `makemap*`, `NewMap`, map literals.
    MapMake,
    /// A slice's backing array grew: `growslice`, `append`.
    SliceGrowth,
    /// A value was boxed into an interface: `convT*`, `assertE2I`.
    Boxing,
    /// Strings joined: `concatstring*`.
    StringConcat,
    /// `[]byte`/`[]rune` and string converted: `slicebytetostring`, `stringtoslicebyte`, ...
    StringConversion,
    /// `strings.Builder`, `bytes.Buffer` or `io.ReadAll` grew its buffer.
    BufferGrowth,
    /// `fmt.Sprint*`, `fmt.Errorf`, `fmt.Append*`: formatting.
    Formatting,
    /// A closure was created (the allocation is of a function value).
    Closure,
    /// A channel was made: `makechan`.
    Channel,
    /// A goroutine's descriptor or stack: `newproc`, `malg`.
    GoroutineStack,
    /// `container/list` element.
    ListElement,
    /// An array for a slice was made: `makeslice`.
    MakeSlice,
    /// `new(T)`, `&T{}`: `newobject`.
    NewObject,
    /// `math/big` grew a number's words.
    BigNumber,
    /// A timer or ticker: `time.NewTimer`, `time.After`, ...
    Timer,
    /// Memory of the runtime or linker that fits none of the above.
    Other,
}

impl Mechanism {
    /// A noun phrase for a sentence: "a map table growing".
    #[must_use]
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::MapGrowth => "map growth",
            Self::MapInsert => "map insert",
            Self::MapMake => "map creation",
            Self::SliceGrowth => "slice growth",
            Self::Boxing => "interface boxing",
            Self::StringConcat => "string concatenation",
            Self::StringConversion => "string/[]byte conversion",
            Self::BufferGrowth => "buffer growth",
            Self::Formatting => "fmt formatting",
            Self::Closure => "closure",
            Self::Channel => "channel",
            Self::GoroutineStack => "goroutine start",
            Self::ListElement => "list element",
            Self::MakeSlice => "make([]T)",
            Self::NewObject => "new object",
            Self::BigNumber => "big.Int words",
            Self::Timer => "timer",
            Self::Other => "other allocation",
        }
    }

    /// Whether this is memory of a map itself (its tables, its entries).
    #[must_use]
    pub const fn is_map(self) -> bool {
        matches!(self, Self::MapGrowth | Self::MapInsert | Self::MapMake)
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.phrase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortens_names() {
        assert_eq!(short_function("example.com/app/cache.(*Store).Put"), "cache.(*Store).Put");
        assert_eq!(short_function("main.main"), "main.main");
        assert_eq!(short_function("a/b.Get[example.com/x.T]"), "b.Get[example.com/x.T]");
    }
}
