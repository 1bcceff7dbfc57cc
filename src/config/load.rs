//! Finding and reading the configuration file.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::{Config, parse};

/// A configuration is a page of text; anything larger is another file given by mistake.
const LARGEST_BYTES: u64 = 1024 * 1024;

/// Where it is looked for when neither `--config` nor `$FACETAP_CONFIG` names a file.
const SYSTEM_FILE: &str = "/etc/facetap/config.json";

/// Everything that is wrong with a configuration, one sentence each. Ends the program with status 2.
#[derive(Debug)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong, and what is allowed instead.
    pub problems: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{file}: {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// A checked configuration and where it came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// The file; none for built-in defaults.
    pub file: Option<PathBuf>,
    /// Keys that were given although their feature does not exist in this version.
    pub not_built: Vec<&'static str>,
}

/// The file that is named, or that of the system, whether it is there or not.
#[must_use]
pub fn file_of(given: Option<&Path>, env: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    named(given, env).unwrap_or_else(|| SYSTEM_FILE.into())
}

fn named(given: Option<&Path>, env: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    given.map(Path::to_owned).or_else(|| {
        env("FACETAP_CONFIG")
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    })
}

/// Finds, reads and checks the configuration: `--config`, else `$FACETAP_CONFIG`, else
/// `/etc/facetap/config.json`, else the built-in defaults.
///
/// # Errors
/// A named file is missing, or the file that was found is not a valid configuration.
pub fn load(
    given: Option<&Path>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, ConfigError> {
    let file = match named(given, env) {
        Some(file) => file,
        None if Path::new(SYSTEM_FILE).exists() => SYSTEM_FILE.into(),
        None => {
            return Ok(Loaded {
                config: Config::default(),
                file: None,
                not_built: Vec::new(),
            });
        }
    };
    let fail = |problem: String| ConfigError {
        file: file.clone(),
        problems: vec![problem],
    };
    let text = read(&file).map_err(fail)?;
    let (config, not_built) = parse(&text).map_err(|problems| ConfigError {
        file: file.clone(),
        problems,
    })?;
    Ok(Loaded {
        config,
        file: Some(file),
        not_built,
    })
}

/// The text of a configuration file.
///
/// # Errors
/// It cannot be read, or is none.
pub fn read(file: &Path) -> Result<String, String> {
    let cannot = |e: std::io::Error| {
        format!(
            "cannot be read: {e}; give an existing file with --config, or see `facetap config default`"
        )
    };
    let opened = File::open(file).map_err(cannot)?;
    let mut bytes = Vec::new();
    opened
        .take(LARGEST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if bytes.len() as u64 > LARGEST_BYTES {
        return Err(format!(
            "is larger than {} KiB, so it is not a configuration; was another file meant?",
            LARGEST_BYTES / 1024
        ));
    }
    String::from_utf8(bytes).map_err(|e| {
        format!(
            "is not UTF-8 text (byte {}); save it as UTF-8",
            e.utf8_error().valid_up_to()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_and_an_enormous_file_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.json");
        let missing = load(Some(&file), &|_| None).unwrap_err().to_string();
        std::fs::write(&file, vec![b' '; 2 * 1024 * 1024]).unwrap();
        let enormous = load(Some(&file), &|_| None).unwrap_err().to_string();
        assert!(missing.contains("cannot be read") && enormous.contains("larger"));
    }
}
