//! What people type.

mod again;
mod args;
mod attendance;
mod bench;
mod check;
mod config_file;
mod configuration;
mod crash_now;
mod devices;
mod doctor;
mod generate;
mod hidden;
mod memory_test;
mod reload;
mod report;
mod run;
mod seconds;
mod servo;
mod setup;
mod soak;
mod status;
mod supervise;
mod symbolise;
mod table;
mod target;

use std::io::Write as _;

use anyhow::Result;
use clap::{CommandFactory as _, FromArgMatches as _, Subcommand as _};

use crate::base::limited;
use crate::config::ConfigError;
use args::{Args, Command};
use hidden::HiddenCommand;

/// Exit status: done.
const DONE: u8 = 0;
/// Exit status: failed.
const FAILED: u8 = 1;
/// Exit status: wrong usage or configuration.
const USAGE: u8 = 2;

/// A mistake in what was typed or configured, found after the command line itself was understood.
#[derive(Debug)]
pub struct Usage(pub String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Prints a line. That the reader has gone away (`facetap config schema | head`) is no failure.
fn print(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Tells the person something that is not part of what was asked for. The terminal may be gone.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "facetap: {text}");
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Runs the command of the process's arguments; the result is the exit status.
#[must_use]
pub fn main() -> u8 {
    crate::watch::symbols::this_program_symbolises();
    let typed = HiddenCommand::augment_subcommands(Args::command()).get_matches();
    if let Ok(command) = HiddenCommand::from_arg_matches(&typed) {
        return exit_status(command.run());
    }
    let args = Args::from_arg_matches(&typed).unwrap_or_else(|e| e.exit());
    let done = match args.command {
        Command::Run(options) => run::run(&options),
        Command::Check(options) => check::check(&options),
        Command::Devices(_) => devices::devices(),
        Command::Attendance(options) => attendance::attendance(&options),
        Command::MemoryTest(options) => memory_test::memory_test(&options),
        Command::Doctor(options) => doctor::doctor(&options),
        Command::Status(options) => status::status(&options),
        Command::Reload(options) => reload::reload(&options),
        Command::Soak(options) => soak::soak(&options),
        Command::Supervise(options) => supervise::supervise(&options),
        Command::Servo(options) => servo::servo(&options),
        Command::Setup(options) => setup::setup(&options),
        Command::Bench(options) => bench::bench(&options),
        Command::Report(options) => report::report(&options),
        Command::Config(options) => configuration::configuration(&options),
    };
    let status = exit_status(done);
    if !limited::under_way().is_empty() {
        leave(status);
    }
    status
}

/// Ends the process at once. An ordinary exit destroys OpenCV's global objects, and a thread that was left behind
/// in the middle of a picture would fault on them: the status would be that of a crash.
fn leave(status: u8) -> ! {
    let _ = std::io::stdout().flush();
    // SAFETY: the log is flushed; nothing else needs a destructor.
    unsafe { nix::libc::_exit(i32::from(status)) }
}

/// Tells OpenCV and the C library what they read from the environment at their first use.
fn prepare_libraries() {
    let names = crate::base::names::environment();
    let names = (names.0, names.1.to_owned());
    for (name, value) in crate::follow::camera::environment()
        .into_iter()
        .chain([names])
    {
        if std::env::var_os(name).is_none() {
            // SAFETY: this is the only thread so far, so nobody can be reading the environment.
            unsafe { std::env::set_var(name, value) };
        }
    }
}

fn exit_status(done: Result<u8>) -> u8 {
    match done {
        Ok(status) => status,
        Err(e) => {
            // The terminal may be gone; the status tells all the same.
            let _ = writeln!(std::io::stderr(), "facetap: {e:#}");
            if e.is::<ConfigError>() || e.is::<Usage>() {
                USAGE
            } else {
                FAILED
            }
        }
    }
}
