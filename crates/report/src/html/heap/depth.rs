//! Owns the heat map of depth: a row for each type, a column for each range of pointers from a root, each cell with
//! its bytes as text and as a shade. Refuses to tell anything by colour alone.

use super::{BUDGET, code, cut, fill, fmt, heading};
use model::{Bytes, HeapDepth, HeapOverview};
use std::fmt::Write as _;

/// Columns at most: depths of up to 2^32.
const COLUMNS: usize = 33;
/// Shades besides none.
const SHADES: u32 = 7;

pub(super) fn section(out: &mut String, o: &HeapOverview) {
    let Some(d) = o.depth.as_ref().filter(|d| !d.bytes.is_empty()) else { return };
    heading(out, "heap-depth", "Depth: how far the collector has to follow pointers");
    let _ = writeln!(
        out,
        "<p>The deepest object is {} pointers from a root. {} depths have few objects each, so that the collector finds \
         one after the other there: {:.1} ms to follow.</p>",
        fmt::count(d.deepest),
        fmt::count(d.chained_levels),
        if d.serial_ms.is_finite() { d.serial_ms } else { 0.0 }
    );
    let columns = d.bytes.len().min(COLUMNS);
    let most = d.types.iter().flat_map(|t| &t.bytes).copied().max().unwrap_or(0);
    out.push_str(
        "<p class=\"note\">Bytes by pointers from a root: each column from the number above it up to below the next.</p>\n",
    );
    out.push_str("<div class=\"scroll\"><table class=\"heat long\"><thead><tr><th scope=\"col\">Type</th>");
    for i in 0..columns {
        let _ = write!(out, "<th scope=\"col\" class=\"n\">{}</th>", from(i));
    }
    out.push_str("</tr></thead><tbody>");
    let left = fill(out, &d.types, BUDGET, |_, t| {
        let mut row = format!(
            "<tr><th scope=\"row\">{}<div class=\"sub\">down to {}</div></th>",
            code(&t.type_name),
            fmt::count(u64::from(t.deepest))
        );
        cells(&mut row, &t.bytes, columns, most);
        row.push_str("</tr>\n");
        row
    });
    out.push_str("</tbody><tfoot>");
    total(out, d, columns);
    out.push_str("</tfoot></table></div>\n");
    legend(out, most);
    out.push_str(&cut(left, "types"));
    out.push_str("</section>\n");
}

/// The least depth of a column.
fn from(i: usize) -> String {
    fmt::count(1_u64 << i.min(63))
}

fn total(out: &mut String, d: &HeapDepth, columns: usize) {
    out.push_str("<tr><th scope=\"row\">All types</th>");
    for b in d.bytes.iter().take(columns) {
        let text = if *b == 0 { String::new() } else { Bytes(*b).to_string() };
        let _ = write!(out, "<td class=\"n\">{text}</td>");
    }
    out.push_str("</tr>");
}

fn cells(out: &mut String, bytes: &[u64], columns: usize, most: u64) {
    for i in 0..columns {
        match bytes.get(i).copied().unwrap_or(0) {
            0 => out.push_str("<td></td>"),
            b => {
                let _ = write!(out, "<td class=\"n h{}\">{}</td>", shade(b, most), Bytes(b));
            }
        }
    }
}

/// 1 to [`SHADES`]: each stands for a fourth of the one above it.
fn shade(bytes: u64, most: u64) -> u32 {
    let below = (most.max(1).ilog2()).saturating_sub(bytes.max(1).ilog2()) / 2;
    SHADES - below.min(SHADES - 1)
}

/// What the shades stand for.
fn legend(out: &mut String, most: u64) {
    out.push_str("<div class=\"scale\">");
    for n in (1..=SHADES).rev() {
        // The least number of bytes with this shade.
        let least = 1_u64 << most.max(1).ilog2().saturating_sub(2 * (SHADES - n) + 1);
        let text = if n == 1 { "less".to_owned() } else { format!("from {}", Bytes(least)) };
        let _ = write!(out, "<span><i class=\"h{n}\"></i>{text}</span>");
        if least <= 1 {
            break;
        }
    }
    out.push_str("</div>\n");
}

#[cfg(test)]
mod tests {
    use super::{from, shade};

    #[test]
    fn ranges_of_depth_double() {
        assert_eq!([0, 1, 2, 10].map(from), ["1", "2", "4", "1,024"]);
    }

    #[test]
    fn shades_follow_the_bytes() {
        assert_eq!([1 << 30, 1 << 29, 1 << 28, 1 << 18, 1].map(|b| shade(b, 1 << 30)), [7, 7, 6, 1, 1]);
        assert_eq!(shade(0, 0), 7);
    }
}
