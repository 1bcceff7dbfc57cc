//! The serial ports of this machine, for people. Nothing is opened: that alone may reset an adapter.

use std::fs;
use std::path::{Path, PathBuf};

use crate::base::outside::plain;

/// A serial port that may have servos.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The most lasting name that it has.
    pub name: PathBuf,
    /// Its node, such as `/dev/ttyACM0`.
    pub node: PathBuf,
    /// Maker, product and number of a USB adapter.
    pub product: Option<String>,
    /// The kernel's driver, such as "cdc_acm", if it is known.
    pub driver: Option<String>,
    /// Whether `servo.port` "auto" tries it. It leaves out the board's own pins.
    pub automatic: bool,
    /// Whether the system writes its console there.
    pub console: bool,
}

/// All ports: first those that "auto" tries, in its order.
#[must_use]
pub fn list() -> Vec<Port> {
    list_below(Path::new("/"))
}

/// The same of the machine whose files lie below `root`.
#[must_use]
pub fn list_below(root: &Path) -> Vec<Port> {
    let dev = root.join("dev");
    let consoles = fs::read_to_string(root.join("sys/class/tty/console/active"));
    let consoles = consoles.unwrap_or_default();
    let port = |name: PathBuf, automatic| {
        let node = name.canonicalize().unwrap_or_else(|_| name.clone());
        let tty = node.file_name().unwrap_or_default().to_string_lossy();
        let device = root.join("sys/class/tty").join(&*tty).join("device");
        Port {
            product: product(&device),
            driver: driver(&device),
            console: consoles.split_whitespace().any(|c| c == tty),
            name,
            node,
            automatic,
        }
    };
    let usb = super::port::automatic(&dev);
    let mut ports: Vec<Port> = usb.into_iter().map(|name| port(name, true)).collect();
    ports.extend(pins(root).into_iter().map(|name| port(name, false)));
    ports
}

/// Ports that are not on USB. `/dev/serial0` is Raspberry Pi OS's name for that of the pin header.
fn pins(root: &Path) -> Vec<PathBuf> {
    let header = root.join("dev/serial0");
    let mut nodes: Vec<PathBuf> = fs::read_dir(root.join("dev"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let is = |prefix: &str| {
                name.strip_prefix(prefix)
                    .is_some_and(|n| n.parse::<u32>().is_ok())
            };
            // The kernel makes nodes for ports of the 8250 kind that are not there; their type is 0.
            let kind = root.join("sys/class/tty").join(&name).join("type");
            let there = || fs::read_to_string(kind).map_or(true, |t| t.trim() != "0");
            (is("ttyAMA") || (is("ttyS") && there())).then(|| entry.path())
        })
        .collect();
    nodes.sort();
    for node in &mut nodes {
        if header.canonicalize().ok() == node.canonicalize().ok() {
            *node = header.clone();
        }
    }
    nodes
}

/// What the USB device says about itself, which lies some levels above the port.
fn product(device: &Path) -> Option<String> {
    let device = device.canonicalize().ok()?;
    let usb = device.ancestors().find(|a| a.join("idVendor").exists())?;
    let read = |file: &str| {
        let text = fs::read_to_string(usb.join(file)).unwrap_or_default();
        plain(&text)
    };
    let (vendor, number) = (read("idVendor"), read("idProduct"));
    let words = format!("{} {}", read("manufacturer"), read("product"));
    Some(
        format!("{} ({vendor}:{number})", words.trim())
            .trim()
            .to_owned(),
    )
}

/// The driver of the hardware; since Linux 6.5 a port of the 8250 kind has two devices of the serial core
/// on top of it.
fn driver(device: &Path) -> Option<String> {
    let device = device.canonicalize().ok()?;
    device.ancestors().take(3).find_map(|device| {
        let driver = device.join("driver").canonicalize().ok()?;
        let name = driver.file_name()?.to_str()?;
        (!["port", "ctrl"].contains(&name)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn usb_adapters_come_first_with_what_they_are_and_pins_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for folder in [
            "dev/serial/by-id",
            "sys/class/tty/ttyACM0",
            "sys/class/tty/ttyS0",
            "sys/class/tty/ttyS1",
            "sys/class/tty/console",
            "sys/devices/usb1/1-1/1-1:1.0",
            "sys/bus/usb/drivers/cdc_acm",
        ] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for node in ["ttyACM0", "ttyS0", "ttyS1", "ttyAMA10", "tty1", "ttySAC"] {
            fs::write(root.join("dev").join(node), "").unwrap();
        }
        symlink("ttyS0", root.join("dev/serial0")).unwrap();
        symlink("../../ttyACM0", root.join("dev/serial/by-id/usb-1a86_x")).unwrap();
        let usb = root.join("sys/devices/usb1/1-1");
        for (file, text) in [
            ("idVendor", "1a86\n"),
            ("idProduct", "55d3\n"),
            ("product", "USB Single Serial\n"),
        ] {
            fs::write(usb.join(file), text).unwrap();
        }
        symlink(
            root.join("sys/bus/usb/drivers/cdc_acm"),
            usb.join("1-1:1.0/driver"),
        )
        .unwrap();
        let device = root.join("sys/class/tty/ttyACM0/device");
        symlink(usb.join("1-1:1.0"), device).unwrap();
        fs::write(root.join("sys/class/tty/ttyS0/type"), "4\n").unwrap();
        fs::write(root.join("sys/class/tty/ttyS1/type"), "0\n").unwrap();
        fs::write(root.join("sys/class/tty/console/active"), "tty0 ttyS0\n").unwrap();

        let ports = list_below(root);
        let names: Vec<&Path> = ports
            .iter()
            .map(|p| p.name.strip_prefix(root).unwrap())
            .collect();
        assert_eq!(
            names,
            [
                Path::new("dev/serial/by-id/usb-1a86_x"),
                Path::new("dev/ttyAMA10"),
                Path::new("dev/serial0")
            ]
        );
        assert_eq!(
            ports[0].product.as_deref(),
            Some("USB Single Serial (1a86:55d3)")
        );
        assert_eq!(ports[0].driver.as_deref(), Some("cdc_acm"));
        assert!(ports[0].automatic && ports[0].node.ends_with("ttyACM0") && !ports[0].console);
        assert!(!ports[2].automatic && ports[2].console && ports[2].product.is_none());
    }

    #[test]
    fn without_ports_there_are_none() {
        assert_eq!(list_below(Path::new("/nowhere")), []);
    }
}
