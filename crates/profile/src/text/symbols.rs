//! The answer of `/debug/pprof/symbol` (Go `src/net/http/pprof/pprof.go`, `Symbol`, 1.19 to 1.27):
//! `num_symbols: 1`, then `0x47a1c3 runtime.mapassign_faststr` for each address asked for that lies in a
//! function. Owns the grammar alone: which addresses were asked for, and what a name means, is the
//! caller's. Several answers in a row read like one.

use super::{Lines, take, take_hex};
use crate::ProfileError;
use crate::gaps::Gaps;
use model::Gap;
use std::collections::BTreeMap;

/// Most addresses kept: a service has some hundreds of return addresses in its runtime.
const MAX_SYMBOLS: usize = 1 << 16;
/// Longest name kept, bytes.
const MAX_NAME: usize = 4096;

/// Reads `/debug/pprof/symbol`: addresses and the function that holds the code there (linker name, the
/// innermost of inlined ones). Of an address that is told twice the first name stands.
///
/// # Errors
/// [`ProfileError::WrongText`] when no line `num_symbols:` is there.
pub fn read_symbols(text: &[u8]) -> Result<(BTreeMap<u64, String>, Vec<Gap>), ProfileError> {
    let mut out = BTreeMap::new();
    let mut gaps = Gaps::default();
    let mut header = false;
    for (at, line) in Lines::new(text) {
        let mut s = line.trim_ascii();
        if s.is_empty() {
            continue;
        }
        if take(&mut s, b"num_symbols:").is_some() {
            header = true;
            continue;
        }
        if !header {
            break;
        }
        match symbol(s) {
            Some((address, name)) if out.len() < MAX_SYMBOLS || out.contains_key(&address) => {
                out.entry(address).or_insert_with(|| name.to_owned());
            }
            Some(_) => {
                gaps.count(at, "more addresses than any service has in its runtime; the rest was left out");
            }
            None => gaps.count(at, "expected \"0xADDRESS FUNCTION\"; line left out"),
        }
    }
    if header {
        Ok((out, gaps.finish()))
    } else {
        Err(ProfileError::WrongText {
            expected: "the answer of /debug/pprof/symbol",
            found: "no line \"num_symbols:\"",
        })
    }
}

/// `0x47a1c3 runtime.mapassign_faststr`. Names may hold blanks (`main.F[go.shape.struct { ... }]`).
fn symbol(mut s: &[u8]) -> Option<(u64, &str)> {
    let address = take_hex(&mut s)?;
    let name = std::str::from_utf8(s.strip_prefix(b" ")?.trim_ascii()).ok()?;
    let fits = !name.is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control);
    fits.then_some((address, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_go_writes() {
        // Go 1.27.3, map-cache: two answers in a row.
        let text = b"num_symbols: 1\n0x4098db runtime.mapassign_faststr\n\
                     0x46e2f1 main.F[go.shape.struct { X int }]\nnum_symbols: 1\n0x46e2f1 other\n";
        let (got, gaps) = read_symbols(text).unwrap();
        assert_eq!(got.len(), 2);
        assert_eq!(got[&0x40_98db], "runtime.mapassign_faststr");
        assert_eq!(got[&0x46_e2f1], "main.F[go.shape.struct { X int }]");
        assert!(gaps.is_empty());
        assert!(read_symbols(b"num_symbols: 1\n").unwrap().0.is_empty());
    }

    #[test]
    fn what_is_no_symbol_is_left_out() {
        let text = b"num_symbols: 1\n0x runtime.a\nruntime.b\n0x1\n0x2  \n0xfffffffffffffffff runtime.c\n\
                     0x3 runtime.\xff\n0x4 a\x1b[31m\nreading request: unexpected EOF\n0x5 runtime.d";
        let (got, gaps) = read_symbols(text).unwrap();
        assert_eq!(got.into_iter().collect::<Vec<_>>(), [(5, "runtime.d".to_owned())]);
        assert_eq!(gaps.len(), 1, "{gaps:?}");
        let long = [&b"num_symbols: 1\n0x6 "[..], &vec![b'n'; MAX_NAME + 1]].concat();
        assert!(read_symbols(&long).unwrap().0.is_empty());
        for wrong in [&b""[..], b"<html>", b"0x5 runtime.d\nnum_symbols: 1\n", b"\0\0"] {
            assert!(read_symbols(wrong).is_err());
        }
    }

    #[test]
    fn a_flood_is_bounded() {
        let mut text = b"num_symbols: 1\n".to_vec();
        for i in 0..MAX_SYMBOLS + 10 {
            text.extend(format!("{i:#x} f\n").bytes());
        }
        let (got, gaps) = read_symbols(&text).unwrap();
        assert_eq!((got.len(), gaps.len()), (MAX_SYMBOLS, 1));
    }

    proptest! {
        #[test]
        fn any_table_survives(table in prop::collection::btree_map(any::<u64>(), "[!-~]([ -~]{0,20}[!-~])?", 0..20)) {
            let mut text = "num_symbols: 1\n".to_owned();
            for (a, n) in &table {
                text.push_str(&format!("{a:#x} {n}\n"));
            }
            prop_assert_eq!(read_symbols(text.as_bytes()).unwrap().0, table);
        }

        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_symbols(&[&b"num_symbols: 1\n"[..], &bytes].concat());
            let _ = read_symbols(&bytes);
        }
    }
}
