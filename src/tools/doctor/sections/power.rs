//! Temperature, throttling and undervoltage.

use std::time::Duration;

use crate::tools::doctor::command;
use crate::tools::doctor::finding::Finding;
use crate::tools::doctor::machine::Machine;
use crate::{finding, say};

/// A Raspberry Pi slows down from here on (its documentation: "soft limit" 60 to 80, hard limit 85).
const HOT: f64 = 80.0;
const ASK: Duration = Duration::from_millis(500);

/// Bits of `get_throttled` (Raspberry Pi documentation, vcgencmd).
const UNDERVOLTAGE: u32 = 1;
const SLOWED: u32 = 1 << 1 | 1 << 2 | 1 << 3;
/// The same bits, since boot.
const SINCE_BOOT: u32 = 16;

/// What is seen.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The hottest sensor, in degrees Celsius.
    pub hottest: Option<f64>,
    /// The firmware's throttling flags.
    pub throttled: Option<u32>,
    /// What the kernel's voltage monitor says now.
    pub low_voltage: Option<bool>,
}

impl Facts {
    /// Looks.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let root = &machine.root;
        let zones = root.names("/sys/class/thermal").into_iter();
        #[allow(clippy::cast_precision_loss)] // thousandths of a degree
        let temperature = |zone: String| {
            let thousandths = root.number(format!("/sys/class/thermal/{zone}/temp"))?;
            zone.starts_with("thermal_zone")
                .then_some(thousandths as f64 / 1000.0)
        };
        let monitors = root.names("/sys/class/hwmon").into_iter();
        let low_voltage = monitors
            .map(|m| format!("/sys/class/hwmon/{m}"))
            .find(|m| root.text(format!("{m}/name")).as_deref() == Some("rpi_volt"))
            .and_then(|m| root.number(format!("{m}/in0_lcrit_alarm")))
            .map(|alarm| alarm != 0);
        let by_command = || {
            if !root.is_live() {
                return None;
            }
            command::output(
                &*machine.clock,
                machine.patience(ASK),
                "vcgencmd",
                &["get_throttled"],
            )
        };
        Self {
            hottest: zones.filter_map(temperature).reduce(f64::max),
            throttled: by_file(machine)
                .or_else(by_command)
                .and_then(|text| flags(&text)),
            low_voltage,
        }
    }
}

/// The file lies at the firmware's device, whose name differs between boards and kernels.
fn by_file(machine: &Machine) -> Option<String> {
    let root = &machine.root;
    let platform = "/sys/devices/platform";
    root.names(platform)
        .iter()
        .filter(|bus| bus.starts_with("soc"))
        .flat_map(|bus| {
            let bus = format!("{platform}/{bus}");
            let devices = root.names(&bus).into_iter();
            devices.map(move |device| format!("{bus}/{device}/get_throttled"))
        })
        .find_map(|file| root.text(file))
}

/// `50005` or `throttled=0x50005`.
fn flags(text: &str) -> Option<u32> {
    let digits = text.trim().rsplit('=').next()?.trim_start_matches("0x");
    u32::from_str_radix(digits, 16).ok()
}

/// Judges.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(degrees) = facts.hottest.filter(|t| *t >= HOT) {
        found.push(finding!(
            Warning, "hot",
            what: "the board has {degrees:.1} °C",
                  "基板の温度は {degrees:.1} °C です",
            why: "from 80 °C on it slows down, and it ages faster",
                 "80 °C 以上では動作が遅くなり、劣化も早まります",
            mend: "a fan or a heat sink, or another place; vcgencmd measure_temp shows it",
                  "ファン・ヒートシンクの追加か設置場所の変更（確認: vcgencmd measure_temp）",
        ));
    }
    let flags = facts.throttled.unwrap_or(0);
    let cable = || {
        say!(
            "use the board's own supply and a short cable, feed servos separately; vcgencmd get_throttled shows it",
            "純正電源と短いケーブルを使い、サーボは別電源にしてください（確認: vcgencmd get_throttled）"
        )
    };
    let why = || {
        say!(
            "undervoltage resets USB devices, corrupts SD cards and slows the board down",
            "電圧低下は USB 機器のリセット、SD カードの破損、動作の低下を招きます"
        )
    };
    if flags & UNDERVOLTAGE != 0 || facts.low_voltage == Some(true) {
        let what = say!(
            "the supply voltage is too low now (flags {flags:#x})",
            "電源電圧が不足しています（フラグ {flags:#x}）"
        );
        found.push(finding!(
            Problem, "undervoltage",
            what: what,
            why: why(),
            mend: cable(),
        ));
    } else if flags >> SINCE_BOOT & UNDERVOLTAGE != 0 {
        let what = say!(
            "the supply voltage was too low since the start of the board (flags {flags:#x})",
            "起動後に電源電圧が不足しました（フラグ {flags:#x}）"
        );
        found.push(finding!(
            Warning, "undervoltage-before",
            what: what,
            why: why(),
            mend: cable(),
        ));
    }
    if flags & SLOWED != 0 {
        found.push(finding!(
            Warning, "throttled",
            what: "the board is slowed down now (flags {flags:#x})",
                  "動作速度が制限されています（フラグ {flags:#x}）",
            why: "fewer pictures a second are looked at, and the servos follow later",
                 "処理できる画像が減り、サーボの追従が遅れます",
            mend: "cool it, and see to its supply; vcgencmd get_throttled shows it",
                  "冷却と電源を確認してください（確認: vcgencmd get_throttled）",
        ));
    }
    found
}
