//! `facetap servo`: commissioning of the servos.

mod ask;
mod calibrate;
mod info;
pub(in crate::cli) mod place;
mod range;
mod scan;
mod session;
mod set_id;
mod setup;
mod show;
mod test;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};

use calibrate::CalibrateOptions;
use info::InfoOptions;
use place::{CenterOptions, OffsetOptions};
use range::RangeOptions;
use scan::ScanOptions;
pub(in crate::cli) use session::Session;
use set_id::SetIdOptions;
pub(in crate::cli) use setup::{SetupOptions, commission_all};
use test::TestOptions;

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "While one of these runs, the service lends it the bus: servos released within a second, taken back when it ends.\n\nExamples:\n  facetap servo scan\n  facetap servo setup\n  facetap servo calibrate"
)]
pub(super) struct ServoOptions {
    #[command(subcommand)]
    pub command: ServoCommand,
}

/// What every one of the commands takes.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct Common {
    /// Configuration file [default: as that of "run"]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Serial port of the servos, instead of "servo.port"
    #[arg(long, value_name = "PATH")]
    pub servo_port: Option<String>,
    /// Ask nothing before something permanent, or before something moves
    #[arg(long)]
    pub yes: bool,
    /// For programs: what was found or done as JSON on one line; everything else goes to standard error
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Subcommand)]
pub(super) enum ServoCommand {
    /// Who is on the line: every family, every bit rate; changes and moves nothing
    Scan(ScanOptions),
    /// All about one servo, and what somebody else left behind in it; changes and moves nothing
    Info(InfoOptions),
    /// Moves a servo a little, with little strength, and says how it follows
    Test(TestOptions),
    /// Gives a servo another id, permanently
    SetId(SetIdOptions),
    /// Where a servo stands now becomes its centre, permanently
    Center(CenterOptions),
    /// Sets the correction of a servo's position, permanently
    Offset(OffsetOptions),
    /// Records how far an axis goes, turned by hand, for its limits
    Range(RangeOptions),
    /// New servos become those of the mount, one after the other: ids, and what somebody left behind
    Setup(SetupOptions),
    /// Measures by how much the camera is late and how wide it sees, in about ten seconds of small
    /// movements of the pan axis, and keeps the delay where the service finds it
    Calibrate(CalibrateOptions),
}

pub(super) fn servo(options: &ServoOptions) -> Result<u8> {
    match &options.command {
        ServoCommand::Scan(options) => scan::scan(options),
        ServoCommand::Info(options) => info::info(options),
        ServoCommand::Test(options) => test::test(options),
        ServoCommand::SetId(options) => set_id::set_id(options),
        ServoCommand::Center(options) => place::center(options),
        ServoCommand::Offset(options) => place::offset(options),
        ServoCommand::Range(options) => range::range(options),
        ServoCommand::Setup(options) => setup::setup(options),
        ServoCommand::Calibrate(options) => calibrate::measure(options),
    }
}
