//! `facetap config`: the configuration explained, a file checked, a value changed.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::args::{ConfigCommand, ConfigOptions, SetOptions};
use crate::base::text::{self, Language};
use crate::config::edit::{self, Edited};
use crate::config::{self, Config, ConfigError, Live, Loaded, address, schema, values};
use crate::say;

/// What a new file may be read by: it holds no secrets (a token has a file of its own).
const NEW_FILE_MODE: u32 = 0o644;
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

/// What is otherwise, a key a line. No password of an address is shown.
pub(super) fn shown_changes(before: &Config, after: &Config) -> Vec<String> {
    let (old, new) = (values::of(before), values::of(after));
    let shown = |config: &Value, path: &str| {
        let value = schema::find(path).and_then(|key| config.pointer(&key.pointer()));
        match value {
            Some(Value::String(text)) if text.contains("://") => {
                Value::from(address::shown(text)).to_string()
            }
            Some(value) => value.to_string(),
            None => "null".to_owned(),
        }
    };
    let changed = values::changed(before, after);
    let line = |path: &&str| format!("{path}: {} -> {}", shown(&old, path), shown(&new, path));
    changed.iter().map(line).collect()
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

/// Puts the text in place of the file in one step. It keeps owner and mode, and outlives a power cut.
pub(super) fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(text.as_bytes())?;
    let before = std::fs::metadata(file).ok();
    let mode = before.as_ref().map_or(NEW_FILE_MODE, |m| m.mode() & 0o7777);
    let permissions = std::fs::Permissions::from_mode(mode);
    new.as_file().set_permissions(permissions)?;
    if let Some(owner) = before {
        let new_owner = new.as_file().metadata()?;
        if (owner.uid(), owner.gid()) != (new_owner.uid(), new_owner.gid()) {
            fchown(new.as_file(), Some(owner.uid()), Some(owner.gid()))?;
        }
    }
    new.as_file().sync_all()?;
    new.persist(file)?;
    std::fs::File::open(folder)?.sync_all()
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
