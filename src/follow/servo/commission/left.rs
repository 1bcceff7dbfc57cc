//! What somebody else left behind in a servo's memory, and how it is put right.

use super::look::Servo;
use crate::follow::servo::protocol::Write;
use crate::say;

/// Something in a servo that is not as the mount needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Another operating mode.
    Mode(i32),
    /// Limits of its own.
    Limits(i32, i32),
    /// A correction of its position.
    Offset(i32),
    /// Positions that go on beyond a turn.
    Turns(i32),
    /// Directions turned round.
    Reversed(i32),
    /// It does not answer everything.
    Level(i32),
    /// Its permanent memory is open.
    Unlocked,
    /// It has torque.
    Torque,
}

/// What is not as it should be, in the order in which it is put right.
#[must_use]
pub fn left(servo: &Servo) -> Vec<Left> {
    let (table, memory) = (servo.table, &servo.memory[..]);
    let bit = |place: Option<(crate::follow::servo::protocol::table::Place, u8)>| {
        let (place, bit) = place?;
        place.of(memory).filter(|byte| byte & 1 << bit != 0)
    };
    let mut all = Vec::new();
    if table.torque.of(memory) == Some(1) {
        all.push(Left::Torque);
    }
    if let Some(mode) = table.mode.and_then(|place| place.of(memory))
        && !servo.protocol.takes_positions(mode as u8)
    {
        all.push(Left::Mode(mode));
    }
    if let (Some(low), Some(high)) = (table.limits.0.of(memory), table.limits.1.of(memory))
        && (low > table.usual_limits.0 || high < table.usual_limits.1)
    {
        all.push(Left::Limits(low, high));
    }
    let offset = table.offset.and_then(|offset| offset.place.of(memory));
    all.extend(offset.filter(|steps| *steps != 0).map(Left::Offset));
    all.extend(bit(table.turns).map(Left::Turns));
    all.extend(bit(table.reversed).map(Left::Reversed));
    let (level, wanted) = table.level;
    all.extend(level.of(memory).filter(|is| *is != wanted).map(Left::Level));
    if table.lock.and_then(|lock| lock.of(memory)) == Some(0) {
        all.push(Left::Unlocked);
    }
    all
}

impl Left {
    /// What is written to put it right; nothing where closing the memory, or taking the torque, is all.
    #[must_use]
    pub fn mend(&self, servo: &Servo) -> Vec<Write> {
        let table = servo.table;
        let without = |place: Option<(crate::follow::servo::protocol::table::Place, u8)>,
                       byte: i32| {
            place.and_then(|(place, bit)| place.write(byte & !(1 << bit)))
        };
        let one = match *self {
            Self::Mode(_) => {
                let wanted = servo.protocol.places().position_mode;
                table.mode.and_then(|place| place.write(wanted.into()))
            }
            Self::Limits(..) => return limits(servo, table.usual_limits),
            Self::Offset(_) => table.offset.and_then(|offset| offset.place.write(0)),
            Self::Turns(byte) => without(table.turns, byte),
            Self::Reversed(byte) => without(table.reversed, byte),
            Self::Level(_) => table.level.0.write(table.level.1),
            Self::Unlocked | Self::Torque => None,
        };
        one.into_iter().collect()
    }

    /// What it is, and what comes of it.
    #[must_use]
    pub fn told(&self, servo: &Servo) -> String {
        let (protocol, table) = (servo.protocol, servo.table);
        let at = |place: Option<u16>| place.map_or_else(String::new, |at| at.to_string());
        match *self {
            Self::Mode(mode) => {
                let name = protocol.mode(mode as u8).unwrap_or("?");
                let at = at(table.mode.map(|place| place.at));
                say!(
                    "operating mode {mode} ({name}) instead of positions (register {at})",
                    "動作モードが {mode} ({name})、位置制御ではありません（レジスタ{at}）"
                )
            }
            Self::Limits(low, high) => {
                let (first, last) = table.usual_limits;
                let (low_at, high_at) = (table.limits.0.at, table.limits.1.at);
                if low == 0 && high == 0 {
                    return say!(
                        "both limits are 0: it turns without end (registers {low_at} and {high_at}; as delivered {first} and {last})",
                        "角度制限が両方 0 で、無限に回転します（レジスタ{low_at}と{high_at}、出荷時 {first}、{last}）"
                    );
                }
                say!(
                    "limits {low} to {high} (registers {low_at} and {high_at}; as delivered {first} to {last})",
                    "角度制限 {low}〜{high}（レジスタ{low_at}と{high_at}、出荷時 {first}〜{last}）"
                )
            }
            Self::Offset(steps) => {
                let at = at(table.offset.map(|offset| offset.place.at));
                say!(
                    "its position is corrected by {steps} steps (register {at})",
                    "位置補正 {steps} ステップ（レジスタ{at}）"
                )
            }
            Self::Turns(byte) => {
                let (at, bit) = table.turns.map_or((0, 0), |(place, bit)| (place.at, bit));
                say!(
                    "positions go on beyond one turn (phase, register {at} = {byte}, bit {bit})",
                    "位置が1回転を超えて続きます（位相、レジスタ{at} = {byte}、ビット{bit}）"
                )
            }
            Self::Reversed(byte) => {
                let at = at(table.reversed.map(|(place, _)| place.at));
                say!(
                    "it turns the other way round (register {at} = {byte}); \"invert\" in \"servo.axes\" is for that",
                    "回転方向が逆です（レジスタ{at} = {byte}）。\"servo.axes\" の \"invert\" を使用してください"
                )
            }
            Self::Level(level) => {
                let at = table.level.0.at;
                say!(
                    "it does not acknowledge what it is told (reply level {level}, register {at})",
                    "書き込みに応答しません（応答レベル {level}、レジスタ{at}）"
                )
            }
            Self::Unlocked => {
                let at = at(table.lock.map(|lock| lock.at));
                say!(
                    "its permanent memory is open (register {at} = 0)",
                    "不揮発メモリーが書き込み可能です（レジスタ{at} = 0）"
                )
            }
            Self::Torque => say!("it has torque now", "トルクがオンです"),
        }
    }
}

/// The orders for its own limits.
#[must_use]
pub fn limits(servo: &Servo, (low, high): (i32, i32)) -> Vec<Write> {
    let (first, last) = servo.table.limits;
    [first.write(low), last.write(high)]
        .into_iter()
        .flatten()
        .collect()
}
