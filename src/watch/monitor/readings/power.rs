//! Supply and throttling of a Raspberry Pi: the firmware's flags, or the alarm of `rpi_volt` where there are none.

use std::fs;
use std::path::{Path, PathBuf};

use super::text;
use crate::say;

/// The flags of `get_throttled`, those of now and those that were ever set since the boot. Bits after the
/// documentation of `vcgencmd get_throttled`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Power(pub u32);

/// A flag: its bit, and what it means in both languages.
const FLAGS: [(u32, &str, &str); 4] = [
    (0, "undervoltage", "電圧低下"),
    (1, "processor frequency capped", "CPU周波数制限"),
    (2, "processor throttled", "CPUスロットリング"),
    (3, "soft temperature limit", "温度による速度制限"),
];
/// The same flag "has been set since the boot" stands so many bits further.
const SINCE_BOOT: u32 = 16;

impl Power {
    const fn is(self, bit: u32) -> bool {
        self.0 >> bit & 1 == 1
    }

    /// What is wrong now, for the monitor's line; empty for nothing.
    #[must_use]
    pub fn now(self) -> Vec<String> {
        FLAGS
            .iter()
            .filter(|(bit, ..)| self.is(*bit))
            .map(|(_, en, ja)| name(en, ja))
            .collect()
    }
}

fn name(en: &str, ja: &str) -> String {
    let name = if crate::base::text::japanese() {
        ja
    } else {
        en
    };
    name.to_owned()
}

/// A line for every flag that came or went from one reading to the next; true marks what deserves a warning.
/// `old` is none at the first reading.
#[must_use]
pub fn transitions(old: Option<Power>, new: Power) -> Vec<(bool, String)> {
    let mut lines = Vec::new();
    let before = old.unwrap_or_default();
    for (bit, en, ja) in FLAGS {
        let name = name(en, ja);
        let ever = |p: Power| p.is(bit + SINCE_BOOT);
        match (before.is(bit), new.is(bit)) {
            (false, true) => lines.push((true, say!("{name}: began", "{name}: 発生しました"))),
            (true, false) => lines.push((false, say!("{name}: over", "{name}: 解消しました"))),
            // The flag of now was set and reset between two readings, or before this program began.
            (false, false) if ever(new) && !ever(before) => lines.push((
                true,
                if old.is_none() {
                    say!(
                        "{name}: has happened since the boot, before this start",
                        "{name}: 起動前に発生していました"
                    )
                } else {
                    say!(
                        "{name}: happened for a moment",
                        "{name}: 一時的に発生しました"
                    )
                },
            )),
            _ => {}
        }
    }
    lines
}

/// Where the flags are read from; looked for once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// The firmware's flags, a hexadecimal number.
    Firmware(PathBuf),
    /// The alarm of the driver `rpi_volt`: 0 or 1, undervoltage alone.
    Alarm(PathBuf),
}

/// Looks for the flags below `root`. The firmware's node hangs at different heights of the tree in different kernels.
pub(super) fn find(root: &Path) -> Option<Place> {
    let devices = root.join("sys/devices/platform");
    let top = folders(&devices);
    let below = top.iter().flat_map(|f| folders(f));
    if let Some(file) = top
        .iter()
        .cloned()
        .chain(below)
        .filter(|f| f.to_string_lossy().contains("firmware"))
        .map(|f| f.join("get_throttled"))
        .find(|f| f.exists())
    {
        return Some(Place::Firmware(file));
    }
    folders(&root.join("sys/class/hwmon"))
        .into_iter()
        .filter(|f| text(&f.join("name")).is_ok_and(|n| n.trim() == "rpi_volt"))
        .map(|f| Place::Alarm(f.join("in0_lcrit_alarm")))
        .next()
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(of) else {
        return Vec::new();
    };
    // Entries of /sys/class are links to folders.
    entries
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.is_dir())
        .collect()
}

/// Reads the flags.
pub(super) fn read(place: &Place) -> anyhow::Result<Power> {
    let (file, radix) = match place {
        Place::Firmware(file) => (file, 16),
        Place::Alarm(file) => (file, 2),
    };
    let text = text(file)?;
    parse(&text, radix)
        .ok_or_else(|| anyhow::anyhow!("{} holds no flags: {}", file.display(), text.trim()))
}

fn parse(text: &str, radix: u32) -> Option<Power> {
    let text = text.trim();
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u32::from_str_radix(digits, radix).ok().map(Power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transition_has_its_line() {
        let lines = |old, new| transitions(old, Power(new));
        assert_eq!(lines(None, 0), vec![]);
        let began = lines(Some(Power(0)), 0x5_0005);
        assert_eq!(began.len(), 2);
        assert!(
            began[0].0 && began[0].1.contains("undervoltage: began"),
            "{began:?}"
        );
        assert!(began[1].1.contains("throttled: began"));
        assert_eq!(lines(Some(Power(0x5_0005)), 0x5_0005), vec![]);
        let over = lines(Some(Power(0x5_0005)), 0x5_0000);
        assert_eq!(over.len(), 2);
        assert!(!over[0].0 && over[0].1.contains("undervoltage: over"));
        // Between two readings.
        assert!(
            lines(Some(Power(0)), 0x8_0000)[0]
                .1
                .contains("for a moment")
        );
        assert!(lines(None, 0x1_0000)[0].1.contains("before this start"));
        assert_eq!(lines(Some(Power(0x1_0000)), 0x1_0000), vec![]);
    }

    #[test]
    fn both_places_are_found_and_read() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(find(root.path()), None);
        let hwmon = root.path().join("sys/class/hwmon/hwmon1");
        fs::create_dir_all(&hwmon).unwrap();
        fs::write(hwmon.join("name"), "rpi_volt\n").unwrap();
        fs::write(hwmon.join("in0_lcrit_alarm"), "1\n").unwrap();
        let alarm = find(root.path()).unwrap();
        assert_eq!(read(&alarm).unwrap().now().len(), 1);
        for below in ["soc/soc:firmware", "soc@107c000000:firmware"] {
            let folder = root.path().join("sys/devices/platform").join(below);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("get_throttled"), "80008\n").unwrap();
            let firmware = find(root.path()).unwrap();
            assert_eq!(read(&firmware).unwrap(), Power(0x8_0008), "{below}");
            fs::remove_dir_all(folder).unwrap();
        }
        fs::write(hwmon.join("in0_lcrit_alarm"), "nonsense").unwrap();
        assert!(read(&alarm).is_err());
    }
}
