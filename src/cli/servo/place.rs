//! `facetap servo center` and `facetap servo offset`: the correction of a servo's position, in permanent memory.

use anyhow::{Result, anyhow, bail};
use clap::Args;
use serde_json::json;

use super::session::Session;
use super::{Common, set_id};
use crate::cli::Usage;
use crate::follow::servo::bus::Bus;
use crate::follow::servo::commission::look::Servo;
use crate::follow::servo::commission::{keep, turn};
use crate::follow::servo::protocol::table::Offset;
use crate::follow::servo::wire::Wire;
use crate::say;

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Turn the axis straight ahead by hand first. Its limits (range) are counted from there afterwards.\n\nExample:\n  facetap servo center 1"
)]
pub(in crate::cli) struct CenterOptions {
    /// Its id
    #[arg(value_name = "ID")]
    pub id: u8,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Clone, Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "STEPS is what the servo takes off what it measures (Feetech), or adds to it (Dynamixel). A Feetech holds -2047 to 2047; what is more is taken the shorter way round.\n\nExamples:\n  facetap servo offset 1 -100\n  facetap servo offset 1 0"
)]
pub(in crate::cli) struct OffsetOptions {
    /// Its id
    #[arg(value_name = "ID")]
    pub id: u8,
    /// The correction in steps
    #[arg(value_name = "STEPS", value_parser = clap::value_parser!(i32).range(-4095..=4095))]
    pub steps: i32,
    #[command(flatten)]
    pub common: Common,
}

pub(super) fn center(options: &CenterOptions) -> Result<u8> {
    change(options.id, &options.common, |servo, offset| {
        let wanted = servo.protocol.scale().centre;
        let now = offset.place.of(&servo.memory).unwrap_or_default();
        let position = servo.found.reading.position.0;
        turn::offset_for(offset, now, position, wanted).ok_or_else(|| anyhow!(too_far(offset)))
    })
}

pub(super) fn offset(options: &OffsetOptions) -> Result<u8> {
    let steps = options.steps;
    change(options.id, &options.common, |_, offset| {
        turn::fitting(offset, steps).ok_or_else(|| anyhow!(Usage(too_far(offset))))
    })
}

pub(in crate::cli) fn too_far(offset: &Offset) -> String {
    let most = offset.most;
    say!(
        "the correction would be more than {most} steps, which this servo does not take: put its horn on nearer to the middle",
        "補正値が {most} ステップを超えるため設定できません。ホーンを中央に近い位置に付け直してください"
    )
}

/// The offset of a family that has one.
pub(in crate::cli) fn offset_of(servo: &Servo) -> Result<Offset> {
    let name = servo.protocol.name();
    servo.table.offset.ok_or_else(|| {
        anyhow!(say!(
            "{name} servos have no correction of their position: put the horn on straight, or turn the mount",
            "{name} には位置補正がありません。ホーンをまっすぐに付け直してください"
        ))
    })
}

fn change(id: u8, common: &Common, wanted: impl Fn(&Servo, &Offset) -> Result<i32>) -> Result<u8> {
    let session = Session::begin(common)?;
    session.check_id(id)?;
    session.ask.needs_a_person()?;
    let (mut bus, servo) = session.find(id)?;
    let offset = offset_of(&servo)?;
    let new = wanted(&servo, &offset)?;
    let now = offset.place.of(&servo.memory).unwrap_or_default();
    let position = servo.found.reading.position.0;
    if new == now {
        session.tell(say!(
            "servo {id} stands at {position}, its correction is {now} steps already: nothing is written",
            "サーボ {id} の位置 {position}、補正値は既に {now} です。書き込みません"
        ));
        session.result(json!({"id": id, "position": position, "offset": now}));
        return Ok(crate::cli::DONE);
    }
    let question = say!(
        "Servo {id} stands at {position}; its correction becomes {new} steps instead of {now}, permanently?",
        "サーボ {id} の位置 {position}。補正値を {now} から {new} に変更しますか（不揮発メモリー）?"
    );
    if !session.ask.may(&question, false)? {
        return Ok(set_id::unchanged());
    }
    write(&mut bus, &servo, &offset, new)?;
    let reading = bus.read_axis(id)?;
    let position = reading.position.0;
    session.tell(say!(
        "servo {id} stands at {position} now (correction {new} steps)",
        "サーボ {id} の位置は {position} になりました（補正値 {new}）"
    ));
    session.result(json!({"id": id, "position": position, "offset": new}));
    set_id::lasts(&session, &mut bus, id)
}

/// Writes an offset.
pub(in crate::cli) fn write<W: Wire>(
    bus: &mut Bus<W>,
    servo: &Servo,
    offset: &Offset,
    new: i32,
) -> Result<()> {
    let Some(order) = offset.place.write(new) else {
        bail!(too_far(offset));
    };
    keep::keep(bus, servo, servo.id, &[order])?;
    Ok(())
}
