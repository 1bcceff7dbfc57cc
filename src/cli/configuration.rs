//! `facetap config`: the configuration explained, a file checked, a value changed.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::args::{ConfigCommand, ConfigOptions, SetOptions};
use super::config_file::{replace, shown_changes};
use crate::base::text::{self, Language};
use crate::config::edit::{self, Edited};
use crate::config::{self, ConfigError, Live, Loaded, schema, values};
use crate::say;

/// What stands for a file that is not there yet.
const NO_CHOICES: &str = "{}\n";

pub(super) fn configuration(options: &ConfigOptions) -> Result<u8> {
    text::speak(Language::from_locale());
    match &options.command {
        ConfigCommand::Default => {
            super::print(serde_json::to_string_pretty(&values::defaults())?);
        }
        ConfigCommand::Schema { json: true } => {
            super::print(serde_json::to_string_pretty(&config::json_schema())?);
        }
        ConfigCommand::Schema { json: false } => print_schema(),
        ConfigCommand::Check { file } => {
            let loaded = config::load(Some(file), &super::env)?;
            let file = file.display();
            super::print(say!("{file}: valid", "{file}: 正しい設定です"));
            if let Some(line) = not_built(&loaded) {
                super::print(line);
            }
        }
        ConfigCommand::Set(options) => set(options)?,
    }
    Ok(super::DONE)
}

fn print_schema() {
    let defaults = values::defaults();
    for key in schema::KEYS {
        let default = match defaults.pointer(&key.pointer()) {
            Some(value) if !key.is_group() => format!("; default {value}"),
            _ => String::new(),
        };
        let later = if key.built {
            ""
        } else {
            " (accepted, without effect in this version)"
        };
        super::print(format_args!("{}: {}{later}", key.path, key.meaning));
        super::print(format_args!("    {}{default}", key.allowed()));
    }
}

/// Changes one value, and says what that means for a service that runs.
fn set(options: &SetOptions) -> Result<()> {
    let file = config::file_of(options.config.as_deref(), &super::env);
    // What is changed is the file itself, not a link to it.
    let file = file.canonicalize().unwrap_or(file);
    let wrong = |problems| ConfigError {
        file: file.clone(),
        problems,
    };
    let text = if file.exists() {
        config::read(&file).map_err(|problem| wrong(vec![problem]))?
    } else {
        NO_CHOICES.to_owned()
    };
    let edited = edit::set(&text, &options.key, &options.value).map_err(wrong)?;
    if values::changed(&edited.before, &edited.after).is_empty() {
        super::print(say!(
            "{} is so already; nothing is changed",
            "{} はすでにその値です。変更はありません",
            options.key
        ));
        return Ok(());
    }
    replace(&file, &edited.text).with_context(|| {
        let file = file.display();
        say!(
            "cannot write {file}; use sudo, or name your own file with --config",
            "{file} に書き込めません。sudo を使うか、--config で自分のファイルを指定してください"
        )
    })?;
    tell(&file, &edited);
    Ok(())
}

fn tell(file: &Path, edited: &Edited) {
    for line in shown_changes(&edited.before, &edited.after) {
        super::print(line);
    }
    let applied = Live::new(edited.before.clone()).apply(&edited.after);
    let file = file.display();
    super::print(if applied.later.is_empty() {
        say!(
            "written to {file}; a running service takes it over by: facetap reload",
            "{file} に保存しました。動作中のサービスには facetap reload で反映されます"
        )
    } else {
        say!(
            "written to {file}; it takes effect at the next start: sudo systemctl restart facetap",
            "{file} に保存しました。次回起動時に有効になります: sudo systemctl restart facetap"
        )
    });
}

/// The line that names the given keys whose feature does not exist in this version.
pub(super) fn not_built(loaded: &Loaded) -> Option<String> {
    if loaded.not_built.is_empty() {
        return None;
    }
    let keys = loaded.not_built.join(", ");
    Some(say!(
        "accepted, but without effect in this version: {keys}",
        "このバージョンではまだ効果のない設定: {keys}"
    ))
}
