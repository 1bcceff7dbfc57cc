//! The USB bus, as far as it shows itself without privileges: which devices there are, and how often a port
//! switched its current off.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::text;
use crate::say;

/// Devices that are named; a bus has at most 127 of them.
const MOST: usize = 512;

/// The devices of all buses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usb {
    /// Names of the devices by their places (`1-1.2`).
    pub devices: BTreeMap<String, String>,
    /// Times that a port was switched off because too much current flowed, over all ports since the boot.
    pub over_current: u64,
}

/// Reads the bus below `root`; none where there is no USB.
pub(super) fn read(root: &Path) -> Option<Usb> {
    let mut usb = Usb::default();
    for entry in fs::read_dir(root.join("sys/bus/usb/devices"))
        .ok()?
        .flatten()
        .take(MOST)
    {
        let place = entry.file_name().to_string_lossy().into_owned();
        if place.contains(':') {
            usb.over_current += over_current(&entry.path());
        } else if !place.starts_with("usb") {
            let name = name(&entry.path());
            usb.devices.insert(place, name);
        }
    }
    Some(usb)
}

/// The product's own name, else its numbers.
fn name(device: &Path) -> String {
    let field = |name: &str| text(&device.join(name)).map(|t| t.trim().to_owned()).ok();
    field("product")
        .filter(|p| !p.is_empty())
        .or_else(|| Some(format!("{}:{}", field("idVendor")?, field("idProduct")?)))
        .unwrap_or_else(|| "?".to_owned())
}

/// Sum over the ports of a hub's interface. Other interfaces have no ports.
fn over_current(interface: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(interface) else {
        return 0;
    };
    entries
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().contains("-port"))
        .filter_map(|e| {
            text(&e.path().join("over_current_count"))
                .ok()?
                .trim()
                .parse::<u64>()
                .ok()
        })
        .sum()
}

/// A line for everything that changed from one look to the next; true marks what deserves a warning.
#[must_use]
pub fn changes(old: &Usb, new: &Usb) -> Vec<(bool, String)> {
    let mut lines = Vec::new();
    for (place, name) in &old.devices {
        if new.devices.get(place) != Some(name) {
            lines.push((
                true,
                say!(
                    "USB device gone: {name} ({place})",
                    "USB機器が切断されました: {name} ({place})"
                ),
            ));
        }
    }
    for (place, name) in &new.devices {
        if old.devices.get(place) != Some(name) {
            lines.push((
                false,
                say!(
                    "USB device there: {name} ({place})",
                    "USB機器が接続されました: {name} ({place})"
                ),
            ));
        }
    }
    if new.over_current > old.over_current {
        let times = new.over_current - old.over_current;
        lines.push((
            true,
            say!(
                "USB over-current: a port was switched off {times} times; a device takes too much, use a powered hub",
                "USB過電流: ポートが{times}回遮断されました。電源付きハブを使用してください"
            ),
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, content: &str) {
        let path = root.join("sys/bus/usb/devices").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    #[test]
    fn devices_and_over_current_are_seen_and_their_changes_told() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(read(root.path()), None);
        write(root.path(), "usb1/product", "xHCI\n");
        write(root.path(), "1-1/product", "USB Camera\n");
        write(root.path(), "1-2/idVendor", "1a86\n");
        write(root.path(), "1-2/idProduct", "55d3\n");
        write(root.path(), "1-0:1.0/usb1-port1/over_current_count", "2\n");
        write(root.path(), "1-0:1.0/usb1-port2/over_current_count", "1\n");
        let old = read(root.path()).unwrap();
        assert_eq!(old.over_current, 3);
        let names: Vec<_> = old.devices.values().map(String::as_str).collect();
        assert_eq!(names, ["USB Camera", "1a86:55d3"]);
        assert_eq!(changes(&old, &old), vec![]);

        fs::remove_dir_all(root.path().join("sys/bus/usb/devices/1-1")).unwrap();
        write(root.path(), "1-3/product", "Card reader\n");
        write(root.path(), "1-0:1.0/usb1-port2/over_current_count", "4\n");
        let lines = changes(&old, &read(root.path()).unwrap());
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].0 && lines[0].1.contains("gone: USB Camera (1-1)"));
        assert!(!lines[1].0 && lines[1].1.contains("there: Card reader (1-3)"));
        assert!(lines[2].0 && lines[2].1.contains("3 times"));
    }
}
