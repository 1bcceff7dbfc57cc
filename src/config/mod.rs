//! The configuration: one JSON file, every key with a default, every mistake named.
//!
//! [`schema`] lists the keys with what is allowed, [`load`] reads and checks a file, and the types here
//! are what the rest of the program sees. Defaults stand in one place: the `Default` implementations.

pub mod address;
mod default;
mod document;
pub mod edit;
mod example;
mod json;
mod json_schema;
mod key;
mod keys;
mod live;
mod load;
mod nearest;
mod parse;
mod paths;
pub mod schema;
mod slips;
pub mod values;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use document::document;
pub use example::example;
pub use json_schema::json_schema;
pub use live::{Applied, Live};
pub use load::{ConfigError, Loaded, file_of, load, read};
pub use nearest::nearest;
pub use parse::{MAX_PIXELS, parse};
pub use paths::{data_dir, data_dir_to_read, log_file};

use crate::base::text::Language;

/// The whole configuration. Times are seconds and angles degrees, as in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Attendance server; without it taps stay in the ledger.
    pub server_url: Option<String>,
    /// Longest pause between delivery attempts, in seconds.
    pub retry_interval: f64,
    /// Name of this device at the server; the MAC address if none is given.
    pub terminal_id: Option<String>,
    /// File with a bearer token.
    pub auth_token_file: Option<PathBuf>,
    /// Own certificate authority (PEM) for HTTPS.
    pub ca_file: Option<PathBuf>,
    /// Language of log and output; from the locale if none is given.
    pub language: Option<Language>,
    /// Folder of ledger and state.
    pub data_dir: Option<PathBuf>,
    /// The log file.
    pub log: Log,
    /// The camera.
    pub camera: Camera,
    /// The face detector.
    pub detector: Detector,
    /// How a face is followed.
    pub tracking: Tracking,
    /// The servos.
    pub servo: Servo,
    /// The card readers.
    pub cards: Cards,
    /// What is recorded about a tap.
    pub attendance: Attendance,
    /// Pins of buzzer and LEDs, BCM numbers.
    pub gpio: Gpio,
    /// The resource monitor.
    pub monitor: Monitor,
    /// Planned restart every so many hours; 0 for never.
    pub restart_hours: f64,
    /// Status page and metrics.
    pub web: Option<Web>,
    /// MQTT broker.
    pub mqtt: Option<Mqtt>,
    /// LCD, as in the old client's file.
    pub lcd_settings: LcdSettings,
    /// Buzzer, as in the old client's file.
    pub beep_settings: BeepSettings,
    /// The old client's memory log.
    pub memory_monitor: MemoryMonitor,
}

/// The log file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// The file; a relative one lies in `$LOGS_DIRECTORY`, else in the current folder.
    pub file: PathBuf,
    /// Least severe level that is written.
    pub level: Level,
    /// Size in MiB at which the file is rotated.
    pub max_mb: f64,
    /// Rotated files that are kept beside the current one.
    pub keep: usize,
}

/// Severity of a log line, by the names of interface and old programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "UPPERCASE")]
#[value(rename_all = "UPPER")]
pub enum Level {
    /// Everything.
    Debug,
    /// What happens.
    Info,
    /// What may need attention.
    Warning,
    /// What failed.
    Error,
    /// The process is about to end; as a filter it shows ERROR and CRITICAL.
    Critical,
}

/// The camera.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Camera {
    /// Whether there is one.
    pub enabled: bool,
    /// Where pictures come from.
    pub source: Source,
    /// Width in pixels that is asked for.
    pub width: u32,
    /// Height in pixels that is asked for.
    pub height: u32,
    /// Frames a second that are asked for.
    pub fps: f64,
    /// Horizontal field of view in degrees.
    pub fov_degrees: f64,
    /// Projection of the lens.
    pub lens: Lens,
    /// Errors in a row after which the camera is closed and opened again.
    pub errors_before_reinit: u32,
    /// Seconds without a fresh picture after which the camera is closed and opened again.
    pub stall_seconds: f64,
    /// The delay from exposure to arrival, or that it is to be learned.
    pub latency_ms: Latency,
    /// Whether a file begins again at its end.
    pub repeat: bool,
}

/// `camera.source`: a number, or `"auto"`, a path, an address, `"simulated"`, `"rpicam"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Source {
    /// `/dev/videoN`.
    Number(u32),
    /// Everything else.
    Name(String),
}

/// `camera.latency_ms`: `"auto"` or a number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Latency {
    /// It is so many milliseconds.
    Milliseconds(f64),
    /// It is learned while the mount moves, and kept.
    Learned(Auto),
}

/// The word `"auto"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auto {
    /// `"auto"`.
    Auto,
}

impl Latency {
    /// `"auto"`.
    pub const AUTO: Self = Self::Learned(Auto::Auto);

    /// The number, if it is one.
    #[must_use]
    pub const fn milliseconds(self) -> Option<f64> {
        match self {
            Self::Milliseconds(ms) => Some(ms),
            Self::Learned(Auto::Auto) => None,
        }
    }
}

/// Projection of a lens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lens {
    /// Straight lines stay straight.
    Rectilinear,
    /// Equidistant: the angle grows evenly with the distance from the centre.
    Fisheye,
}

/// The face detector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detector {
    /// Which one.
    pub kind: DetectorKind,
    /// Folder of the YuNet models.
    pub model_dir: Option<PathBuf>,
    /// Smallest face in pixels of the full picture.
    pub min_face: u32,
}

/// `detector.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DetectorKind {
    /// YuNet where a fitting model is found, else Haar.
    Auto,
    /// YuNet or nothing.
    Yunet,
    /// Haar cascade.
    Haar,
}

/// How a face is followed. Speeds are degrees a second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tracking {
    /// Seconds without a face until the servos go home and are released.
    pub home_after: f64,
    /// Seconds that a face that does not move holds the mount.
    pub rest_after: f64,
    /// Pan and tilt: an offset up to this is left alone.
    pub dead_zone_degrees: f64,
    /// Roll: an inclination up to this is left alone.
    pub dead_zone_roll_degrees: f64,
    /// Part of the remaining angle that is closed in one control period of 0.1 s, 0 to 1.
    pub gain: f64,
    /// Highest speed of an axis.
    pub max_speed_degrees: f64,
    /// Highest acceleration of an axis, in degrees a second squared.
    pub max_acceleration_degrees: f64,
}

/// The servos.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Servo {
    /// Whether there are any.
    pub enabled: bool,
    /// Serial port: `"auto"`, a path, or `"simulated"`.
    pub port: String,
    /// Bits a second.
    pub baud: u32,
    /// What the servos speak.
    pub protocol: Protocol,
    /// The axes.
    pub axes: Axes,
}

/// `servo.protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Feetech STS.
    Sts,
    /// Feetech SCS.
    Scs,
    /// Pololu Maestro.
    Maestro,
    /// A Maestro or another controller, on a line that goes one way.
    #[serde(rename = "mini-ssc")]
    MiniSsc,
    /// Dynamixel 2.0.
    Dynamixel,
}

impl Protocol {
    /// The bit rate of its servos as delivered: `servo.baud` where that is not given. A Maestro takes any by USB; by wires it
    /// finds out the rate by itself, up to this one.
    #[must_use]
    pub const fn usual_baud(self) -> u32 {
        match self {
            Self::Sts | Self::Scs => 1_000_000,
            Self::Maestro => 115_200,
            Self::MiniSsc => 9_600,
            Self::Dynamixel => 57_600,
        }
    }

    /// The highest number that an axis can have, and what it is.
    #[must_use]
    pub const fn highest_id(self) -> (u8, &'static str) {
        match self {
            Self::Sts | Self::Scs => (253, "the servo's id"),
            Self::MiniSsc => (253, "the channel of the controller"),
            Self::Maestro => (23, "the channel of the controller"),
            Self::Dynamixel => (252, "the servo's id"),
        }
    }
}

/// The axes of the mount.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axes {
    /// Left and right.
    pub pan: Axis,
    /// Inclination; may be left out.
    pub roll: Option<Axis>,
    /// Up and down.
    pub tilt: Axis,
}

/// One servo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// Its number on the bus.
    pub id: u8,
    /// Lowest angle in degrees, not above 0.
    pub min: f64,
    /// Highest angle in degrees, not below 0.
    pub max: f64,
    /// Whether the servo is mounted the other way round.
    pub invert: bool,
}

/// The card readers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cards {
    /// Whether there are any.
    pub enabled: bool,
    /// Which of them are used.
    pub readers: Readers,
    /// The same card is counted once in this many seconds.
    pub repeat_seconds: f64,
}

/// `cards.readers`: `"all"`, `"simulated"`, a name or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Readers {
    /// `"all"`, `"simulated"` or the (part of the) name of one reader.
    One(String),
    /// Names, or parts of names, of several.
    Several(Vec<String>),
}

/// What is recorded about a tap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attendance {
    /// CSV of UID and name.
    pub roster: Option<PathBuf>,
    /// Its columns, where they are not found right.
    pub roster_columns: Option<RosterColumns>,
    /// Whether a tap without a face in view is marked for review.
    pub require_face: bool,
    /// Days that delivered taps are kept.
    pub keep_days: u32,
}

/// Columns of the roster; each that is none is found by headings and contents.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RosterColumns {
    /// The card's number.
    pub card: Option<ColumnName>,
    /// The person's name.
    pub name: Option<ColumnName>,
    /// The number of the employee.
    pub employee: Option<ColumnName>,
    /// The day from which the line holds.
    pub from: Option<ColumnName>,
    /// When the person's day begins.
    pub day_begins: Option<ColumnName>,
}

/// A column by its number, from 1, or by its heading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ColumnName {
    /// The number.
    Number(u8),
    /// The heading.
    Heading(String),
}

impl std::fmt::Display for ColumnName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(n) => write!(f, "{n}"),
            Self::Heading(heading) => write!(f, "\"{heading}\""),
        }
    }
}

/// Pins, BCM numbers; none is off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpio {
    /// Buzzer.
    pub buzzer: Option<u8>,
    /// Red LED.
    pub red: Option<u8>,
    /// Green LED.
    pub green: Option<u8>,
    /// Blue LED.
    pub blue: Option<u8>,
}

/// The resource monitor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Monitor {
    /// Seconds between two lines.
    pub interval: f64,
    /// Limit of resident memory in MiB; the smaller of 600 and half of the memory if none is given.
    pub rss_limit_mb: Option<f64>,
    /// Resident memory in MiB above which the log warns.
    pub rss_warn_mb: f64,
    /// Use of the system's memory in per cent above which the log warns.
    pub system_memory_warn_percent: f64,
}

/// Status page and metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Web {
    /// Address and port; none for no page.
    pub listen: Option<String>,
}

/// MQTT broker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mqtt {
    /// `mqtt://host:1883`.
    pub url: String,
    /// First part of every topic.
    #[serde(default = "default::mqtt_topic")]
    pub topic: String,
}

/// LCD 1602 behind a PCF8574.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LcdSettings {
    /// Address on the bus.
    pub i2c_addr: u8,
    /// Number of the bus.
    pub i2c_bus: u8,
    /// Whether the light behind is on.
    pub backlight: bool,
}

/// Which events the buzzer tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeepSettings {
    /// Any at all.
    pub enabled: bool,
    /// A card was read.
    pub card_read: bool,
    /// A tap was counted.
    pub success: bool,
    /// A tap failed.
    pub fail: bool,
}

/// The old client's memory log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryMonitor {
    /// Whether it is written.
    pub enabled: bool,
    /// Seconds between two lines.
    pub interval: f64,
    /// Whether the largest allocation sites are listed.
    pub tracemalloc: bool,
}
