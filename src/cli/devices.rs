//! `facetap devices`: what is plugged in, by the names that the configuration takes.

use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::unistd::{AccessFlags, access};

use crate::base::clock::{Clock, SystemClock};
use crate::base::holders::holder;
use crate::base::limited::{NotDone, in_time};
use crate::base::text::{self, Language};
use crate::follow::camera::{self, rpicam};
use crate::{attend::reader, follow::servo, say};

/// Time for looking at devices of a kind; the list of the camera connector alone has 5 s.
const LIMIT: Duration = Duration::from_secs(15);

/// The kinds in their order: heading, and how to look at them.
const KINDS: [(fn() -> String, Look); 3] = [
    (camera_title, cameras),
    (port_title, ports),
    (reader_title, readers),
];

type Look = fn() -> Section;

/// A device, as one line of the table.
#[derive(Debug, Default)]
struct Entry {
    /// What takes it now without its name: "auto", "all" or nothing.
    mark: String,
    /// What to write into the configuration.
    name: String,
    /// What it is, and what stands in the way of using it.
    about: Vec<String>,
}

/// Devices of a kind.
struct Section {
    title: String,
    entries: Vec<Entry>,
    /// Said below: that there is none, or what hinders looking.
    notes: Vec<String>,
}

pub(super) fn devices() -> Result<u8> {
    text::speak(Language::from_locale());
    // Each as soon as it is known: a daemon may take its time.
    for (title, look) in KINDS {
        let section = in_time("devices", LIMIT, look).unwrap_or_else(|why| hangs(title(), &why));
        if !write(&table(&section))? {
            break;
        }
    }
    Ok(super::DONE)
}

/// A kind whose devices do not answer. The thread that looks ends with the program.
fn hangs(title: String, why: &NotDone) -> Section {
    Section {
        title,
        entries: Vec::new(),
        notes: vec![say!(
            "{why}: a driver hangs; dmesg | tail names what is stuck",
            "{why}（ドライバーの停止。dmesg | tail で確認できます）"
        )],
    }
}

fn camera_title() -> String {
    say!(
        "Cameras (\"camera.source\"):",
        "カメラ (\"camera.source\"):"
    )
}

fn port_title() -> String {
    say!(
        "Serial ports (\"servo.port\"):",
        "サーボのシリアルポート (\"servo.port\"):"
    )
}

fn reader_title() -> String {
    say!(
        "Card readers (\"cards.readers\"):",
        "カードリーダー (\"cards.readers\"):"
    )
}

/// False if the reader has gone away (`facetap devices | head -1`), which is no failure.
fn write(text: &str) -> Result<bool> {
    let mut out = std::io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(e).context(say!("the list cannot be written", "一覧を書き出せません")),
    }
}

fn table(section: &Section) -> String {
    let width = |of: fn(&Entry) -> &str| {
        let lengths = section.entries.iter().map(|e| of(e).chars().count());
        lengths.max().unwrap_or(0)
    };
    let (marks, names) = (width(|e| &e.mark), width(|e| &e.name));
    let mut text = format!("{}\n", section.title);
    for Entry { mark, name, about } in &section.entries {
        let line = format!("  {mark:marks$}  {name:names$}  {}", about.join(", "));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    for note in &section.notes {
        text.push_str("  ");
        text.push_str(note);
        text.push('\n');
    }
    text
}

/// Cameras by the names that the configuration takes, each with what it is; the first one is what "auto" takes.
pub(super) fn camera_names() -> Vec<(String, String)> {
    let found = in_time("devices", LIMIT, cameras).map_or_else(|_| Vec::new(), |s| s.entries);
    let mut found: Vec<(String, String)> = found
        .into_iter()
        .map(|entry| {
            // The camera connector is named by its mark where it is the first.
            let name = if entry.name.is_empty() {
                entry.mark
            } else {
                entry.name
            };
            (name, entry.about.join(", "))
        })
        .filter(|(name, _)| !name.is_empty())
        .collect();
    found.sort_by_key(|(name, _)| name == "rpicam");
    found
}

fn cameras() -> Section {
    let automatic = camera::devices::automatic();
    let mut entries: Vec<Entry> = camera::list()
        .into_iter()
        .filter(|device| device.camera)
        .map(|device| {
            let name = device.stable.as_ref().unwrap_or(&device.node);
            let mut about = vec![device.name.clone()];
            about.extend(device.driver.clone());
            about.extend(node_of(name, &device.node));
            about.extend(hindrances(&device.node, "video"));
            Entry {
                mark: mark(automatic.as_ref() == Some(name), "auto"),
                name: name.display().to_string(),
                about,
            }
        })
        .collect();
    let mut notes = Vec::new();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    match rpicam::list::cameras(&clock) {
        // It leaves out USB cameras, which have names above.
        Ok(Some(found)) => entries.extend(found.into_iter().enumerate().map(|(n, what)| {
            let about = if n == 0 {
                say!("{what}, at the camera connector", "{what}、カメラコネクタ")
            } else {
                say!(
                    "{what}, at another connector; only the first is used",
                    "{what}、別のコネクタ (最初の1台のみ使用)"
                )
            };
            Entry {
                name: mark(n == 0, "rpicam"),
                about: vec![about],
                ..Entry::default()
            }
        })),
        Ok(None) if on_raspberry_pi() => notes.push(say!(
            "a camera at the connector (\"rpicam\") needs rpicam-vid: sudo apt install rpicam-apps",
            "カメラコネクタ (\"rpicam\") には rpicam-vid が必要です: sudo apt install rpicam-apps"
        )),
        Ok(None) => {}
        Err(e) => notes.push(format!("rpicam: {e:#}")),
    }
    if entries.is_empty() {
        let none = say!(
            "none found: plug one in; `dmesg | tail` tells whether the system has noticed it",
            "見つかりません: 接続してください。`dmesg | tail` でシステムが認識したか確認できます"
        );
        notes.insert(0, none);
    }
    Section {
        title: camera_title(),
        entries,
        notes,
    }
}

fn ports() -> Section {
    let ports = servo::ports::list();
    let tried = ports.iter().filter(|p| p.automatic).count();
    let mut notes = Vec::new();
    if ports.is_empty() {
        notes.push(say!(
            "none found: plug in the servo adapter; `dmesg | tail` tells whether the system has noticed it",
            "見つかりません: サーボアダプターを接続してください。`dmesg | tail` でシステムが認識したか確認できます"
        ));
    } else if tried == 0 {
        notes.push(say!(
            "none on USB, which \"auto\" takes; a bus at a port of the board has to be named",
            "\"auto\" の対象となる USB のポートはありません。基板のポートのバスは名前で指定してください"
        ));
    } else if tried > 1 {
        notes.push(say!(
            "\"auto\" takes the first of these {tried} at which the pan servo answers",
            "\"auto\" は {tried} つのうちパンサーボが応答する最初のポートを使います"
        ));
    }
    let entries = ports.into_iter().map(|port| {
        let what = port.product.unwrap_or_else(|| {
            if port.automatic {
                say!("an adapter", "アダプター")
            } else {
                say!("a port of the board", "基板のポート")
            }
        });
        let mut about = vec![what];
        about.extend(port.driver);
        about.extend(node_of(&port.name, &port.node));
        if port.console {
            about.push(say!(
                "the system's console: not for servos",
                "システムのコンソール: サーボには使えません"
            ));
        }
        about.extend(hindrances(&port.node, "dialout"));
        Entry {
            mark: mark(port.automatic, "auto"),
            name: port.name.display().to_string(),
            about,
        }
    });
    Section {
        title: port_title(),
        entries: entries.collect(),
        notes,
    }
}

fn readers() -> Section {
    let listed = reader::pcsc::names();
    let names = listed.as_deref().unwrap_or_default();
    let mut notes = Vec::new();
    match &listed {
        Ok(names) if names.is_empty() => notes.push(say!(
            "none found: plug one in",
            "見つかりません: 接続してください"
        )),
        Ok(_) => {}
        Err(e) => notes.push(format!("{e:#}")),
    }
    if listed.is_ok() {
        notes.extend(reader::usb::missing(names));
    }
    let entries = names.iter().map(|name| Entry {
        mark: mark(true, "all"),
        name: name.clone(),
        about: Vec::new(),
    });
    Section {
        title: reader_title(),
        entries: entries.collect(),
        notes,
    }
}

fn mark(is: bool, mark: &str) -> String {
    if is { mark.to_owned() } else { String::new() }
}

/// The node behind a lasting name.
fn node_of(name: &Path, node: &Path) -> Option<String> {
    (name != node).then(|| node.display().to_string())
}

/// What keeps this user from a device now.
fn hindrances(node: &Path, group: &str) -> Vec<String> {
    let mut hindrances = Vec::new();
    if access(node, AccessFlags::R_OK | AccessFlags::W_OK).is_err() {
        hindrances.push(say!(
            "not permitted for this user: sudo usermod -aG {group} $USER, then log in again",
            "このユーザーには権限がありません: sudo usermod -aG {group} $USER の後、ログインし直してください"
        ));
    }
    if let Some(program) = holder(node) {
        hindrances.push(say!("in use by {program}", "使用中: {program}"));
    }
    hindrances
}

fn on_raspberry_pi() -> bool {
    std::fs::read_to_string("/proc/device-tree/model").is_ok_and(|m| m.contains("Raspberry Pi"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_a_column_and_what_they_are_behind_them() {
        let entry = |mark: &str, name: &str, about: &[&str]| Entry {
            mark: mark.to_owned(),
            name: name.to_owned(),
            about: about.iter().map(|&a| a.to_owned()).collect(),
        };
        let section = Section {
            title: "Cameras:".to_owned(),
            entries: vec![
                entry("auto", "/dev/v4l/by-id/a", &["C270", "/dev/video0"]),
                entry("", "rpicam", &[]),
            ],
            notes: vec!["a note".to_owned()],
        };
        assert_eq!(
            table(&section),
            "Cameras:\n  auto  /dev/v4l/by-id/a  C270, /dev/video0\n        rpicam\n  a note\n"
        );
    }

    #[test]
    fn a_device_that_is_not_permitted_has_a_remedy() {
        let hindrances = hindrances(Path::new("/no/such/device"), "dialout");
        assert!(
            hindrances[0].contains("usermod -aG dialout"),
            "{hindrances:?}"
        );
    }
}
