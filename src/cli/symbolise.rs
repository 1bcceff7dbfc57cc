//! `facetap symbolise`: the child process that reads symbols for the service ([`crate::symbols`]).

use std::io::{BufWriter, stdin, stdout};

use anyhow::Result;

use super::DONE;
use super::args::SymboliseOptions;
use crate::{crash, symbols};

pub(super) fn symbolise(options: &SymboliseOptions) -> Result<u8> {
    if let Some(file) = &options.report {
        super::print(crash::explain(file, options.debug.as_deref())?.trim_end());
        return Ok(DONE);
    }
    // Whatever it hangs on (a disk that does not answer, tables that make no sense), the kernel ends it.
    nix::unistd::alarm::set(options.limit);
    // Where memory is short this child has to go, not the service that waits for it.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    symbols::answer(stdin().lock(), BufWriter::new(stdout().lock()))?;
    Ok(DONE)
}
