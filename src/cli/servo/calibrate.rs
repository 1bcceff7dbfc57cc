//! `facetap servo calibrate`: the delay of the camera and its field of view.

use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;

use super::Common;
use crate::base::clock::{Clock, SystemClock};
use crate::base::proc;
use crate::base::signals;
use crate::base::stop::Stop;
use crate::base::text::{self, Language};
use crate::base::threads::Threads;
use crate::cli::{DONE, FAILED, complain, env, prepare_libraries, print};
use crate::config::{self, Loaded};
use crate::follow::calibrate::{Calibration, calibrate};
use crate::follow::delay::Kept;
use crate::follow::servo::protocol;
use crate::say;
use crate::watch::health::state;

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Nobody needs to stand before the camera; it needs something to see that stands still. The pan axis goes 3 degrees to either side of where it stands, at 15 degrees/s at most, within its limits; the torque is off in the end, at Ctrl-C, too.\n\nExamples:\n  sudo systemctl stop facetap && sudo facetap servo calibrate && sudo systemctl start facetap\n  facetap servo calibrate --config config.json --json"
)]
pub(in crate::cli) struct CalibrateOptions {
    #[command(flatten)]
    pub common: Common,
}

pub(super) fn measure(options: &CalibrateOptions) -> Result<u8> {
    let mut loaded = config::load(options.common.config.as_deref(), &env)?;
    text::speak(loaded.config.language.unwrap_or_else(Language::from_locale));
    if let Some(port) = &options.common.servo_port {
        loaded.config.servo.port.clone_from(port);
    }
    let data_dir = config::data_dir(&loaded.config, &env);
    if let Some((_, service)) = state::find(&data_dir, &env)
        && service.presence() != proc::Presence::Gone
    {
        bail!(say!(
            "the service is running (process {}) and holds camera and servos: stop it (systemctl stop facetap), calibrate, and \
             start it again",
            "サービスが動作中です (プロセス {})。systemctl stop facetap で停止してから実行してください",
            service.pid
        ));
    }
    for (enabled, key) in [
        (loaded.config.camera.enabled, "camera.enabled"),
        (loaded.config.servo.enabled, "servo.enabled"),
    ] {
        if !enabled {
            bail!(say!(
                "\"{key}\" is false, and both camera and servos are needed",
                "\"{key}\" が false です。カメラとサーボの両方が必要です"
            ));
        }
    }
    prepare_libraries();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stop = Stop::new();
    let mut threads = Threads::default();
    signals::watch(&mut threads, &stop, || ())?;
    if !options.common.json {
        let protocol = protocol::of(loaded.config.servo.protocol);
        if let Some(what) = protocol.shortcomings() {
            print(format!("{}: {what}", protocol.name()));
        }
        print(say!(
            "the pan axis moves a few degrees to and fro for ten seconds (Ctrl-C ends it)",
            "パン軸を約10秒間、数度だけ動かします (Ctrl-Cで中断)"
        ));
    }
    let made = calibrate(&loaded.config, &clock, &stop)?;
    let kept = Kept::new(&data_dir, &loaded.config.camera);
    let saved = kept.save(std::time::Duration::from_secs_f64(made.found.delay.value));
    let file = kept.file().display().to_string();
    if options.common.json {
        print(json(&made, &loaded, saved.is_ok().then_some(&file)));
    } else {
        for line in lines(&made, &loaded) {
            print(line);
        }
    }
    match saved {
        Ok(()) => {
            if !options.common.json {
                print(say!(
                    "the delay is kept in {file}, where the service finds it",
                    "遅延を {file} に保存しました。サービスはこの値を使用します"
                ));
            }
            Ok(DONE)
        }
        Err(why) => {
            complain(&say!(
                "the delay is not kept: {why:#}; run this as the user of the service, or write \"latency_ms\": {:.0} into \
                 \"camera\" of the configuration",
                "遅延を保存できません: {why:#}。サービスのユーザーで実行するか、設定の \"camera\" に \"latency_ms\": {:.0} を書いてください",
                made.found.delay.value * 1e3
            ));
            Ok(FAILED)
        }
    }
}

fn json(made: &Calibration, loaded: &Loaded, file: Option<&String>) -> String {
    let tenth = |value: f64| (value * 10.0).round() / 10.0;
    let (delay, fov) = (made.found.delay, made.found.fov);
    json!({
        "delay_ms": tenth(delay.value * 1e3),
        "delay_within_ms": tenth(delay.within * 1e3),
        "fov_degrees": tenth(fov.value),
        "fov_within_degrees": tenth(fov.within),
        "configured_fov_degrees": loaded.config.camera.fov_degrees,
        "configured_latency_ms": loaded.config.camera.latency_ms.milliseconds(),
        "pictures": made.pictures,
        "kept": file,
    })
    .to_string()
}

/// What was found, and what to write where.
fn lines(made: &Calibration, loaded: &Loaded) -> Vec<String> {
    let camera = &loaded.config.camera;
    let (delay, fov) = (made.found.delay, made.found.fov);
    let (ms, within) = (delay.value * 1e3, delay.within * 1e3);
    let mut lines = vec![
        say!(
            "delay: {ms:.0} ms, give or take {within:.0} (camera.latency_ms)",
            "遅延: {ms:.0} ms ± {within:.0} (camera.latency_ms)"
        ),
        say!(
            "field of view: {:.1} degrees, give or take {:.1} (camera.fov_degrees, now {})",
            "水平画角: {:.1} 度 ± {:.1} (camera.fov_degrees、現在 {})",
            fov.value,
            fov.within,
            camera.fov_degrees
        ),
    ];
    let file = loaded.file.as_ref().map_or_else(
        || "/etc/facetap/config.json".to_owned(),
        |f| f.display().to_string(),
    );
    if !fov.covers(camera.fov_degrees) {
        lines.push(say!(
            "write \"fov_degrees\": {:.1} into \"camera\" of {file}",
            "{file} の \"camera\" に \"fov_degrees\": {:.1} と書いてください",
            fov.value
        ));
    }
    if let Some(configured) = camera.latency_ms.milliseconds() {
        lines.push(say!(
            "\"latency_ms\" is {configured} in {file}, which goes before what is measured: write \"auto\" or {ms:.0} instead",
            "{file} の \"latency_ms\" が {configured} のため、測定値は使われません。\"auto\" または {ms:.0} にしてください"
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::calibrate::fit::{Found, Measured};

    #[test]
    fn what_to_write_where_is_told_only_where_something_is_to_be_written() {
        let made = |fov: f64| Calibration {
            found: Found {
                delay: Measured {
                    value: 0.083,
                    within: 0.004,
                },
                fov: Measured {
                    value: fov,
                    within: 0.8,
                },
            },
            pictures: 200,
        };
        let mut loaded = config::load(None, &|_| None).unwrap();
        let text = |made: &Calibration, loaded: &Loaded| lines(made, loaded).join("\n");
        let fine = text(&made(65.4), &loaded);
        assert!(
            fine.contains("delay: 83 ms, give or take 4") && !fine.contains("write"),
            "{fine}"
        );
        let off = text(&made(71.0), &loaded);
        assert!(
            off.contains("write \"fov_degrees\": 71.0 into \"camera\" of /"),
            "{off}"
        );
        loaded.config.camera.latency_ms = config::Latency::Milliseconds(20.0);
        let said = text(&made(65.0), &loaded);
        assert!(said.contains("\"latency_ms\" is 20 in"), "{said}");
        let object = json(&made(65.0), &loaded, None);
        assert!(
            object.contains("\"delay_ms\":83.0") && object.contains("\"kept\":null"),
            "{object}"
        );
    }
}
