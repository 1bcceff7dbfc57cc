//! The camera of the configuration.

use std::path::{Path, PathBuf};

use crate::base::holders::holder_below;
use crate::config::Source;
use crate::follow::camera::devices;
use crate::tools::doctor::account::{READ, WRITE};
use crate::tools::doctor::finding::Finding;
use crate::tools::doctor::machine::Machine;
use crate::{finding, say};

/// What is seen.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// `camera.enabled`.
    pub enabled: bool,
    /// `camera.source` as text.
    pub source: String,
    /// Every camera: node, lasting name, what it is.
    pub all: Vec<String>,
    /// The node that the source means; none if it is no device, or not there.
    pub node: Option<PathBuf>,
    /// A lasting name for it.
    pub stable: Option<PathBuf>,
    /// Whether the source means a device of this machine.
    pub is_device: bool,
    /// Whether the service's user may use it.
    pub permitted: bool,
    /// The service's user.
    pub user: String,
    /// The program that has it open, unless it is the service.
    pub holder: Option<String>,
    /// Whether a program for the camera connector is installed.
    pub rpicam: bool,
    /// Whether the unit, if there is one, lets the service at the connector.
    pub rpicam_allowed: bool,
}

impl Facts {
    /// Looks.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let (root, camera) = (&machine.root, &machine.config.camera);
        let source = match &camera.source {
            Source::Number(n) => n.to_string(),
            Source::Name(name) => name.clone(),
        };
        let found = devices::list_below(root.base());
        let cameras: Vec<_> = found.iter().filter(|d| d.camera).collect();
        let named = match &camera.source {
            Source::Number(n) => Some(PathBuf::from(format!("/dev/video{n}"))),
            Source::Name(name) => name.starts_with("/dev/").then(|| name.into()),
        };
        let node = match &named {
            Some(path) => root.path(path).canonicalize().ok(),
            // With a lasting name first, as "auto" does it.
            None if source == "auto" => cameras
                .iter()
                .find(|d| d.stable.is_some())
                .or(cameras.first())
                .map(|d| d.node.clone()),
            None => None,
        };
        let about = node.as_ref().and_then(|n| n.metadata().ok());
        let own = node.as_ref().map(|n| root.own(n));
        let allowed = machine.unit.as_ref().is_none_or(|u| {
            let rules = u.words("Service", "DeviceAllow");
            rules.is_empty() || rules.iter().any(|w| w == "char-media")
        });
        Self {
            enabled: camera.enabled,
            is_device: named.is_some() || source == "auto",
            all: cameras
                .iter()
                .map(|d| {
                    let stable = d.stable.as_ref().map(|s| root.own(s));
                    format!("{} {stable:?} {}", root.own(&d.node).display(), d.name)
                })
                .collect(),
            stable: cameras
                .iter()
                .find(|d| Some(&d.node) == node.as_ref())
                .and_then(|d| d.stable.as_ref())
                .map(|s| root.own(s)),
            permitted: about.is_some_and(|a| machine.user.may(&a, READ | WRITE)),
            user: machine.user.name.clone(),
            holder: own
                .as_ref()
                .and_then(|n| holder_below(root.base(), n))
                .filter(|h| !h.starts_with("facetap")),
            node: own,
            rpicam: ["rpicam-vid", "libcamera-vid"]
                .iter()
                .any(|p| root.exists(Path::new("/usr/bin").join(p))),
            rpicam_allowed: allowed,
            source,
        }
    }
}

/// Judges.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    if !facts.enabled {
        return Vec::new();
    }
    if facts.source == "rpicam" {
        return connector(facts);
    }
    if !facts.is_device {
        return Vec::new();
    }
    let source = &facts.source;
    let Some(node) = &facts.node else {
        return vec![finding!(
            Problem, "camera-absent",
            what: "\"camera.source\" is \"{source}\", and there is no such camera",
                  "\"camera.source\" の \"{source}\" に該当するカメラがありません",
            why: "no face can be followed; taps are recorded all the same",
                 "顔を追跡できません（タップの記録は続きます）",
            mend: "plug it in, then: facetap devices    # dmesg | tail tells whether the system has noticed it",
                  "接続後に: facetap devices    # dmesg | tail でシステムが認識したか確認できます",
        )];
    };
    let (node, user) = (node.display(), &facts.user);
    let mut found = Vec::new();
    if !facts.permitted {
        found.push(finding!(
            Problem, "camera-forbidden",
            what: "the service's user {user} may not use the camera {node}",
                  "サービスのユーザー {user} はカメラ {node} を使えません",
            why: "no face can be followed",
                 "顔を追跡できません",
            mend: "sudo usermod -aG video {user}; sudo systemctl restart facetap",
                  "sudo usermod -aG video {user}; sudo systemctl restart facetap",
        ));
    }
    if let Some(holder) = &facts.holder {
        found.push(finding!(
            Problem, "camera-held",
            what: "{holder} has the camera {node} open",
                  "{holder} がカメラ {node} を使用中です",
            why: "only one program can have pictures of it",
                 "同時に使えるプログラムは 1 つだけです",
            mend: "end that program: sudo fuser -k {node}",
                  "そのプログラムを終了してください: sudo fuser -k {node}",
        ));
    }
    let bare = source.parse::<u32>().is_ok() || source.starts_with("/dev/video");
    if bare {
        let name = match &facts.stable {
            Some(name) => name.display().to_string(),
            None => "auto".to_owned(),
        };
        found.push(finding!(
            Warning, "camera-bare-name",
            what: "\"camera.source\" is {source}, a number that changes",
                  "\"camera.source\" が番号（{source}）で指定されています",
            why: "after the next start, or another plug, it may be another camera",
                 "再起動や抜き差しで別のカメラになることがあります",
            mend: "set \"camera.source\" to \"{name}\"",
                  "\"camera.source\" を \"{name}\" にしてください",
        ));
    }
    found
}

fn connector(facts: &Facts) -> Vec<Finding> {
    let why = || {
        say!(
            "the camera at the board's connector gives no pictures",
            "カメラコネクタのカメラを使えません"
        )
    };
    if !facts.rpicam {
        let what = say!(
            "\"camera.source\" is \"rpicam\", and rpicam-vid is not installed",
            "\"camera.source\" は \"rpicam\" ですが、rpicam-vid がありません"
        );
        let mend = "sudo apt install rpicam-apps".to_owned();
        return vec![finding!(
            Problem, "rpicam-absent",
            what: what,
            why: why(),
            mend: mend,
        )];
    }
    if !facts.rpicam_allowed {
        let what = say!(
            "the unit does not let the service at the camera connector (no DeviceAllow=char-media)",
            "ユニットがカメラコネクタの使用を許可していません（DeviceAllow=char-media なし）"
        );
        let mend = "sudo mkdir -p /etc/systemd/system/facetap.service.d && \
            sudo cp /usr/share/facetap/dropins/rpicam.conf /etc/systemd/system/facetap.service.d/ && \
            sudo systemctl daemon-reload && sudo systemctl restart facetap"
            .to_owned();
        return vec![finding!(
            Problem, "rpicam-sandbox",
            what: what,
            why: why(),
            mend: mend,
        )];
    }
    Vec::new()
}
