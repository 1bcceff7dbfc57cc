//! What the sections share: configuration, folders, the running service, its user and its unit.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::account::Account;
use super::root::Root;
use super::unit_file::UnitFile;
use crate::base::clock::{Clock, SystemClock};
use crate::base::proc;
use crate::config::{self, Config};
use crate::say;
use crate::watch::crash;
use crate::watch::health::state::{self, State};

const CONFIG: &str = "/etc/facetap/config.json";
const DATA: &str = "/var/lib/facetap";
const LOGS: &str = "/var/log/facetap";
/// Where the unit has the service keep its health.
pub const RUN: &str = "/run/facetap";
const HEALTH: &str = "health.json";

/// What the doctor was asked to look at.
#[derive(Clone, Default)]
pub struct Asked {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--root`.
    pub root: Option<PathBuf>,
    /// The clocks; those of the system if none are given.
    pub clock: Option<Arc<dyn Clock>>,
    /// `--limit`: the longest that a look may take, instead of its own limit.
    pub limit: Option<Duration>,
}

/// What every section starts from.
pub struct Machine {
    /// The machine.
    pub root: Root,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// The longest that a look may take, instead of its own limit.
    pub limit: Option<Duration>,
    /// The configuration; the defaults where it is not valid.
    pub config: Config,
    /// Where it really lies; none for the built-in defaults.
    pub config_file: Option<PathBuf>,
    /// What is wrong with it.
    pub config_problems: Vec<String>,
    /// Keys without effect in this version.
    pub config_not_built: Vec<&'static str>,
    /// Where the folder of the ledger really lies.
    pub data_dir: PathBuf,
    /// Where the log really lies.
    pub log_file: PathBuf,
    /// Where the crash file really lies.
    pub crash_file: PathBuf,
    /// What the service tells of itself.
    pub health: Option<State>,
    /// Where it does.
    pub health_file: Option<PathBuf>,
    /// The unit's files.
    pub unit: Option<UnitFile>,
    /// The service's user.
    pub user: Account,
}

impl Machine {
    /// Looks for it; reads a handful of small files.
    #[must_use]
    pub fn find(asked: &Asked) -> Self {
        let root = asked.root.as_deref().map_or_else(Root::system, Root::below);
        let clock = asked.clock.clone().unwrap_or_else(|| Arc::new(SystemClock));
        let (mut health, mut health_file) = health(&root, RUN.as_ref());
        // The folders of a service that has ended may be anywhere.
        let running = |health: &Option<State>| health.clone().filter(|h| is_ours(&root, h.pid));
        let unit = UnitFile::find(&root);
        let told = running(&health).and_then(|h| h.config);
        let told = told.or_else(|| unit.as_ref().and_then(of_unit));
        let (config, config_file, config_problems, config_not_built) =
            configuration(&root, asked.config.as_deref(), told.as_deref());
        // Where another configuration is asked for, that service is not meant.
        let meant = |h: &State| {
            let its = h.config.as_ref().map(|c| root.path(c));
            asked.config.is_none() || its.is_some() && its == config_file
        };
        if !health.as_ref().is_some_and(meant) {
            (health, health_file) = (None, None);
        }
        let data_dir = running(&health)
            .and_then(|h| named(h.data_dir))
            .map_or_else(|| data_dir(&root, &config), |d| root.path(d));
        // What another one has left here, a demonstration for example, says nothing about this service.
        let of_this =
            |h: &State| named(h.data_dir.clone()).is_none_or(|d| root.path(d) == data_dir);
        if !health.as_ref().is_some_and(of_this) {
            (health, health_file) = (None, None);
        }
        if health.is_none() {
            (health, health_file) = health_of(&root, &data_dir);
        }
        let told = running(&health).unwrap_or_default();
        let log_file =
            named(told.log_file).map_or_else(|| log_file(&root, &config), |f| root.path(f));
        let crash_file = named(told.crash_file).map_or_else(
            || {
                let mut places = crash::places(&log_file, &data_dir);
                let written = places.iter().position(|p| crash::reported(p).is_some());
                places.swap_remove(written.unwrap_or(0))
            },
            |f| root.path(f),
        );
        let user = match &unit {
            Some(unit) => {
                let groups = unit.words("Service", "SupplementaryGroups");
                let name = unit.last("Service", "User").unwrap_or("root");
                Account::named(&root, name, &groups)
            }
            None if root.is_live() => Account::present(),
            None => Account::named(&root, "root", &[]),
        };
        Self {
            root,
            clock,
            limit: asked.limit,
            config,
            config_file,
            config_problems,
            config_not_built,
            data_dir,
            log_file,
            crash_file,
            health,
            health_file,
            unit,
            user,
        }
    }

    /// How long something may take that is limited to `usually`.
    #[must_use]
    pub fn patience(&self, usually: Duration) -> Duration {
        self.limit.unwrap_or(usually)
    }

    /// Whether the process that the health file names is there and `/proc` hides it, as with `hidepid=`.
    #[must_use]
    pub fn hidden(&self) -> bool {
        let told = self.health.as_ref().map_or(0, |h| h.pid);
        let shown = self.root.exists(format!("/proc/{told}/comm"));
        self.root.is_live() && !shown && proc::exists(told)
    }

    /// The process of the running service: that of its health file, else that which has locked the ledger.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        let told = self.health.as_ref().map(|h| h.pid);
        let ours = |pid: &u32| is_ours(&self.root, *pid);
        told.filter(ours)
            .or_else(|| locker(&self.root, &self.data_dir))
    }
}

/// A path that the file has.
fn named(path: PathBuf) -> Option<PathBuf> {
    Some(path).filter(|p| !p.as_os_str().is_empty())
}

/// The process of FaceTap that has locked a ledger.
fn locker(root: &Root, data_dir: &Path) -> Option<u32> {
    let pid = root
        .text(root.own(data_dir).join("attendance.lock"))?
        .parse()
        .ok()?;
    is_ours(root, pid).then_some(pid)
}

fn is_ours(root: &Root, pid: u32) -> bool {
    let name = root.text(format!("/proc/{pid}/comm"));
    name.is_some_and(|name| name.starts_with("facetap"))
}

type Found = (Config, Option<PathBuf>, Vec<String>, Vec<&'static str>);

fn configuration(root: &Root, asked: Option<&Path>, service: Option<&Path>) -> Found {
    // What was typed is a file of this machine, whatever --root says.
    let typed = asked.map(Path::to_owned);
    let found = typed.or_else(|| {
        let environment = std::env::var_os("FACETAP_CONFIG").filter(|v| !v.is_empty());
        if root.is_live()
            && let Some(file) = environment
        {
            return Some(file.into());
        }
        let candidates = service.into_iter().chain([Path::new(CONFIG)]);
        candidates.map(|c| root.path(c)).find(|c| c.exists())
    });
    let Some(file) = found else {
        return (Config::default(), None, Vec::new(), Vec::new());
    };
    if !file.is_file() {
        let problem = say!(
            "cannot be read: it is no file",
            "読み込めません（ファイルではありません）"
        );
        return (Config::default(), Some(file), vec![problem], Vec::new());
    }
    match config::load(Some(&file), &|_| None) {
        Ok(loaded) => (loaded.config, Some(file), Vec::new(), loaded.not_built),
        Err(e) => (Config::default(), Some(file), e.problems, Vec::new()),
    }
}

fn data_dir(root: &Root, config: &Config) -> PathBuf {
    match &config.data_dir {
        Some(dir) => root.path(dir),
        None if root.is_live() => {
            config::data_dir_to_read(config, &|name| std::env::var(name).ok())
        }
        None => root.path(DATA),
    }
}

/// The unit has relative logs lie in its own folder; by hand they lie in the current one.
fn log_file(root: &Root, config: &Config) -> PathBuf {
    let file = &config.log.file;
    if file.is_absolute() {
        return root.path(file);
    }
    let by_unit = Path::new(LOGS).join(file);
    if root.exists(LOGS) {
        return root.path(by_unit);
    }
    config::log_file(&root.path(file), &|name| std::env::var(name).ok())
}

/// The configuration that the unit names, which only root can write.
fn of_unit(unit: &UnitFile) -> Option<PathBuf> {
    let words = unit.words("Service", "ExecStart");
    let mut words = words.iter().map(String::as_str);
    let mut found = None;
    while let Some(word) = words.next() {
        match word.strip_prefix("--config") {
            Some("") => found = words.next(),
            Some(rest) => found = rest.strip_prefix('=').or(found),
            None => {}
        }
    }
    found.map(PathBuf::from)
}

fn health(root: &Root, folder: &Path) -> (Option<State>, Option<PathBuf>) {
    let file = folder.join(HEALTH);
    if !root.exists(&file) {
        return (None, None);
    }
    let real = root.path(&file);
    let read = if root.is_live() {
        state::read(&real).ok()
    } else {
        root.text(&file)
            .and_then(|text| serde_json::from_str(&text).ok())
    };
    // One that cannot be understood is there all the same.
    let mut health: State = read.unwrap_or_default();
    let owner = std::fs::symlink_metadata(&real).map_or(0, |about| about.uid());
    if !state::is_believed(owner) {
        // The service's user can write it: where things lie is told by the unit and the configuration.
        health.config = None;
        health.data_dir = PathBuf::new();
        health.log_file = PathBuf::new();
        health.crash_file = PathBuf::new();
    }
    (Some(health), Some(real))
}

/// The health of whoever keeps the ledger in `data_dir`, wherever it lies.
fn health_of(root: &Root, data_dir: &Path) -> (Option<State>, Option<PathBuf>) {
    // The service knows its folders from its environment, ours says nothing about them.
    let its = locker(root, data_dir)
        .and_then(|pid| root.text(format!("/proc/{pid}/environ")))
        .unwrap_or_default();
    let environment = |name: &str| {
        let mut given = its.split('\0').filter_map(|v| v.split_once('='));
        given.find(|(n, _)| *n == name).map(|(_, v)| v.to_owned())
    };
    for folder in state::folders(&root.own(data_dir), &environment) {
        if let (Some(found), file) = health(root, &folder) {
            let its = named(found.data_dir.clone());
            if its.is_none_or(|d| root.path(d) == *data_dir) {
                return (Some(found), file);
            }
        }
    }
    (None, None)
}
