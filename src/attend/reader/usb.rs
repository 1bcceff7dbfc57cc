//! Diagnosis of USB readers that the PC/SC daemon does not list.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::selection;
use crate::base::beat::Beat;
use crate::base::limited::Limited;
use crate::base::stop::Stop;
use crate::config::Cards;
use crate::say;

/// Where the system shows what is on the USB.
pub const SYSFS: &str = "/sys/bus/usb/devices";

/// Where to look for readers that are missing from those that are used: nowhere if these are simulated.
#[must_use]
pub fn root(cards: &Cards) -> PathBuf {
    if selection::is_simulated(&cards.readers) {
        PathBuf::new()
    } else {
        SYSFS.into()
    }
}

/// How long a look at the USB is waited for, which takes milliseconds; no card is heard meanwhile.
const LIMIT: Duration = Duration::from_millis(250);

/// The USB as the system shows it. The kernel answers some questions about a device only when it is done with it, which
/// is never where the device hangs.
#[derive(Debug)]
pub struct Bus {
    root: PathBuf,
    thread: Limited<()>,
}

impl Bus {
    /// As `root` shows it; with an empty one there is none. `beat` is that of who waits.
    #[must_use]
    pub fn new(root: PathBuf, stop: &Stop, beat: &Beat) -> Self {
        Self {
            root,
            thread: Limited::new("reader-usb", stop, beat),
        }
    }

    /// What keeps readers from being used that the daemon does not list under these names. None if that cannot be told
    /// in time.
    #[must_use]
    pub fn causes(&self, names: &[&str]) -> Option<Vec<String>> {
        if self.root.as_os_str().is_empty() {
            return Some(Vec::new());
        }
        let root = self.root.clone();
        let devices = self.thread.run(LIMIT, move || devices(&root)).ok()?;
        Some(causes(&devices, names))
    }
}

/// A device on the USB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Vendor and product number.
    pub id: (u16, u16),
    /// The kernel drivers that hold its interfaces, each once.
    pub drivers: Vec<String>,
}

/// A reader that is known to work, with the driver of libccid.
struct Known {
    id: (u16, u16),
    name: &'static str,
    /// What the daemon's name for it contains.
    listed_as: &'static str,
}

/// From libccid 1.5.2's list of supported readers.
const KNOWN: &[Known] = &[
    Known {
        id: (0x072F, 0x2200),
        name: "ACR122U",
        listed_as: "ACR122",
    },
    Known {
        id: (0x054C, 0x0DC8),
        name: "RC-S300/S",
        listed_as: "RC-S300",
    },
    Known {
        id: (0x054C, 0x0DC9),
        name: "RC-S300/P",
        listed_as: "RC-S300",
    },
];

/// RC-S380/S and RC-S380/P, by the kernel's `port100` driver.
const RC_S380: &[(u16, u16)] = &[(0x054C, 0x06C1), (0x054C, 0x06C3)];

/// Kernel drivers of card readers, which keep the daemon from them.
const THIEVES: &[&str] = &["pn533_usb", "pn533", "port100"];

/// What is on the USB, as `root` shows it (see [`SYSFS`]); in no particular order. What cannot be read is
/// left out.
#[must_use]
pub fn devices(root: &Path) -> Vec<Device> {
    let Ok(entries) = fs::read_dir(root) else {
        return Vec::new();
    };
    let names: Vec<String> = entries
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok())
        .collect();
    // Interfaces are called as their device with a colon behind it: "1-1.2" and "1-1.2:1.0".
    names
        .iter()
        .filter(|name| !name.contains(':'))
        .filter_map(|name| {
            let id = (
                number(root, name, "idVendor")?,
                number(root, name, "idProduct")?,
            );
            let interface = format!("{name}:");
            let mut drivers: Vec<_> = names
                .iter()
                .filter(|n| n.starts_with(&interface))
                .filter_map(|n| driver(&root.join(n)))
                .collect();
            drivers.sort();
            drivers.dedup();
            Some(Device { id, drivers })
        })
        .collect()
}

fn number(root: &Path, device: &str, file: &str) -> Option<u16> {
    let text = fs::read_to_string(root.join(device).join(file)).ok()?;
    u16::from_str_radix(text.trim(), 16).ok()
}

fn driver(interface: &Path) -> Option<String> {
    let link = fs::read_link(interface.join("driver")).ok()?;
    Some(link.file_name()?.to_str()?.to_owned())
}

/// What keeps a reader on the USB from being used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// It is no PC/SC reader on Linux: an RC-S380.
    NotPcsc,
    /// A driver of the kernel holds it.
    Driver {
        /// The driver.
        driver: String,
        /// The reader.
        reader: String,
    },
    /// The daemon does not list it.
    NotListed {
        /// The reader.
        reader: String,
    },
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            Self::NotPcsc => say!(
                "an RC-S380 is connected, which is no PC/SC reader on Linux; use an RC-S300 or ACR122U",
                "RC-S380 が接続されていますが、Linux では PC/SC リーダーとして使えません。\
                 RC-S300 か ACR122U を使用してください"
            ),
            Self::Driver { driver, reader } => say!(
                "the kernel's driver {driver} holds the card reader {reader}: sudo modprobe -r {driver}; \
                 for good: echo 'blacklist {driver}' | sudo tee -a /etc/modprobe.d/facetap.conf",
                "カーネルのドライバー {driver} がカードリーダー {reader} を占有しています: \
                 sudo modprobe -r {driver}。恒久的には: \
                 echo 'blacklist {driver}' | sudo tee -a /etc/modprobe.d/facetap.conf"
            ),
            Self::NotListed { reader } => say!(
                "the card reader {reader} is on the USB, but the PC/SC daemon does not list it: \
                 sudo apt install libccid, then systemctl restart pcscd",
                "カードリーダー {reader} は USB に接続されていますが、PC/SC デーモンに認識されていません: \
                 sudo apt install libccid の後、systemctl restart pcscd"
            ),
        })
    }
}

/// What keeps readers on the USB from being among those with these names. Empty where nothing does.
#[must_use]
pub fn obstacles(devices: &[Device], listed: &[&str]) -> Vec<Obstacle> {
    let all = devices.iter().filter_map(|d| obstacle(d, listed));
    all.collect()
}

/// Why readers are missing from those with these names, and what to do about it; for people. Empty where
/// none is.
#[must_use]
pub fn causes(devices: &[Device], listed: &[&str]) -> Vec<String> {
    let found = obstacles(devices, listed);
    found.iter().map(ToString::to_string).collect()
}

/// Why readers of this machine are missing from those with these names; for people.
#[must_use]
pub fn missing(listed: &[String]) -> Vec<String> {
    let listed: Vec<_> = listed.iter().map(String::as_str).collect();
    causes(&devices(Path::new(SYSFS)), &listed)
}

fn obstacle(device: &Device, listed: &[&str]) -> Option<Obstacle> {
    let known = KNOWN.iter().find(|k| k.id == device.id);
    if RC_S380.contains(&device.id) {
        return Some(Obstacle::NotPcsc);
    }
    let (vendor, product) = device.id;
    let reader = known.map_or_else(
        || format!("{vendor:04X}:{product:04X}"),
        |k| k.name.to_owned(),
    );
    if let Some(driver) = device
        .drivers
        .iter()
        .find(|d| THIEVES.contains(&d.as_str()))
    {
        let driver = driver.clone();
        return Some(Obstacle::Driver { driver, reader });
    }
    let known = known?;
    if listed.iter().any(|l| l.contains(known.listed_as)) {
        return None;
    }
    Some(Obstacle::NotListed { reader })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    /// A tree as that of sysfs: a device and the driver of its interface.
    fn plug(root: &Path, name: &str, id: (&str, &str), driver: Option<&str>) {
        let device = root.join(name);
        fs::create_dir(&device).unwrap();
        fs::write(device.join("idVendor"), format!("{}\n", id.0)).unwrap();
        fs::write(device.join("idProduct"), format!("{}\n", id.1)).unwrap();
        let interface = root.join(format!("{name}:1.0"));
        fs::create_dir(&interface).unwrap();
        if let Some(driver) = driver {
            let to = format!("../../../bus/usb/drivers/{driver}");
            symlink(to, interface.join("driver")).unwrap();
        }
    }

    fn told(plugged: &[((&str, &str), Option<&str>)], listed: &[&str]) -> Vec<String> {
        let root = TempDir::new().unwrap();
        // The hub itself, and what has no numbers.
        plug(root.path(), "usb1", ("1d6b", "0002"), Some("hub"));
        fs::create_dir(root.path().join("1-0:1.0")).unwrap();
        fs::create_dir(root.path().join("odd")).unwrap();
        for (n, (id, driver)) in plugged.iter().enumerate() {
            plug(root.path(), &format!("1-1.{n}"), *id, *driver);
        }
        causes(&devices(root.path()), listed)
    }

    #[test]
    fn a_kernel_driver_that_holds_a_reader_is_named_with_the_remedy() {
        let said = told(&[(("072f", "2200"), Some("pn533_usb"))], &[]);
        assert_eq!(said.len(), 1);
        for part in [
            "ACR122U",
            "sudo modprobe -r pn533_usb",
            "blacklist pn533_usb",
        ] {
            assert!(said[0].contains(part), "{said:?}");
        }
        // Another maker's reader with the same chip.
        let other = told(&[(("04e6", "5591"), Some("pn533_usb"))], &["SCL3711"]);
        assert!(other[0].contains("04E6:5591"), "{other:?}");
    }

    #[test]
    fn an_rc_s380_is_no_reader_whoever_holds_it() {
        for driver in [None, Some("port100")] {
            let said = told(&[(("054c", "06c1"), driver)], &[]);
            assert!(said[0].contains("RC-S380"), "{said:?}");
        }
    }

    #[test]
    fn a_known_reader_that_is_not_listed_lacks_its_driver() {
        let acr = ("072f", "2200");
        let said = told(&[(acr, None), (("054c", "0dc9"), Some("usbfs"))], &[]);
        assert_eq!(said.len(), 2);
        assert!(said.iter().all(|s| s.contains("libccid")), "{said:?}");
        let listed = [
            "ACS ACR122U PICC Interface 00 00",
            "SONY FeliCa RC-S300/P 01 00",
        ];
        let both = [(acr, Some("usbfs")), (("054c", "0dc9"), Some("usbfs"))];
        assert_eq!(told(&both, &listed), [""; 0]);
        assert_eq!(told(&both, &listed[..1]).len(), 1);
    }

    #[test]
    fn other_devices_and_a_machine_without_usb_have_no_cause() {
        assert_eq!(told(&[(("046d", "0825"), Some("uvcvideo"))], &[]), [""; 0]);
        assert_eq!(devices(Path::new("/no/such/folder")), []);
        let demo = Cards {
            enabled: true,
            readers: crate::config::Readers::One("simulated".to_owned()),
            repeat_seconds: 60.0,
        };
        assert_eq!(devices(&root(&demo)), []);
    }
}
