//! Ctrl-C and SIGTERM: the first asks what runs to end and keep what it has, the second ends the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that the first Ctrl-C raises. Call once per process.
pub(crate) fn flag() -> Arc<AtomicBool> {
    let (flag, caught) = raised_by_signals(|| {
        crate::output::note("stopping; what was collected is kept (Ctrl-C again to quit at once)");
    });
    // Without a handler Ctrl-C simply ends the process; bundles stay valid either way.
    if !caught {
        crate::output::note("Ctrl-C cannot be caught here; it will end oomph at once");
    }
    flag
}

/// A flag that the first Ctrl-C or SIGTERM raises, without a word: for what runs until it is told to end.
pub(crate) fn quiet_flag() -> Arc<AtomicBool> {
    raised_by_signals(|| ()).0
}

/// The flag, and whether signals are caught. `first` is said at the first one.
fn raised_by_signals(first: impl Fn() + Send + 'static) -> (Arc<AtomicBool>, bool) {
    let flag = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&flag);
    let handler = move || {
        if raised.swap(true, Ordering::SeqCst) {
            #[expect(clippy::exit, reason = "the second signal means now")]
            std::process::exit(130);
        }
        first();
    };
    (flag, ctrlc::set_handler(handler).is_ok())
}
