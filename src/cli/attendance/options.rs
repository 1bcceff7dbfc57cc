//! Options of `facetap attendance`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

const PERIOD_HELP: &str = "Times: 2026-11-21 (the whole day), 2026-11-21T09:00, \"2026-11-21 09:00:00\", \
2026-11-21T00:00:00Z, or so long ago: 7d, 12h, 30m. Without an offset they are local.";

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  facetap attendance list\n  facetap attendance export --format csv --since 2026-11-01 --output november.csv"
)]
pub(in crate::cli) struct AttendanceOptions {
    /// Configuration file of the service [default: $FACETAP_CONFIG, else /etc/facetap/config.json, else built
    /// in]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: AttendanceCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub(in crate::cli) enum AttendanceCommand {
    /// Prints taps, the newest last
    List(ListOptions),
    /// Says how many taps wait, were delivered or rejected, and whether the service runs
    Status(StatusOptions),
    /// Writes taps for a spreadsheet (CSV) or another program (JSON)
    Export(ExportOptions),
    /// Sends taps again that the server rejected; by themselves they are not
    Retry(RetryOptions),
}

/// A period of time.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct PeriodOptions {
    /// From this time on
    #[arg(long, value_name = "TIME", help_heading = "Period")]
    pub since: Option<String>,
    /// Before this time; a date includes that day
    #[arg(long, value_name = "TIME", help_heading = "Period")]
    pub until: Option<String>,
}

#[derive(Debug, Clone, Args)]
#[command(
    after_help = format!("Marks behind the time: ? not certain, ~ corrected after the clock was synchronised, … held until it is.\n{PERIOD_HELP}\n\nExamples:\n  facetap attendance list --since 7d\n  facetap attendance list --review\n  facetap attendance list --unknown")
)]
pub(in crate::cli) struct ListOptions {
    #[command(flatten)]
    pub period: PeriodOptions,
    /// At most so many, the newest
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
    /// Those that the server does not have yet
    #[arg(long, group = "which")]
    pub pending: bool,
    /// Those that the server will not take by itself
    #[arg(long, group = "which")]
    pub rejected: bool,
    /// Those that a person should look at
    #[arg(long, group = "which")]
    pub review: bool,
    /// Cards that are not in the roster: how often, first and last tap
    #[arg(long, group = "which", conflicts_with_all = ["since", "until"])]
    pub unknown: bool,
    /// Repeats and refused cards as well
    #[arg(long, group = "which")]
    pub all: bool,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  facetap attendance status --json")]
pub(in crate::cli) struct StatusOptions {
    /// As JSON, for programs
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
#[command(
    after_help = format!("The CSV opens with a double click in a spreadsheet program. Where digits of a card are taken for a number there, use the column card_bytes (04:A1:B2:C3), which survives.\n{PERIOD_HELP}\n\nExamples:\n  facetap attendance export --format csv --since 2026-11-01 --until 2026-11-30 --output november.csv\n  facetap attendance export --format csv --encoding cp932 > all.csv\n  facetap attendance export --format json --since 7d")
)]
pub(in crate::cli) struct ExportOptions {
    /// What to write
    #[arg(long, default_value = "csv")]
    pub format: Format,
    /// Encoding of the CSV
    #[arg(long, default_value = "utf-8", ignore_case = true)]
    pub encoding: Encoding,
    #[command(flatten)]
    pub period: PeriodOptions,
    /// The file, replaced when all is written [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Repeats and refused cards as well
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    /// A line for each tap, with a heading
    Csv,
    /// An array of objects
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Encoding {
    /// UTF-8 with a byte order mark, by which spreadsheet programs know it
    #[value(name = "utf-8", alias = "utf8")]
    Utf8,
    /// CP932 (Shift_JIS), for old Japanese programs; what it lacks becomes 〓
    #[value(name = "cp932", aliases = ["sjis", "shift_jis", "shift-jis", "ms932"])]
    Cp932,
}

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Without a number it says which taps there are. Taps that wait or are held up need no retry: they are sent by themselves (facetap status). Attempts stay counted: if the server answers that it has the tap already, the tap is delivered. The order of a card is kept as far as its later taps are not delivered yet.\n\nExamples:\n  facetap attendance retry\n  facetap attendance retry 17 23\n  facetap attendance retry --all"
)]
pub(in crate::cli) struct RetryOptions {
    /// Numbers of the taps (facetap attendance list --rejected)
    #[arg(value_name = "NUMBER", value_parser = clap::value_parser!(i64).range(1..))]
    pub numbers: Vec<i64>,
    /// Every rejected tap
    #[arg(long, conflicts_with = "numbers")]
    pub all: bool,
}
