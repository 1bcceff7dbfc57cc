//! `facetap config`: the configuration explained, and a file checked.

use anyhow::Result;

use super::args::{ConfigCommand, ConfigOptions};
use crate::base::text::{self, Language};
use crate::config::{self, Config, Loaded, schema};
use crate::say;

pub(super) fn configuration(options: &ConfigOptions) -> Result<u8> {
    text::speak(Language::from_locale());
    match &options.command {
        ConfigCommand::Default => {
            super::print(serde_json::to_string_pretty(&Config::default())?);
        }
        ConfigCommand::Schema => print_schema()?,
        ConfigCommand::Check { file } => {
            let loaded = config::load(Some(file), &super::env)?;
            let file = file.display();
            super::print(say!("{file}: valid", "{file}: 正しい設定です"));
            if let Some(line) = not_built(&loaded) {
                super::print(line);
            }
        }
    }
    Ok(super::DONE)
}

fn print_schema() -> Result<()> {
    let defaults = serde_json::to_value(Config::default())?;
    for key in schema::KEYS {
        let pointer = format!("/{}", key.path.replace('.', "/"));
        let default = match defaults.pointer(&pointer) {
            Some(value) if key.kind != schema::KeyKind::Group => format!("; default {value}"),
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
    Ok(())
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
