//! `facetap servo setup`: new servos become those of the mount, one after the other.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::session::{Session, others};
use super::{Common, place, set_id, show};
use crate::cli::{DONE, FAILED, complain};
use crate::follow::servo::bus::Bus;
use crate::follow::servo::commission::left::{Left, left};
use crate::follow::servo::commission::look::{Seen, Servo, memory};
use crate::follow::servo::commission::{keep, turn};
use crate::follow::servo::port::SerialWire;
use crate::say;

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Exactly one new servo may be on the line at a time. Each gets the id that \"servo.axes\" names; what somebody else left behind in it is put right, one question each. Every question can be left by Ctrl-C: what was written is whole, and torque is off.\n\nExamples:\n  facetap servo setup\n  facetap servo setup --axis tilt --yes"
)]
pub(in crate::cli) struct SetupOptions {
    #[command(flatten)]
    pub common: Common,
    /// Only this axis
    #[arg(long, value_name = "AXIS")]
    pub axis: Option<AxisName>,
}

/// An axis, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum AxisName {
    Pan,
    Tilt,
    Roll,
}

/// With --yes it is waited so long for a servo to be plugged in or out.
const HANDS: Duration = Duration::from_secs(120);
/// Looks in a row that find nobody: it is unplugged.
const GONE: usize = 3;

/// The servos that have got their ids, as far as they are still on the line.
struct Line<'a> {
    session: &'a Session,
    /// What it is for, its id, and how to talk to it.
    done: Vec<(&'static str, Servo)>,
    /// Those of them that were unplugged since, so that their power was off.
    away: Vec<u8>,
}

pub(super) fn setup(options: &SetupOptions) -> Result<u8> {
    commission_all(options, false).map(|(status, _)| status)
}

/// The exit status, and by which name of its family and at which bit rate the last servo was found. `guided`: whoever asks
/// writes that into the configuration.
pub(in crate::cli) fn commission_all(
    options: &SetupOptions,
    guided: bool,
) -> Result<(u8, Option<(&'static str, u32)>)> {
    let session = Session::begin(&options.common)?;
    if !session.protocol.abilities().ids {
        bail!(keep::lacks(session.protocol.name()));
    }
    session.ask.needs_a_person()?;
    let axes = &session.config.servo.axes;
    let all = [
        (AxisName::Pan, "pan", Some(axes.pan.id)),
        (AxisName::Tilt, "tilt", Some(axes.tilt.id)),
        (
            AxisName::Roll,
            "roll",
            axes.roll.as_ref().map(|axis| axis.id),
        ),
    ];
    let wanted: Vec<(&'static str, u8)> = all
        .into_iter()
        .filter(|(axis, ..)| options.axis.is_none_or(|only| only == *axis))
        .filter_map(|(_, name, id)| Some((name, id?)))
        .collect();
    if wanted.is_empty() {
        bail!(say!(
            "the mount has no such axis (\"servo.axes\" of the configuration)",
            "設定の \"servo.axes\" にその軸がありません"
        ));
    }
    let mut list = Vec::new();
    let mut line = Line {
        session: &session,
        done: Vec::new(),
        away: Vec::new(),
    };
    let last = wanted.len() - 1;
    for (n, (name, id)) in wanted.iter().enumerate() {
        let servo = line.one_new(name)?;
        let servo = commission(&session, name, *id, servo)?;
        list.push(
            json!({"axis": name, "id": id, "family": servo.table.family, "baud": servo.rate}),
        );
        line.done.push((name, servo));
        if n < last {
            line.unplug(name)?;
        }
    }
    session.result(Value::from(list));
    let found = line
        .done
        .last()
        .map(|(_, servo)| (servo.table.family, servo.rate));
    if let Some((_, servo)) = line.done.last().filter(|_| !guided) {
        hint(&session, servo);
    }
    Ok((line.all_there()?, found))
}

impl Line<'_> {
    /// Asks for a servo to be connected, until exactly one new one is there.
    fn one_new(&mut self, axis: &str) -> Result<Servo> {
        let prompt = say!(
            "Connect the servo for {axis}, no other new one, and press Enter ",
            "{axis} のサーボを1台だけ接続し、Enter を押してください "
        );
        let begun = self.session.clock.now();
        loop {
            self.wait(&prompt, None)?;
            let scan = self.session.seek_quickly()?;
            let known = |one: &&Seen| !self.done.iter().any(|(_, s)| s.id == one.id);
            let new: Vec<&Seen> = scan.seen.iter().filter(known).collect();
            let trouble = match new[..] {
                [one] => match one.servo() {
                    Some(servo) => return Ok(servo.clone()),
                    None => others(&scan.seen).join("\n"),
                },
                [] if !scan.seen.is_empty() => say!(
                    "no new servo is there, only those that are done",
                    "新しいサーボがありません（設定済みのサーボのみ）"
                ),
                [] => say!(
                    "no servo answers: check its power and its cable",
                    "サーボが応答しません。電源とケーブルを確認してください"
                ),
                _ => {
                    let ids: Vec<String> = new.iter().map(|one| one.id.to_string()).collect();
                    let ids = ids.join(", ");
                    say!(
                        "there are several new servos (ids {ids}): leave one, unplug the others",
                        "新しいサーボが複数あります (ID {ids})。1台だけ残してください"
                    )
                }
            };
            complain(&trouble);
            if self.session.ask.yes && self.session.clock.now().since(begun) > HANDS {
                bail!(say!(
                    "no single new servo for {axis} came",
                    "{axis} のサーボが接続されませんでした"
                ));
            }
        }
    }

    /// Asks for the servo that is done to be unplugged: the next one may have the same id still.
    fn unplug(&mut self, axis: &str) -> Result<()> {
        let Some(servo) = self.done.last().map(|(_, servo)| servo.clone()) else {
            return Ok(());
        };
        let id = servo.id;
        let prompt = say!(
            "Unplug the servo for {axis} (Enter: leave it connected) ",
            "{axis} のサーボを外してください（Enter: 接続したまま続行）"
        );
        self.wait(&prompt, Some(id))
    }

    /// Waits for Enter, and meanwhile for servos that are unplugged; with `leaving` until that one is.
    fn wait(&mut self, prompt: &str, leaving: Option<u8>) -> Result<()> {
        let session = self.session;
        let mut bus = match self.done.last() {
            Some((_, servo)) => Some(session.bus(servo)?),
            None => None,
        };
        let gone = RefCell::new(Vec::new());
        let ids: Vec<u8> = self.done.iter().map(|(_, servo)| servo.id).collect();
        let mut misses = vec![0; ids.len()];
        let mut look = || -> Result<bool> {
            let Some(bus) = &mut bus else {
                return Ok(false);
            };
            for (id, missed) in ids.iter().zip(&mut misses) {
                match bus.ping(*id) {
                    Ok(()) => *missed = 0,
                    Err(fault) if fault.is_line() => return Err(fault.into()),
                    Err(_) => *missed += 1,
                }
                if *missed == GONE {
                    gone.borrow_mut().push(*id);
                }
            }
            Ok(leaving.is_some_and(|id| gone.borrow().contains(&id)))
        };
        if session.ask.yes {
            let begun = session.clock.now();
            if leaving.is_some() {
                complain(prompt);
            }
            while leaving.is_some() && !look()? {
                if session
                    .clock
                    .wait(&session.stop, Duration::from_millis(100))
                {
                    bail!(say!("stopped", "中断しました"));
                }
                if session.clock.now().since(begun) > HANDS {
                    break;
                }
            }
        } else {
            session.ask.until(prompt, look)?;
        }
        for id in gone.into_inner() {
            self.done.retain(|(_, servo)| servo.id != id);
            self.away.push(id);
        }
        Ok(())
    }

    /// All of them on the line, after their power was off.
    fn all_there(&mut self) -> Result<u8> {
        let session = self.session;
        let Some((_, servo)) = self.done.last().cloned() else {
            return Ok(DONE);
        };
        let mut bus = session.bus(&servo)?;
        if self.away.is_empty() {
            return set_id::lasts(session, &mut bus, servo.id);
        }
        let mut ids: Vec<u8> = self.away.clone();
        ids.extend(self.done.iter().map(|(_, servo)| servo.id));
        ids.sort_unstable();
        ids.dedup();
        let list = ids.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
        if session.ask.yes {
            session.tell(say!(
                "done; connect all of them, then `facetap check`",
                "完了しました。すべて接続し、`facetap check` を実行してください"
            ));
            return Ok(DONE);
        }
        let prompt = say!(
            "Connect all servos ({list}) with the power switched off, switch it on, and press Enter ",
            "電源を切った状態ですべてのサーボ ({list}) を接続し、電源を入れて Enter を押してください "
        );
        session.ask.until(&prompt, || Ok(false))?;
        let mut missing = Vec::new();
        for id in ids {
            if !keep::is_there(&mut bus, id)? {
                missing.push(id.to_string());
            }
        }
        if missing.is_empty() {
            session.tell(say!(
                "all servos answer by their ids, which last: {list}. Next: `facetap check`",
                "すべてのサーボが設定したIDで応答します: {list}。次は `facetap check` です"
            ));
            return Ok(DONE);
        }
        let missing = missing.join(", ");
        complain(&say!(
            "not there: {missing}; look with `facetap servo scan`",
            "応答なし: {missing}。`facetap servo scan` で確認してください"
        ));
        Ok(FAILED)
    }
}

/// What the configuration lacks so that the service finds these servos.
fn hint(session: &Session, servo: &Servo) {
    let config = &session.config.servo;
    if servo.protocol.name() != session.protocol.name() || servo.rate != config.baud {
        let (family, rate) = (servo.table.family, servo.rate);
        session.tell(say!(
            "write into \"servo\" of the configuration: \"protocol\": \"{family}\", \"baud\": {rate}",
            "設定の \"servo\" に書いてください: \"protocol\": \"{family}\", \"baud\": {rate}"
        ));
    }
}

/// Puts one servo right and gives it its id.
fn commission(session: &Session, axis: &str, id: u8, mut servo: Servo) -> Result<Servo> {
    let ask = &session.ask;
    let mut bus = session.bus(&servo)?;
    let model = servo.table.model_name(servo.found.settings.model);
    let (now, family) = (servo.id, servo.protocol.name());
    session.tell(say!(
        "{axis}: {family} {model}, id {now}",
        "{axis}: {family} {model}、ID {now}"
    ));
    for what in show::hindrances(&servo) {
        session.tell(format!("  {what}"));
    }
    for one in left(&servo) {
        // Of the moment only, and already so.
        if matches!(one, Left::Level(_)) && !servo.table.level_is_permanent {
            continue;
        }
        let told = one.told(&servo);
        if !ask.may(&say!("  {told}. Put right?", "  {told}。直しますか?"), true)? {
            continue;
        }
        match one {
            Left::Torque => bus.torque(servo.id, false)?,
            Left::Unlocked => keep::close(&mut bus, &servo, servo.id)?,
            _ => {
                keep::keep(&mut bus, &servo, servo.id, &one.mend(&servo))?;
            }
        }
    }
    if servo.id != id {
        set_id::is_free(&mut bus, &servo, id)?;
        let question = say!(
            "  It gets the id {id} for {axis}, permanently?",
            "  {axis} 用にIDを {id} に変更しますか（不揮発メモリー）?"
        );
        if !ask.may(&question, true)? {
            bail!(say!(
                "{axis} has no servo with its id yet",
                "{axis} のIDは未設定です"
            ));
        }
        keep::set_id(&mut bus, &servo, id)?;
        servo.id = id;
    }
    servo.memory = memory(&mut bus, servo.table, id)?;
    centre(session, &mut bus, &servo, axis)?;
    session.tell(say!("  {axis} is done: id {id}", "  {axis} 完了: ID {id}"));
    Ok(servo)
}

/// Offers to make where it stands its centre. Nobody can know without being there.
fn centre(session: &Session, bus: &mut Bus<SerialWire>, servo: &Servo, axis: &str) -> Result<()> {
    let Some(offset) = servo.table.offset.filter(|_| !session.ask.yes) else {
        return Ok(());
    };
    let question = say!(
        "  Is {axis} mounted? Turn it straight ahead by hand: does where it stands then become its centre, permanently?",
        "  {axis} を取り付け済みの場合、手で正面に向けてください。その位置を中心にしますか（不揮発メモリー）?"
    );
    if !session.ask.may(&question, false)? {
        return Ok(());
    }
    let now = offset.place.of(&servo.memory).unwrap_or_default();
    let position = bus.read_axis(servo.id)?.position.0;
    match turn::offset_for(&offset, now, position, servo.protocol.scale().centre) {
        Some(new) => place::write(bus, servo, &offset, new),
        None => {
            complain(&place::too_far(&offset));
            Ok(())
        }
    }
}
