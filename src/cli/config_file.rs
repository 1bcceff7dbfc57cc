//! The file of a configuration: what a change does to it, and how it is put in its place.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use serde_json::Value;

use crate::config::{Config, address, schema, values};

/// What a new file may be read by: it holds no secrets (a token has a file of its own).
const NEW_FILE_MODE: u32 = 0o644;
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
