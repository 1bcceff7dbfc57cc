//! Permanent memory: written only where it differs, opened before and closed behind it, and both read back.
//!
//! What a Feetech servo is told while its memory is closed takes effect and is lost with the power, so reading the value back
//! proves nothing: the lock is read too, before and after.

use anyhow::{Result, bail};

use super::look::Servo;
use crate::follow::servo::bus::Bus;
use crate::follow::servo::fault::Fault;
use crate::follow::servo::protocol::Write;
use crate::follow::servo::wire::Wire;
use crate::say;

/// So often it is tried before people are told.
const ATTEMPTS: usize = 3;

/// Writes what differs. Whether anything did. Torque is off then.
///
/// # Errors
/// It does not answer, or does not take it; the memory is closed again if that can be.
pub fn keep<W: Wire>(bus: &mut Bus<W>, servo: &Servo, id: u8, orders: &[Write]) -> Result<bool> {
    let mut differing = Vec::new();
    for order in orders {
        if !holds(bus, id, order)? {
            differing.push(order);
        }
    }
    if differing.is_empty() {
        return Ok(false);
    }
    rest(bus, servo, id)?;
    let written = open(bus, servo, id).and_then(|()| {
        for order in differing {
            take(bus, id, order)?;
        }
        if is_closed(bus, servo, id)? {
            bail!(power(id));
        }
        Ok(())
    });
    let closed = close(bus, servo, id);
    written.and(closed).map(|()| true)
}

/// Gives a servo another id. Its memory is closed under the new one.
///
/// # Errors
/// As [`keep`]; what id it has then is said.
pub fn set_id<W: Wire>(bus: &mut Bus<W>, servo: &Servo, new: u8) -> Result<()> {
    let old = servo.id;
    let Some(order) = servo.protocol.set_id(new) else {
        bail!(lacks(servo.protocol.name()));
    };
    rest(bus, servo, old)?;
    let mut at = old;
    for _ in 0..ATTEMPTS {
        if let Err(why) = open(bus, servo, at) {
            let _ = close(bus, servo, at);
            return Err(why);
        }
        // The answer may come under either id, or not at all: who is there is asked after it.
        bus.write_hastily(at, &order)?;
        at = match (is_there(bus, new)?, is_there(bus, old)?) {
            (true, false) => new,
            (false, true) => old,
            (true, true) => bail!(say!(
                "servos answer by both ids, {old} and {new}: there are two; connect them one by one",
                "ID {old} と {new} の両方が応答します。2台あります。1台ずつ接続してください"
            )),
            (false, false) => continue,
        };
        // Closed by now: its power failed in between, and what it was told then may be lost with the next loss.
        if at == new && !is_closed(bus, servo, new)? {
            return close(bus, servo, new);
        }
    }
    let _ = close(bus, servo, at);
    bail!(say!(
        "the servo does not take the id {new}; it answers by {at}: check its power and cable, and try again",
        "サーボがID {new} を受け付けません（現在 {at}）。電源とケーブルを確認し、再実行してください"
    ))
}

/// What is said of a family that has no ids, no offset and so on in memory.
#[must_use]
pub fn lacks(name: &str) -> String {
    say!(
        "{name} cannot do that over the line: nothing of a servo's own memory can be read or written",
        "{name} ではこの操作はできません（サーボのメモリーを読み書きできません）"
    )
}

fn power(id: u8) -> String {
    say!(
        "the memory of servo {id} was closed again while it was written: its power fails; check it, and try again",
        "サーボ {id} のメモリーが書き込み中に閉じられました。電源が不安定です。確認して再実行してください"
    )
}

/// Torque off, if it is on.
fn rest<W: Wire>(bus: &mut Bus<W>, servo: &Servo, id: u8) -> Result<()> {
    let off = servo.protocol.torque(false);
    match off {
        Some(off) if !holds(bus, id, &off)? => Ok(bus.torque(id, false)?),
        _ => Ok(()),
    }
}

fn open<W: Wire>(bus: &mut Bus<W>, servo: &Servo, id: u8) -> Result<()> {
    match servo.protocol.permanent().and_then(|p| p.unlock) {
        Some(order) => take(bus, id, &order),
        None => Ok(()),
    }
}

/// Closes the memory and reads the lock back.
///
/// # Errors
/// It stays open, or there is no answer.
pub fn close<W: Wire>(bus: &mut Bus<W>, servo: &Servo, id: u8) -> Result<()> {
    match servo.protocol.permanent().and_then(|p| p.lock) {
        Some(order) => take(bus, id, &order),
        None => Ok(()),
    }
}

fn is_closed<W: Wire>(bus: &mut Bus<W>, servo: &Servo, id: u8) -> Result<bool> {
    match servo.protocol.permanent().and_then(|p| p.lock) {
        Some(order) => holds(bus, id, &order),
        None => Ok(false),
    }
}

/// Writes, and reads back.
fn take<W: Wire>(bus: &mut Bus<W>, id: u8, order: &Write) -> Result<()> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        match bus.write(id, order) {
            Err(fault) if fault.is_line() => return Err(fault.into()),
            Err(fault) => last = Some(fault),
            Ok(()) if holds(bus, id, order)? => return Ok(()),
            Ok(()) => {}
        }
    }
    let register = order.register;
    Err(last.unwrap_or(Fault::Refused { id, register }).into())
}

/// Whether it stands there already.
fn holds<W: Wire>(bus: &mut Bus<W>, id: u8, order: &Write) -> Result<bool> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        match bus.read(id, order.register, order.data.len() as u8) {
            Ok(data) => return Ok(data == order.data),
            Err(fault) if fault.is_line() => return Err(fault.into()),
            Err(fault) => last = Some(fault),
        }
    }
    Err(last.unwrap_or(Fault::Silent { id }).into())
}

/// Whether a servo answers, given that one answer may be spoilt.
///
/// # Errors
/// The line failed.
pub fn is_there<W: Wire>(bus: &mut Bus<W>, id: u8) -> Result<bool> {
    let query_id = bus.protocol().places().id;
    for _ in 0..ATTEMPTS {
        match bus.read(id, query_id, 1) {
            Ok(_) => return Ok(true),
            Err(fault) if fault.is_line() => return Err(fault.into()),
            Err(_) => {}
        }
    }
    Ok(false)
}
