//! `facetap run`: options over configuration, logging up, then the service.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use log::{error, info, warn};

use super::again::{self, Again};
use super::args::RunOptions;
use super::{Usage, configuration, env};
use crate::attend::ledger::probe;
use crate::base::beat::Beat;
use crate::base::clock::{Clock, Monotime, SystemClock};
use crate::base::limited::{Limited, NotDone};
use crate::base::residency;
use crate::base::stop::{Reason, Stop};
use crate::base::text::{self, Language};
use crate::base::threads::Threads;
use crate::base::trace::TraceFile;
use crate::config::{self, Applied, Config, Live, Loaded, Readers, Source};
use crate::service::reloads::Reloads;
use crate::service::{Ended, Service};
use crate::watch::health::{self, state};
use crate::watch::logging::{self, Logging};
use crate::{base::signals, follow::camera, watch::allocations, watch::crash};
use crate::{critical, say, say_critical, say_info, say_warn};

/// How long a reload is waited for, which takes milliseconds. A signal that comes meanwhile waits as long.
const RELOAD: Duration = Duration::from_millis(300);

pub(super) fn run(options: &RunOptions) -> Result<u8> {
    let (program, before) = (again::program(), again::taken_up());
    let mut loaded = load(options)?;
    apply(options, &mut loaded.config);
    let config = &loaded.config;
    text::speak(config.language.unwrap_or_else(Language::from_locale));
    super::prepare_libraries();
    let camera = if config.camera.enabled {
        Some(camera::source::classify(&config.camera).map_err(Usage)?)
    } else {
        None
    };

    if before.is_none() {
        // Before the log is opened: its lines are those of the other one.
        not_beside_another(options, config)?;
    }
    logging::on_line(crash::recent::note);
    let logging = Logging::start(&config::log_file(&config.log.file, &env), &config.log)?;
    let crash_file = trap_crashes(logging.file(), config);
    greet(&loaded, crash_file.as_deref());
    record_allocations(config);

    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let start = before.as_ref().map_or_else(
        || clock.now(),
        |again| Monotime::from_zero(Duration::from_secs_f64(again.trace_start)),
    );
    let stop = Stop::new();
    let trace = match &options.trace {
        Some(file) if before.is_some() => TraceFile::append(file, start)?,
        Some(file) => TraceFile::create(file, start)?,
        None => TraceFile::default(),
    };
    // The folder of a demonstration goes with it.
    let scratch = scratch_folder(options, config)?;
    let data_dir = match &scratch {
        Some(folder) => folder.path().to_owned(),
        None => config::data_dir(config, &env),
    };

    warn_of_root(&data_dir);

    let duration = before
        .as_ref()
        .map_or(options.duration, |again| again.left)
        .map(Duration::from_secs_f64);
    let reloads = Arc::<Reloads>::default();
    let live = Live::new(loaded.config.clone());
    let mut threads = Threads::default();
    let asked = signals::watch(
        &mut threads,
        &stop,
        reload(&live, options, &logging, &reloads, &stop),
    )?;
    let service = Service {
        config: loaded.config.clone(),
        live,
        config_file: loaded.file.clone(),
        camera,
        health_file: state::choose(&data_dir, &env),
        data_dir: data_dir.clone(),
        log_file: logging.file().to_owned(),
        crash_file: crash_file.unwrap_or_else(|| crash::file_beside(logging.file())),
        reloads,
        trace: Arc::new(trace),
        clock,
        stop,
        duration,
        window: !options.no_display,
    };
    residency::drop_code();
    let begun = service.clock.now();
    let clock = Arc::clone(&service.clock);
    let ended = service.run(threads).inspect_err(|e| critical!("{e:#}"))?;
    let status = report(&ended, &logging);
    let summary = match &before {
        Some(again) => ended.summary.after(&again.earlier),
        None => ended.summary,
    };
    let in_place = matches!(ended.reason, Reason::Restart { .. }) && !health::is_supervised();
    if in_place {
        signals::leave_to_the_next();
    }
    if in_place && !asked.to_end() {
        drop(scratch);
        let left = duration.map(|d| d.saturating_sub(clock.now().since(begun)));
        let why = again::exec(
            &program,
            &Again {
                left: left.map(|d| d.as_secs_f64().max(0.1)),
                trace_start: start.since_zero().as_secs_f64(),
                earlier: summary,
            },
        );
        say_critical!(
            "cannot begin again: {why}; start it again",
            "再起動できません: {why}"
        );
        super::leave(super::FAILED);
    }
    if options.duration.is_some() || options.demo {
        // Asked only where it is shown: an ordinary stop does not wait for the disk once more.
        let pending = config.cards.enabled.then(|| pending(&data_dir)).flatten();
        super::print(summary.with_pending(pending));
    }
    if !ended.stuck.is_empty() {
        drop(scratch);
        super::leave(status);
    }
    Ok(status)
}

/// Refuses a second service with the data folder or the log of one that runs.
fn not_beside_another(options: &RunOptions, config: &Config) -> Result<()> {
    let data_dir = config::data_dir_to_read(config, &env);
    let scratch = options.demo && config.data_dir.is_none();
    if config.cards.enabled
        && !scratch
        && let Some(process) = probe::holder(&data_dir)
    {
        bail!(say!(
            "another FaceTap (process {process}) uses the data folder {}; stop it (systemctl stop facetap), or set another data_dir \
             and log.file",
            "別の FaceTap (プロセス {process}) がデータフォルダー {} を使用しています。停止するか (systemctl stop facetap)、\
             別の data_dir と log.file を設定してください",
            data_dir.display()
        ));
    }
    let log = config::log_file(&config.log.file, &env);
    let same = |other: &Path| match (other.canonicalize(), log.canonicalize()) {
        (Ok(other), Ok(log)) => other == log,
        _ => false,
    };
    let other = state::find(&data_dir, &env).map(|(_, state)| state);
    let other = other.filter(|s| s.pid != std::process::id() && s.lives() && same(&s.log_file));
    if let Some(other) = other {
        bail!(say!(
            "another FaceTap (process {}) writes the log {}; stop it, or name another one (--log-file)",
            "別の FaceTap (プロセス {}) がログ {} に書き込んでいます。停止するか、--log-file で別のファイルを指定してください",
            other.pid,
            log.display()
        ));
    }
    Ok(())
}

/// What root makes in the folder of another user keeps that user's service out later.
fn warn_of_root(data_dir: &Path) {
    let owner = std::fs::metadata(data_dir).map_or(0, |about| about.uid());
    if !nix::unistd::geteuid().is_root() || owner == 0 {
        return;
    }
    let user = nix::unistd::User::from_uid(owner.into()).ok().flatten();
    let user = user.map_or_else(|| owner.to_string(), |user| user.name);
    say_warn!(
        "this runs as root in {}, the data folder of {user}, whose service will not start with the files that root leaves there; \
         run it as that user (sudo -u {user} facetap run), and afterwards: sudo facetap doctor",
        "{} は {user} のデータフォルダーですが、root で実行しています。root が作成したファイルにより {user} のサービスが\
         起動できなくなります。sudo -u {user} facetap run で実行し、その後 sudo facetap doctor で確認してください",
        data_dir.display()
    );
}

/// Taps in the ledger that the server does not have yet, if that can be told.
fn pending(data_dir: &Path) -> Option<u64> {
    probe::pending(data_dir).ok()
}

fn load(options: &RunOptions) -> Result<Loaded> {
    // A demonstration must not send invented taps to the server that this machine is configured for.
    let named = options.config.is_some() || env("FACETAP_CONFIG").is_some_and(|v| !v.is_empty());
    if options.demo && !named {
        return Ok(Loaded {
            config: Config::default(),
            file: None,
            not_built: Vec::new(),
        });
    }
    Ok(config::load(options.config.as_deref(), &env)?)
}

fn apply(options: &RunOptions, config: &mut Config) {
    if options.demo {
        config.camera.enabled = true;
        config.camera.source = Source::Name("simulated".to_owned());
        config.servo.enabled = true;
        "simulated".clone_into(&mut config.servo.port);
        config.cards.enabled = true;
        config.cards.readers = Readers::One("simulated".to_owned());
    }
    config.camera.enabled &= !options.no_camera;
    config.servo.enabled &= !options.no_servo;
    config.cards.enabled &= !options.no_cards;
    if let Some(port) = &options.servo_port {
        config.servo.port.clone_from(port);
    }
    if let Some(file) = &options.log_file {
        config.log.file.clone_from(file);
    }
    if let Some(level) = options.log_level {
        config.log.level = level;
    }
}

fn scratch_folder(options: &RunOptions, config: &Config) -> Result<Option<tempfile::TempDir>> {
    if !options.demo || config.data_dir.is_some() {
        return Ok(None);
    }
    let folder = tempfile::Builder::new()
        .prefix("facetap-demo-")
        .tempdir()
        .context("cannot make a folder for the demonstration's ledger; set \"data_dir\"")?;
    Ok(Some(folder))
}

/// Before the first thread, so that everything the service allocates is seen.
fn record_allocations(config: &Config) {
    if !config.memory_monitor.enabled || !config.memory_monitor.tracemalloc {
        return;
    }
    match allocations::start() {
        Ok(()) => say_info!(
            "memory_monitor.tracemalloc: allocations are recorded",
            "memory_monitor.tracemalloc: メモリ割り当てを記録します"
        ),
        Err(e) => warn!("memory_monitor.tracemalloc: {e:#}"),
    }
}

/// Where crashes leave their trace from now on. None if no place can be written.
fn trap_crashes(log_file: &Path, config: &Config) -> Option<PathBuf> {
    for file in crash::places(log_file, &config::data_dir(config, &env)) {
        match crash::trap(&file) {
            Ok(()) => return Some(file),
            Err(e) => warn!("{e:#}"),
        }
    }
    None
}

fn greet(loaded: &Loaded, crash_file: Option<&Path>) {
    let version = env!("CARGO_PKG_VERSION");
    let from = loaded.file.as_ref().map_or_else(
        || say!("built-in defaults", "内蔵の既定値"),
        |f: &PathBuf| f.display().to_string(),
    );
    say_info!(
        "FaceTap {version}, configuration: {from}",
        "FaceTap {version} 起動, 設定: {from}"
    );
    let crash = crash_file.map_or_else(
        || say!("standard error alone", "標準エラー出力のみ"),
        |file| file.display().to_string(),
    );
    say_info!(
        "crash trap active, traces go to {crash}",
        "クラッシュ検出を有効にしました, 記録先: {crash}"
    );
    if let Some(line) = configuration::not_built(loaded) {
        warn!("{line}");
    }
}

/// What `SIGHUP` does: the log file is opened again, the configuration read again, and of it applied
/// what can be applied without a restart; the rest is named.
fn reload(
    live: &Live,
    options: &RunOptions,
    logging: &Logging,
    reloads: &Arc<Reloads>,
    stop: &Stop,
) -> impl Fn() + Send + use<> {
    let reloads = Arc::clone(reloads);
    let (live, options, logging) = (live.clone(), options.clone(), logging.clone());
    let reload = Arc::new(move || {
        if let Err(e) = logging.reopen() {
            error!("{e:#}");
        }
        if let Err(e) = crash::reopen() {
            error!("{e:#}");
        }
        match load(&options) {
            Ok(mut new) => {
                apply(&options, &mut new.config);
                let applied = live.apply(&new.config);
                logging.set_level(live.now().log.level);
                let result = outcome(&applied);
                if applied.later.is_empty() {
                    info!("{result}");
                } else {
                    warn!("{result}");
                }
                reloads.done(result);
            }
            // A mistake in the new file is no reason to stop serving with the old one.
            Err(e) => {
                let result = say!(
                    "configuration kept as it was: {e:#}",
                    "設定は変更されません: {e:#}"
                );
                error!("{result}");
                reloads.done(result);
            }
        }
    });
    // Who waits for it is who hears the order to stop.
    let disk = Limited::<()>::new("reload", stop, &Beat::default());
    move || {
        let reload = Arc::clone(&reload);
        if let Err(NotDone::Hangs) = disk.run(RELOAD, move || reload()) {
            say_warn!(
                "reloading takes long: the disk of the configuration or of the log does not answer; it goes on, \
                     and another reload begins only when it is over",
                "再読み込みに時間がかかっています。設定またはログのディスクが応答していません。\
                     処理は続行し、終わるまで次の再読み込みは行いません"
            );
        }
    }
}

/// What came of a configuration that was read again, for people.
fn outcome(applied: &Applied) -> String {
    let (now, later) = (applied.now.join(", "), applied.later.join(", "));
    match (now.is_empty(), later.is_empty()) {
        (true, true) => say!("configuration reloaded", "設定を再読み込みしました"),
        (false, true) => say!(
            "configuration reloaded, in effect now: {now}",
            "設定を再読み込みしました。反映済み: {now}"
        ),
        (true, false) => say!(
            "takes effect at the next start: {later}",
            "次回起動時に有効になる設定: {later}"
        ),
        (false, false) => say!(
            "in effect now: {now}; takes effect at the next start: {later}",
            "反映済み: {now}。次回起動時に有効になる設定: {later}"
        ),
    }
}

/// Says how the run ended, and turns it into the exit status.
fn report(ended: &Ended, logging: &Logging) -> u8 {
    for thread in &ended.stuck {
        say_warn!(
            "the thread \"{thread}\" is stuck in the system and is left behind",
            "スレッド「{thread}」が終了しないため放置します"
        );
    }
    info!("{}", ended.summary.log_line());
    let status = match &ended.reason {
        Reason::Signal(_)
        | Reason::Duration
        | Reason::EndOfClip
        | Reason::Window
        | Reason::Restart { .. } => super::DONE,
        Reason::Failure(why) => {
            say_critical!("ending: {why}", "終了します: {why}");
            super::FAILED
        }
        Reason::Usage(why) => {
            say_critical!("ending: {why}", "終了します: {why}");
            super::USAGE
        }
    };
    logging.finish();
    status
}
