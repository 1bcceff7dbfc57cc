//! `facetap symbolise`: the child process that reads symbols for the service ([`crate::watch::symbols`]).

use std::io::{BufWriter, stdin, stdout};
use std::path::PathBuf;

use anyhow::Result;

use super::DONE;
use crate::{watch::crash, watch::symbols};

#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Example:\n  echo '{\"file\":\"/usr/bin/facetap\",\"build_id\":null,\"address\":4096}' | facetap symbolise"
)]
pub(super) struct SymboliseOptions {
    /// Ends after so many seconds, finished or not
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Shows the crashes of this crash file, with the names of their functions, instead
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Where the symbols of the program that crashed are (facetap.debug), if not here
    #[arg(long, value_name = "FILE", requires = "report")]
    pub debug: Option<PathBuf>,
}

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
