//! `facetap servo set-id`: another id, in permanent memory.

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;

use super::Common;
use super::session::Session;
use crate::cli::{DONE, FAILED, Usage, complain};
use crate::follow::servo::bus::Bus;
use crate::follow::servo::commission::keep;
use crate::follow::servo::commission::look::Servo;
use crate::follow::servo::wire::Wire;
use crate::say;

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Exactly one servo may have the old id, and none the new one. Permanent memory is opened, written and closed again, and the lock is read back.\n\nExamples:\n  facetap servo set-id 1 3\n  facetap servo set-id 1 3 --yes"
)]
pub(in crate::cli) struct SetIdOptions {
    /// The id that it has
    #[arg(value_name = "OLD")]
    pub old: u8,
    /// The id that it is to have
    #[arg(value_name = "NEW")]
    pub new: u8,
    #[command(flatten)]
    pub common: Common,
}

pub(super) fn set_id(options: &SetIdOptions) -> Result<u8> {
    let (old, new) = (options.old, options.new);
    let session = Session::begin(&options.common)?;
    session.check_id(old)?;
    session.check_id(new)?;
    if old == new {
        bail!(Usage(say!(
            "old and new id are the same",
            "変更前と変更後のIDが同じです"
        )));
    }
    session.ask.needs_a_person()?;
    let (mut bus, servo) = session.find(old)?;
    is_free(&mut bus, &servo, new)?;
    let model = servo.table.model_name(servo.found.settings.model);
    let question = say!(
        "Servo {old} ({model}) gets the id {new}, permanently?",
        "サーボ {old} ({model}) のIDを {new} に変更しますか（不揮発メモリー）?"
    );
    if !session.ask.may(&question, false)? {
        return Ok(unchanged());
    }
    keep::set_id(&mut bus, &servo, new)?;
    session.tell(say!(
        "servo {old} has the id {new} now; its memory is closed again",
        "サーボ {old} のIDを {new} に変更しました。メモリーは保護済みです"
    ));
    session.result(json!({"id": new, "was": old}));
    lasts(&session, &mut bus, new)
}

/// A taken id is refused.
pub(super) fn is_free<W: Wire>(bus: &mut Bus<W>, servo: &Servo, id: u8) -> Result<()> {
    let last = servo.table.last_id;
    if id > last {
        bail!(Usage(say!(
            "there is no id {id}: from 0 to {last}",
            "ID {id} は使えません（0〜{last}）"
        )));
    }
    // Whatever comes, also something broken: there is somebody.
    if bus.presence(id)? != crate::follow::servo::bus::Presence::Absent {
        bail!(say!(
            "the id {id} is taken: another servo answers by it; nothing is changed",
            "ID {id} は別のサーボが使用中です。何も変更していません"
        ));
    }
    Ok(())
}

/// What is said where somebody says no.
pub(super) fn unchanged() -> u8 {
    complain(&say!("nothing is changed", "何も変更していません"));
    FAILED
}

/// Has the power switched off and on, to see that what was written lasts. With nobody to do that it is said how to see it.
pub(super) fn lasts<W: Wire>(session: &Session, bus: &mut Bus<W>, id: u8) -> Result<u8> {
    if session.ask.yes {
        session.tell(say!(
            "to be sure that it lasts: switch the servos' power off and on, then `facetap servo info {id}`",
            "確認: サーボの電源を入れ直し、`facetap servo info {id}` を実行してください"
        ));
        return Ok(DONE);
    }
    match power_cycle(session, bus, id)? {
        Some(true) => {
            session.tell(say!(
                "it lasts: servo {id} is back after its power was off",
                "電源の入れ直し後も保持されています（サーボ {id}）"
            ));
            Ok(DONE)
        }
        Some(false) => {
            complain(&say!(
                "servo {id} is not back: look with `facetap servo scan` by which id it answers",
                "サーボ {id} が応答しません。`facetap servo scan` で現在のIDを確認してください"
            ));
            Ok(FAILED)
        }
        None => {
            session.tell(say!("not tried", "未確認です"));
            Ok(DONE)
        }
    }
}

/// Asks for the power to be switched off and on. Whether the servo is back; none where somebody goes on without that.
fn power_cycle<W: Wire>(session: &Session, bus: &mut Bus<W>, id: u8) -> Result<Option<bool>> {
    /// Looks in a row that find nobody: the power is off, or another id has come back.
    const GONE: usize = 2;
    /// It begins within a second; with another id it never answers by this one.
    const LOOKS: usize = 50;
    let prompt = say!(
        "Switch the servos' power off and on now, to see that it lasts (Enter: go on without) ",
        "確認のため、サーボの電源を切り、入れ直してください（Enter: 省略）"
    );
    let (mut silent, mut back) = (0, false);
    let typed = session.ask.until(&prompt, || {
        let there = bus.ping(id);
        match there {
            Err(fault) if fault.is_line() => return Err(fault.into()),
            Ok(()) if silent >= GONE => back = true,
            Ok(()) => silent = 0,
            Err(_) => silent += 1,
        }
        Ok(back || silent > LOOKS)
    })?;
    Ok(match typed {
        // Enter as it just came back, or while it is still off.
        Some(_) if silent < GONE => None,
        Some(_) => Some(keep::is_there(bus, id)?),
        None => Some(back),
    })
}
