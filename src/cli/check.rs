//! `facetap check`: opens every device once and prints a table.

use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};

use super::args::CheckOptions;
use super::{configuration, env};
use crate::attend::ledger::roster;
use crate::attend::reader::selection::{self, Selection};
use crate::base::clock::{Clock, SystemClock};
use crate::base::limited::{NotDone, in_time};
use crate::base::text::{self, Language};
use crate::config::{self, Config};
use crate::tools::doctor::account::{Account, READ, WRITE};
use crate::watch::health::state;
use crate::{
    attend::indicator, attend::ledger, attend::reader, attend::uplink, follow::camera,
    follow::detect, follow::servo, say,
};

/// Time for each part. A camera may take 23 s to open, a stall time more with the configuration.
const LIMIT: Duration = Duration::from_secs(40);

type Look = fn(&Config) -> Row;

/// The parts in their order.
const LOOKS: [(&str, Look); 9] = [
    ("camera", camera_row),
    ("detector", detector_row),
    ("servo", servo_row),
    ("reader", reader_row),
    ("ledger", ledger_row),
    ("roster", roster_row),
    ("server", server_row),
    ("gpio", gpio_row),
    ("lcd", lcd_row),
];

/// What became of a part.
enum CheckVerdict {
    Fine(String),
    /// Turned off or not needed.
    Off(String),
    /// Missing, but nothing that the service needs.
    Absent(String),
    Failed(String),
}

struct Row {
    part: String,
    verdict: CheckVerdict,
    /// What a person should look at.
    notes: Vec<String>,
}

impl Row {
    /// Why a device that fails may be sound: the running service has it, or this user may not open it.
    fn explain(&mut self, config: &Config, devices: &[&str]) {
        if !matches!(self.verdict, CheckVerdict::Failed(_)) {
            return;
        }
        let data_dir = config::data_dir_to_read(config, &env);
        if let Some((_, service)) = state::find(&data_dir, &env).filter(|(_, s)| s.lives()) {
            self.notes.push(say!(
                "the running service (process {}) holds its devices: facetap status tells how they are; to look at them here, \
                 first: sudo systemctl stop facetap",
                "動作中のサービス (プロセス {}) が機器を使用しています。状態は facetap status で確認できます。ここで確認するには\
                 先に sudo systemctl stop facetap を実行してください",
                service.pid
            ));
        }
        let us = Account::present();
        for device in devices {
            let Ok(about) = std::fs::metadata(device) else {
                continue;
            };
            if !us.may(&about, READ | WRITE) {
                let (user, group) = (&us.name, group(about.gid()));
                self.notes.push(say!(
                    "{user} may not open {device}: not in the group {group}, which the unit gives the service; sudo facetap check, \
                     or: sudo usermod -aG {group} {user}",
                    "{user} は {device} を開けません。グループ {group} に入っていません（サービスにはユニットが付与します）。\
                     sudo facetap check を使うか、sudo usermod -aG {group} {user} を実行してください"
                ));
            }
        }
    }
}

/// The name of a group, or its number.
fn group(gid: u32) -> String {
    let known = nix::unistd::Group::from_gid(gid.into()).ok().flatten();
    known.map_or_else(|| gid.to_string(), |group| group.name)
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mark, text) = match &self.verdict {
            CheckVerdict::Fine(text) => ("ok", text),
            CheckVerdict::Off(text) => ("off", text),
            CheckVerdict::Absent(text) => ("absent", text),
            CheckVerdict::Failed(text) => ("FAILED", text),
        };
        write!(f, "{:<8} {mark:<7} {text}", self.part)?;
        for note in &self.notes {
            write!(f, "\n{:<8} {:<7} {note}", "", "note")?;
        }
        Ok(())
    }
}

pub(super) fn check(options: &CheckOptions) -> Result<u8> {
    let loaded = config::load(options.config.as_deref(), &env)?;
    let config = &loaded.config;
    text::speak(config.language.unwrap_or_else(Language::from_locale));
    super::prepare_libraries();
    let from = loaded.file.as_ref().map_or_else(
        || say!("built-in defaults", "内蔵の既定値"),
        |f| f.display().to_string(),
    );
    super::print(format_args!("{:<8} {:<7} {from}", "config", "ok"));
    if let Some(line) = configuration::not_built(&loaded) {
        super::print(format_args!("{:<8} {:<7} {line}", "", "note"));
    }
    let mut failed = 0;
    for (part, look) in LOOKS {
        let config = config.clone();
        let row =
            in_time("check", LIMIT, move || look(&config)).unwrap_or_else(|why| hangs(part, &why));
        failed += usize::from(matches!(row.verdict, CheckVerdict::Failed(_)));
        // Each as soon as it is known: a device may take its time.
        super::print(&row);
    }
    Ok(if failed == 0 {
        super::DONE
    } else {
        super::FAILED
    })
}

fn row(part: &str, result: Result<String>) -> Row {
    let verdict = match result {
        Ok(text) => CheckVerdict::Fine(text),
        Err(e) => CheckVerdict::Failed(format!("{e:#}")),
    };
    Row {
        part: part.to_owned(),
        verdict,
        notes: Vec::new(),
    }
}

/// A part whose device or disk does not answer. Its thread ends with the program.
fn hangs(part: &str, why: &NotDone) -> Row {
    let limit = LIMIT.as_secs();
    let why = match why {
        NotDone::Hangs => say!(
            "no end within {limit} s: a driver or a disk does not answer; dmesg | tail names what is stuck",
            "{limit} 秒以内に終わりません。ドライバーまたはディスクが応答していません（dmesg | tail で確認できます）"
        ),
        why => why.to_string(),
    };
    Row {
        part: part.to_owned(),
        verdict: CheckVerdict::Failed(why),
        notes: Vec::new(),
    }
}

fn off(part: &str, why: String) -> Row {
    Row {
        part: part.to_owned(),
        verdict: CheckVerdict::Off(why),
        notes: Vec::new(),
    }
}

fn disabled(part: &str) -> Row {
    off(
        part,
        say!(
            "turned off in the configuration",
            "設定で無効になっています"
        ),
    )
}

fn camera_row(config: &Config) -> Row {
    if !config.camera.enabled {
        return disabled("camera");
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut row = row("camera", camera::probe::probe(&config.camera, &clock));
    row.explain(config, &["/dev/video0"]);
    row
}

fn detector_row(config: &Config) -> Row {
    if !config.camera.enabled {
        return disabled("detector");
    }
    let detector = detect::open(&config.detector, &config::data_dir_to_read(config, &env));
    row("detector", detector.map(|d| d.describe()))
}

fn servo_row(config: &Config) -> Row {
    if !config.servo.enabled {
        return disabled("servo");
    }
    let mut row = row("servo", servo::probe(config.servo.clone()));
    row.explain(
        config,
        &["/dev/ttyACM0", "/dev/ttyUSB0", &config.servo.port],
    );
    row
}

fn reader_row(config: &Config) -> Row {
    if !config.cards.enabled {
        return disabled("reader");
    }
    row("reader", readers(config))
}

fn readers(config: &Config) -> Result<String> {
    if selection::is_simulated(&config.cards.readers) {
        return Ok(say!("simulated", "シミュレーション"));
    }
    let selection = Selection::new(&config.cards.readers);
    let names = reader::pcsc::names()?;
    let used: Vec<_> = names
        .iter()
        .filter(|n| selection.includes(n))
        .cloned()
        .collect();
    let missing = reader::usb::missing(&names);
    if !used.is_empty() {
        return Ok([vec![used.join(", ")], missing].concat().join("; "));
    }
    if names.is_empty() {
        let none = say!(
            "no card reader is connected; plug one in",
            "カードリーダーが接続されていません"
        );
        // Where one is connected, why it is of no use says more.
        bail!(
            "{}",
            if missing.is_empty() {
                none
            } else {
                missing.join("; ")
            }
        );
    }
    bail!(say!(
        "none of the readers that are connected is named in \"cards.readers\": {}",
        "\"cards.readers\" に該当するカードリーダーがありません: {}",
        names.join(", ")
    ))
}

fn ledger_row(config: &Config) -> Row {
    if !config.cards.enabled {
        return disabled("ledger");
    }
    let dir = config::data_dir_to_read(config, &env);
    let told = ledger::probe::probe(&dir).map(|report| {
        let file = dir.join(ledger::FILE);
        let Some(report) = report else {
            return say!(
                "{}: none yet, it is made when the service starts",
                "{}: まだありません（サービスの起動時に作成されます）",
                file.display()
            );
        };
        let (file, pending, delivered) = (file.display(), report.pending, report.delivered);
        let rejected = report.rejected;
        say!(
            "{file}: {pending} waiting, {delivered} delivered, {rejected} rejected",
            "{file}: 未送信 {pending}, 送信済み {delivered}, 拒否 {rejected}"
        )
    });
    row("ledger", told)
}

fn roster_row(config: &Config) -> Row {
    let attendance = &config.attendance;
    let Some(file) = attendance.roster.as_deref() else {
        return off(
            "roster",
            say!(
                "no \"attendance.roster\": taps have no names",
                "\"attendance.roster\" なし: 名前なしで記録します"
            ),
        );
    };
    let columns = attendance.roster_columns.clone().unwrap_or_default();
    let tapped = roster::tapped(&config::data_dir_to_read(config, &env));
    match roster::read(file, &columns, &tapped) {
        Ok(contents) => Row {
            notes: contents.notes(),
            ..row(
                "roster",
                Ok(format!("{}: {}", file.display(), contents.summary())),
            )
        },
        Err(e) => row("roster", Err(e)),
    }
}

fn server_row(config: &Config) -> Row {
    match uplink::probe(config).transpose() {
        None => off(
            "server",
            say!(
                "no \"server_url\": taps stay in the ledger",
                "\"server_url\" なし: タップは台帳に残ります"
            ),
        ),
        Some(answer) => row("server", answer),
    }
}

fn gpio_row(config: &Config) -> Row {
    if !config.cards.enabled {
        return disabled("gpio");
    }
    optional("gpio", indicator::probe(&config.gpio))
}

fn lcd_row(config: &Config) -> Row {
    if !config.cards.enabled {
        return disabled("lcd");
    }
    optional("lcd", indicator::lcd::probe(&config.lcd_settings))
}

/// What a machine records taps without all the same.
fn optional(part: &str, result: Result<String>) -> Row {
    let verdict = match result {
        Ok(text) => CheckVerdict::Fine(text),
        Err(e) => CheckVerdict::Absent(format!("{e:#}")),
    };
    Row {
        part: part.to_owned(),
        verdict,
        notes: Vec::new(),
    }
}
