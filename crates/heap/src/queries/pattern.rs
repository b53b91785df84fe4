//! What a person means by a name: a type, a package, a module, a variable, a function. Owns how patterns are written:
//! a name as it is, `*` and `?` as in file names, `/.../` for a regular expression.

use crate::paths::Names;
use crate::program::HeapGraph;
use crate::shapes::Shape;
use gobinary::types::Detail;
use gobinary::{RuntimeTypes, TypeId};
use regex::Regex;

/// How deep the type of a container names others.
const MOST_DEEP: u32 = 8;
/// Largest regular expression, compiled, in bytes.
const MOST_REGEX: usize = 1 << 20;

/// Why a pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing between the quotes.
    #[error("the pattern is empty")]
    Empty,
    /// What stands between slashes is no regular expression.
    #[error("`{text}` is no regular expression: {why}")]
    Regex {
        /// What was given.
        text: String,
        /// What is wrong with it.
        why: String,
    },
}

/// A pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    /// None for names as they are.
    regex: Option<Regex>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternError`] when it is empty or no regular expression.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.trim().is_empty() {
            return Err(PatternError::Empty);
        }
        let inner = text.strip_prefix('/').and_then(|t| t.strip_suffix('/')).filter(|t| !t.is_empty());
        let source = match inner {
            Some(regex) => Some(regex.to_owned()),
            None if text.contains(['*', '?']) => Some(of_wildcards(text)),
            None => None,
        };
        let compile = |source: String| {
            regex::RegexBuilder::new(&source)
                .size_limit(MOST_REGEX)
                .build()
                .map_err(|e| PatternError::Regex { text: text.to_owned(), why: e.to_string() })
        };
        Ok(Self { text: text.to_owned(), regex: source.map(compile).transpose()? })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is a name as it is, not one that stands for many.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.regex.is_none()
    }

    /// Whether a name is meant. Go's pointer types begin with an asterisk: the name as it is always counts.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        name == self.text || self.regex.as_ref().is_some_and(|r| r.is_match(name))
    }

    /// Whether a package is meant: by its import path or by one above it, a module's.
    #[must_use]
    pub fn matches_package(&self, path: &str) -> bool {
        match &self.regex {
            Some(regex) => regex.is_match(path),
            None => path == self.text || path.strip_prefix(self.text.as_str()).is_some_and(|r| r.starts_with('/')),
        }
    }

    /// Whether a variable is meant, by its own name or with what follows it: `main.app` and `main.app.cache`.
    #[must_use]
    pub fn matches_variable(&self, name: &str) -> bool {
        let part = || name.strip_prefix(self.text.as_str()).is_some_and(|r| r.starts_with(['.', '[', '+']));
        self.matches(name) || (self.is_plain() && part())
    }
}

/// `*` and `?` as a regular expression over the whole name.
fn of_wildcards(text: &str) -> String {
    let mut out = String::from("(?s)^");
    for c in text.chars() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push('$');
    out
}

/// Import path of the package of a function or variable: `example.com/app/cache` of
/// `example.com/app/cache.(*Cache).Put`.
pub(super) fn package_of(symbol: &str) -> Option<String> {
    let dir = symbol.rfind('/').map_or(0, |i| i + 1);
    let end = dir + symbol.get(dir..)?.find('.')?;
    // The linker writes dots of a path's last element as %2e.
    symbol.get(..end).filter(|p| !p.is_empty()).map(|p| p.replace("%2e", "."))
}

impl HeapGraph<'_> {
    /// Numbers of the shapes that are meant by the name of their type.
    pub(super) fn shapes_named(&self, pattern: &Pattern, names: &dyn Names) -> Vec<bool> {
        let types = &self.runtime.types;
        let named = |number: u32| {
            let shape = self.shapes.get(number);
            if shape == Shape::Unknown {
                return false;
            }
            let name = shape.name(types, |code| names.function(code));
            pattern.matches(&name) || full_name(shape, types, &name).is_some_and(|n| pattern.matches(&n))
        };
        let all = |test: &dyn Fn(u32) -> bool| (0..self.shapes.len() as u32).map(test).collect::<Vec<bool>>();
        let found = all(&named);
        // `*main.T` is a type; only when no object has it, all that ends in `main.T` is meant.
        let exact = |n: u32| self.shapes.get(n).name(types, |code| names.function(code)) == pattern.text();
        let as_it_is = all(&exact);
        if as_it_is.contains(&true) { as_it_is } else { found }
    }

    /// Numbers of the shapes whose types belong to a package that is meant: declared there, or a container or
    /// pointer of what is.
    pub(super) fn shapes_in(&self, pattern: &Pattern, names: &dyn Names) -> Vec<bool> {
        let types = &self.runtime.types;
        let test = |number: u32| match self.shapes.get(number) {
            Shape::Closure(code) => {
                names.function(code).and_then(|f| package_of(&f)).is_some_and(|p| pattern.matches_package(&p))
            }
            shape => shape.go_type().is_some_and(|id| belongs(types, id, pattern, MOST_DEEP)),
        };
        (0..self.shapes.len() as u32).map(test).collect()
    }
}

fn belongs(types: &RuntimeTypes<'_>, id: TypeId, pattern: &Pattern, deep: u32) -> bool {
    let Some(deep) = deep.checked_sub(1) else { return false };
    if let Some(path) = types.package(id) {
        return pattern.matches_package(&path);
    }
    let Some(typ) = types.get(id) else { return false };
    match &typ.detail {
        Detail::Array { elem, .. } | Detail::Chan { elem, .. } => belongs(types, *elem, pattern, deep),
        Detail::Pointer { elem } | Detail::Slice { elem } => belongs(types, *elem, pattern, deep),
        Detail::Map(m) => belongs(types, m.key, pattern, deep) || belongs(types, m.elem, pattern, deep),
        // A named type without methods keeps no path: the package's name has to do.
        _ if typ.named => {
            let name = types.name(id);
            let package = name.split_once('.').map(|n| n.0);
            package.is_some_and(|p| p == pattern.text() || (!pattern.is_plain() && pattern.matches_package(p)))
        }
        _ => false,
    }
}

/// The name with the import path instead of the package's name, where the type has a path of its own.
fn full_name(shape: Shape, types: &RuntimeTypes<'_>, name: &str) -> Option<String> {
    let id = shape.go_type()?;
    let (short, full) = (types.name(id), types.qualified_name(id));
    (short != full).then(|| name.replacen(&short, &full, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_wildcards_and_regular_expressions() {
        let p = |text: &str| Pattern::parse(text).unwrap();
        assert!(p("main.User").matches("main.User") && !p("main.User").matches("main.Users"));
        assert!(p("main.*").matches("main.Users") && !p("main.*").matches("xmain.Users"));
        assert!(p("*main.User").matches("*main.User") && p("*main.User").matches("map[string]*main.User"));
        assert!(p("map[string]*").matches("map[string]*main.User") && !p("map[string]*").matches("mapXstringX"));
        assert!(p("/^main\\.U/").matches("main.User") && !p("/^main\\.U/").matches("a/main.User"));
        assert!(p("?ain.T").matches("main.T"));
        assert_eq!(Pattern::parse(" ").unwrap_err(), PatternError::Empty);
        assert!(matches!(Pattern::parse("/(/"), Err(PatternError::Regex { .. })));
    }

    #[test]
    fn packages_go_by_path() {
        let p = Pattern::parse("example.com/app").unwrap();
        assert!(p.matches_package("example.com/app") && p.matches_package("example.com/app/cache"));
        assert!(!p.matches_package("example.com/application"));
        let of = |s| package_of(s).unwrap();
        assert_eq!(of("example.com/app/cache.(*Cache).Put.func1"), "example.com/app/cache");
        assert_eq!(of("main.main"), "main");
        assert_eq!(of("gopkg.in/yaml%2ev3.Unmarshal"), "gopkg.in/yaml.v3");
        assert_eq!(package_of("nothing"), None);
    }

    #[test]
    fn variables_are_meant_with_their_parts() {
        let p = Pattern::parse("main.app").unwrap();
        for name in ["main.app", "main.app.cache", "main.app[3]", "main.app+0x10"] {
            assert!(p.matches_variable(name), "{name}");
        }
        assert!(!p.matches_variable("main.apple"));
    }
}
