//! The system: load, room on disks, temperature, contiguous memory.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use nix::sys::statvfs::statvfs;

use super::text;
use crate::base::proc;
use crate::watch::monitor::sample::GpuMemory;

/// The load averages.
pub(super) fn load(root: &Path) -> Result<[f64; 3]> {
    let text = text(&root.join("proc/loadavg"))?;
    parse_load(&text).context("/proc/loadavg does not begin with three numbers")
}

fn parse_load(text: &str) -> Option<[f64; 3]> {
    let mut numbers = text.split_whitespace().map(|n| n.parse().ok());
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

/// Bytes that an ordinary user may still write to the disk of `folder`. The folder may be one that is yet to be
/// made.
#[allow(clippy::unnecessary_cast)] // 32 bits wide on some architectures
pub(super) fn free(folder: &Path) -> Result<u64> {
    let there = folder
        .ancestors()
        .find(|f| f.as_os_str().is_empty() || f.exists())
        .unwrap_or(Path::new("."));
    let there = if there.as_os_str().is_empty() {
        Path::new(".")
    } else {
        there
    };
    let disk = statvfs(there)
        .with_context(|| format!("cannot tell the free space of {}", there.display()))?;
    Ok(disk.blocks_available() as u64 * disk.fragment_size() as u64)
}

/// Degrees Celsius of the processor: the zone that is named after it, else the hottest one. None where there is no
/// sensor.
pub(super) fn temperature(root: &Path) -> Option<f64> {
    let zones = fs::read_dir(root.join("sys/class/thermal")).ok()?;
    let mut hottest: Option<f64> = None;
    for zone in zones.flatten().map(|e| e.path()) {
        let Some(celsius) = text(&zone.join("temp")).ok().and_then(|t| parse_millis(&t)) else {
            continue;
        };
        let kind = text(&zone.join("type")).unwrap_or_default();
        if kind.trim_start().starts_with("cpu") || kind.trim() == "x86_pkg_temp" {
            return Some(celsius);
        }
        hottest = Some(hottest.map_or(celsius, |h| h.max(celsius)));
    }
    hottest
}

fn parse_millis(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().map(|m| m / 1000.0)
}

/// The kernel's contiguous memory, on a Raspberry Pi only: elsewhere it is not the GPU's.
pub(super) fn contiguous(root: &Path) -> Option<GpuMemory> {
    let model = text(&root.join("proc/device-tree/model")).ok()?;
    if !model.contains("Raspberry Pi") {
        return None;
    }
    parse_contiguous(&text(&root.join("proc/meminfo")).ok()?)
}

fn parse_contiguous(text: &str) -> Option<GpuMemory> {
    let (total, free) = (
        proc::field(text, "CmaTotal")?,
        proc::field(text, "CmaFree")?,
    );
    (total > 0).then(|| GpuMemory {
        used_bytes: total.saturating_sub(free) * 1024,
        total_bytes: total * 1024,
        contiguous: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    #[test]
    fn load_is_three_numbers() {
        assert_eq!(
            parse_load("0.52 0.58 0.59 1/389 9\n"),
            Some([0.52, 0.58, 0.59])
        );
        assert_eq!(parse_load("0.52 x"), None);
    }

    #[test]
    fn a_folder_that_is_yet_to_be_made_has_the_room_of_its_disk() {
        let dir = tempfile::tempdir().unwrap();
        let there = free(dir.path()).unwrap();
        let later = free(&dir.path().join("a/b")).unwrap();
        assert!(
            there > 0 && there.abs_diff(later) < there / 2,
            "{there} {later}"
        );
        assert!(free(Path::new("facetap.log")).unwrap() > 0);
    }

    #[test]
    fn the_processors_zone_is_taken_before_a_hotter_one() {
        let root = tree(&[
            ("sys/class/thermal/thermal_zone0/type", "pmic\n"),
            ("sys/class/thermal/thermal_zone0/temp", "70000\n"),
            ("sys/class/thermal/thermal_zone1/type", "cpu-thermal\n"),
            ("sys/class/thermal/thermal_zone1/temp", "51234\n"),
        ]);
        assert_eq!(temperature(root.path()), Some(51.234));
        fs::remove_dir_all(root.path().join("sys/class/thermal/thermal_zone1")).unwrap();
        assert_eq!(temperature(root.path()), Some(70.0));
        assert_eq!(temperature(Path::new("/nowhere")), None);
    }

    #[test]
    fn contiguous_memory_counts_on_a_raspberry_pi_alone() {
        let meminfo = "MemTotal: 100 kB\nCmaTotal:         65536 kB\nCmaFree:          16384 kB\n";
        let pi = tree(&[
            ("proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0"),
            ("proc/meminfo", meminfo),
        ]);
        let memory = contiguous(pi.path()).unwrap();
        assert_eq!(memory.total_bytes, 64 << 20);
        assert!((memory.used_percent() - 75.0).abs() < 1e-9);
        let other = tree(&[
            ("proc/device-tree/model", "Other board"),
            ("proc/meminfo", meminfo),
        ]);
        assert_eq!(contiguous(other.path()), None);
        assert_eq!(parse_contiguous("CmaTotal: 0 kB\nCmaFree: 0 kB\n"), None);
    }
}
