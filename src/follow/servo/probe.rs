//! A look at the servos for `facetap check`.

use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::{Result, bail};

use crate::base::clock::{Clock, SystemClock};
use crate::base::stop::{Reason, Stop};
use crate::base::threads::Threads;
use crate::config;

use super::bus::Bus;
use super::fault::{Fault, all_broken};
use super::mount::configured;
use super::protocol::Reading;
use super::simulated::SimulatedServos;
use super::steps::{Mounting, Steps};
use super::survey::{Voice, survey};
use super::unfit::Unfit;
use super::wire::Wire;
use crate::say;

/// Opens the port and looks at every axis as the service does. Moves nothing and changes no torque.
///
/// Returns one line for the port and each axis: id, angle, voltage, temperature.
///
/// # Errors
/// The port cannot be opened, or an axis does not answer or would get no torque; the message has the lines of the others too.
pub fn probe(mut config: config::Servo) -> Result<String> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stop = Stop::new();
    let mut threads = Threads::default();
    let simulated = SimulatedServos::start_if_wanted(&mut config, &clock, &stop, &mut threads)?;
    let result =
        super::opening::open(&config, None, &clock, &stop).and_then(|bus| look(bus, &config));
    if simulated.is_some() {
        stop.request(Reason::Duration);
        threads.join(&clock, std::time::Duration::from_secs(1));
    }
    result
}

fn look<W: Wire>(mut bus: Bus<W>, config: &config::Servo) -> Result<String> {
    let greeted = bus.greet()?;
    let protocol = bus.protocol();
    let scale = protocol.scale();
    let mut text = format!("{} at {} baud", bus.name(), config.baud);
    if let Some(what) = protocol.shortcomings() {
        let name = protocol.name();
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{name}: {what}");
    }
    let unwell = protocol.complaints(greeted.unwrap_or_default());
    if !unwell.is_empty() {
        let what = unwell.join(", ");
        let _ = write!(
            text,
            "\n{}",
            say!(
                "its pulses had stopped because of: {what}; that is cleared now",
                "次の理由でパルスが停止していました（解除しました）: {what}"
            )
        );
    }
    let looks: Vec<_> = configured(&config.axes)
        .map(|(axis, servo)| (axis.name(), servo, survey(&mut bus, servo.id, true)))
        .collect();
    let all_broken = all_broken(looks.iter().map(|(_, _, look)| look.as_ref().err()));
    let (mut missing, mut unfit) = (Vec::new(), false);
    for (name, servo, look) in looks {
        let (id, mounting) = (servo.id, Mounting::new(servo, scale));
        // Writing to a string cannot fail.
        let _ = match look {
            Ok(found) => {
                let why = found.unfit(protocol, id, mounting.range());
                let told = match (&why, found.reading.status, found.voice) {
                    (Some(why), ..) => {
                        let why = why.told(protocol);
                        say!("; gets no torque: {why}", "。トルクはオフのままです: {why}")
                    }
                    (None, _, Voice::Twice) => say!(
                        "; answers twice: does another servo have this id?",
                        "。2回応答しています。同じIDのサーボが他にありませんか"
                    ),
                    (None, 0, _) => String::new(),
                    (None, status, _) => {
                        format!(", complains: {}", protocol.complaints(status).join(", "))
                    }
                };
                let at = stand(&found.reading, &mounting);
                unfit |= why.is_some();
                write!(text, "\n{name}: id {id}, {at}{told}")
            }
            Err(Fault::NeverWhole { .. }) if !all_broken => {
                unfit = true;
                let why = Unfit::Shared.told(protocol);
                write!(text, "\n{name}: id {id}: {why}")
            }
            Err(Fault::Foreign { value, .. }) => {
                unfit = true;
                let why = Unfit::Foreign(value).told(protocol);
                write!(text, "\n{name}: id {id}: {why}")
            }
            Err(fault) => {
                missing.push(id.to_string());
                write!(text, "\n{name}: {fault}")
            }
        };
    }
    if greeted.is_none() {
        bail!(
            "{text}\nset the Maestro's serial mode to \"USB Dual Port\" in the Maestro Control Center: as delivered it ignores \
             commands by USB"
        )
    }
    let ids: Vec<u8> = configured(&config.axes)
        .map(|(_, servo)| servo.id)
        .collect();
    if missing.len() == ids.len()
        && let Some(other) = bus.other_speech(&ids)?
    {
        bail!(
            "{text}\na servo there answers as {}: correct \"servo.protocol\"",
            other.name()
        )
    }
    if !missing.is_empty() {
        bail!(
            "{text}\ncheck power, cable and the ids in \"servo.axes\" (missing: {})",
            missing.join(", ")
        )
    }
    if unfit {
        bail!("{text}")
    }
    Ok(text)
}

/// Where a servo stands and how it is, as far as it tells.
fn stand(reading: &Reading, mounting: &Mounting) -> String {
    if reading.off {
        return say!("no pulses", "パルスなし");
    }
    let Steps(position) = reading.position;
    let degrees = mounting.degrees(reading.position);
    let mut text = format!("position {position} ({degrees:.1} degrees)");
    // Writing to a string cannot fail.
    if let Some(tenths) = reading.voltage {
        let _ = write!(text, ", {:.1} V", f64::from(tenths) / 10.0);
    }
    if let Some(temperature) = reading.temperature {
        let _ = write!(text, ", {temperature} °C");
    }
    text
}
