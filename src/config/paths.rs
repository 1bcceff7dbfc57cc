//! Where ledger, state and log lie.

use std::path::{Path, PathBuf};

use super::Config;

/// Where a package or an administrator expects the data of a service (Filesystem Hierarchy Standard).
const SYSTEM_DATA: &str = "/var/lib/facetap";

/// The folder of ledger and state. It is not created here, except that a missing [`SYSTEM_DATA`] is
/// tried, because whether it can be made decides the answer.
#[must_use]
pub fn data_dir(config: &Config, env: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    find(config, env, |system| {
        system.is_dir() || std::fs::create_dir(system).is_ok()
    })
}

/// The same folder for whoever only looks: nothing is made.
#[must_use]
pub fn data_dir_to_read(config: &Config, env: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    find(config, env, Path::is_dir)
}

fn find(
    config: &Config,
    env: &dyn Fn(&str) -> Option<String>,
    is_there: impl Fn(&Path) -> bool,
) -> PathBuf {
    if let Some(dir) = &config.data_dir {
        return dir.clone();
    }
    // systemd joins several folders with colons; the first is ours.
    if let Some(dir) = env("STATE_DIRECTORY")
        .as_deref()
        .and_then(|d| d.split(':').next())
        && !dir.is_empty()
    {
        return dir.into();
    }
    let system = Path::new(SYSTEM_DATA);
    if is_there(system) {
        return system.into();
    }
    "./data".into()
}

/// The log file: a relative one lies in `$LOGS_DIRECTORY`, else in the current folder.
#[must_use]
pub fn log_file(file: &Path, env: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    match env("LOGS_DIRECTORY")
        .as_deref()
        .and_then(|d| d.split(':').next())
    {
        Some(dir) if file.is_relative() && !dir.is_empty() => Path::new(dir).join(file),
        _ => file.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        move |name| {
            pairs
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        }
    }

    #[test]
    fn systemd_folders_are_used() {
        let systemd = env(&[("STATE_DIRECTORY", "/s/a:/s/b"), ("LOGS_DIRECTORY", "/l")]);
        assert_eq!(data_dir(&Config::default(), &systemd), Path::new("/s/a"));
        assert_eq!(
            log_file(Path::new("x.log"), &systemd),
            Path::new("/l/x.log")
        );
        assert_eq!(
            log_file(Path::new("/y/x.log"), &systemd),
            Path::new("/y/x.log")
        );
        assert_eq!(log_file(Path::new("x.log"), &env(&[])), Path::new("x.log"));
    }

    #[test]
    fn the_configured_folder_wins() {
        let config = Config {
            data_dir: Some("/d".into()),
            ..Config::default()
        };
        assert_eq!(
            data_dir(&config, &env(&[("STATE_DIRECTORY", "/s")])),
            Path::new("/d")
        );
    }
}
