//! `facetap reload`: the running service opens its logs again and reads its configuration again.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::args::ReloadOptions;
use super::{DONE, env};
use crate::base::clock::{Clock as _, SystemClock};
use crate::base::proc;
use crate::base::stop::Stop;
use crate::base::text::{self, Language};
use crate::config;
use crate::say;
use crate::watch::health::state::{self, State};

/// How long the service may take to answer. Its file is written once a second; on a disk, once a minute.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn reload(options: &ReloadOptions) -> Result<u8> {
    let loaded = config::load(options.config.as_deref(), &env)?;
    text::speak(loaded.config.language.unwrap_or_else(Language::from_locale));
    let data_dir = config::data_dir_to_read(&loaded.config, &env);
    let meant = |s: &State| options.config.is_none() || state::is_of(s, &data_dir);
    let running = state::find(&data_dir, &env)
        .filter(|(_, s)| s.presence() != proc::Presence::Gone && meant(s));
    let Some((file, before)) = running else {
        bail!(say!(
            "no service is running, so there is nothing to reload; start it (systemctl start facetap)",
            "サービスは動作していません。systemctl start facetap で起動してください"
        ));
    };
    let pid = i32::try_from(before.pid).context("the number of the process is impossible")?;
    kill(Pid::from_raw(pid), Signal::SIGHUP).with_context(|| {
        format!("cannot send SIGHUP to process {pid}; use sudo, or systemctl reload facetap")
    })?;
    match answer(&file, &before) {
        Some(result) => super::print(result),
        None => super::print(say!(
            "process {pid} was told; its log says what came of it: {}",
            "プロセス {pid} に通知しました。結果はログを確認してください: {}",
            before.log_file.display()
        )),
    }
    Ok(DONE)
}

/// What the service says came of it, if it does in time.
fn answer(file: &std::path::Path, before: &State) -> Option<String> {
    let deadline = SystemClock.now() + PATIENCE;
    while SystemClock.now() < deadline {
        let _ = SystemClock.wait(&Stop::new(), LOOK);
        if let Ok(now) = state::read(file)
            && now.reloads > before.reloads
        {
            return now.last_reload;
        }
    }
    None
}
