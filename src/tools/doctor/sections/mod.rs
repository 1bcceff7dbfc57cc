//! What is looked at, one file a section: facts are gathered from a machine, and judged by a pure function.

pub mod board;
pub mod cameras;
pub mod clock;
pub mod configuration;
pub mod crash;
pub mod disk;
pub mod kernel;
pub mod ledger;
pub mod logs;
pub mod memory;
pub mod pcscd;
pub mod ports;
pub mod power;
pub mod readers;
pub mod server;
pub mod service;
pub mod system;
pub mod unit;

use std::time::Duration;

use super::finding::Finding;
use super::machine::Machine;
use super::probe::{Looked, Probe};

/// For what only reads small files.
const FILES: Duration = Duration::from_millis(1000);
/// For what asks somebody: `systemctl`, the server, the daemon, SQLite.
const ASKING: Duration = Duration::from_millis(1200);

/// The longest that looking at everything may take.
#[must_use]
pub fn longest() -> Duration {
    all().iter().map(|p| p.limit).max().unwrap_or_default()
}

/// All sections, in the order in which they are shown.
#[must_use]
pub fn all() -> Vec<Probe> {
    macro_rules! probe {
        ($name:ident, $limit:expr) => {
            probe!($name, $limit, None)
        };
        ($name:ident, $limit:expr, $hung:expr) => {
            Probe {
                name: stringify!($name),
                limit: $limit,
                look: |machine| Looked::at(&$name::Facts::of(machine), |f| $name::findings(f)),
                hung: $hung,
            }
        };
    }
    type Hung = fn(&Machine, Duration) -> Finding;
    let (server_hung, pcscd_hung): (Hung, Hung) = (server::hung, pcscd::hung);
    vec![
        probe!(system, FILES),
        probe!(memory, FILES),
        probe!(disk, FILES),
        probe!(power, FILES),
        probe!(kernel, FILES),
        probe!(configuration, FILES),
        probe!(cameras, FILES),
        probe!(ports, FILES),
        probe!(readers, FILES),
        probe!(pcscd, ASKING, Some(pcscd_hung)),
        probe!(clock, FILES),
        probe!(server, FILES, Some(server_hung)),
        probe!(ledger, ASKING),
        probe!(service, FILES),
        probe!(unit, ASKING),
        probe!(board, ASKING),
        probe!(logs, FILES),
        probe!(crash, FILES),
    ]
}

/// The title of a section, for people.
#[must_use]
pub fn title(name: &str) -> String {
    use crate::say;
    match name {
        "system" => say!("system", "システム"),
        "memory" => say!("memory", "メモリ"),
        "disk" => say!("disk", "ディスク"),
        "power" => say!("power", "温度・電源"),
        "kernel" => say!("kernel", "カーネル"),
        "configuration" => say!("configuration", "設定"),
        "cameras" => say!("camera", "カメラ"),
        "ports" => say!("serial port", "シリアルポート"),
        "readers" => say!("readers", "リーダー"),
        "pcscd" => say!("pcscd", "pcscd"),
        "clock" => say!("clock", "時計"),
        "server" => say!("server", "サーバー"),
        "ledger" => say!("ledger", "台帳"),
        "service" => say!("service", "サービス"),
        "unit" => say!("unit", "ユニット"),
        "board" => say!("board", "基板"),
        "logs" => say!("log", "ログ"),
        "crash" => say!("crash", "クラッシュ"),
        other => other.to_owned(),
    }
}
