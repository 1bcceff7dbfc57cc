//! Every key of the configuration: what it may be, and what it means.

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Whole(i64, i64),
    /// A number.
    Number(f64, f64),
    /// A text that is not empty, without control characters.
    Text,
    /// A path.
    Path,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// One of these numbers.
    OneOfNumbers(&'static [i64]),
    /// An address that begins with one of these schemes.
    Url(&'static [&'static str]),
    /// `host:port`.
    Socket,
    /// A whole number or a text that is not empty.
    NumberOrText(i64, i64),
    /// A text that is not empty, or a list of such.
    TextOrTexts,
    /// An object; its keys follow with its own path before them.
    Group,
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Path from the top, joined with dots.
    pub path: &'static str,
    /// What is allowed.
    pub kind: Kind,
    /// Whether `null` is allowed too.
    pub null: bool,
    /// What it is for.
    pub meaning: &'static str,
    /// Whether the feature exists in this version.
    pub built: bool,
}

const fn key(path: &'static str, kind: Kind, meaning: &'static str) -> Key {
    Key {
        path,
        kind,
        null: false,
        meaning,
        built: true,
    }
}

impl Key {
    const fn or_null(mut self) -> Self {
        self.null = true;
        self
    }

    const fn later(mut self) -> Self {
        self.built = false;
        self
    }

    /// The last part of the path.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }

    /// What is allowed, for people.
    #[must_use]
    pub fn allowed(&self) -> String {
        let text = match self.kind {
            Kind::Bool => "true or false".to_owned(),
            Kind::Whole(min, max) => format!("a whole number from {min} to {max}"),
            Kind::Number(min, max) => format!("a number from {min} to {max}"),
            Kind::Text => "a text that is not empty".to_owned(),
            Kind::Path => "a path".to_owned(),
            Kind::OneOf(choices) => choices
                .iter()
                .map(|c| format!("\"{c}\""))
                .collect::<Vec<_>>()
                .join(", "),
            Kind::OneOfNumbers(choices) => choices
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", "),
            Kind::Url(schemes) => format!(
                "an address that begins with {}",
                schemes
                    .iter()
                    .map(|s| format!("{s}://"))
                    .collect::<Vec<_>>()
                    .join(" or ")
            ),
            Kind::Socket => "an address and a port such as \"127.0.0.1:8780\"".to_owned(),
            Kind::NumberOrText(min, max) => {
                format!("a whole number from {min} to {max} or a text that is not empty")
            }
            Kind::TextOrTexts => "a text or a list of texts, none of them empty".to_owned(),
            Kind::Group => "an object { ... }".to_owned(),
        };
        if self.null {
            format!("{text}, or null")
        } else {
            text
        }
    }
}

/// Bit rates that STS servos can be set to (register 6 of the memory table), and those of the other
/// protocols that will follow.
const BAUDS: &[i64] = &[
    9_600, 19_200, 38_400, 57_600, 76_800, 115_200, 128_000, 250_000, 500_000, 1_000_000,
    2_000_000, 3_000_000, 4_000_000,
];

/// A day in seconds.
const DAY: f64 = 86_400.0;

/// The keys, parents before children, in the order of the interface.
pub const KEYS: &[Key] = &[
    key(
        "server_url",
        Kind::Url(&["http", "https"]),
        "attendance server; without it taps stay in the ledger",
    )
    .or_null(),
    key(
        "retry_interval",
        Kind::Number(1.0, DAY),
        "longest pause in seconds between delivery attempts",
    ),
    key(
        "terminal_id",
        Kind::Text,
        "name of this device at the server; by default its MAC address",
    )
    .or_null(),
    key(
        "auth_token_file",
        Kind::Path,
        "file with a bearer token for the server",
    )
    .or_null(),
    key(
        "ca_file",
        Kind::Path,
        "own certificate authority (PEM) for HTTPS",
    )
    .or_null(),
    key(
        "language",
        Kind::OneOf(&["en", "ja"]),
        "language of log and output; by default that of the locale",
    )
    .or_null(),
    key("data_dir", Kind::Path, "folder of ledger and state").or_null(),
    key("log", Kind::Group, "the log file"),
    key(
        "log.file",
        Kind::Path,
        "the file; a relative one lies in $LOGS_DIRECTORY, else in the current folder",
    ),
    key(
        "log.level",
        Kind::OneOf(&["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]),
        "least severe level that is written",
    ),
    key(
        "log.max_mb",
        Kind::Number(0.01, 1024.0),
        "size in MiB at which the file is rotated",
    ),
    key(
        "log.keep",
        Kind::Whole(0, 100),
        "rotated files that are kept beside the current one",
    ),
    key("camera", Kind::Group, "the camera"),
    key("camera.enabled", Kind::Bool, "whether there is one"),
    key(
        "camera.source",
        Kind::NumberOrText(0, 255),
        "\"auto\", a number, a device path, a file, an http:// MJPEG stream, \"simulated\" or \"rpicam\"",
    ),
    key(
        "camera.width",
        Kind::Whole(160, 4096),
        "width in pixels that is asked for",
    ),
    key(
        "camera.height",
        Kind::Whole(120, 3072),
        "height in pixels that is asked for",
    ),
    key(
        "camera.fps",
        Kind::Number(1.0, 240.0),
        "frames a second that are asked for",
    ),
    key(
        "camera.fov_degrees",
        Kind::Number(10.0, 220.0),
        "horizontal field of view in degrees",
    ),
    key(
        "camera.lens",
        Kind::OneOf(&["rectilinear", "fisheye"]),
        "projection of the lens",
    ),
    key(
        "camera.errors_before_reinit",
        Kind::Whole(1, 1000),
        "errors in a row after which the camera is opened anew",
    ),
    key(
        "camera.stall_seconds",
        Kind::Number(0.5, 60.0),
        "seconds without a fresh picture after which the camera is opened anew",
    ),
    key(
        "camera.repeat",
        Kind::Bool,
        "whether a file begins again at its end",
    ),
    key("detector", Kind::Group, "the face detector"),
    key(
        "detector.kind",
        Kind::OneOf(&["auto", "yunet", "haar"]),
        "auto takes YuNet where a fitting model is found, else Haar",
    ),
    key(
        "detector.model_dir",
        Kind::Path,
        "folder of the YuNet models",
    )
    .or_null(),
    key(
        "detector.min_face",
        Kind::Whole(16, 2000),
        "smallest face in pixels of the full picture",
    ),
    key("tracking", Kind::Group, "how a face is followed"),
    key(
        "tracking.home_after",
        Kind::Number(1.0, DAY),
        "seconds without a face until the servos go home and are released",
    ),
    key(
        "tracking.dead_zone_degrees",
        Kind::Number(0.0, 20.0),
        "pan and tilt: an offset up to this is left alone",
    ),
    key(
        "tracking.dead_zone_roll_degrees",
        Kind::Number(0.0, 45.0),
        "roll: an inclination up to this is left alone",
    ),
    key(
        "tracking.gain",
        Kind::Number(0.05, 1.0),
        "part of the remaining angle that is closed in 0.1 s",
    ),
    key(
        "tracking.max_speed_degrees",
        Kind::Number(1.0, 360.0),
        "highest speed of an axis in degrees a second",
    ),
    key(
        "tracking.max_acceleration_degrees",
        Kind::Number(10.0, 5000.0),
        "highest acceleration of an axis in degrees a second squared",
    ),
    key("servo", Kind::Group, "the servos"),
    key("servo.enabled", Kind::Bool, "whether there are any"),
    key(
        "servo.port",
        Kind::Text,
        "serial port: \"auto\", a path, or \"simulated\"",
    ),
    key("servo.baud", Kind::OneOfNumbers(BAUDS), "bits a second"),
    key(
        "servo.protocol",
        Kind::OneOf(&["sts", "scs", "maestro", "dynamixel"]),
        "what the servos speak",
    ),
    key("servo.axes", Kind::Group, "the axes; roll may be left out"),
    key("servo.axes.pan", Kind::Group, "left and right"),
    key(
        "servo.axes.pan.id",
        Kind::Whole(0, 253),
        "number on the bus",
    ),
    key(
        "servo.axes.pan.min",
        Kind::Number(-180.0, 0.0),
        "lowest angle in degrees",
    ),
    key(
        "servo.axes.pan.max",
        Kind::Number(0.0, 180.0),
        "highest angle in degrees",
    ),
    key(
        "servo.axes.pan.invert",
        Kind::Bool,
        "whether the servo is mounted the other way round",
    ),
    key("servo.axes.roll", Kind::Group, "inclination").or_null(),
    key(
        "servo.axes.roll.id",
        Kind::Whole(0, 253),
        "number on the bus",
    ),
    key(
        "servo.axes.roll.min",
        Kind::Number(-180.0, 0.0),
        "lowest angle in degrees",
    ),
    key(
        "servo.axes.roll.max",
        Kind::Number(0.0, 180.0),
        "highest angle in degrees",
    ),
    key(
        "servo.axes.roll.invert",
        Kind::Bool,
        "whether the servo is mounted the other way round",
    ),
    key("servo.axes.tilt", Kind::Group, "up and down"),
    key(
        "servo.axes.tilt.id",
        Kind::Whole(0, 253),
        "number on the bus",
    ),
    key(
        "servo.axes.tilt.min",
        Kind::Number(-180.0, 0.0),
        "lowest angle in degrees",
    ),
    key(
        "servo.axes.tilt.max",
        Kind::Number(0.0, 180.0),
        "highest angle in degrees",
    ),
    key(
        "servo.axes.tilt.invert",
        Kind::Bool,
        "whether the servo is mounted the other way round",
    ),
    key("cards", Kind::Group, "the card readers"),
    key("cards.enabled", Kind::Bool, "whether there are any"),
    key(
        "cards.readers",
        Kind::TextOrTexts,
        "\"all\", \"simulated\", or (parts of) the names of those that are used",
    ),
    key(
        "cards.repeat_seconds",
        Kind::Number(10.0, 3600.0),
        "the same card is counted once in this time",
    ),
    key("attendance", Kind::Group, "what is recorded about a tap"),
    key("attendance.roster", Kind::Path, "CSV of UID and name")
        .or_null()
        .later(),
    key(
        "attendance.require_face",
        Kind::Bool,
        "whether a tap without a face in view is marked for review",
    )
    .later(),
    key(
        "attendance.keep_days",
        Kind::Whole(1, 36_500),
        "days that delivered taps are kept",
    )
    .later(),
    key("gpio", Kind::Group, "pins, BCM numbers; null turns one off"),
    key("gpio.buzzer", Kind::Whole(0, 27), "buzzer")
        .or_null()
        .later(),
    key("gpio.red", Kind::Whole(0, 27), "red LED")
        .or_null()
        .later(),
    key("gpio.green", Kind::Whole(0, 27), "green LED").or_null(),
    key("gpio.blue", Kind::Whole(0, 27), "blue LED")
        .or_null()
        .later(),
    key("monitor", Kind::Group, "the resource monitor"),
    key(
        "monitor.interval",
        Kind::Number(0.1, DAY),
        "seconds between two lines",
    ),
    key(
        "monitor.rss_limit_mb",
        Kind::Number(16.0, 1_048_576.0),
        "limit of resident memory in MiB; by default the smaller of 600 and half of the memory",
    )
    .or_null()
    .later(),
    key(
        "monitor.rss_warn_mb",
        Kind::Number(1.0, 1_048_576.0),
        "resident memory in MiB above which the log warns",
    ),
    key(
        "monitor.system_memory_warn_percent",
        Kind::Number(1.0, 100.0),
        "use of the system's memory above which the log warns",
    ),
    key(
        "restart_hours",
        Kind::Number(0.0, 8760.0),
        "planned restart at an idle moment every so many hours; 0 for never",
    )
    .later(),
    key("web", Kind::Group, "status page and metrics; null for none")
        .or_null()
        .later(),
    key("web.listen", Kind::Socket, "address and port")
        .or_null()
        .later(),
    key("mqtt", Kind::Group, "MQTT broker").or_null().later(),
    key("mqtt.url", Kind::Url(&["mqtt", "mqtts"]), "the broker").later(),
    key("mqtt.topic", Kind::Text, "first part of every topic").later(),
    key(
        "lcd_settings",
        Kind::Group,
        "LCD, as in the old client's file",
    )
    .later(),
    key(
        "lcd_settings.i2c_addr",
        Kind::Whole(0x03, 0x77),
        "address on the bus",
    )
    .later(),
    key(
        "lcd_settings.i2c_bus",
        Kind::Whole(0, 255),
        "number of the bus",
    )
    .later(),
    key(
        "lcd_settings.backlight",
        Kind::Bool,
        "whether the light behind is on",
    )
    .later(),
    key(
        "beep_settings",
        Kind::Group,
        "buzzer, as in the old client's file",
    )
    .later(),
    key("beep_settings.enabled", Kind::Bool, "any sound at all").later(),
    key("beep_settings.card_read", Kind::Bool, "a card was read").later(),
    key("beep_settings.success", Kind::Bool, "a tap was counted").later(),
    key("beep_settings.fail", Kind::Bool, "a tap failed").later(),
    key("memory_monitor", Kind::Group, "the old client's memory log").later(),
    key(
        "memory_monitor.enabled",
        Kind::Bool,
        "whether it is written",
    )
    .later(),
    key(
        "memory_monitor.interval",
        Kind::Number(1.0, DAY),
        "seconds between two lines",
    )
    .later(),
    key(
        "memory_monitor.tracemalloc",
        Kind::Bool,
        "whether the largest allocation sites are listed",
    )
    .later(),
];

/// The key with this path.
#[must_use]
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|k| k.path == path)
}

/// The keys directly below `group` (`""` for the top).
pub fn children(group: &str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |k| match k.path.rsplit_once('.') {
        Some((parent, _)) => parent == group,
        None => group.is_empty(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use serde_json::Value;

    fn leaves(prefix: &str, value: &Value, into: &mut Vec<String>) {
        if let Value::Object(map) = value {
            for (name, inner) in map {
                let path = if prefix.is_empty() {
                    name.clone()
                } else {
                    format!("{prefix}.{name}")
                };
                into.push(path.clone());
                leaves(&path, inner, into);
            }
        }
    }

    #[test]
    fn table_and_types_name_the_same_keys() {
        let mut config = Config::default();
        config.mqtt = Some(crate::config::Mqtt {
            url: "mqtt://x".into(),
            topic: "t".into(),
        });
        let mut paths = Vec::new();
        leaves("", &serde_json::to_value(config).unwrap(), &mut paths);
        let mut table: Vec<_> = KEYS.iter().map(|k| k.path.to_owned()).collect();
        paths.sort();
        table.sort();
        assert_eq!(paths, table);
    }
}
