//! `facetap status`: what the running service is doing now.

use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};

use super::args::StatusOptions;
use super::{DONE, FAILED, env};
use crate::base::card_status::{HeldTap, Troubled};
use crate::base::clock::{Clock as _, SystemClock};
use crate::base::proc::{self, Presence};
use crate::base::stop::Stop;
use crate::base::text::{self, Language};
use crate::config;
use crate::follow::delay::Kept;
use crate::say;
use crate::watch::crash;
use crate::watch::health::state::{self, LoopState, Phase, State};

/// Time between two looks of `--follow`.
const EVERY: Duration = Duration::from_secs(1);
/// Where the taps stand among the rows.
const TAPS_ROW: usize = 3;

pub(super) fn status(options: &StatusOptions) -> Result<u8> {
    let loaded = config::load(options.config.as_deref(), &env);
    let language = loaded.as_ref().ok().and_then(|l| l.config.language);
    text::speak(language.unwrap_or_else(Language::from_locale));
    // A service that runs goes by what it has read: whoever has just broken the file wants to know how it is all the more.
    let (config, named) = match loaded {
        Ok(loaded) => (loaded.config, options.config.is_some()),
        Err(e) => {
            let config = config::Config::default();
            let found = state::find(&config::data_dir_to_read(&config, &env), &env);
            if !found.is_some_and(|(_, s)| s.lives() && has_read(&s, options)) {
                return Err(e.into());
            }
            super::complain(&e.to_string());
            (config, false)
        }
    };
    let data_dir = config::data_dir_to_read(&config, &env);
    loop {
        let done = look(options, &data_dir, named, &config.camera);
        if !options.follow {
            return done;
        }
        if let Err(e) = done {
            super::print(format_args!("{e:#}"));
        }
        let _ = SystemClock.wait(&Stop::new(), EVERY);
        if std::io::stdout().is_terminal() && !options.json {
            // Home, and everything below erased: the page is drawn again in its place.
            super::print("\x1b[H\x1b[2J");
        }
    }
}

/// Whether the service has begun with the configuration that is asked for.
fn has_read(state: &State, options: &StatusOptions) -> bool {
    let real = |file: &Path| file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let its = state.config.as_deref().map(real);
    options.config.is_none() || options.config.as_deref().map(real) == its
}

fn look(
    options: &StatusOptions,
    data_dir: &Path,
    named: bool,
    camera: &config::Camera,
) -> Result<u8> {
    let found = state::find(data_dir, &env);
    // Whoever names a configuration means that service and no other.
    let other = |s: &State| named && !state::is_of(s, data_dir);
    if let Some((_, state)) = found.as_ref().filter(|(_, s)| other(s)) {
        bail!(say!(
            "no service is running with the data folder {}; another one runs with {} (process {})",
            "データフォルダー {} のサービスは動作していません。{} で別のサービスが動作中です (プロセス {})",
            data_dir.display(),
            state.data_dir.display(),
            state.pid
        ));
    }
    let Some((file, state)) = found else {
        if let Some(file) = state::damaged_file(data_dir, &env) {
            bail!(say!(
                "{} tells of no service: it is damaged, or of one that was just starting; restart the service",
                "{} からサービスの状態を読み取れません（破損または起動直後）。サービスを再起動してください",
                file.display()
            ));
        }
        let looked: Vec<_> = state::folders(data_dir, &env)
            .iter()
            .map(|f| f.display().to_string())
            .collect();
        bail!(say!(
            "no service is running: no health.json of one with the data folder {} in {}; start it (systemctl start facetap, or facetap run)",
            "サービスは動作していません: データフォルダー {} のサービスの health.json が {} にありません。systemctl start facetap で起動してください",
            data_dir.display(),
            looked.join(", ")
        ));
    };
    let age = state.age_s(&proc::boot_id(), &SystemClock);
    let trouble = trouble(&state, state.presence(), age);
    if options.json {
        // One line an answer, so that --follow can be read line by line.
        super::print(serde_json::to_string(&state)?);
    } else {
        // First, for what follows is then not how it is but how it was.
        if let Some(why) = &trouble {
            super::print(format_args!("{why} ({})\n", file.display()));
        }
        let delay = Delay::of(camera, &state.data_dir);
        super::print(Page(&state, delay));
    }
    Ok(if trouble.is_some() { FAILED } else { DONE })
}

/// Why the service is not at work as it should be; none if it is. `age_s` is that of its file, none where that is of
/// another boot.
fn trouble(state: &State, presence: Presence, age_s: Option<f64>) -> Option<String> {
    let late = age_s.is_none_or(|age| state.is_late(age));
    let seconds = age_s.unwrap_or(0.0);
    match presence {
        Presence::Hidden if !late => {}
        Presence::Hidden => {
            return Some(say!(
                "WHETHER THE SERVICE RUNS CANNOT BE SEEN: /proc hides the processes of other users, and nothing was \
                 written for {seconds:.0} s; ask again with sudo",
                "サービスの動作を確認できません: /proc で他のユーザーのプロセスが非表示で、{seconds:.0}秒間更新がありません。\
                 sudo で実行してください"
            ));
        }
        Presence::Running if age_s.is_some() => {}
        // One of another boot has its number and its start by accident.
        Presence::Running | Presence::Gone => {
            return Some(say!(
                "THE SERVICE IS NOT RUNNING; this is how it was when it ended",
                "サービスは動作していません（終了時の状態です）"
            ));
        }
    }
    if late {
        return Some(say!(
            "THE SERVICE HANGS: nothing was written for {seconds:.0} s",
            "サービスが応答していません（{seconds:.0}秒間更新なし）"
        ));
    }
    let hung: Vec<_> = state
        .loops
        .iter()
        .filter(|(_, l)| !l.alive)
        .map(|(name, _)| name.as_str())
        .collect();
    if !hung.is_empty() {
        return Some(say!("HUNG: {}", "応答なし: {}", hung.join(", ")));
    }
    (state.state != Phase::Ready).then(|| say!("not ready", "準備中または終了処理中です"))
}

/// The state for a terminal.
struct Page<'a>(&'a State, Option<Delay>);

/// By how much the camera is late.
#[derive(Debug, Clone, Copy)]
struct Delay {
    ms: f64,
    learned: bool,
}

impl Delay {
    /// What the configuration says, or else what was learned.
    fn of(camera: &config::Camera, data_dir: &Path) -> Option<Self> {
        let configured = camera.latency_ms.milliseconds();
        let learned = || {
            Kept::new(data_dir, camera)
                .load()
                .map(|d| d.as_secs_f64() * 1e3)
        };
        Some(Self {
            ms: configured.or_else(learned)?,
            learned: configured.is_none(),
        })
    }
}

impl std::fmt::Display for Delay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = self.ms;
        f.write_str(&if self.learned {
            say!(", {ms:.0} ms late (learned)", ", 遅延 {ms:.0} ms (学習値)")
        } else {
            say!(
                ", {ms:.0} ms late (configured)",
                ", 遅延 {ms:.0} ms (設定値)"
            )
        })
    }
}

impl std::fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.0;
        let hours = state.uptime_s / 3600.0;
        let phase = match state.state {
            Phase::Starting => say!("starting", "起動中"),
            Phase::Ready => say!("ready", "動作中"),
            Phase::Stopping => say!("stopping", "終了処理中"),
        };
        writeln!(
            f,
            "FaceTap {}: {phase}, {}",
            state.version,
            say!(
                "process {}, for {hours:.2} h, since {}",
                "プロセス {}, 稼働時間 {hours:.2}h, 開始 {}",
                state.pid,
                state.started
            )
        )?;
        let counters = &state.counters;
        let devices = &state.devices;
        let yes_no = |there: Option<bool>| match there {
            None => say!("off", "使用しない"),
            Some(true) => say!("ok", "正常"),
            Some(false) => say!("NOT THERE", "なし"),
        };
        let late = self.1.map_or_else(String::new, |delay| delay.to_string());
        let faces = devices
            .faces
            .map_or_else(|| "-".to_owned(), |n| n.to_string());
        let readers = devices
            .readers
            .map_or_else(|| yes_no(None), |n| n.to_string());
        let mut rows = vec![
            (
                say!("camera", "カメラ"),
                say!(
                    "{}; frames {}, re-initialised {}, faces in view {faces}{late}",
                    "{}; フレーム数 {}, 再初期化 {}, 検出中の顔 {faces}{late}",
                    yes_no(devices.camera),
                    counters.frames,
                    counters.camera_reinits
                ),
            ),
            (
                say!("servos", "サーボ"),
                say!(
                    "{}; reconnected {}",
                    "{}; 再接続 {}",
                    yes_no(devices.servo),
                    counters.servo_reconnects
                ),
            ),
            (
                say!("readers", "リーダー"),
                say!(
                    "{readers}; reconnected {}",
                    "{readers}; 再接続 {}",
                    counters.reader_reconnects
                ),
            ),
            (
                say!("taps", "タップ"),
                say!(
                    "counted {}, failed {}, delivered {}, waiting {}, rejected {} (server: {})",
                    "記録 {}, 失敗 {}, 送信済み {}, 未送信 {}, 拒否 {} (サーバー: {})",
                    counters.taps,
                    counters.taps_failed,
                    counters.delivered,
                    state.queues.taps_waiting,
                    state.troubled.rejected,
                    devices.server
                ),
            ),
            (
                say!("memory", "メモリ"),
                say!(
                    "{:.1} MB, restarts itself at {:.0} MB",
                    "{:.1}MB (上限 {:.0}MB で再起動)",
                    state.memory.rss_mb,
                    state.memory.limit_mb
                ),
            ),
            (say!("loops", "ループ"), loops(&state.loops)),
            (
                say!("ended", "終了理由"),
                state.ended.clone().unwrap_or_else(|| "-".to_owned()),
            ),
            (
                say!("before", "前回"),
                state.last_exit.as_ref().map_or_else(
                    || say!("no run before this one", "以前の実行記録なし"),
                    |last| say!("ended {}: {}", "終了 {}: {}", last.at, last.reason),
                ),
            ),
            (
                say!("crash", "クラッシュ"),
                crash::last(&state.crash_file)
                    .map_or_else(|| say!("none", "なし"), |last| last.to_string()),
            ),
            (say!("log", "ログ"), state.log_file.display().to_string()),
        ];
        // Below the taps.
        let below = rows.split_off(TAPS_ROW + 1);
        rows.extend(troubled(&state.troubled));
        rows.extend(below);
        for (index, (name, value)) in rows.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let columns = unicode_width::UnicodeWidthStr::width(name.as_str());
            write!(
                f,
                "  {name}{:pad$}  {value}",
                "",
                pad = 10_usize.saturating_sub(columns)
            )?;
        }
        Ok(())
    }
}

/// What is to be said of taps that do not get to the server as others do.
fn troubled(taps: &Troubled) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    if taps.rejected > 0 {
        let n = taps.rejected;
        rows.push((
            say!("rejected", "拒否"),
            say!(
                "{n} by the server, not sent again by themselves (facetap attendance list --rejected; facetap \
                 attendance retry)",
                "サーバーが {n} 件を拒否。自動では再送されません (facetap attendance list --rejected, \
                 facetap attendance retry)"
            ),
        ));
    }
    for (about, what) in &taps.alarms {
        rows.push((say!("ALARM", "警告"), format!("{about}: {what}")));
    }
    // Those with the same answer together.
    let mut answers: Vec<(&str, Vec<String>)> = Vec::new();
    for held in &taps.held {
        let HeldTap { tap, card, .. } = held;
        let named = say!("tap {tap} of {card}", "{tap} 件目 {card}");
        match answers.iter_mut().find(|(a, _)| *a == held.answer) {
            Some((_, taps)) => taps.push(named),
            None => answers.push((&held.answer, vec![named])),
        }
    }
    for (answer, named) in &answers {
        let (count, named) = (named.len(), named.join(", "));
        rows.push((
            say!("held up", "送信待ち"),
            say!(
                "{count} taps held up, sent again by themselves: {answer} ({named})",
                "{count} 件が送信できず、自動で再送中: {answer} ({named})"
            ),
        ));
    }
    let more = taps.held_up.saturating_sub(taps.held.len() as u64);
    if more > 0 {
        rows.push((
            say!("held up", "送信待ち"),
            say!("{more} more", "ほか {more} 件"),
        ));
    }
    rows
}

fn loops(loops: &std::collections::BTreeMap<String, LoopState>) -> String {
    let each: Vec<_> = loops
        .iter()
        .map(|(name, state)| match state {
            LoopState {
                alive: false,
                silent_s,
                ..
            } => {
                say!(
                    "{name} HUNG for {silent_s:.0} s",
                    "{name} 応答なし {silent_s:.0}秒"
                )
            }
            LoopState { restarts: 0, .. } => name.clone(),
            LoopState { restarts, .. } => {
                say!(
                    "{name} (begun again {restarts} times)",
                    "{name} (再開 {restarts}回)"
                )
            }
        })
        .collect();
    each.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_in_trouble_are_named_with_what_answered() {
        let held = |tap, answer: &str| HeldTap {
            tap,
            card: format!("04A1000{tap}"),
            attempts: 5,
            answer: answer.to_owned(),
        };
        let firewall = "403 <html>Forbidden by firewall</html>";
        let state = State {
            troubled: Troubled {
                rejected: 3,
                held_up: 7,
                held: vec![held(1, firewall), held(2, "502"), held(4, firewall)],
                alarms: [("server".to_owned(), "204 (an empty answer)".to_owned())].into(),
            },
            ..State::default()
        };
        let page = Page(&state, None).to_string();
        let lines: Vec<_> = page.lines().skip(1 + TAPS_ROW).collect();
        for (line, want) in [
            (0, "rejected 3 (server"),
            (1, "3 by the server, not sent again by themselves"),
            (2, "ALARM       server: 204 (an empty answer)"),
            (
                3,
                "2 taps held up, sent again by themselves: 403 <html>Forbidden by firewall</html> (tap 1 of 04A10001, tap 4 of 04A10004)",
            ),
            (
                4,
                "1 taps held up, sent again by themselves: 502 (tap 2 of 04A10002)",
            ),
            (5, "4 more"),
            (6, "memory"),
        ] {
            assert!(lines[line].contains(want), "{want} in {page}");
        }
    }

    #[test]
    fn the_camera_s_delay_is_shown_with_where_it_is_from() {
        let dir = tempfile::tempdir().unwrap();
        let mut camera = config::Config::default().camera;
        let shown = |camera: &config::Camera| {
            Page(&State::default(), Delay::of(camera, dir.path())).to_string()
        };
        assert!(!shown(&camera).contains(" late"));
        let kept = Kept::new(dir.path(), &camera);
        kept.save(Duration::from_millis(83)).unwrap();
        assert!(shown(&camera).contains("faces in view -, 83 ms late (learned)"));
        camera.latency_ms = config::Latency::Milliseconds(40.0);
        assert!(shown(&camera).contains("40 ms late (configured)"));
    }

    #[test]
    fn trouble_is_told_apart() {
        let ready = State {
            state: Phase::Ready,
            every_s: 1,
            ..State::default()
        };
        use Presence::{Gone, Hidden, Running};
        let said = |presence, age| trouble(&ready, presence, age).unwrap_or_default();
        assert_eq!(said(Running, Some(2.0)), "");
        assert!(said(Gone, Some(2.0)).contains("NOT RUNNING"));
        assert!(said(Running, Some(12.0)).contains("HANGS"));
        // The number of a process of another boot.
        assert!(said(Running, None).contains("NOT RUNNING"));
        // A /proc that hides processes shows none, which is not the same as that there is none.
        assert_eq!(said(Hidden, Some(2.0)), "");
        assert!(said(Hidden, Some(12.0)).contains("CANNOT BE SEEN"));
        assert!(said(Hidden, None).contains("CANNOT BE SEEN"));
        let mut hung = ready.clone();
        hung.loops.insert("camera".to_owned(), LoopState::default());
        assert_eq!(trouble(&hung, Running, Some(2.0)).unwrap(), "HUNG: camera");
        assert!(trouble(&State::default(), Running, Some(0.0)).is_some());
    }
}
