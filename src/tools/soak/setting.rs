//! The configuration of the service under test.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::child::Scratch;
use super::tally::RequestKind;
use crate::attend::reader::selection;
use crate::base::text::{self, Language};
use crate::config::{Config, Gpio, Readers, Source};

/// How often the service's monitor tells of GPU memory, in seconds.
const MONITOR_S: f64 = 5.0;
/// A number that no I2C bus has.
const NO_BUS: u8 = 255;

/// Everything simulated, and nothing of this machine touched.
#[must_use]
pub fn simulated() -> Config {
    let mut config = Config::default();
    config.camera.source = Source::Name("simulated".to_owned());
    "simulated".clone_into(&mut config.servo.port);
    config.cards.readers = Readers::One("simulated".to_owned());
    config.gpio = Gpio {
        buzzer: None,
        red: None,
        green: None,
        blue: None,
    };
    config.lcd_settings.i2c_bus = NO_BUS;
    config.monitor.interval = MONITOR_S;
    config
}

/// What can be asked for with this configuration. Cards cannot be held to real readers by a program.
#[must_use]
pub fn kinds(config: &Config) -> Vec<RequestKind> {
    let taps = config.cards.enabled && selection::is_simulated(&config.cards.readers);
    let frames = config.camera.enabled;
    [(taps, RequestKind::Tap), (frames, RequestKind::Frame)]
        .into_iter()
        .filter_map(|(there, kind)| there.then_some(kind))
        .collect()
}

/// The configuration with ledger, log and server of the run: made-up taps never reach the real ones.
pub(super) fn isolated(config: &Config, scratch: &Scratch, server: &str) -> Config {
    let mut config = config.clone();
    config.data_dir = Some(scratch.data_dir());
    config.log.file = scratch.log();
    config.server_url = config.cards.enabled.then(|| server.to_owned());
    config.auth_token_file = None;
    config.ca_file = None;
    config.web = None;
    config.mqtt = None;
    // The service runs in another folder than this program.
    let here = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    config.attendance.roster = config.attendance.roster.as_ref().map(here);
    config.detector.model_dir = config.detector.model_dir.as_ref().map(here);
    if let Source::Name(name) = &mut config.camera.source
        && Path::new(name).exists()
    {
        *name = here(&PathBuf::from(&*name)).display().to_string();
    }
    config.language.get_or_insert(if text::japanese() {
        Language::Japanese
    } else {
        Language::English
    });
    config
}

/// Writes it as the service reads it.
pub(super) fn write(config: &Config, file: &Path) -> Result<()> {
    let text = serde_json::to_string_pretty(config).context("cannot be written as JSON")?;
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn what_is_written_is_valid_and_touches_nothing_of_the_real_one() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch(folder.path().to_owned());
        let text = r#"{"server_url": "https://real:5000", "data_dir": "/var/lib/facetap", "restart_hours": 12,
            "auth_token_file": "/etc/t", "ca_file": "/etc/c", "log": {"file": "/var/log/f.log"},
            "mqtt": {"url": "mqtt://real"}, "servo": {"axes": {"pan": {"id": 1}, "tilt": {"id": 3}}}}"#;
        let (real, _) = config::parse(text).unwrap();
        let file = scratch.config();
        write(&isolated(&real, &scratch, "http://127.0.0.1:9"), &file).unwrap();
        let written = std::fs::read_to_string(&file).unwrap();
        assert!(
            !written.contains("real") && !written.contains("/var") && !written.contains("/etc"),
            "{written}"
        );
        let (read, _) = config::parse(&written).unwrap();
        assert_eq!(read.server_url.as_deref(), Some("http://127.0.0.1:9"));
        assert_eq!(
            (read.restart_hours, read.servo.axes),
            (12.0, real.servo.axes)
        );
        write(
            &isolated(&simulated(), &scratch, "http://127.0.0.1:9"),
            &file,
        )
        .unwrap();
        assert!(config::parse(&std::fs::read_to_string(&file).unwrap()).is_ok());
    }

    #[test]
    fn relative_paths_are_those_of_the_caller() {
        let scratch = Scratch("/scratch".into());
        let mut config = Config::default();
        config.attendance.roster = Some("people.csv".into());
        config.camera.source = Source::Name("Cargo.toml".to_owned());
        let isolated = isolated(&config, &scratch, "http://127.0.0.1:9");
        let here = std::env::current_dir().unwrap();
        assert_eq!(isolated.attendance.roster, Some(here.join("people.csv")));
        let file = here.join("Cargo.toml").display().to_string();
        assert_eq!(isolated.camera.source, Source::Name(file));
        config.camera.source = Source::Name("auto".to_owned());
        let isolated = super::isolated(&config, &scratch, "http://127.0.0.1:9");
        assert_eq!(isolated.camera.source, config.camera.source);
    }

    #[test]
    fn what_can_be_asked_for_depends_on_the_devices() {
        let mut config = simulated();
        assert_eq!(kinds(&config), [RequestKind::Tap, RequestKind::Frame]);
        config.camera.enabled = false;
        assert_eq!(kinds(&config), [RequestKind::Tap]);
        config.cards.readers = Readers::One("all".to_owned());
        assert_eq!(kinds(&config), []);
        assert_eq!(kinds(&Config::default()), [RequestKind::Frame]);
    }
}
