//! The defaults, as the interface states them.

use super::*;

pub(super) fn mqtt_topic() -> String {
    "facetap".to_owned()
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server_url: None,
            retry_interval: 600.0,
            terminal_id: None,
            auth_token_file: None,
            ca_file: None,
            language: None,
            data_dir: None,
            log: Log {
                file: "facetap.log".into(),
                level: Level::Info,
                max_mb: 10.0,
                keep: 5,
            },
            camera: Camera {
                enabled: true,
                source: Source::Name("auto".to_owned()),
                width: 640,
                height: 480,
                fps: 30.0,
                fov_degrees: 65.0,
                lens: Lens::Rectilinear,
                errors_before_reinit: 10,
                stall_seconds: 3.0,
                latency_ms: Latency::AUTO,
                repeat: true,
            },
            detector: Detector {
                kind: DetectorKind::Auto,
                model_dir: None,
                min_face: 40,
            },
            tracking: Tracking {
                home_after: 10.0,
                rest_after: 300.0,
                dead_zone_degrees: 1.0,
                dead_zone_roll_degrees: 3.0,
                gain: 0.8,
                max_speed_degrees: 180.0,
                max_acceleration_degrees: 1000.0,
            },
            servo: Servo {
                enabled: true,
                port: "auto".to_owned(),
                baud: 1_000_000,
                protocol: Protocol::Sts,
                // Ids and range of the mount that the old tracker drives.
                axes: Axes {
                    pan: axis(1),
                    roll: Some(axis(2)),
                    tilt: axis(3),
                },
            },
            cards: Cards {
                enabled: true,
                readers: Readers::One("all".to_owned()),
                repeat_seconds: 60.0,
            },
            attendance: Attendance {
                roster: None,
                roster_columns: None,
                require_face: false,
                keep_days: 400,
            },
            gpio: Gpio {
                buzzer: Some(18),
                red: Some(13),
                green: Some(19),
                blue: Some(26),
            },
            monitor: Monitor {
                interval: 300.0,
                rss_limit_mb: None,
                rss_warn_mb: 500.0,
                system_memory_warn_percent: 90.0,
            },
            restart_hours: 0.0,
            web: Some(Web {
                listen: Some("127.0.0.1:8780".to_owned()),
            }),
            mqtt: None,
            lcd_settings: LcdSettings {
                i2c_addr: 0x27,
                i2c_bus: 1,
                backlight: true,
            },
            beep_settings: BeepSettings {
                enabled: true,
                card_read: false,
                success: true,
                fail: true,
            },
            memory_monitor: MemoryMonitor {
                enabled: false,
                interval: 300.0,
                tracemalloc: false,
            },
        }
    }
}

const fn axis(id: u8) -> Axis {
    Axis {
        id,
        min: -50.0,
        max: 50.0,
        invert: false,
    }
}
