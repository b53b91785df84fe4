//! Which functions are the Go distribution's own. Decided by the first element of the import path:
//! the list is that of `go list std` in Go 1.23.9, 1.26.6 and 1.27.3 (`vendor/golang.org/x/...`
//! inside the standard library is std). A dot proves nothing: modules may be named `myapp/x`.

/// First elements of the import paths of the standard library, sorted.
const ROOTS: [&str; 51] = [
    "archive",
    "bufio",
    "bytes",
    "cmp",
    "compress",
    "container",
    "context",
    "crypto",
    "database",
    "debug",
    "embed",
    "encoding",
    "errors",
    "expvar",
    "flag",
    "fmt",
    "go",
    "hash",
    "html",
    "image",
    "index",
    "internal",
    "io",
    "iter",
    "log",
    "maps",
    "math",
    "mime",
    "net",
    "os",
    "path",
    "plugin",
    "reflect",
    "regexp",
    "runtime",
    "slices",
    "sort",
    "strconv",
    "strings",
    "structs",
    "sync",
    "syscall",
    "testing",
    "text",
    "time",
    "unicode",
    "unique",
    "unsafe",
    "uuid",
    "vendor",
    "weak",
];

/// Whether `function` (a linker name: `net/http.(*conn).serve`) belongs to the Go standard library
/// or runtime. `main.` is user code, and so is anything without a package.
#[must_use]
pub fn is_standard(function: &str) -> bool {
    let package = package_of(function);
    let root = package.split('/').next().unwrap_or(package);
    // Methods the compiler generates for built-in types, and cgo's glue in the runtime's hands.
    matches!(function, "type:.eq" | "gogo" | "_rt0_amd64_linux")
        || function.starts_with("type:.")
        || function.starts_with("_cgo_")
        || ROOTS.binary_search(&root).is_ok()
}

/// The import path in a linker name: `example.com/a/b` of `example.com/a/b.(*T).M[...]`. The
/// linker escapes dots in the last element as `%2e`; left as is.
pub(crate) fn package_of(function: &str) -> &str {
    let end = function.find(['[', '(']).unwrap_or(function.len());
    let slash = function[..end].rfind('/').map_or(0, |i| i + 1);
    match function[slash..end].find('.') {
        Some(dot) => &function[..slash + dot],
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_std_from_user() {
        assert!(ROOTS.is_sorted());
        for f in [
            "runtime.mallocgc",
            "net/http.(*conn).serve",
            "internal/runtime/maps.(*table).grow",
            "vendor/golang.org/x/net/http2/hpack.NewEncoder",
            "sync.(*Pool).Get",
            "slices.Grow[go.shape.[]uint8,go.shape.uint8]",
            "container/list.(*List).insertValue",
        ] {
            assert!(is_standard(f), "{f}");
        }
        for f in [
            "main.main",
            "main.(*Cache[...]).Put",
            "myapp/store.Put",
            "example.com/net/http.Serve",
            "github.com/a/b.F",
            "golang.org/x/net/http2.F",
            "go.uber.org/zap.New",
            "",
        ] {
            assert!(!is_standard(f), "{f}");
        }
        assert_eq!(package_of("main.Get[example.com/x.T]"), "main");
        assert_eq!(package_of("a.b/c.(*T).M"), "a.b/c");
    }
}
