//! The serial port of the servos, and the programs that take it.

use std::path::PathBuf;

use crate::attend::reader::usb;
use crate::base::holders::holder_below;
use crate::follow::servo::{SIMULATED, port::AUTO, ports};
use crate::tools::doctor::account::{READ, WRITE};
use crate::tools::doctor::finding::Finding;
use crate::tools::doctor::machine::Machine;
use crate::{finding, say};

/// A CH340, which brltty takes for a Braille display.
const CH340: (u16, u16) = (0x1A86, 0x7523);
/// FTDI adapters hold a short answer back for so many milliseconds; the servo loop needs 1.
const LATENCY_MS: i64 = 1;

/// What is seen.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// `servo.enabled`, with a real port.
    pub enabled: bool,
    /// `servo.port`.
    pub machine: String,
    /// Every port.
    pub all: Vec<String>,
    /// The node that the setting means; for "auto" the first that it tries.
    pub node: Option<PathBuf>,
    /// A lasting name for it.
    pub stable: Option<PathBuf>,
    /// Whether the system's console is there.
    pub console: bool,
    /// Whether the service's user may use it.
    pub permitted: bool,
    /// The service's user.
    pub user: String,
    /// The program that has it open, unless it is the service.
    pub holder: Option<String>,
    /// How long an FTDI adapter holds answers back.
    pub latency_ms: Option<i64>,
    /// Whether ModemManager runs and no rule keeps it away from servo adapters.
    pub modem_manager: bool,
    /// Whether brltty is installed and there is an adapter of the kind that it takes.
    pub brltty: bool,
}

impl Facts {
    /// Looks.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let (root, servo) = (&machine.root, &machine.config.servo);
        let found = ports::list_below(root.base());
        let wanted = if servo.port == AUTO {
            found.iter().find(|p| p.automatic).map(|p| p.node.clone())
        } else {
            root.path(&servo.port).canonicalize().ok()
        };
        let port = found.iter().find(|p| Some(&p.node) == wanted.as_ref());
        let about = wanted.as_ref().and_then(|n| n.metadata().ok());
        let own = wanted.as_ref().map(|n| root.own(n));
        let tty = own.as_ref().and_then(|n| n.file_name());
        let tty = tty.unwrap_or_default().to_string_lossy().into_owned();
        let processes = root.names("/proc");
        let runs = |name: &str| {
            processes.iter().any(|p| {
                p.bytes().all(|b| b.is_ascii_digit())
                    && root.text(format!("/proc/{p}/comm")).as_deref() == Some(name)
            })
        };
        let rules = [
            "/etc/udev/rules.d",
            "/usr/lib/udev/rules.d",
            "/lib/udev/rules.d",
        ];
        let has_rule = rules
            .iter()
            .any(|folder| root.exists(format!("{folder}/60-facetap.rules")));
        let adapters = usb::devices(&root.path(usb::SYSFS));
        let brltty = [
            "/usr/bin/brltty",
            "/bin/brltty",
            "/sbin/brltty",
            "/usr/sbin/brltty",
        ];
        Self {
            enabled: servo.enabled && servo.port != SIMULATED,
            machine: servo.port.clone(),
            all: found
                .iter()
                .map(|p| {
                    let product = p.product.as_deref().unwrap_or("?");
                    format!("{} {product}", root.own(&p.name).display())
                })
                .collect(),
            stable: port
                .map(|p| root.own(&p.name))
                .filter(|n| n.starts_with("/dev/serial")),
            console: port.is_some_and(|p| p.console),
            permitted: about.is_some_and(|a| machine.user.may(&a, READ | WRITE)),
            user: machine.user.name.clone(),
            holder: own
                .as_ref()
                .and_then(|n| holder_below(root.base(), n))
                .filter(|h| !h.starts_with("facetap")),
            latency_ms: root.number(format!("/sys/bus/usb-serial/devices/{tty}/latency_timer")),
            modem_manager: !has_rule && runs("ModemManager"),
            brltty: adapters.iter().any(|d| d.id == CH340) && brltty.iter().any(|p| root.exists(p)),
            node: own,
        }
    }
}

/// Judges.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    if !facts.enabled {
        return Vec::new();
    }
    let mut found = Vec::new();
    let still = || say!("the servos stand still", "サーボが動きません");
    if facts.brltty {
        found.push(finding!(
            Warning, "brltty",
            what: "brltty is installed, and a CH340 adapter (1a86:7523) is connected",
                  "brltty がインストールされており、CH340 アダプター (1a86:7523) が接続されています",
            why: "it takes the adapter for a Braille display, and the port vanishes a second after it appeared",
                 "brltty がアダプターを点字ディスプレイと誤認し、ポートが 1 秒で消えます",
            mend: "sudo apt purge brltty",
        ));
    }
    let machine = &facts.machine;
    let Some(node) = &facts.node else {
        found.push(finding!(
            Problem, "port-absent",
            what: "\"servo.port\" is \"{machine}\", and there is no such port",
                  "\"servo.port\" の \"{machine}\" に該当するポートがありません",
            why: still(),
            mend: "plug the adapter in, then: facetap devices    # dmesg | tail tells whether the system has noticed it",
                  "アダプターを接続後に: facetap devices    # dmesg | tail でシステムが認識したか確認できます",
        ));
        return found;
    };
    let (node, user) = (node.display(), &facts.user);
    if !facts.permitted {
        found.push(finding!(
            Problem, "port-forbidden",
            what: "the service's user {user} may not use the port {node}",
                  "サービスのユーザー {user} はポート {node} を使えません",
            why: still(),
            mend: "sudo usermod -aG dialout ".to_owned() + user + "; sudo systemctl restart facetap",
        ));
    }
    if let Some(holder) = &facts.holder {
        found.push(finding!(
            Problem, "port-held",
            what: "{holder} has the port {node} open",
                  "{holder} がポート {node} を使用中です",
            why: "two programs on one bus garble each other's frames",
                 "1 つのバスを 2 つのプログラムで使うと通信が壊れます",
            mend: "end that program: sudo fuser -k {node}",
                  "そのプログラムを終了してください: sudo fuser -k {node}",
        ));
    }
    if facts.console {
        found.push(finding!(
            Problem, "port-console",
            what: "the system writes its console to {node}",
                  "{node} はシステムのコンソールです",
            why: "the servos get the kernel's messages as commands",
                 "カーネルのメッセージがサーボへ送られます",
            mend: "sudo raspi-config nonint do_serial_cons 1    # then restart the board",
                  "sudo raspi-config nonint do_serial_cons 1    # その後、再起動",
        ));
    }
    let bare = machine.starts_with("/dev/ttyUSB") || machine.starts_with("/dev/ttyACM");
    if bare {
        let name = match &facts.stable {
            Some(name) => name.display().to_string(),
            None => AUTO.to_owned(),
        };
        found.push(finding!(
            Warning, "port-bare-name",
            what: "\"servo.port\" is {machine}, a number that changes",
                  "\"servo.port\" が番号（{machine}）で指定されています",
            why: "after the next start, or another plug, it may be another adapter",
                 "再起動や抜き差しで別のアダプターになることがあります",
            mend: "set \"servo.port\" to \"{name}\"",
                  "\"servo.port\" を \"{name}\" にしてください",
        ));
    }
    if let Some(ms) = facts.latency_ms.filter(|ms| *ms > LATENCY_MS) {
        found.push(finding!(
            Warning, "port-latency",
            what: "the adapter at {node} holds answers back for {ms} ms",
                  "{node} のアダプターは応答を {ms} ms 保留します",
            why: "the servo loop asks every 20 ms, and each answer comes that much later",
                 "サーボ制御は 20 ms ごとに問い合わせるため、その分だけ応答が遅れます",
            mend: "install facetap's udev rules (/usr/lib/udev/rules.d/60-facetap.rules), then: sudo udevadm trigger",
                  "facetap の udev ルール (/usr/lib/udev/rules.d/60-facetap.rules) を入れ、sudo udevadm trigger を実行",
        ));
    }
    if facts.modem_manager {
        found.push(finding!(
            Warning, "modem-manager",
            what: "ModemManager runs, and no rule keeps it away from servo adapters",
                  "ModemManager が動作中で、サーボアダプターが除外されていません",
            why: "it sends modem commands to the servos whenever an adapter is plugged in",
                 "アダプター接続時にモデム用の命令がサーボへ送られます",
            mend: "sudo systemctl disable --now ModemManager",
        ));
    }
    found
}
