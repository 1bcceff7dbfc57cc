//! Files that this program makes.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};

/// Opens a file as `options` say. A folder that is missing is made first: it may never have been there, and somebody may
/// have removed it since.
///
/// # Errors
/// The folder cannot be made, or the file cannot be opened.
pub fn open_in_folder(options: &OpenOptions, path: &Path) -> io::Result<File> {
    match (options.open(path), path.parent()) {
        (Err(e), Some(folder)) if e.kind() == io::ErrorKind::NotFound => {
            std::fs::create_dir_all(folder)?;
            options.open(path)
        }
        (opened, _) => opened,
    }
}

/// Puts `bytes` in place of the file in one step. It is not waited for the disk: what is lost at a power cut is not
/// missed.
///
/// # Errors
/// The folder cannot be made or written; the file is as before.
pub fn replace(file: &Path, bytes: &[u8]) -> Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let new = file.with_extension("new");
    let done = File::create(&new)
        .and_then(|mut f| f.write_all(bytes))
        .and_then(|()| std::fs::rename(&new, file));
    done.inspect_err(|_| {
        let _ = std::fs::remove_file(&new);
    })
    .with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_folder_that_is_missing_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        let path = dir.path().join("a/b/file");
        open_in_folder(&options, &path).unwrap();
        open_in_folder(&options, &path).unwrap();
        assert!(path.is_file());
        // A file in the way is left alone.
        assert!(open_in_folder(&options, &path.join("c")).is_err());
        assert!(path.is_file());
        // What was not to be made is not.
        assert!(open_in_folder(OpenOptions::new().read(true), &dir.path().join("d")).is_err());
        assert!(!dir.path().join("d").exists());
    }
}
