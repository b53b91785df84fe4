//! The terminal form at the widths people have, and what must hold at every width.

mod common;

use report::{TerminalOptions, terminal};

#[test]
fn snapshots_at_four_widths() {
    for (name, r) in common::all() {
        for width in [60, 80, 120, 200] {
            let text = terminal(&r, &TerminalOptions { width, colour: false, verbose: false });
            insta::assert_snapshot!(format!("{name}-{width}"), text);
        }
        insta::assert_snapshot!(
            format!("{name}-verbose-80"),
            terminal(&r, &TerminalOptions { width: 80, colour: false, verbose: true })
        );
    }
}
