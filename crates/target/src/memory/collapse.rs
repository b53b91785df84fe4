//! `--collapse`: puts the heap of a running process into huge pages, so that a copy of it takes a
//! tenth of the pause. Stops nothing, but takes about 0.8 s a GiB, delays the process by a few
//! milliseconds at a time, and may make it grow, for a huge page is resident as a whole.

use super::MemoryError;
use super::plan::failed;
use super::sys;
use crate::{ProcFile, Process};
use model::{Bytes, Mapping};
use std::io;

const HUGE_PAGE: u64 = 2 << 20;
/// Smaller mappings gain nothing.
const LEAST: u64 = 4 << 20;

/// What was put into huge pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collapsed {
    /// In huge pages now.
    pub done: Bytes,
    /// Left as it was: nothing resident there, or no huge page to be had.
    pub left: Bytes,
}

/// Puts the private anonymous memory of a process into huge pages.
///
/// # Errors
/// [`MemoryError::Refused`] without permission (it takes CAP_SYS_NICE and the right to trace),
/// [`MemoryError::Failed`] with `EINVAL` before Linux 6.1.
pub fn collapse(process: &Process) -> Result<Collapsed, MemoryError> {
    const STEP: &str = "putting its heap into huge pages";
    let fail = |e| failed(process, STEP, e);
    let handle = sys::open_pid(process.pid()).map_err(fail)?;
    let (mappings, _) = procfs::maps(&process.read(ProcFile::Maps).map_err(fail)?);
    let mut out = Collapsed::default();
    for (start, end) in mappings.iter().filter_map(huge_range) {
        for at in (start..end).step_by(HUGE_PAGE as usize) {
            match sys::collapse(&handle, at, HUGE_PAGE as usize) {
                Ok(()) => out.done.0 += HUGE_PAGE,
                Err(e) if is_final(&e) && out.done == Bytes::ZERO && out.left == Bytes::ZERO => return Err(fail(e)),
                Err(e) if e.raw_os_error() == Some(libc::ESRCH) => return Err(fail(e)),
                Err(_) => out.left.0 += HUGE_PAGE,
            }
        }
    }
    Ok(out)
}

/// The kernel does not do it at all.
fn is_final(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES | libc::ENOSYS))
}

/// The whole huge pages in a private anonymous mapping.
fn huge_range(m: &Mapping) -> Option<(u64, u64)> {
    if m.perms != "rw-p" || !m.path.is_empty() && m.path != "[heap]" && !m.path.starts_with("[anon: Go") {
        return None;
    }
    if m.end - m.start < LEAST {
        return None;
    }
    Some((m.start.checked_next_multiple_of(HUGE_PAGE)?, m.end - m.end % HUGE_PAGE)).filter(|(a, b)| a < b)
}
