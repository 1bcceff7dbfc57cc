//! `facetap servo range`: how far an axis goes, turned by hand.

use std::cell::Cell;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;

use super::session::Session;
use super::{Common, place, set_id};
use crate::base::stop::Stop;
use crate::cli::DONE;
use crate::follow::servo::bus::Bus;
use crate::follow::servo::commission::look::Servo;
use crate::follow::servo::commission::turn::{self, Refused, Sweep};
use crate::follow::servo::commission::{keep, left};
use crate::follow::servo::wire::Wire;
use crate::say;

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Torque is off meanwhile. Turn the axis by hand from end to end, then press Enter. What it can do is told in steps and degrees, and becomes the servo's own limits if you say so.\n\nExamples:\n  facetap servo range 1\n  facetap servo range 1 --yes --seconds 20"
)]
pub(in crate::cli) struct RangeOptions {
    /// Its id
    #[arg(value_name = "ID")]
    pub id: u8,
    /// Record for so long instead of until Enter [with --yes: 10]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..=600))]
    pub seconds: Option<u16>,
    #[command(flatten)]
    pub common: Common,
}

/// Between two looks at where it stands.
const LOOK: Duration = Duration::from_millis(20);

pub(super) fn range(options: &RangeOptions) -> Result<u8> {
    let id = options.id;
    let session = Session::begin(&options.common)?;
    session.check_id(id)?;
    session.ask.needs_a_person()?;
    let (mut bus, servo) = session.find(id)?;
    let scale = servo.protocol.scale();
    bus.torque(id, false)?;
    let begin = servo.found.reading.position.0;
    let mut sweep = Sweep::at(begin, servo.table.offset.and_then(|offset| offset.turn));
    record(&session, &mut bus, &mut sweep, id, options.seconds)?;
    let width = sweep.high - sweep.low;
    let degrees = f64::from(width) / scale.per_degree;
    session.tell(say!(
        "servo {id} went from {} to {}: {width} steps, {degrees:.1} degrees",
        "サーボ {id}: {}〜{}（{width} ステップ、{degrees:.1} 度）",
        sweep.low,
        sweep.high
    ));
    if degrees < 1.0 {
        bail!(say!(
            "it was hardly turned, so nothing is written",
            "ほとんど動いていないため、書き込みません"
        ));
    }
    let mut limits = (sweep.low, sweep.high);
    let mut servo = servo;
    if sweep.leaves(scale.goals) {
        limits = recentre(&session, &mut bus, &mut servo, &sweep)?;
    }
    let at = |steps: i32| f64::from(steps - scale.centre) / scale.per_degree;
    let (low, high) = limits;
    session.tell(say!(
        "in \"servo.axes\": \"min\": {:.0}, \"max\": {:.0} (the other way round with \"invert\")",
        "\"servo.axes\": \"min\": {:.0}, \"max\": {:.0}（\"invert\" では逆）",
        at(low).ceil(),
        at(high).floor()
    ));
    let (low_at, high_at) = servo.protocol.places().limits;
    let question = say!(
        "Its own limits (registers {low_at} and {high_at}) become {low} and {high}, permanently?",
        "自身の角度制限（レジスタ{low_at}と{high_at}）を {low}〜{high} に変更しますか（不揮発メモリー）?"
    );
    if !session.ask.may(&question, false)? {
        return Ok(set_id::unchanged());
    }
    if !keep::keep(&mut bus, &servo, id, &left::limits(&servo, limits))? {
        session.tell(say!(
            "they are that already: nothing is written",
            "既に設定済みです。書き込みません"
        ));
        session.result(json!({"id": id, "limits": [low, high], "degrees": [at(low), at(high)]}));
        return Ok(DONE);
    }
    session.tell(say!(
        "its limits are {low} to {high} now",
        "角度制限を {low}〜{high} にしました"
    ));
    session.result(json!({"id": id, "limits": [low, high], "degrees": [at(low), at(high)]}));
    set_id::lasts(&session, &mut bus, id)
}

/// Looks where it is turned to, until Enter or for so long.
fn record<W: Wire>(
    session: &Session,
    bus: &mut Bus<W>,
    sweep: &mut Sweep,
    id: u8,
    seconds: Option<u16>,
) -> Result<()> {
    let seconds = seconds.or(session.ask.yes.then_some(10));
    let begun = session.clock.now();
    let refused = Cell::new(None);
    let mut look = || -> Result<bool> {
        match bus.read_axis(id) {
            Ok(reading) => match sweep.to(reading.position.0) {
                Ok(()) => {}
                Err(why) => refused.set(Some(why)),
            },
            Err(fault) if fault.is_line() => return Err(fault.into()),
            Err(_) => {}
        }
        let over = seconds.is_some_and(|s| session.clock.now().since(begun).as_secs() >= s.into());
        Ok(over || refused.get().is_some())
    };
    let prompt = say!(
        "Turn the axis by hand from one end to the other, then press Enter ",
        "軸を端から端まで手で回し、Enter を押してください "
    );
    if session.ask.yes {
        let stop: &Stop = &session.stop;
        while !look()? {
            if session.clock.wait(stop, LOOK) {
                bail!(say!("stopped", "中断しました"));
            }
        }
    } else {
        session.ask.until(&prompt, look)?;
    }
    match refused.get() {
        None => Ok(()),
        Some(Refused::WholeTurn) => bail!(say!(
            "it was turned by a whole turn or more, of which no limits can be made: nothing is written",
            "1回転以上回されたため、角度制限を設定できません。書き込みません"
        )),
        Some(Refused::TooFast) => bail!(say!(
            "it was turned too fast to see which way: turn it more slowly; nothing is written",
            "回転が速すぎて向きを判別できません。ゆっくり回してください。書き込みません"
        )),
    }
}

/// A sweep across the end of the turn gets its middle as the centre first. The limits then.
fn recentre<W: Wire>(
    session: &Session,
    bus: &mut Bus<W>,
    servo: &mut Servo,
    sweep: &Sweep,
) -> Result<(i32, i32)> {
    let offset = place::offset_of(servo)?;
    let centre = servo.protocol.scale().centre;
    let (middle, half) = sweep.middle();
    let now = offset.place.of(&servo.memory).unwrap_or_default();
    let Some(new) = turn::offset_for(&offset, now, middle, centre) else {
        bail!(place::too_far(&offset));
    };
    let question = say!(
        "That leads across the end of the turn. Its middle becomes its centre first (correction {new} instead of {now}), permanently?",
        "1回転の端をまたいでいます。中央を中心位置にしますか（補正値 {now} → {new}、不揮発メモリー）?"
    );
    if !session.ask.may(&question, false)? {
        bail!(say!("nothing is changed", "何も変更していません"));
    }
    place::write(bus, servo, &offset, new)?;
    servo.memory = crate::follow::servo::commission::look::memory(bus, servo.table, servo.id)?;
    Ok((centre - half, centre + half))
}
