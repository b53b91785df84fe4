//! The program's variables, block by block: where structures without a symbol are looked for.

use gobinary::Memory;
use std::ops::Range;

/// Bytes read at a time.
const BLOCK: usize = 1 << 20;
/// Most bytes of data that are searched: the data of real programs is below some tens of MiB.
const MOST_DATA: u64 = 4 << 30;
/// Bytes of a page.
const PAGE: u64 = 4096;

/// The part of `data` that is searched ends here.
pub(crate) fn end_of(data: &Range<u64>) -> u64 {
    data.end.min(data.start.saturating_add(MOST_DATA))
}

/// Gives `look` blocks of whole words with their addresses, until it finds something. Blocks overlap by
/// `overlap` bytes, so that a structure across their border is seen.
pub(crate) fn search<T>(
    memory: &dyn Memory,
    data: &Range<u64>,
    overlap: usize,
    mut look: impl FnMut(u64, &[u8]) -> Option<T>,
) -> Option<T> {
    let end = end_of(data);
    let most = BLOCK + overlap;
    let mut buf = vec![0_u8; most];
    let mut at = data.start.next_multiple_of(8);
    while at < end {
        let len = usize::try_from(end - at).unwrap_or(most).min(most) & !7;
        let block = buf.get_mut(..len).filter(|b| b.len() > overlap)?;
        if memory.read(at, block).is_err() {
            // Pages that were never touched may be missing from a core: go on behind them.
            at = at.saturating_add(PAGE) & !(PAGE - 1);
            continue;
        }
        if let Some(found) = look(at, block) {
            return Some(found);
        }
        at += (len - overlap) as u64;
    }
    None
}
