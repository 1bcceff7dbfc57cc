//! The step in which where the mount stands becomes straight ahead.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::{Outcome, Work, ask};
use crate::cli::servo::{Common, Session, place};
use crate::cli::{complain, print};
use crate::follow::calibrate::axes::title;
use crate::follow::servo::commission::turn;
use crate::follow::servo::mount::configured;
use crate::say;

pub(super) fn neutral(work: &mut Work, _: &Value) -> Result<Outcome> {
    let config = work.config()?;
    let session = Session::begin(&common(work))?;
    let mut before = Vec::new();
    let mut lacks = Vec::new();
    for (axis, limits) in configured(&config.servo.axes) {
        let name = title(axis);
        let question = say!(
            "Turn {name} straight ahead by hand. Does where it stands become its centre, permanently?",
            "{name} を手で正面に向けてください。その位置を中心にしますか（不揮発メモリー）?"
        );
        if !work.is_alone() && !ask::yes(&question, true)? {
            continue;
        }
        let (mut bus, servo) = session.find(limits.id)?;
        // By hand it turns only without torque.
        bus.torque(servo.id, false)?;
        let Some(offset) = servo.table.offset else {
            lacks.push(name);
            continue;
        };
        let now = offset.place.of(&servo.memory).unwrap_or_default();
        let position = bus.read_axis(servo.id)?.position.0;
        let centre = servo.protocol.scale().centre;
        let Some(new) = turn::offset_for(&offset, now, position, centre) else {
            bail!("{name}: {}", place::too_far(&offset));
        };
        if new != now {
            place::write(&mut bus, &servo, &offset, new)?;
            before.push(json!({"id": servo.id, "offset": now}));
        }
        print(say!(
            "{name}: correction {new} steps (it was {now})",
            "{name}: 補正値 {new}（変更前 {now}）"
        ));
    }
    if !lacks.is_empty() {
        let lacks = lacks.join(", ");
        complain(&say!(
            "{lacks}: this family has no correction; put the horn on straight",
            "{lacks}: 位置補正のない系列です。ホーンをまっすぐに付けてください"
        ));
    }
    let said = say!("straight ahead is set", "正面の位置を設定しました");
    Ok(Outcome::Done(said, Value::from(before)))
}

/// Gives the servos the corrections of before back.
pub(super) fn undo(work: &Work, before: &Value) -> Result<()> {
    let of = |one: &Value| Some((one["id"].as_u64()?, one["offset"].as_i64()?));
    let before: Vec<(u64, i64)> = before
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(of)
        .collect();
    if before.is_empty() {
        return Ok(());
    }
    let session = Session::begin(&common(work))?;
    for (id, steps) in before {
        let (mut bus, servo) = session.find(u8::try_from(id)?)?;
        let offset = place::offset_of(&servo)?;
        place::write(&mut bus, &servo, &offset, i32::try_from(steps)?)?;
    }
    Ok(())
}

/// The draft as configuration, and nothing asked twice.
pub(super) fn common(work: &Work) -> Common {
    Common {
        config: Some(work.draft.file()),
        servo_port: None,
        yes: work.is_alone(),
        json: false,
    }
}
