//! Reading process and system. Each file reads one thing below a root folder (`/`, or a fixture) and parses the
//! kernel's text with a function of its own.

mod gpu;
mod patient;
pub mod power;
mod process;
mod system;
pub mod usb;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::resource::{Resource, getrlimit};
use sysinfo::{MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::sample::{Sample, SystemMemory};
use crate::base::clock::Monotime;
pub use patient::Patient;
pub use process::{peak_rss_bytes, rss_bytes};

/// What changes slowly, or costs more than the rest together, is read anew after this time.
const SLOWLY: Duration = Duration::from_secs(30);

/// The kernel's files are a page; more is not read.
const LARGEST_FILE: u64 = 64 * 1024;

/// A reading that failed: what was read, and why not.
#[derive(Debug)]
pub struct Failure {
    /// The reading, the same word every time.
    pub what: &'static str,
    /// The reason.
    pub why: anyhow::Error,
}

/// Where samples come from.
pub trait Readings: Send {
    /// Takes a sample at `now`. A reading that fails is none in the sample and stands in the list; the others are
    /// not affected.
    fn sample(&mut self, now: Monotime) -> (Sample, Vec<Failure>);
}

/// This process and this system.
pub struct Live {
    root: PathBuf,
    log_folder: PathBuf,
    data_folder: PathBuf,
    system: Option<System>,
    pid: Pid,
    nvidia: gpu::Nvidia,
    power: Option<power::Place>,
    /// The readings that are made every [`SLOWLY`], and when they were.
    slow: Option<(Monotime, Sample)>,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

/// Takes the value, or notes why there is none.
fn noted<T>(what: &'static str, read: Result<T>, failures: &mut Vec<Failure>) -> Option<T> {
    read.map_err(|why| failures.push(Failure { what, why }))
        .ok()
}

impl Live {
    /// Reads below `root`, which is `/` but in tests, and the room on the disks of the two folders.
    #[must_use]
    pub fn new(root: &Path, log_folder: &Path, data_folder: &Path) -> Self {
        let mut live = Self {
            root: root.to_owned(),
            log_folder: log_folder.to_owned(),
            data_folder: data_folder.to_owned(),
            system: None,
            pid: Pid::from_u32(std::process::id()),
            nvidia: gpu::Nvidia::default(),
            power: power::find(root),
            slow: None,
        };
        // CPU use counts from here.
        let _ = live.sysinfo(&mut Sample::default());
        live
    }

    /// What `sysinfo` reads: resident and virtual memory, CPU use, the system's memory.
    fn sysinfo(&mut self, sample: &mut Sample) -> Result<()> {
        if self.system.is_none() {
            self.system = System::new().ok();
        }
        let system = self
            .system
            .as_mut()
            .context("the system does not tell about itself")?;
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        system.refresh_processes_specifics(
            ProcessesToUpdate::Some(&[self.pid]),
            false,
            ProcessRefreshKind::nothing().with_memory().with_cpu(),
        );
        sample.system = Some(SystemMemory {
            total_bytes: system.total_memory(),
            available_bytes: system.available_memory(),
        });
        let process = system
            .process(self.pid)
            .context("/proc does not tell about this process")?;
        sample.rss_bytes = Some(process.memory());
        sample.vms_bytes = Some(process.virtual_memory());
        sample.cpu_percent = Some(process.cpu_usage());
        Ok(())
    }

    fn slowly(&mut self, now: Monotime, failures: &mut Vec<Failure>) -> Sample {
        if let Some((at, slow)) = &self.slow
            && now.since(*at) < SLOWLY
        {
            return slow.clone();
        }
        let nvidia = noted("gpu", self.nvidia.memory(now), failures).flatten();
        let sample = Sample {
            log_free_bytes: noted("log disk", system::free(&self.log_folder), failures),
            data_free_bytes: noted("data disk", system::free(&self.data_folder), failures),
            usb: usb::read(&self.root),
            gpu: nvidia.or_else(|| system::contiguous(&self.root)),
            ..Sample::default()
        };
        if failures.is_empty() {
            self.slow = Some((now, sample.clone()));
        }
        sample
    }
}

impl Readings for Live {
    fn sample(&mut self, now: Monotime) -> (Sample, Vec<Failure>) {
        let mut failures = Vec::new();
        let mut sample = self.slowly(now, &mut failures);
        let told = self.sysinfo(&mut sample);
        noted("process and system", told, &mut failures);
        sample.process = noted("memory", process::status(&self.root), &mut failures);
        sample.descriptors = noted(
            "descriptors",
            process::descriptors(&self.root),
            &mut failures,
        );
        sample.load = noted("load", system::load(&self.root), &mut failures);
        sample.celsius = system::temperature(&self.root);
        let power = self.power.as_ref().map(power::read);
        sample.power = power.and_then(|p| noted("power", p, &mut failures));
        (sample, failures)
    }
}

/// Text of one of the kernel's files.
fn text(path: &Path) -> Result<String> {
    let cannot = || format!("cannot read {}", path.display());
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|f| f.take(LARGEST_FILE).read_to_end(&mut bytes))
        .with_context(cannot)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// All of the system's memory, if it tells.
pub(super) fn system_bytes() -> Option<u64> {
    let mut system = System::new().ok()?;
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    Some(system.total_memory()).filter(|total| *total > 0)
}

/// How many descriptors the process may open (`RLIMIT_NOFILE`), if that can be told.
pub(super) fn descriptor_limit() -> Option<u64> {
    getrlimit(Resource::RLIMIT_NOFILE)
        .ok()
        .map(|(soft, _)| soft)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_of_this_process_is_plausible() {
        let here = Path::new(".");
        let (sample, failures) = Live::new(Path::new("/"), here, here).sample(Monotime::default());
        assert!(failures.is_empty(), "{failures:?}");
        let (rss, vms) = (sample.rss_bytes.unwrap(), sample.vms_bytes.unwrap());
        assert!(rss > 500_000 && vms >= rss, "{sample:?}");
        let process = sample.process.unwrap();
        let resident = process.anonymous_bytes + process.file_bytes;
        assert!(resident.abs_diff(rss) < rss / 2, "{sample:?}");
        assert!(process.peak_bytes >= resident / 2 && process.threads >= 1);
        let used = sample.system.unwrap().used_percent();
        assert!(used > 0.0 && used <= 100.0, "{sample:?}");
        assert!(sample.descriptors.unwrap().total() >= 3, "{sample:?}");
        assert!(sample.load.is_some() && sample.log_free_bytes.unwrap() > 0);
    }

    #[test]
    fn what_cannot_be_read_is_named_and_the_rest_goes_on() {
        let empty = tempfile::tempdir().unwrap();
        let mut live = Live::new(empty.path(), empty.path(), empty.path());
        let (sample, failures) = live.sample(Monotime::default());
        let named: Vec<_> = failures.iter().map(|f| f.what).collect();
        assert_eq!(named, ["memory", "descriptors", "load"]);
        assert!(
            sample.process.is_none() && sample.rss_bytes.is_some(),
            "{sample:?}"
        );
        assert!(sample.log_free_bytes.is_some() && sample.usb.is_none());
    }
}
