//! Ctrl-C and SIGTERM: the first asks the running collection to end and keeps what it has, the second
//! ends the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that the first Ctrl-C raises. Call once per process.
pub(crate) fn flag() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&flag);
    let handler = move || {
        if raised.swap(true, Ordering::SeqCst) {
            #[expect(clippy::exit, reason = "the second Ctrl-C means now")]
            std::process::exit(130);
        }
        crate::output::note("stopping; what was collected is kept (Ctrl-C again to quit at once)");
    };
    // Without a handler Ctrl-C simply ends the process; bundles stay valid either way.
    if ctrlc::set_handler(handler).is_err() {
        crate::output::note("Ctrl-C cannot be caught here; it will end oomph at once");
    }
    flag
}
