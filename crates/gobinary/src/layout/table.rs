//! Reads `table.txt`, which is part of the executable: rows, cells, and the macro that declares which
//! row goes into which field. It reads no other text; a test holds the file to what the fields need.

use super::Arch;
use std::sync::LazyLock;

const TEXT: &str = include_str!("table.txt");

/// Place of a field whose width differs between Go releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Bytes from the start of the struct.
    pub offset: u32,
    /// Its size in bytes.
    pub width: u32,
}

/// A row of the table: a field of a struct, or its size.
#[derive(Clone, Debug)]
pub struct Row {
    /// The field's names in Go's source, the newest first; `(size)` is the size of the struct.
    pub names: Vec<&'static str>,
    cells: Vec<&'static str>,
}

impl Row {
    /// Whether the row tells the size of the struct.
    #[must_use]
    pub fn is_size(&self) -> bool {
        self.names == ["(size)"]
    }

    /// What stands in a column. The row of the size has its number in `offset`. `None` where the
    /// release has no such field.
    #[must_use]
    pub fn cell(&self, column: usize, arch: Arch) -> Option<Field> {
        let text = self.cells.get(column)?;
        let (offset, width) = text.split_once(':').unwrap_or((text, "0"));
        Some(Field { offset: by_arch(offset, arch)?, width: by_arch(width, arch)? })
    }

    /// The cell as it stands in the table.
    #[must_use]
    pub fn text(&self, column: usize) -> &'static str {
        self.cells.get(column).copied().unwrap_or("-")
    }
}

fn by_arch(text: &str, arch: Arch) -> Option<u32> {
    let (amd64, arm64) = text.split_once('/').unwrap_or((text, text));
    match arch {
        Arch::Amd64 => amd64.parse().ok(),
        Arch::Arm64 => arm64.parse().ok(),
    }
}

/// A struct of Go's runtime or standard library.
#[derive(Clone, Debug)]
pub struct Group {
    /// What [`super::Layout`] calls it.
    pub key: &'static str,
    /// Its names in Go's source and DWARF, the newest first.
    pub names: Vec<&'static str>,
    /// Its rows; the first one is its size.
    pub rows: Vec<Row>,
}

/// A named number: a kind of special record, a wait reason.
#[derive(Clone, Debug)]
pub struct Constant {
    /// Name in Go's source.
    pub name: &'static str,
    /// What the runtime prints for it (wait reasons).
    pub text: &'static str,
    values: Vec<&'static str>,
}

impl Constant {
    /// Its value in a column.
    #[must_use]
    pub fn value(&self, column: usize) -> Option<u32> {
        self.values.get(column)?.parse().ok()
    }
}

/// The whole table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Minor version of each column: 19 for Go 1.19.
    pub minors: Vec<u32>,
    /// Structs.
    pub groups: Vec<Group>,
    /// Kinds of special records.
    pub constants: Vec<Constant>,
    /// Why a goroutine waits.
    pub wait_reasons: Vec<Constant>,
}

/// The table, read once.
#[must_use]
pub fn table() -> &'static Table {
    static TABLE: LazyLock<Table> = LazyLock::new(|| read(TEXT));
    &TABLE
}

fn read(text: &'static str) -> Table {
    enum Part {
        Groups,
        Constants,
        WaitReasons,
    }
    let mut table = Table::default();
    let mut part = Part::Groups;
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        if let Some(minors) = line.strip_prefix("go ") {
            table.minors =
                minors.split_whitespace().filter_map(|v| v.strip_prefix("1.").and_then(|m| m.parse().ok())).collect();
        } else if let Some((key, names)) = line.strip_prefix("struct ").and_then(|l| l.split_once(" = ")) {
            table.groups.push(Group { key, names: names.split('|').collect(), rows: Vec::new() });
        } else if line == "constants" {
            part = Part::Constants;
        } else if line == "wait reasons" {
            part = Part::WaitReasons;
        } else {
            let (name, cells, rest) = split(line, table.minors.len());
            let constant = Constant { name, text: rest, values: cells.clone() };
            match part {
                Part::Groups => {
                    if let Some(group) = table.groups.last_mut() {
                        group.rows.push(Row { names: name.split('|').collect(), cells });
                    }
                }
                Part::Constants => table.constants.push(constant),
                Part::WaitReasons => table.wait_reasons.push(constant),
            }
        }
    }
    table
}

/// The first word, the next `n`, and what is left of a line.
fn split(line: &'static str, n: usize) -> (&'static str, Vec<&'static str>, &'static str) {
    let mut rest = line;
    let mut word = || {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        rest = tail.trim_start();
        word
    };
    let name = word();
    let cells = (0..n).map(|_| word()).collect();
    (name, cells, rest)
}

/// The cells of one struct in one column.
#[derive(Clone, Copy)]
pub(super) struct Cells {
    group: &'static Group,
    column: usize,
    arch: Arch,
}

impl Cells {
    /// `None` when the release has no such struct.
    pub(super) fn new(key: &str, column: usize, arch: Arch) -> Option<Self> {
        let group = table().groups.iter().find(|g| g.key == key)?;
        group.rows.first()?.cell(column, arch)?;
        Some(Self { group, column, arch })
    }

    pub(super) fn get(&self, name: &str) -> Option<Field> {
        self.group.rows.iter().find(|r| r.names.first() == Some(&name))?.cell(self.column, self.arch)
    }
}

/// What a cell becomes. A field that every release has is never missing: a test holds the table to that.
pub(super) trait FromCell {
    fn from_cell(cell: Option<Field>) -> Self;
}

impl FromCell for u32 {
    fn from_cell(cell: Option<Field>) -> Self {
        cell.map_or(0, |c| c.offset)
    }
}

impl FromCell for Field {
    fn from_cell(cell: Option<Field>) -> Self {
        cell.unwrap_or(Self { offset: 0, width: 0 })
    }
}

impl<T: FromCell> FromCell for Option<T> {
    fn from_cell(cell: Option<Field>) -> Self {
        cell.map(|c| T::from_cell(Some(c)))
    }
}

/// Declares the structs of a part of the layout, and which row is read into which field.
macro_rules! groups {
    ($($(#[$doc:meta])* $group:ident = $key:literal { $($field:ident: $kind:ty = $name:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $group {
            $(#[doc = concat!("`", $name, "`")] pub $field: $kind,)*
        }

        impl $group {
            pub(super) fn load(column: usize, arch: super::Arch) -> Option<Self> {
                let cells = Cells::new($key, column, arch)?;
                Some(Self { $($field: super::table::FromCell::from_cell(cells.get($name)),)* })
            }

            /// Rows that the declaration takes for granted and that the column lacks.
            #[cfg(test)]
            pub(super) fn missing(column: usize, arch: super::Arch) -> Vec<&'static str> {
                let Some(cells) = Cells::new($key, column, arch) else { return Vec::new() };
                let mut missing = Vec::new();
                $(if !stringify!($kind).starts_with("Option") && cells.get($name).is_none() {
                    missing.push(concat!($key, ".", $name));
                })*
                missing
            }

            /// Fields declared as a bare offset whose width differs between releases.
            #[cfg(test)]
            pub(super) fn widths() -> Vec<&'static str> {
                let mut differ = Vec::new();
                $(if !stringify!($kind).contains("Field") && super::table::widths($key, $name).len() > 1 {
                    differ.push(concat!($key, ".", $name));
                })*
                differ
            }
        }
    )*};
}
pub(super) use groups;

/// All widths that a field has in the table.
#[cfg(test)]
pub(super) fn widths(key: &str, name: &str) -> std::collections::BTreeSet<u32> {
    let mut widths = std::collections::BTreeSet::new();
    for column in 0..table().minors.len() {
        for arch in [Arch::Amd64, Arch::Arm64] {
            widths.extend(Cells::new(key, column, arch).and_then(|c| c.get(name)).map(|f| f.width));
        }
    }
    widths
}
