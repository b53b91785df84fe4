//! The text of a goroutine dump, written: the form of `goroutine?debug=2` that
//! [`crate::GoroutineDump`] reads (`goroutineheader`, `traceback2` of Go's
//! `src/runtime/traceback.go`, 1.21 to 1.27). Arguments are not known to whoever reads memory from
//! outside and are printed as `...`. Which frames are shown is the caller's business.

use std::fmt::Write as _;

/// Innermost and outermost frames shown of a deep stack (`tracebackInnerFrames`, `tracebackOuterFrames`).
const SHOWN_EACH: usize = 50;

/// A frame as it is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpFrame {
    /// The function as Go prints it, type arguments as `[...]`.
    pub function: String,
    /// Source file.
    pub file: String,
    /// Line.
    pub line: u32,
}

/// What of a goroutine's stack is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DumpStack {
    /// Its frames, leaf first, and whether frames are missing behind them.
    Frames(Vec<DumpFrame>, bool),
    /// It runs on a thread: where it stands is in registers.
    Running,
}

/// A goroutine to be printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpGoroutine {
    /// Its number.
    pub id: u64,
    /// State or wait reason: `chan receive`.
    pub state: String,
    /// Whole minutes waited.
    pub wait_minutes: u64,
    /// Locked to its thread.
    pub locked: bool,
    /// Its stack.
    pub stack: DumpStack,
    /// The `go` statement that made it, and in which goroutine.
    pub created_by: Option<(DumpFrame, Option<u64>)>,
}

/// Appends a goroutine to a dump.
pub fn write_goroutine(out: &mut String, g: &DumpGoroutine) {
    if !out.is_empty() {
        out.push('\n');
    }
    let _ = write!(out, "goroutine {} [{}", g.id, plain(&g.state));
    if g.wait_minutes > 0 {
        let _ = write!(out, ", {} minutes", g.wait_minutes);
    }
    if g.locked {
        out.push_str(", locked to thread");
    }
    out.push_str("]:\n");
    match &g.stack {
        DumpStack::Running => out.push_str("\tgoroutine running on other thread; stack unavailable\n"),
        DumpStack::Frames(frames, cut) => {
            // As the runtime: 50 from either end and a word on what is between.
            let elided = frames.len().saturating_sub(2 * SHOWN_EACH);
            for (i, f) in frames.iter().enumerate() {
                if elided > 0 && i == SHOWN_EACH {
                    let _ = writeln!(out, "...{elided} frames elided...");
                }
                if elided == 0 || i < SHOWN_EACH || i >= SHOWN_EACH + elided {
                    let _ = write!(out, "{}(...)\n\t{}:{}\n", plain(&f.function), plain(&f.file), f.line);
                }
            }
            if *cut {
                out.push_str("...additional frames elided...\n");
            }
        }
    }
    if let Some((f, creator)) = &g.created_by {
        let _ = write!(out, "created by {}", plain(&f.function));
        if let Some(id) = creator.filter(|&id| id != 0) {
            let _ = write!(out, " in goroutine {id}");
        }
        let _ = write!(out, "\n\t{}:{}\n", plain(&f.file), f.line);
    }
}

/// A name from a program's memory without what would end its line.
fn plain(name: &str) -> std::borrow::Cow<'_, str> {
    if name.chars().any(char::is_control) { name.replace(char::is_control, "?").into() } else { name.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GoroutineDump, ReadLimits};
    use proptest::prelude::*;

    fn frame() -> impl Strategy<Value = DumpFrame> {
        ("[a-z][a-z./]{0,8}(\\.\\(\\*[A-Z]\\))?\\.[a-zA-Z0-9\\[\\]]{1,6}", "/[a-z/]{1,9}\\.go", 0_u32..99_999)
            .prop_map(|(function, file, line)| DumpFrame { function, file, line })
    }

    fn goroutine() -> impl Strategy<Value = DumpGoroutine> {
        let stack = prop_oneof![
            (proptest::collection::vec(frame(), 1..130), any::<bool>()).prop_map(|(f, cut)| DumpStack::Frames(f, cut)),
            Just(DumpStack::Running)
        ];
        let created = proptest::option::of((frame(), proptest::option::of(1..99_u64)));
        (any::<u64>(), 0..9_999_u64, any::<bool>(), stack, created).prop_map(
            |(id, wait_minutes, locked, stack, created_by)| DumpGoroutine {
                id,
                state: "chan receive (nil chan)".to_owned(),
                wait_minutes,
                locked,
                stack,
                created_by,
            },
        )
    }

    proptest! {
        #[test]
        fn the_reader_reads_what_is_written(list in proptest::collection::vec(goroutine(), 1..8)) {
            let mut text = String::new();
            list.iter().for_each(|g| write_goroutine(&mut text, g));
            let dump = GoroutineDump::read(text.as_bytes(), &ReadLimits::default()).unwrap();
            prop_assert_eq!(dump.gaps.len(), 0);
            prop_assert_eq!(dump.goroutines.len(), list.len());
            for (g, want) in dump.goroutines.iter().zip(&list) {
                prop_assert_eq!((g.id, &*g.state), (want.id, want.state.as_str()));
                prop_assert_eq!(u64::from(g.wait_minutes), want.wait_minutes);
                prop_assert_eq!(g.locked_to_thread, want.locked);
                let (frames, cut) = match &want.stack {
                    DumpStack::Frames(f, cut) => (f.as_slice(), *cut),
                    DumpStack::Running => (&[][..], false),
                };
                prop_assert_eq!(g.stack.len(), frames.len().min(100));
                prop_assert_eq!(g.elided > 0, cut || frames.len() > 100);
                for (at, f) in g.stack.iter().zip(frames.iter().take(50)) {
                    let read = &dump.frames[*at as usize];
                    prop_assert_eq!((&read.function, &read.file, read.line), (&f.function, &f.file, f.line));
                }
                prop_assert_eq!(g.created_by.is_some(), want.created_by.is_some());
                prop_assert_eq!(g.creator, want.created_by.as_ref().and_then(|c| c.1));
            }
        }

        #[test]
        fn names_do_not_end_lines(name in any::<String>()) {
            let frame = DumpFrame { function: name.clone(), file: name.clone(), line: 1 };
            let mut text = String::new();
            let stack = DumpStack::Frames(vec![frame], false);
            let g = DumpGoroutine { id: 1, state: name, wait_minutes: 0, locked: false, stack, created_by: None };
            write_goroutine(&mut text, &g);
            prop_assert_eq!(text.lines().count(), 3);
        }
    }
}
