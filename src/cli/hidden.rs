//! Commands that are not for people: help, manual pages and completions do not show them.

use anyhow::Result;
use clap::Subcommand;

use super::crash_now::{self, CrashNowOptions};
use super::generate::{self, GenerateOptions};
use super::symbolise::{self, SymboliseOptions};

// Beside the commands for people. (A doc comment would become the help of them all.)
#[derive(Debug, Subcommand)]
pub(super) enum HiddenCommand {
    /// Writes manual pages or shell completions into a folder
    #[command(hide = true)]
    Generate(GenerateOptions),
    /// Finds functions and lines of addresses, for the service; shows crash files with them
    #[command(hide = true)]
    Symbolise(SymboliseOptions),
    /// Crashes on purpose, to see that it is noticed
    #[command(hide = true)]
    CrashNow(CrashNowOptions),
}

impl HiddenCommand {
    pub fn run(&self) -> Result<u8> {
        match self {
            Self::Generate(options) => generate::generate(options),
            Self::Symbolise(options) => symbolise::symbolise(options),
            Self::CrashNow(options) => crash_now::crash_now(options),
        }
    }
}
