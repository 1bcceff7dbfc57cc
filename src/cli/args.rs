//! Commands and options.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

use super::attendance::AttendanceOptions;
use super::bench::BenchOptions;
use super::doctor::DoctorOptions;
use super::memory_test::MemoryTestOptions;
use super::report::ReportOptions;
use super::seconds::seconds;
use super::servo::ServoOptions;
use super::setup::SetupOptions;
use super::soak::SoakOptions;
use super::supervise::SuperviseOptions;
use crate::config::Level;

/// Follows faces with servos and records card taps.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    max_term_width = 100,
    after_help = "Example:\n  facetap run --demo --no-display --duration 20"
)]
pub(super) struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The service: follows faces, records taps, watches itself
    Run(RunOptions),
    /// Reads the configuration, opens every device once and prints a table
    Check(CheckOptions),
    /// The cameras, serial ports and card readers of this machine, by the names that the configuration
    /// takes
    Devices(DevicesOptions),
    /// The taps in the local ledger: list, export for a spreadsheet, send again
    Attendance(AttendanceOptions),
    /// Grows memory on purpose, so that the monitor's warnings can be seen
    MemoryTest(MemoryTestOptions),
    /// Finds what is wrong and says how to mend it; writes a file for the maintainers
    Doctor(DoctorOptions),
    /// What the running service is doing now
    Status(StatusOptions),
    /// The running service opens its log files again and reads its configuration again
    Reload(ReloadOptions),
    /// The stress run of the service, with a verdict: passed or failed
    Soak(SoakOptions),
    /// Keeps a service running where there is no systemd: starts it again when it ends, grows or falls silent
    Supervise(SuperviseOptions),
    /// The first hour, step by step: camera, servos, reader, server, configuration, service
    Setup(SetupOptions),
    /// Commissioning of the servos: finds them, sets them up, measures camera and mount against each other
    Servo(ServoOptions),
    /// The program held against a simulation: how well it follows a face
    Bench(BenchOptions),
    /// Reads logs back: figures, shapes, alarms and restarts; a page with plots, a table for a spreadsheet
    Report(ReportOptions),
    /// The configuration explained, and a file checked
    Config(ConfigOptions),
}

#[derive(Debug, Clone, Default, ClapArgs)]
#[command(
    after_help = "Examples:\n  facetap run --no-display --config /etc/facetap/config.json\n  facetap run --demo --no-display --duration 20"
)]
pub(super) struct RunOptions {
    /// Configuration file [default: $FACETAP_CONFIG, else /etc/facetap/config.json, else built in]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Without a window; else one shows what is done, and ESC in it ends the program
    #[arg(long)]
    pub no_display: bool,
    /// Without servos
    #[arg(long)]
    pub no_servo: bool,
    /// Without a camera
    #[arg(long)]
    pub no_camera: bool,
    /// Without card readers
    #[arg(long)]
    pub no_cards: bool,
    /// Serial port of the servos, instead of "servo.port"
    #[arg(long, value_name = "PATH")]
    pub servo_port: Option<String>,
    /// Log file, instead of "log.file"
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
    /// Least severe level that is logged, instead of "log.level"
    #[arg(long, value_name = "LEVEL", ignore_case = true)]
    pub log_level: Option<Level>,
    /// Simulated camera, servos and reader in a closed loop. Without --config or $FACETAP_CONFIG it
    /// leaves the configuration and the ledger of this machine alone
    #[arg(long)]
    pub demo: bool,
    /// Stop after so many seconds and print a summary
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub duration: Option<f64>,
    /// Write a JSON line for every frame and every tap
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
}

#[derive(Debug, Clone, ClapArgs)]
#[command(
    after_help = "Taps: rejected ones stay in the ledger until facetap attendance retry; held-up ones were refused on the way to the server and are sent again by themselves.\n\nStatus 0 if the service is at work, 1 if it is not.\n\nExamples:\n  facetap status\n  facetap status --json\n  facetap status --follow"
)]
pub(super) struct StatusOptions {
    /// Configuration file of the service, for its data folder [default: as that of "run"]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// For programs: a JSON object on one line
    #[arg(long)]
    pub json: bool,
    /// Again every second, until Ctrl-C
    #[arg(long)]
    pub follow: bool,
}

#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "Example:\n  sudo facetap reload")]
pub(super) struct ReloadOptions {
    /// Configuration file of the service, for its data folder [default: as that of "run"]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Clone, ClapArgs)]
#[command(after_help = "Example:\n  facetap check --config /etc/facetap/config.json")]
pub(super) struct CheckOptions {
    /// Configuration file [default: $FACETAP_CONFIG, else /etc/facetap/config.json, else built in]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Clone, ClapArgs)]
#[command(
    after_help = "What \"auto\" and \"all\" take now is marked. Nothing is opened that could move or disturb anything.\n\nExample:\n  facetap devices"
)]
pub(super) struct DevicesOptions {}

#[derive(Debug, Clone, ClapArgs)]
#[command(
    after_help = "Examples:\n  facetap config default > config.json\n  facetap config check config.json\n  sudo facetap config set log.level DEBUG"
)]
pub(super) struct ConfigOptions {
    #[command(subcommand)]
    pub command: ConfigCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub(super) enum ConfigCommand {
    /// Prints the built-in configuration as a file to start from
    #[command(after_help = "Example:\n  facetap config default > config.json")]
    Default,
    /// Prints every key with what is allowed and what it means
    #[command(
        after_help = "Examples:\n  facetap config schema | grep camera\n  facetap config schema --json > facetap.schema.json"
    )]
    Schema {
        /// As a JSON schema, for editors
        #[arg(long)]
        json: bool,
    },
    /// Checks a configuration file; status 0 if it is valid, 2 if not
    #[command(after_help = "Example:\n  facetap config check /etc/facetap/config.json")]
    Check {
        /// The file
        file: PathBuf,
    },
    /// Changes one value of the configuration file, if the file is valid then
    #[command(
        after_help = "Examples:\n  sudo facetap config set server_url http://192.168.1.31:5000\n  sudo facetap config set servo.axes.pan.invert true\n  facetap config set gpio.green null --config config.json"
    )]
    Set(SetOptions),
}

#[derive(Debug, Clone, ClapArgs)]
pub(super) struct SetOptions {
    /// The key, with its groups: camera.fps
    pub key: String,
    /// The value; a text needs no quotes
    #[arg(allow_hyphen_values = true)]
    pub value: String,
    /// The file; made if it is missing [default: $FACETAP_CONFIG, else /etc/facetap/config.json]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definitions_are_sound_and_every_command_has_an_example() {
        Args::command().debug_assert();
        fn walk(command: &clap::Command) {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                help.contains("Example"),
                "{} has no example",
                command.get_name()
            );
            command.get_subcommands().for_each(walk);
        }
        walk(&Args::command());
    }
}
