//! The last steps: the configuration is written, and the service started.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{Outcome, Work, ask, done};
use crate::base::child;
use crate::cli::config_file::{replace, shown_changes};
use crate::cli::{DONE, Usage, env, print};
use crate::config::{self, Config};
use crate::say;
use crate::tools::doctor::command;

/// Time for the service manager: a service has this long to become ready.
const START: Duration = Duration::from_secs(90);
/// Pins of the 40-pin header by BCM number (Raspberry Pi documentation, "GPIO and the 40-pin header").
const PINS: [u8; 28] = [
    27, 28, 3, 5, 7, 29, 31, 26, 24, 21, 19, 23, 32, 33, 8, 10, 36, 11, 12, 35, 38, 40, 15, 16, 18,
    22, 37, 13,
];

pub(super) fn write(work: &mut Work, _: &Value) -> Result<Outcome> {
    let target = work.draft.target.clone();
    let before = if target.exists() {
        config::load(Some(&target), &env)?.config
    } else {
        Config::default()
    };
    let after = work.config()?;
    for line in shown_changes(&before, &after) {
        print(format_args!("  {line}"));
    }
    let name = target.display();
    let question = say!("Write this to {name}?", "{name} に書き込みますか?");
    if !work.is_alone() && !ask::yes(&question, true)? {
        bail!(say!("nothing was written", "書き込んでいません"));
    }
    let kept = backup(&target);
    if target.exists() {
        std::fs::copy(&target, &kept)
            .map(drop)
            .with_context(|| kept.display().to_string())?;
    } else {
        std::fs::write(&kept, "").with_context(|| kept.display().to_string())?;
    }
    replace(&target, &tidy(work.draft.text())).with_context(|| {
        say!(
            "cannot write {name}; use sudo, or name your own file with --config",
            "{name} に書き込めません。sudo を使うか、--config で自分のファイルを指定してください"
        )
    })?;
    // What was written is what counts.
    let written = config::load(Some(&target), &env)?.config;
    for line in wiring(&written) {
        print(line);
    }
    let said = say!(
        "{name} is written and valid; `facetap setup --undo` puts back what was there",
        "{name} を保存しました（検証済み）。`facetap setup --undo` で元に戻せます"
    );
    Ok(Outcome::Done(said, json!(true)))
}

/// As it is, if a person has arranged it; one that was begun here is a single line, and gets a key a line.
fn tidy(text: &str) -> String {
    if text.trim().contains('\n') {
        return text.to_owned();
    }
    serde_json::from_str::<Value>(text)
        .and_then(|value| serde_json::to_string_pretty(&value))
        .map_or_else(|_| text.to_owned(), |text| text + "\n")
}

/// The configuration of before, for as long as there is no newer one. An empty file: there was none.
fn backup(target: &Path) -> PathBuf {
    let mut name = OsString::from(target);
    name.push(".before-setup");
    name.into()
}

/// Puts the configuration of before back.
pub(super) fn undo(work: &Work, _: &Value) -> Result<()> {
    put_back(&work.draft.target).map(drop)
}

/// The same for a set-up that is over.
///
/// # Errors
/// There was none, or the file cannot be written.
pub(super) fn put_back(target: &Path) -> Result<u8> {
    let (kept, name) = (backup(target), target.display());
    let before = match std::fs::read_to_string(&kept) {
        Ok(before) => before,
        Err(_) => bail!(Usage(say!(
            "there is nothing to put back: {} is not there",
            "元に戻すものがありません: {} がありません",
            kept.display()
        ))),
    };
    let done = if before.is_empty() {
        std::fs::remove_file(target)
    } else {
        replace(target, &before)
    };
    done.with_context(|| {
        say!(
            "cannot write {name}; use sudo",
            "{name} に書き込めません。sudo を使ってください"
        )
    })?;
    std::fs::remove_file(&kept).with_context(|| kept.display().to_string())?;
    print(say!(
        "{name} is as it was before the set-up; a service takes it over at its next start: sudo systemctl restart facetap",
        "{name} を初期設定前の状態に戻しました。サービスには次回起動時に反映されます: sudo systemctl restart facetap"
    ));
    Ok(DONE)
}

/// What to connect where, as the configuration has it.
fn wiring(config: &Config) -> Vec<String> {
    let gpio = &config.gpio;
    let parts = [
        (say!("buzzer", "ブザー"), gpio.buzzer),
        (say!("red LED", "赤色LED"), gpio.red),
        (say!("green LED", "緑色LED"), gpio.green),
        (say!("blue LED", "青色LED"), gpio.blue),
    ];
    let mut lines: Vec<String> = parts
        .into_iter()
        .filter_map(|(part, bcm)| {
            let bcm = bcm?;
            let pin = PINS.get(usize::from(bcm))?;
            Some(say!(
                "wire: {part} to pin {pin} of the header (BCM {bcm})",
                "配線: {part} → ヘッダーの {pin} 番ピン (BCM {bcm})"
            ))
        })
        .collect();
    let lcd = &config.lcd_settings;
    lines.push(say!(
        "wire: LCD, if there is one, to I2C bus {} (SDA pin 3, SCL pin 5), address 0x{:02X}; see docs/hardware.md",
        "配線: LCD（使用する場合）→ I2C バス {} (SDA 3番, SCL 5番)、アドレス 0x{:02X}。docs/hardware.md を参照",
        lcd.i2c_bus,
        lcd.i2c_addr
    ));
    lines
}

pub(super) fn service(work: &mut Work, _: &Value) -> Result<Outcome> {
    let by_hand = say!(
        "start it yourself: sudo systemctl enable --now facetap, or facetap run",
        "次のコマンドで起動してください: sudo systemctl enable --now facetap、または facetap run"
    );
    let unit = [
        "/lib/systemd/system",
        "/etc/systemd/system",
        "/usr/lib/systemd/system",
    ]
    .iter()
    .any(|folder| Path::new(folder).join("facetap.service").exists());
    if !unit
        || !Path::new("/run/systemd/system").is_dir()
        || !child::is_installed("systemctl".as_ref())
    {
        return Ok(Outcome::Failed(say!(
            "the service is not installed here, or systemd does not run; {by_hand}",
            "サービスが未インストールか、systemd が動作していません。{by_hand}"
        )));
    }
    let question = say!(
        "Start the service now, and at every start of the board?",
        "サービスを今すぐ起動し、自動起動を有効にしますか?"
    );
    if !work.is_alone() && !ask::yes(&question, true)? {
        return Ok(done(by_hand));
    }
    let arguments = ["enable", "--now", "facetap.service"];
    let started = command::output(work.clock.as_ref(), START, "systemctl", &arguments);
    if started.is_none() {
        bail!(say!(
            "systemctl enable --now facetap has failed; sudo systemctl status facetap tells why",
            "systemctl enable --now facetap に失敗しました。sudo systemctl status facetap で確認してください"
        ));
    }
    Ok(done(say!(
        "the service runs: facetap status",
        "サービスが動作しています: facetap status"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_that_somebody_has_arranged_stays_so() {
        let arranged = "{\n  \"language\": \"en\"}";
        assert_eq!(tidy(arranged), arranged);
        assert_eq!(tidy("{\"fps\":1}\n"), "{\n  \"fps\": 1\n}\n");
    }

    #[test]
    fn every_pin_of_the_header_is_named_once() {
        let mut pins = PINS.to_vec();
        pins.sort_unstable();
        pins.dedup();
        assert_eq!(pins.len(), 28);
        // Ground and supply are none of them.
        for other in [1, 2, 4, 6, 9, 14, 17, 20, 25, 30, 34, 39] {
            assert!(!pins.contains(&other), "{other}");
        }
    }

    #[test]
    fn what_was_there_is_put_back_and_what_was_not_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("config.json");
        assert!(put_back(&target).is_err());
        for before in ["", "{\"language\": \"en\"}"] {
            std::fs::write(&target, "{}").unwrap();
            std::fs::write(backup(&target), before).unwrap();
            put_back(&target).unwrap();
            assert_eq!(target.exists(), !before.is_empty());
            if !before.is_empty() {
                assert_eq!(std::fs::read_to_string(&target).unwrap(), before);
            }
            assert!(!backup(&target).exists());
        }
    }
}
