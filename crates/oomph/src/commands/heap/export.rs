//! `oomph heap export`: the graph as files for other tools.

use crate::args::HeapExportArgs;
use crate::{Failure, Outcome};

pub(super) fn run(_: &HeapExportArgs) -> Result<Outcome, Failure> {
    Err(Failure::new("not yet"))
}
