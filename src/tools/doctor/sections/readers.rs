//! Card readers on the USB, what is installed for them, and what stands in their way.

use crate::attend::reader::selection;
use crate::attend::reader::usb::{self, Obstacle};
use crate::tools::doctor::finding::Finding;
use crate::tools::doctor::machine::Machine;
use crate::{finding, say};

/// libccid's drivers.
const DRIVERS: &str = "/usr/lib/pcsc/drivers";
/// There where pcscd was built with polkit (Debian 13).
const POLICY: &str = "/usr/share/polkit-1/actions/org.debian.pcsc-lite.policy";
const RULES: [&str; 2] = ["/etc/polkit-1/rules.d", "/usr/share/polkit-1/rules.d"];
const RIGHT: &str = "org.debian.pcsc-lite.access_card";

/// What is seen.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// `cards.enabled`, with real readers.
    pub enabled: bool,
    /// What keeps readers from being used, found on the USB.
    pub obstacles: Vec<Obstacle>,
    /// Whether pcscd is installed.
    pub daemon: bool,
    /// Whether a reader driver for it is.
    pub driver: bool,
    /// Whether its socket is there.
    pub socket: bool,
    /// Whether it asks polkit.
    pub polkit: bool,
    /// Whether a rule allows the service's user to use cards.
    pub rule: bool,
    /// The service's user.
    pub user: String,
}

impl Facts {
    /// Looks.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let (root, cards) = (&machine.root, &machine.config.cards);
        let devices = usb::devices(&root.path(usb::SYSFS));
        let socket = std::env::var_os("PCSCLITE_CSOCK_NAME").filter(|_| root.is_live());
        let user = &machine.user.name;
        let allows = |text: &str| text.contains(RIGHT) && text.contains(user.as_str());
        let rule = RULES.iter().any(|folder| {
            let mut files = root.names(folder).into_iter();
            files.any(|f| {
                root.text(format!("{folder}/{f}"))
                    .is_some_and(|t| allows(&t))
            })
        });
        Self {
            enabled: cards.enabled && !selection::is_simulated(&cards.readers),
            // What the daemon lists is not known here, so only what holds readers back is.
            obstacles: usb::obstacles(&devices, &[])
                .into_iter()
                .filter(|o| !matches!(o, Obstacle::NotListed { .. }))
                .collect(),
            daemon: ["/usr/sbin/pcscd", "/sbin/pcscd", "/usr/bin/pcscd"]
                .iter()
                .any(|p| root.exists(p)),
            driver: root.names(DRIVERS).iter().any(|d| d.ends_with(".bundle")),
            socket: match socket {
                Some(path) => root.exists(path),
                None => root.exists("/run/pcscd/pcscd.comm"),
            },
            polkit: root.exists(POLICY),
            rule: rule || machine.user.uid == Some(0),
            user: user.clone(),
        }
    }
}

/// Judges.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    if !facts.enabled {
        return Vec::new();
    }
    let deaf = || say!("no card can be read", "カードを読み取れません");
    let mut found: Vec<Finding> = facts.obstacles.iter().map(in_the_way).collect();
    if !facts.daemon {
        found.push(finding!(
            Problem, "pcscd-absent",
            what: "pcscd is not installed",
                  "pcscd がインストールされていません",
            why: deaf(),
            mend: "sudo apt install pcscd libccid",
        ));
        return found;
    }
    if !facts.driver {
        found.push(finding!(
            Problem, "reader-driver-absent",
            what: "pcscd has no driver for readers (libccid)",
                  "pcscd 用のリーダードライバー (libccid) がありません",
            why: deaf(),
            mend: "sudo apt install libccid; sudo systemctl restart pcscd",
        ));
    }
    if !facts.socket {
        found.push(finding!(
            Problem, "pcscd-stopped",
            what: "pcscd does not run, and nothing would start it",
                  "pcscd が動いておらず、自動起動もしません",
            why: deaf(),
            mend: "sudo systemctl enable --now pcscd.socket",
        ));
    }
    if facts.polkit && !facts.rule {
        let user = &facts.user;
        found.push(finding!(
            Problem, "polkit-rule-absent",
            what: "no polkit rule allows {user} to use card readers",
                  "{user} にカードリーダーの使用を許可する polkit ルールがありません",
            why: "this pcscd refuses users without a login session",
                 "この pcscd はログインセッションのないユーザーを拒否します",
            mend: "sudo apt install --reinstall facetap    # brings /usr/share/polkit-1/rules.d/facetap-pcsc.rules, for the user facetap",
                  "sudo apt install --reinstall facetap    # /usr/share/polkit-1/rules.d/facetap-pcsc.rules（ユーザー facetap 用）が入ります",
        ));
    }
    found
}

/// The finding of something that keeps a reader on the USB from being used.
pub fn in_the_way(obstacle: &Obstacle) -> Finding {
    let why = say!(
        "its cards are never seen",
        "このリーダーのカードは読み取れません"
    );
    match obstacle {
        Obstacle::NotPcsc => finding!(
            Problem, "reader-rc-s380",
            what: "an RC-S380 is connected, which is no PC/SC reader on Linux",
                  "RC-S380 が接続されていますが、Linux では PC/SC リーダーとして使えません",
            why: why,
            mend: "use an RC-S300 or ACR122U",
                  "RC-S300 か ACR122U を使用してください",
        ),
        Obstacle::Driver { driver, reader } => finding!(
            Problem, "reader-held-by-kernel",
            what: "the kernel's driver {driver} holds the card reader {reader}",
                  "カーネルのドライバー {driver} がカードリーダー {reader} を占有しています",
            why: why,
            mend: format!(
                "sudo modprobe -r {driver}; echo 'blacklist {driver}' | sudo tee -a /etc/modprobe.d/facetap.conf"
            ),
        ),
        Obstacle::NotListed { reader } => finding!(
            Problem, "reader-not-listed",
            what: "the card reader {reader} is on the USB, but pcscd does not list it",
                  "カードリーダー {reader} は USB に接続されていますが、pcscd に認識されていません",
            why: why,
            mend: "sudo apt install libccid; sudo systemctl restart pcscd",
        ),
    }
}
