//! One reading of what the process and the system use.

use crate::config;
use anyhow::{Context as _, Result};
use nix::sys::resource::{Resource, getrlimit};
use sysinfo::{MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// A reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Resident memory of the process.
    pub rss_bytes: u64,
    /// Virtual memory of the process.
    pub vms_bytes: u64,
    /// Per cent of one core that the process used since the last reading.
    pub cpu_percent: f32,
    /// Part of the system's memory that is not available, in per cent.
    pub system_memory_percent: f64,
    /// Open descriptors of the process.
    pub descriptors: usize,
    /// Threads of the process.
    pub threads: usize,
}

/// Takes readings; CPU use is measured from one to the next.
#[derive(Debug)]
pub struct Sampler {
    system: System,
    pid: Pid,
}

impl Sampler {
    /// Ready for the first reading, whose CPU use counts from now.
    ///
    /// # Errors
    /// The system does not tell about itself (no `/proc`, say).
    pub fn new() -> Result<Self> {
        let system = System::new().context("the system does not tell about itself")?;
        let mut sampler = Self {
            system,
            pid: Pid::from_u32(std::process::id()),
        };
        sampler.refresh();
        Ok(sampler)
    }

    fn refresh(&mut self) {
        self.system
            .refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        self.system.refresh_processes_specifics(
            ProcessesToUpdate::Some(&[self.pid]),
            false,
            ProcessRefreshKind::nothing().with_memory().with_cpu(),
        );
    }

    /// Takes a reading.
    ///
    /// # Errors
    /// `/proc` does not tell about this process.
    pub fn sample(&mut self) -> Result<Sample> {
        self.refresh();
        let process = self
            .system
            .process(self.pid)
            .context("/proc does not tell about this process")?;
        let total = self.system.total_memory();
        let used = total.saturating_sub(self.system.available_memory());
        #[allow(clippy::cast_precision_loss)]
        // bytes of memory fit a f64 well enough for a percentage
        let system_memory_percent = if total == 0 {
            0.0
        } else {
            used as f64 * 100.0 / total as f64
        };
        Ok(Sample {
            rss_bytes: process.memory(),
            vms_bytes: process.virtual_memory(),
            cpu_percent: process.cpu_usage(),
            system_memory_percent,
            // The listing itself holds one descriptor open.
            descriptors: entries("/proc/self/fd")?.saturating_sub(1),
            threads: entries("/proc/self/task")?,
        })
    }
}

fn entries(folder: &str) -> Result<usize> {
    Ok(std::fs::read_dir(folder)
        .with_context(|| format!("cannot list {folder}"))?
        .count())
}

/// How many descriptors the process may open (`RLIMIT_NOFILE`), if that can be told.
pub(super) fn descriptor_limit() -> Option<u64> {
    getrlimit(Resource::RLIMIT_NOFILE)
        .ok()
        .map(|(soft, _)| soft)
}

/// Resident memory of the process now, if the kernel tells.
#[must_use]
pub fn rss_bytes() -> Option<u64> {
    status_bytes("VmRSS:")
}

/// The limit of resident memory: what `monitor.rss_limit_mb` says, else the smaller of 600 MiB and half of the memory.
#[must_use]
pub fn rss_limit_bytes(config: &config::Monitor) -> u64 {
    const MIB: u64 = 1 << 20;
    // The configuration bounds it to a million.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let configured = config.rss_limit_mb.map(|mb| mb as u64 * MIB);
    configured.unwrap_or_else(|| {
        let half = System::new().map_or(u64::MAX, |mut system| {
            system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
            system.total_memory() / 2
        });
        half.min(600 * MIB)
    })
}

/// Peak resident memory of the process (`VmHWM`), if the kernel tells.
#[must_use]
pub fn peak_rss_bytes() -> Option<u64> {
    status_bytes("VmHWM:")
}

fn status_bytes(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_of_this_process_is_plausible() {
        let sample = Sampler::new().unwrap().sample().unwrap();
        assert!(
            sample.rss_bytes > 500_000 && sample.vms_bytes >= sample.rss_bytes,
            "{sample:?}"
        );
        assert!(
            (0.0..=100.0).contains(&sample.system_memory_percent),
            "{sample:?}"
        );
        assert!(sample.threads >= 1 && sample.descriptors >= 3, "{sample:?}");
        assert!(peak_rss_bytes().unwrap() >= 500_000);
    }

    #[test]
    fn a_descriptor_more_is_counted() {
        let mut sampler = Sampler::new().unwrap();
        let before = sampler.sample().unwrap().descriptors;
        let held: Vec<_> = (0..200)
            .map(|_| std::fs::File::open("/dev/null").unwrap())
            .collect();
        let with = sampler.sample().unwrap().descriptors;
        // Other tests of this process open and close files too, but not by the hundred.
        assert!(with >= before + 150, "{before} {with}");
        drop(held);
    }
}
