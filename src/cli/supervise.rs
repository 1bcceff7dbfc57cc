//! `facetap supervise`: keeps a service running where there is no systemd.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use clap::Args as ClapArgs;

use super::{DONE, FAILED, Usage, again, env, print};
use crate::base::child::is_installed;
use crate::base::clock::{Clock, SystemClock};
use crate::base::signals;
use crate::base::stop::Stop;
use crate::base::text::{self, Language};
use crate::base::threads::Threads;
use crate::say;
use crate::watch::supervise::{LONGEST_PAUSE, Settings, Watchman, absolute, log_of};

/// The most that a number of seconds or megabytes may be.
const MOST: u64 = 1_000_000;
/// The thread for signals has nothing to wait for.
const JOIN: Duration = Duration::from_secs(1);

/// What may be given.
#[derive(Debug, Clone, ClapArgs)]
#[command(
    args_override_self = true,
    after_help = "Starts the command again whenever it ends, and when its memory or its silence is beyond the limit. A run \
of less than a minute is followed by a pause, which doubles from one short run to the next. TERM and Ctrl-C end both: \
the command gets TERM, and KILL if it has not ended within five seconds. HUP is handed on.\n\nWithout --folder the \
command ends with the supervisor, even if that is killed, and the log goes to standard error. With it the next \
supervisor takes over what runs.\n\nStatus 0 when it was told to end, 2 for wrong usage or a folder that it \
cannot work in; --status: 0 if the service is well, 1 if not.\n\nExamples:\n  facetap supervise -- facetap run --no-display\n  facetap supervise --start \
--folder /var/lib/facetap -- facetap run --no-display\n  facetap supervise --status --folder /var/lib/facetap"
)]
pub(super) struct SuperviseOptions {
    /// Where monitor.log, PID files and lock lie [default: none; with one of the actions below the current folder]
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// Seconds between two looks at memory and signs of life
    #[arg(long, value_name = "S", default_value_t = 300, value_parser = number())]
    pub interval: u64,
    /// Resident memory in MB above which the command is started again
    #[arg(long, value_name = "MB", default_value_t = 600, value_parser = number())]
    pub memory: u64,
    /// Seconds for which log and health file may stay as they are
    #[arg(long, value_name = "S", default_value_t = 600, value_parser = number())]
    pub silent: u64,
    /// The command's log [default: what --log-file says in it; with a folder else facetap.log]
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Pause in seconds after the first short run; it doubles up to 300
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = number().range(..=LONGEST_PAUSE.as_secs()))]
    pub pause: u64,
    /// Supervise in the background
    #[arg(long, group = "action")]
    pub start: bool,
    /// One look, for cron: starts the command if it is not well; no supervisor stays
    #[arg(long, group = "action")]
    pub once: bool,
    /// Tell how supervisor and command are
    #[arg(long, group = "action")]
    pub status: bool,
    /// End supervisor and command
    #[arg(long, group = "action")]
    pub stop: bool,
    /// What is started, with its arguments
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

fn number() -> clap::builder::RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(1..=MOST)
}

pub(super) fn supervise(options: &SuperviseOptions) -> Result<u8> {
    text::speak(Language::from_locale());
    if !options.status && !options.stop {
        check(&options.command)?;
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (stop, reload) = (Stop::new(), Arc::<AtomicBool>::default());
    let watchman = Watchman::new(
        settings(options)?,
        &env,
        Arc::clone(&clock),
        stop.clone(),
        Arc::clone(&reload),
    );
    let done = if options.status {
        let (lines, well) = watchman.status();
        print(lines.trim_end());
        return Ok(if well { DONE } else { FAILED });
    } else if options.stop {
        watchman.stop()
    } else if options.once {
        watchman.once()
    } else if options.start {
        watchman.start(in_the_foreground()).map(print)
    } else {
        let mut threads = Threads::default();
        signals::watch(&mut threads, &stop, move || {
            reload.store(true, Ordering::SeqCst);
        })?;
        let done = watchman.run();
        if done.is_ok() {
            threads.join(&clock, JOIN);
        }
        done
    };
    // Status 1 is a service that is not well, for scripts that ask.
    done.map_err(|e| Usage(format!("{e:#}")))?;
    Ok(DONE)
}

fn check(command: &[OsString]) -> Result<()> {
    let why = match command.first() {
        None => say!(
            "which command? facetap supervise -- facetap run --no-display",
            "起動するコマンドを指定してください: facetap supervise -- facetap run --no-display"
        ),
        Some(program) if !is_installed(program) => {
            let program = program.display();
            say!(
                "there is no program {program}; give its path, or put its folder on PATH",
                "プログラム {program} が見つかりません。パスを指定するか、PATH に追加してください"
            )
        }
        Some(_) => return Ok(()),
    };
    Err(Usage(why).into())
}

fn settings(options: &SuperviseOptions) -> Result<Settings> {
    let action = options.start || options.once || options.status || options.stop;
    let folder = options.folder.clone();
    let folder = folder.or_else(|| action.then(|| ".".into()));
    let log = options.log.clone().or_else(|| log_of(&options.command));
    let log = log.or_else(|| folder.as_ref().map(|_| "facetap.log".into()));
    Ok(Settings {
        command: options.command.clone(),
        folder: folder.as_deref().map(absolute).transpose()?,
        interval: Duration::from_secs(options.interval),
        memory_mb: options.memory,
        silent: Duration::from_secs(options.silent),
        log: log.as_deref().map(absolute).transpose()?,
        pause: Duration::from_secs(options.pause),
    })
}

/// This very command without `--start`. A folder is named: without one it would be another kind of supervisor.
fn in_the_foreground() -> Command {
    let mut command = Command::new(again::program());
    let mut typed: Vec<OsString> = std::env::args_os().skip(1).collect();
    let end = typed.iter().position(|word| word == "--");
    let behind = typed.split_off(end.unwrap_or(typed.len()));
    typed.retain(|word| word != "--start");
    // The word "supervise" comes first, and of an option that is given twice the last counts.
    typed.splice(1..1, ["--folder".into(), ".".into()]);
    command
        .args(typed)
        .args(behind)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}
