//! A small movement to see whether a servo does what it is told: slowly, with little strength, and no further once it pushes.

use std::time::Duration;

use anyhow::{Result, bail};

use super::look::Servo;
use crate::base::clock::Clock;
use crate::base::stop::Stop;
use crate::follow::servo::bus::Bus;
use crate::follow::servo::protocol::{Limits, Protocol, Reading};
use crate::follow::servo::steps::Steps;
use crate::follow::servo::wire::Wire;
use crate::say;

/// How far to either side, in degrees, and how fast.
pub const REACH: f64 = 5.0;
const SPEED: f64 = 15.0;
const ACCELERATION: f64 = 150.0;
/// Time between two goals.
const TICK: Duration = Duration::from_millis(20);
/// At each end it waits for the servo so long.
const STAY: Duration = Duration::from_millis(400);
/// This part of its strength is enough to move a mount by hand's breadths.
const STRENGTH: f64 = 0.4;
/// A load above this part of the full one, or so far behind its goal in degrees, so many times in a row, is an obstacle.
const LOAD: f64 = 0.3;
const BEHIND: f64 = 3.5;
const TIMES: usize = 4;
/// A servo that arrives farther from its goal than this has not followed.
const ASTRAY: f64 = 2.0;
/// Answers that it may miss in a row.
const MISSES: usize = 5;

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Outcome {
    /// How far it came to either side of where it stood, in degrees.
    pub reached: (f64, f64),
    /// The strongest load, as a part of the full one.
    pub load: f64,
    /// The lowest voltage in tenths of a volt, where it tells one.
    pub voltage: Option<u16>,
    /// How far it was behind its goal at most, in degrees.
    pub behind: f64,
}

/// Whether there is something in the way.
#[derive(Debug, Default)]
pub struct Guard(usize);

impl Guard {
    /// Takes a load as a part of the full one, and by how much it is behind its goal in degrees. True if it is to stop.
    pub fn sees(&mut self, load: f64, behind: f64) -> bool {
        let pushes = load.abs() > LOAD || behind.abs() > BEHIND;
        self.0 = if pushes { self.0 + 1 } else { 0 };
        self.0 >= TIMES
    }
}

/// Why a servo's supply does not suit it.
///
/// # Errors
/// The voltage is outside of the servo's own limits.
pub fn supplied(volts: Option<(i32, i32)>, tenths: Option<u16>) -> Result<(), String> {
    let (Some((low, high)), Some(tenths)) = (volts, tenths) else {
        return Ok(());
    };
    if (low..=high).contains(&i32::from(tenths)) {
        return Ok(());
    }
    let (low, high, now) = (
        f64::from(low) / 10.0,
        f64::from(high) / 10.0,
        f64::from(tenths) / 10.0,
    );
    Err(say!(
        "it gets {now:.1} V and is made for {low:.1} to {high:.1} V: nothing is moved; check the power supply and the model",
        "供給電圧 {now:.1} V が範囲（{low:.1}〜{high:.1} V）の外です。動作させません。電源と型番を確認してください"
    ))
}

/// The goals from one place to another, one for each tick, in steps.
fn path(from: f64, to: f64, per_degree: f64) -> impl Iterator<Item = f64> {
    let step = SPEED * per_degree * TICK.as_secs_f64();
    let count = ((to - from).abs() / step).ceil().max(1.0) as u32;
    (1..=count).map(move |n| from + (to - from) * f64::from(n) / f64::from(count))
}

/// A servo that is moved. When it is dropped its torque is what it was, and so is its strength.
struct Moved<'a, W: Wire> {
    bus: &'a mut Bus<W>,
    protocol: &'static dyn Protocol,
    id: u8,
    /// What is written in the end.
    afterwards: Vec<crate::follow::servo::protocol::Write>,
}

impl<W: Wire> Drop for Moved<'_, W> {
    fn drop(&mut self) {
        for _ in 0..3 {
            if self.bus.let_go(self.id).unwrap_or(true) {
                break;
            }
        }
        for order in &self.afterwards {
            let _ = self.bus.write(self.id, order);
        }
    }
}

impl<W: Wire> Moved<'_, W> {
    fn read(&mut self) -> Result<Reading> {
        let mut last = None;
        for _ in 0..MISSES {
            match self.bus.read_axis(self.id) {
                Ok(reading) => return Ok(reading),
                Err(fault) if fault.is_line() => return Err(fault.into()),
                Err(fault) => last = Some(fault),
            }
        }
        match last {
            Some(fault) => Err(fault.into()),
            None => bail!("servo {}", self.id),
        }
    }
}

/// Why it is let go: it pushes, or does not come along.
fn obstacle(side: f64, load: f64, behind: f64) -> String {
    if load.abs() <= LOAD {
        return say!(
            "it does not follow: {behind:+.1} degrees from its goal without pushing; check its power and its gears, and its limits \
             (`facetap servo info`)",
            "追従しません: 目標から {behind:+.1} 度、負荷なし。電源、ギア、角度制限を確認してください（`facetap servo info`）"
        );
    }
    let percent = load.abs() * 100.0;
    say!(
        "something is in its way, {side:+.1} degrees from where it stood (load {percent:.0} %): it is let go; see that the mount \
         moves freely",
        "{side:+.1} 度で障害物を検出しました（負荷 {percent:.0} %）。解放しました。可動部を確認してください"
    )
}

/// Moves a servo to either side of where it stands, within `range` (steps). Its torque is off afterwards.
///
/// # Errors
/// It does not follow, something is in its way, it does not answer, or the order to stop came.
pub fn exercise<W: Wire>(
    bus: &mut Bus<W>,
    servo: &Servo,
    range: (i32, i32),
    clock: &dyn Clock,
    stop: &Stop,
    progress: &mut dyn FnMut(f64),
) -> Result<Outcome> {
    let (protocol, id) = (servo.protocol, servo.id);
    let per_degree = protocol.scale().per_degree;
    let full = f64::from(servo.found.settings.full_load.max(1));
    let mut afterwards = Vec::new();
    let mut weaker = None;
    if let Some((place, all)) = servo.table.strength {
        let now = place.of(&servo.memory).unwrap_or(all);
        let wanted = (f64::from(all) * STRENGTH) as i32;
        if now > wanted {
            weaker = place.write(wanted);
            afterwards.extend(place.write(now));
        }
    }
    let limits = Limits {
        speed: SPEED,
        acceleration: ACCELERATION,
    };
    let mut moved = Moved {
        bus,
        protocol,
        id,
        afterwards,
    };
    for order in protocol
        .limits(&limits, &servo.found.settings)
        .iter()
        .chain(&weaker)
    {
        moved.bus.write(id, order)?;
    }
    // Where it stands becomes its goal, and is read back, before there is torque.
    let start = moved.read()?.position;
    moved.bus.write(id, &moved.protocol.goal(start))?;
    if let Some(held) = moved.bus.held(id)?
        && (held.goal.0 - start.0).abs() > 2
    {
        bail!(say!(
            "servo {id} does not take where it stands as its goal ({} and not {}): it would jump, so it gets no torque",
            "サーボ {id} が現在位置を目標として受け付けません（{} / {}）。トルクを入れません",
            held.goal.0,
            start.0
        ));
    }
    moved.bus.torque(id, true)?;
    let at = f64::from(start.0);
    let within = |steps: f64| steps.clamp(f64::from(range.0), f64::from(range.1));
    let turns = [
        within(at + REACH * per_degree),
        within(at - REACH * per_degree),
        at,
    ];
    let mut outcome = Outcome {
        voltage: servo.found.reading.voltage,
        ..Outcome::default()
    };
    let mut guard = Guard::default();
    let mut from = at;
    let total: f64 = 4.0 * REACH * per_degree;
    let mut done = 0.0;
    for to in turns {
        let goals: Vec<f64> = path(from, to, per_degree)
            .chain(std::iter::repeat_n(
                to,
                (STAY.as_millis() / TICK.as_millis()) as usize,
            ))
            .collect();
        let mut last = from;
        let mut astray = 0.0;
        for goal in goals {
            let now = clock.now();
            moved.bus.write_goals(&[(id, Steps(goal.round() as i32))])?;
            let reading = moved.read()?;
            let degrees = |steps: f64| steps / per_degree;
            let behind = degrees(goal - f64::from(reading.position.0));
            let load = f64::from(reading.load) / full;
            let side = degrees(f64::from(reading.position.0) - at);
            outcome.reached = (outcome.reached.0.min(side), outcome.reached.1.max(side));
            outcome.load = outcome.load.max(load.abs());
            outcome.behind = outcome.behind.max(behind.abs());
            if let (Some(lowest), Some(told)) = (outcome.voltage, reading.voltage) {
                outcome.voltage = Some(lowest.min(told));
            }
            astray = behind;
            let complaint = reading.status & protocol.unfit();
            if complaint != 0 {
                let what = protocol.complaints(complaint).join(", ");
                bail!(say!(
                    "servo {id} reports {what}: it is let go",
                    "サーボ {id} が {what} を報告しました。解放しました"
                ));
            }
            if guard.sees(load, behind) {
                bail!(obstacle(side, load, behind));
            }
            done += (goal - last).abs();
            last = goal;
            progress((done / total).min(1.0));
            if clock.wait(stop, TICK.saturating_sub(clock.now().since(now))) {
                bail!(say!(
                    "stopped; the servo is let go",
                    "中断しました。サーボを解放しました"
                ));
            }
        }
        if astray.abs() > ASTRAY {
            bail!(obstacle(0.0, 0.0, astray));
        }
        from = to;
    }
    drop(moved);
    Ok(outcome)
}

/// Pulses to either side on a channel of a controller that measures nothing. It begins from the pulse that is sent, or from
/// straight ahead where there is none, and sends none in the end where there was none.
///
/// # Errors
/// The controller does not answer, or the order to stop came.
pub fn pulses<W: Wire>(
    bus: &mut Bus<W>,
    id: u8,
    range: (i32, i32),
    clock: &dyn Clock,
    stop: &Stop,
) -> Result<()> {
    let scale = bus.protocol().scale();
    let reading = bus.read_axis(id)?;
    let at = f64::from(if reading.off {
        scale.centre
    } else {
        reading.position.0
    });
    let within = |steps: f64| steps.clamp(f64::from(range.0), f64::from(range.1));
    let mut from = at;
    let mut sent = Ok(());
    'all: for to in [
        within(at + REACH * scale.per_degree),
        within(at - REACH * scale.per_degree),
        at,
    ] {
        for goal in path(from, to, scale.per_degree) {
            sent = bus.write_goals(&[(id, Steps(goal.round() as i32))]);
            if sent.is_err() || clock.wait(stop, TICK) {
                break 'all;
            }
        }
        from = to;
    }
    if reading.off || stop.requested() {
        bus.let_go(id)?;
    }
    sent?;
    if stop.requested() {
        bail!(say!(
            "stopped; the servo is let go",
            "中断しました。サーボを解放しました"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_supply_is_held_against_the_servos_own_limits() {
        let volts = Some((40, 80));
        assert!(supplied(volts, Some(74)).is_ok() && supplied(volts, Some(40)).is_ok());
        assert!(supplied(volts, None).is_ok() && supplied(None, Some(240)).is_ok());
        let why = supplied(volts, Some(121)).unwrap_err();
        assert!(
            why.contains("12.1 V") && why.contains("4.0 to 8.0"),
            "{why}"
        );
        assert!(supplied(volts, Some(39)).is_err());
    }

    #[test]
    fn a_moment_is_overlooked_and_a_push_is_not() {
        let mut guard = Guard::default();
        let mut sees = |load: f64, behind: f64| guard.sees(load, behind);
        assert!(![0.9, -0.9, 0.9].map(|load| sees(load, 0.0)).contains(&true));
        assert!(!sees(0.1, 1.0));
        let seen: Vec<bool> = [0.31, 0.5, 0.0, 0.6]
            .into_iter()
            .map(|l| sees(l, if l == 0.0 { -4.0 } else { 0.0 }))
            .collect();
        assert_eq!(seen, [false, false, false, true]);
    }

    #[test]
    fn a_path_has_no_step_wider_than_its_speed() {
        let goals: Vec<f64> = path(2048.0, 2105.0, 4096.0 / 360.0).collect();
        let widest = SPEED * 4096.0 / 360.0 * 0.02;
        let mut last = 2048.0;
        for goal in &goals {
            assert!(goal - last <= widest + 1e-9 && *goal > last);
            last = *goal;
        }
        assert_eq!(last, 2105.0);
    }
}
