//! Packed location ids into row numbers: the loop where reading a profile spends its time.

use super::ids::Ids;
use crate::columns::NONE;
use crate::wire::Reader;

/// Unpacks location ids into row numbers, [`NONE`] for unknown ones; `out` has room for one per
/// byte. `None` when a varint is damaged. Eight one-byte ids or four two-byte ids go at once, and of a profile numbered from 1 no table is
/// asked.
#[inline(never)]
pub(super) fn unpack(mut ids: &[u8], table: &Ids, out: &mut [u32]) -> Option<usize> {
    let dense = match table {
        Ids::FromOne(rows) => *rows,
        _ => 0,
    };
    let row = |id: u64| {
        if id.wrapping_sub(1) < dense { (id - 1) as u32 } else { table.get(id) }
    };
    let mut n = 0;
    loop {
        while dense >= 0x7f
            && let Some((eight, rest)) = ids.split_first_chunk::<8>()
        {
            let word = u64::from_le_bytes(*eight);
            let continued = word & 0x8080_8080_8080_8080;
            if continued == 0
                && let Some(slots) = out.get_mut(n..n + 8)
            {
                for (slot, id) in slots.iter_mut().zip(eight) {
                    // The reserved id 0 becomes NONE by wrapping.
                    *slot = u32::from(*id).wrapping_sub(1);
                }
                n += 8;
            } else if continued == 0x0080_0080_0080_0080
                && let Some(slots) = out.get_mut(n..n + 4)
            {
                let four = word & 0x007f_007f_007f_007f | (word & 0x7f00_7f00_7f00_7f00) >> 1;
                for (slot, shift) in slots.iter_mut().zip([0, 16, 32, 48]) {
                    let i = (four >> shift & 0xffff).wrapping_sub(1);
                    *slot = if i < dense { i as u32 } else { NONE };
                }
                n += 4;
            } else {
                break;
            }
            ids = rest;
        }
        let id = match ids {
            [] => return Some(n),
            [a, rest @ ..] if *a < 0x80 => {
                ids = rest;
                u64::from(*a)
            }
            [a, b, rest @ ..] if *b < 0x80 => {
                ids = rest;
                u64::from(a & 0x7f) | u64::from(*b) << 7
            }
            _ => {
                let mut r = Reader::new(ids);
                let id = r.varint().ok()?;
                ids = r.rest();
                id
            }
        };
        *out.get_mut(n)? = row(id);
        n += 1;
    }
}
