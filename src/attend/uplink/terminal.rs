//! The name of this device at the server: chosen once, then kept.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use crate::say_info;
use anyhow::{Context as _, Result};
use sysinfo::Networks;

/// Name of the file in the data folder that keeps it.
const FILE: &str = "terminal_id";
/// Interfaces that come and go, or exist on every machine with the same address.
const PASSING: &[&str] = &[
    "docker",
    "veth",
    "br-",
    "virbr",
    "tun",
    "tap",
    "wg",
    "zt",
    "tailscale",
];

/// The configured name, else the one that was kept in `dir`, else the MAC address of the first real
/// interface, else a random one; upper case with colons. What is not configured is kept from now on, so
/// that a new network card does not make a new device.
///
/// # Errors
/// The name cannot be kept.
pub fn id(configured: Option<&str>, dir: &Path) -> Result<String> {
    if let Some(id) = configured {
        return Ok(id.to_owned());
    }
    let file = dir.join(FILE);
    if let Some(kept) = kept(&file) {
        return Ok(kept);
    }
    let id = first_interface(interfaces()).unwrap_or_else(random);
    keep(dir, &id).with_context(|| {
        format!(
            "cannot keep the name of this device in {}; set terminal_id in the configuration",
            file.display()
        )
    })?;
    say_info!("name of this device: {id}", "この端末の ID: {id}");
    Ok(id)
}

/// What was kept; none if there is nothing, or what a torn write left.
fn kept(file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let id = text.trim();
    (!id.is_empty() && !id.chars().any(char::is_control)).then(|| id.to_owned())
}

/// Either the whole name is there after a power cut, or nothing.
fn keep(dir: &Path, id: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let temporary = dir.join(format!(".{FILE}.new"));
    let mut file = File::create(&temporary)?;
    writeln!(file, "{id}")?;
    file.sync_all()?;
    std::fs::rename(&temporary, dir.join(FILE))?;
    File::open(dir)?.sync_all()
}

fn interfaces() -> Vec<(String, [u8; 6])> {
    let Ok(networks) = Networks::new_with_refreshed_list() else {
        return Vec::new();
    };
    networks
        .iter()
        .map(|(name, data)| (name.to_string_lossy().into_owned(), data.mac_address().0))
        .collect()
}

/// The address of the first real interface: cable before radio before the rest, then by name. Pure.
fn first_interface(mut all: Vec<(String, [u8; 6])>) -> Option<String> {
    let rank = |name: &str| match name {
        n if n.starts_with("eth") || n.starts_with("en") => 0,
        n if n.starts_with("wl") => 1,
        _ => 2,
    };
    all.retain(|(name, mac)| {
        *mac != [0; 6]
            && *mac != [0xFF; 6]
            && name != "lo"
            && !PASSING.iter().any(|p| name.starts_with(p))
    });
    all.sort_by(|(a, _), (b, _)| (rank(a), a).cmp(&(rank(b), b)));
    all.first().map(|(_, mac)| text(mac))
}

/// A random address of the locally administered range.
fn random() -> String {
    let mut mac = [0; 6];
    mac.fill_with(|| fastrand::u8(..));
    // Locally administered, and not a group.
    mac[0] = mac[0] & 0xFC | 0x02;
    text(&mac)
}

fn text(mac: &[u8; 6]) -> String {
    mac.map(|b| format!("{b:02X}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_real_interface_names_the_device() {
        let mac = |last| [0xDC, 0xA6, 0x32, 0, 0, last];
        let all = vec![
            ("wlan0".to_owned(), mac(2)),
            ("lo".to_owned(), [0; 6]),
            ("docker0".to_owned(), mac(9)),
            ("eth1".to_owned(), mac(4)),
            ("eth0".to_owned(), mac(0xAB)),
        ];
        assert_eq!(first_interface(all.clone()).unwrap(), "DC:A6:32:00:00:AB");
        assert_eq!(
            first_interface(all[..3].to_vec()).unwrap(),
            "DC:A6:32:00:00:02"
        );
        assert_eq!(first_interface(all[1..3].to_vec()), None);
    }

    #[test]
    fn it_is_chosen_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let first = id(None, dir.path()).unwrap();
        assert_eq!(first.len(), 17);
        assert_eq!(first, first.to_uppercase());
        std::fs::write(dir.path().join(FILE), "02:00:00:00:00:01\n").unwrap();
        assert_eq!(id(None, dir.path()).unwrap(), "02:00:00:00:00:01");
        assert_eq!(id(Some("lobby"), dir.path()).unwrap(), "lobby");
        std::fs::write(dir.path().join(FILE), "\0\0\0").unwrap();
        let again = id(None, dir.path()).unwrap();
        assert_eq!(again.len(), 17, "a torn file is replaced");
    }

    #[test]
    fn a_random_name_is_locally_administered() {
        for _ in 0..100 {
            let first = u8::from_str_radix(&random()[..2], 16).unwrap();
            assert_eq!(first & 0x03, 0x02);
        }
    }
}
