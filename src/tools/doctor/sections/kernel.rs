//! What the kernel has said: failing disks, ended programs, lost USB devices.

use std::io::{ErrorKind, Read as _};

use crate::finding;
use crate::tools::doctor::drives;
use crate::tools::doctor::finding::Finding;
use crate::tools::doctor::kernel_lines::{self, Killed};
use crate::tools::doctor::machine::Machine;
use crate::tools::doctor::root::open;
use crate::tools::doctor::tail;

/// Most messages that are kept.
const MOST: usize = 5000;
/// A record of `/dev/kmsg` is at most this long, or the kernel refuses (`CONSOLE_EXT_LOG_MAX`).
const RECORD: usize = 8192;
/// A device that was lost so often has a bad cable or supply.
const MANY: usize = 10;

/// What is seen.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Whether the messages may be read.
    pub readable: bool,
    /// The last message about a disk that fails.
    pub disk: Option<String>,
    /// The last program that was ended because the memory of the board had run out.
    pub out_of_memory: Option<String>,
    /// The last time that the service was ended because its own limit of memory was reached.
    pub over_its_limit: Option<String>,
    /// How often a USB device was lost.
    pub usb_lost: usize,
    /// The last message about a fault on the USB.
    pub usb: Option<String>,
}

impl Facts {
    /// Looks.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let messages = messages(machine);
        let last = |is: &dyn Fn(&str) -> bool| {
            let lines = messages.iter().flatten();
            lines.rev().find(|line| is(line)).cloned()
        };
        let disks = drives::disks(machine);
        let ours = |device: &str| disks.iter().any(|disk| kernel_lines::is_of(device, disk));
        Self {
            readable: messages.is_some(),
            disk: last(&|line| kernel_lines::failing_device(line).is_some_and(ours)),
            out_of_memory: last(&|line| kernel_lines::killed(line) == Some(Killed::Board)),
            over_its_limit: last(&|line| {
                kernel_lines::killed(line) == Some(Killed::Group) && line.contains("(facetap)")
            }),
            usb_lost: messages
                .iter()
                .flatten()
                .filter(|l| l.contains("USB disconnect"))
                .count(),
            usb: last(&|line| {
                let line = line.to_lowercase();
                line.contains("usb") && (line.contains("error -") || line.contains("over-current"))
            }),
        }
    }
}

/// The kernel's messages, the oldest first, each with the seconds since boot. None where they may not be read.
#[must_use]
pub fn messages(machine: &Machine) -> Option<Vec<String>> {
    if !machine.root.is_live() {
        let file = machine.root.path("/var/log/kern.log");
        return file.exists().then(|| tail::lines(&file, MOST));
    }
    let mut log = open("/dev/kmsg".as_ref()).ok()?;
    let mut messages = Vec::new();
    let mut record = vec![0; RECORD];
    while messages.len() < MOST {
        match log.read(&mut record) {
            Ok(0) => break,
            Ok(n) => messages.extend(line(&String::from_utf8_lossy(&record[..n]))),
            // It was overwritten while we read: the next one is there.
            Err(e) if e.raw_os_error() == Some(nix::libc::EPIPE) => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            Err(_) if messages.is_empty() => return None,
            Err(_) => break,
        }
    }
    Some(messages)
}

/// A record is `6,1234,5098765,-;message`, with properties in further lines.
fn line(record: &str) -> Option<String> {
    let (head, message) = record.split_once(';')?;
    let microseconds: u64 = head.split(',').nth(2)?.parse().ok()?;
    let message = message.lines().next()?;
    Some(format!("[{:6}] {message}", microseconds / 1_000_000))
}

/// Judges.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    if !facts.readable {
        found.push(finding!(
            Note, "kernel-unreadable",
            what: "this user may not read the kernel's messages",
                  "カーネルメッセージを読む権限がありません",
            why: "a failing disk or a weak supply shows there first",
                 "ディスクや電源の異常は最初にここに現れます",
            mend: "sudo facetap doctor",
        ));
    }
    if let Some(line) = &facts.disk {
        found.push(finding!(
            Problem, "disk-failing",
            what: "the kernel says: {line}",
                  "カーネルの報告: {line}",
            why: "the disk or SD card loses what is written to it",
                 "ディスク（SD カード）の書き込みが失われています",
            mend: "sudo facetap attendance export --format csv > taps.csv    # then replace the card",
                  "sudo facetap attendance export --format csv > taps.csv    # 保存してからカードを交換",
        ));
    }
    if let Some(line) = &facts.out_of_memory {
        found.push(finding!(
            Warning, "out-of-memory",
            what: "the kernel says: {line}",
                  "カーネルの報告: {line}",
            why: "the memory of the board had run out",
                 "メモリが枯渇し、プログラムが強制終了されました",
            mend: "ps -eo rss,comm --sort=-rss | head    # end what is not needed; zram-tools gives some more",
                  "ps -eo rss,comm --sort=-rss | head    # 不要なものを終了。zram-tools も有効です",
        ));
    }
    if let Some(line) = &facts.over_its_limit {
        found.push(finding!(
            Warning, "over-memory-limit",
            what: "the service was ended because it had reached the limit of its unit: {line}",
                  "サービスがユニットのメモリ上限に達し、強制終了されました: {line}",
            why: "the board had memory left; either the limit is too low, or the service leaks",
                 "ボードのメモリには余裕があります。上限が低すぎるか、メモリリークです",
            mend: "systemctl show facetap -p MemoryMax; facetap report /var/log/facetap/facetap.log*",
        ));
    }
    if facts.usb.is_some() || facts.usb_lost >= MANY {
        let (count, line) = (
            facts.usb_lost,
            facts.usb.as_deref().unwrap_or("USB disconnect"),
        );
        found.push(finding!(
            Warning, "usb-faults",
            what: "USB devices were lost {count} times since the start of the board: {line}",
                  "起動後 USB 機器が {count} 回切断されました: {line}",
            why: "camera, servos and readers vanish for seconds; often the supply or a cable",
                 "カメラ・サーボ・リーダーが数秒間使えなくなります（電源かケーブルが原因の場合が多い）",
            mend: "dmesg | grep -i usb | tail -30    # use a hub with a supply of its own",
                  "dmesg | grep -i usb | tail -30    # セルフパワーのハブを使ってください",
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_a_line() {
        let record = "6,339,5140900,-;usb 1-1: USB disconnect, device number 2\n SUBSYSTEM=usb\n";
        let want = "[     5] usb 1-1: USB disconnect, device number 2";
        assert_eq!(line(record).as_deref(), Some(want));
        assert_eq!(line("nonsense"), None);
        assert_eq!(line("6,1;x"), None);
    }
}
