//! Files that this program makes.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

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
