//! `facetap crash-now`: crashes on purpose, so that somebody can see that the trap works on this very system.

use std::path::PathBuf;
use std::sync::{Arc, Barrier};

use anyhow::Result;
use clap::builder::PossibleValuesParser;

use super::{DONE, FAILED, Usage};
use crate::watch::crash::{self, recent};
use crate::watch::fault;

/// Options of `facetap crash-now`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  facetap crash-now segv --crash-file /tmp/crash.log")]
pub(super) struct CrashNowOptions {
    /// How
    #[arg(value_parser = PossibleValuesParser::new(fault::crash::KINDS))]
    pub kind: String,
    /// Where the report goes
    #[arg(long, value_name = "FILE", default_value = "crash.log")]
    pub crash_file: PathBuf,
    /// Meanwhile so many threads do nothing but ask for memory and give it back
    #[arg(long, value_name = "THREADS", default_value_t = 0)]
    pub busy: u8,
}

pub(super) fn crash_now(options: &CrashNowOptions) -> Result<u8> {
    crash::trap(&options.crash_file).map_err(|e| Usage(format!("{e:#}")))?;
    recent::note("about to crash on purpose");
    // All of them are at work before the crash.
    let at_work = Arc::new(Barrier::new(usize::from(options.busy) + 1));
    for n in 0..options.busy {
        let begun = Arc::clone(&at_work);
        std::thread::Builder::new()
            .name(format!("busy-{n}"))
            .spawn(move || {
                begun.wait();
                ask_for_memory()
            })?;
    }
    at_work.wait();
    let kind = options.kind.clone();
    let doomed = std::thread::Builder::new()
        .name("doomed".to_owned())
        .spawn(move || fault::crash::provoke(&kind))?;
    let ended = doomed.join();
    super::print(format!("it did not crash: {ended:?}"));
    Ok(if ended.is_ok() { FAILED } else { DONE })
}

fn ask_for_memory() {
    let mut size = 1_usize;
    loop {
        std::hint::black_box(vec![0_u8; size]);
        size = size.wrapping_mul(5).wrapping_add(1) % 300_000;
    }
}
