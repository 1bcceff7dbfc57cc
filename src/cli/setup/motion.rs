//! Steps in which the mount moves and the camera looks: directions, delay and field of view.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;

use super::ask::Left;
use super::{Outcome, Work, ask, done};
use crate::cli::{complain, env, print};
use crate::config;
use crate::follow::calibrate::axes::title;
use crate::follow::calibrate::calibrate;
use crate::follow::calibrate::direction::{Way, watch};
use crate::follow::control::Axis;
use crate::follow::delay::Kept;
use crate::follow::servo::mount::configured;
use crate::say;

/// Says what is about to happen; a person may say no.
fn warn(work: &Work) -> Result<()> {
    let what = say!(
        "The mount moves a few degrees, slowly. Is nothing in its way, and the room before the camera still and light?",
        "マウントが数度だけゆっくり動きます。可動範囲に物がなく、カメラの前が明るく静止していますか?"
    );
    if work.is_alone() || ask::yes(&what, true)? {
        Ok(())
    } else {
        bail!(say!("nothing was moved", "動かしていません"))
    }
}

pub(super) fn directions(work: &mut Work, _: &Value) -> Result<Outcome> {
    warn(work)?;
    let mut troubles = Vec::new();
    let axes: Vec<Axis> = configured(&work.config()?.servo.axes)
        .map(|(axis, _)| axis)
        .collect();
    for axis in axes {
        match direction(work, axis) {
            Ok(said) => print(said),
            Err(why) if why.is::<Left>() || work.stop.requested() => return Err(why),
            Err(why) => {
                let name = title(axis);
                complain(&format!("{name}: {why:#}"));
                troubles.push(name);
            }
        }
    }
    if troubles.is_empty() {
        return Ok(done(say!(
            "all axes turn as they should",
            "すべての軸の回転方向を確認しました"
        )));
    }
    let troubles = troubles.join(", ");
    Ok(Outcome::Failed(say!(
        "the direction is not confirmed: {troubles}",
        "回転方向を確認できない軸: {troubles}"
    )))
}

/// Looks which way an axis turns, and puts it right.
fn direction(work: &mut Work, axis: Axis) -> Result<String> {
    let name = title(axis);
    let mut config = work.config()?;
    let mut turned = false;
    loop {
        match watch(&config, axis, &work.clock, &work.stop)? {
            Way::Right if turned => {
                return Ok(say!(
                    "{name}: mounted the other way round; turned over in the configuration and seen to be right",
                    "{name}: 逆向きに取り付けられているため設定で反転し、正しい向きを確認しました"
                ));
            }
            Way::Right => {
                return Ok(say!(
                    "{name}: turns as it should",
                    "{name}: 正しい向きに回転します"
                ));
            }
            Way::Wrong if !turned => {
                let inverted = configured(&config.servo.axes)
                    .any(|(one, limits)| one == axis && limits.invert);
                let key = format!("servo.axes.{}.invert", axis.name());
                work.draft.set(&key, &(!inverted).to_string())?;
                config = work.config()?;
                turned = true;
            }
            Way::Wrong => bail!(say!(
                "the picture moves now one way, now the other; is somebody before the camera?",
                "画像の動く向きが一定しません。カメラの前に人がいませんか?"
            )),
            Way::Unseen => bail!(say!(
                "the camera does not see the movement: is it on this mount, is the lens free, the room light?",
                "カメラで動きを確認できません。カメラがこのマウントに付いているか、レンズと照明を確認してください"
            )),
        }
    }
}

pub(super) fn delay(work: &mut Work, _: &Value) -> Result<Outcome> {
    warn(work)?;
    let config = work.config()?;
    let made = calibrate(&config, &Arc::clone(&work.clock), &work.stop)?;
    let (delay, fov) = (made.found.delay, made.found.fov);
    if !fov.covers(config.camera.fov_degrees) {
        work.draft
            .set("camera.fov_degrees", &format!("{:.1}", fov.value))?;
    }
    if config.camera.latency_ms.milliseconds().is_some() {
        // What is measured goes before what somebody once wrote there.
        work.draft.set("camera.latency_ms", "auto")?;
    }
    let kept = Kept::new(&config::data_dir(&config, &env), &config.camera);
    kept.save(Duration::from_secs_f64(delay.value))?;
    Ok(done(say!(
        "delay {:.0} ms, give or take {:.0}; field of view {:.1} degrees, give or take {:.1}",
        "遅延 {:.0} ms ± {:.0}、水平画角 {:.1} 度 ± {:.1}",
        delay.value * 1e3,
        delay.within * 1e3,
        fov.value,
        fov.within
    )))
}
