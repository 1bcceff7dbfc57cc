//! `facetap servo test`: a small movement.

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;

use super::Common;
use super::ask::Bar;
use super::session::Session;
use super::show;
use crate::cli::DONE;
use crate::follow::servo::bus::Bus;
use crate::follow::servo::commission::exercise::{Outcome, REACH, exercise, pulses, supplied};
use crate::follow::servo::commission::look::{Servo, look};
use crate::follow::servo::unfit::Unfit;
use crate::follow::servo::wire::Wire;
use crate::say;

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "It goes 5 degrees to either side of where it stands, at 15 degrees/s, with little strength, and is let go if something is in its way. Torque is off in the end, at Ctrl-C, too.\n\nExamples:\n  facetap servo test 1\n  facetap servo test 1 --yes"
)]
pub(in crate::cli) struct TestOptions {
    /// Its id; of a Maestro the channel
    #[arg(value_name = "ID")]
    pub id: u8,
    #[command(flatten)]
    pub common: Common,
}

pub(super) fn test(options: &TestOptions) -> Result<u8> {
    let id = options.id;
    let session = Session::begin(&options.common)?;
    session.check_id(id)?;
    session.ask.needs_a_person()?;
    if !session.protocol.abilities().ids {
        return controller(&session, id);
    }
    let (mut bus, servo) = session.find(id)?;
    let servo = fit(&session, &mut bus, servo)?;
    let scale = servo.protocol.scale();
    let allowed = session.range_of(id, scale).unwrap_or(scale.goals);
    let range = (
        servo.found.settings.limits.0.max(allowed.0),
        servo.found.settings.limits.1.min(allowed.1),
    );
    let at = servo.found.reading.position.0;
    if !(range.0..=range.1).contains(&at) {
        let (low, high) = range;
        bail!(say!(
            "servo {id} stands at {at}, outside of what it may use ({low} to {high}): turn it back by hand",
            "サーボ {id} の位置 {at} は可動範囲（{low}〜{high}）の外です。手で戻してください"
        ));
    }
    confirm(&session, id)?;
    let mut bar = Bar::new();
    let word = say!("servo {id}", "サーボ {id}");
    let moved = exercise(
        &mut bus,
        &servo,
        range,
        session.clock.as_ref(),
        &session.stop,
        &mut |part| bar.show(part, &word),
    );
    drop(bar);
    let moved = moved?;
    let volts = moved.voltage.map(|tenths| f64::from(tenths) / 10.0);
    session.result(json!({
        "id": id,
        "reached": [moved.reached.0, moved.reached.1],
        "load": moved.load,
        "behind": moved.behind,
        "voltage": volts,
    }));
    tell(&session, id, &moved);
    Ok(DONE)
}

fn confirm(session: &Session, id: u8) -> Result<()> {
    let question = say!(
        "Servo {id} goes {REACH} degrees to either side. Is nothing in its way?",
        "サーボ {id} を左右に {REACH} 度動かします。障害物はありませんか?"
    );
    if !session.ask.may(&question, false)? {
        bail!(say!("nothing was moved", "動作させていません"));
    }
    Ok(())
}

fn tell(session: &Session, id: u8, moved: &Outcome) {
    let (low, high) = moved.reached;
    session.tell(say!(
        "servo {id} follows: {low:+.1} to {high:+.1} degrees, load up to {:.0} %, {:.1} degrees behind at most{}",
        "サーボ {id} は正常です: {low:+.1}〜{high:+.1} 度、最大負荷 {:.0} %、最大の遅れ {:.1} 度{}",
        moved.load * 100.0,
        moved.behind,
        moved.voltage.map_or_else(String::new, |v| {
            let volts = f64::from(v) / 10.0;
            say!(", at least {volts:.1} V", "、最低電圧 {volts:.1} V")
        })
    ));
}

/// Refuses what must not get torque, with the remedy. A latched overload is ended first, where that can be told.
fn fit<W: Wire>(session: &Session, bus: &mut Bus<W>, servo: Servo) -> Result<Servo> {
    let (id, protocol) = (servo.id, servo.protocol);
    if servo.late {
        bail!("{}", show::hindrances(&servo).join("; "));
    }
    let overload = protocol.overload();
    let mut servo = servo;
    if servo.found.reading.status & protocol.unfit() == overload
        && overload != 0
        && protocol.reboot(id).is_some()
    {
        if !session.lease.may_reboot(id, session.clock.as_ref()) {
            bail!(say!(
                "servo {id} has latched an overload and was started anew three times in five minutes: look what holds it, and wait",
                "サーボ {id} の過負荷が続いています（5分間に3回再起動）。原因を確認し、しばらく待ってください"
            ));
        }
        session.tell(say!(
            "servo {id} has latched an overload: it is started anew",
            "サーボ {id} の過負荷を解除するため再起動します"
        ));
        bus.reboot(id)?;
        servo = again(session, bus, &servo)?;
    }
    if let Err(why) = supplied(servo.volts(), servo.found.reading.voltage) {
        bail!(say!("servo {id}: {why}", "サーボ {id}: {why}"));
    }
    match servo.found.unfit(protocol, id, protocol.scale().goals) {
        Some(Unfit::Complains(_)) => {
            bail!("{}", show::hindrances(&servo).join("; "))
        }
        Some(why) => {
            let why = why.told(protocol);
            bail!(say!("servo {id}: {why}", "サーボ {id}: {why}"))
        }
        None => Ok(servo),
    }
}

/// After a new start, which takes a moment.
fn again<W: Wire>(session: &Session, bus: &mut Bus<W>, servo: &Servo) -> Result<Servo> {
    for _ in 0..20 {
        if session
            .clock
            .wait(&session.stop, std::time::Duration::from_millis(100))
        {
            bail!(say!("stopped", "中断しました"));
        }
        if let Some(found) = look(bus, servo.id, servo.rate)?
            && let Some(found) = found.servo()
        {
            return Ok(found.clone());
        }
    }
    let id = servo.id;
    bail!(say!(
        "servo {id} is not back after its new start",
        "サーボ {id} が再起動後に応答しません"
    ))
}

/// A channel of a controller: pulses, and nobody knows what the shaft does.
fn controller(session: &Session, id: u8) -> Result<u8> {
    let mut bus = session.controller()?;
    let name = session.protocol.name();
    let why = session.protocol.shortcomings().unwrap_or_default();
    session.tell(format!("{name}: {why}"));
    let Some(range) = session.range_of(id, session.protocol.scale()) else {
        bail!(say!(
            "channel {id} is none of \"servo.axes\"; a channel that the controller has not would end all pulses",
            "チャンネル {id} は \"servo.axes\" にありません（存在しないチャンネルを指定すると全パルスが停止します）"
        ));
    };
    confirm(session, id)?;
    pulses(&mut bus, id, range, session.clock.as_ref(), &session.stop)?;
    session.tell(say!(
        "channel {id} got pulses to either side; whether the servo has followed, only you can see",
        "チャンネル {id} にパルスを送りました。動いたかどうかは目で確認してください"
    ));
    session.result(json!({"id": id}));
    Ok(DONE)
}
