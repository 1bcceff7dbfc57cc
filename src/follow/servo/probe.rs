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
use super::simulated::SimulatedServos;
use super::steps::{Mounting, Steps};
use super::sts;
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
    let mut text = format!("{} at {} baud", bus.name(), config.baud);
    let looks: Vec<_> = configured(&config.axes)
        .map(|(axis, servo)| (axis.name(), servo, survey(&mut bus, servo.id, true)))
        .collect();
    let all_broken = all_broken(looks.iter().map(|(_, _, look)| look.as_ref().err()));
    let (mut missing, mut unfit) = (Vec::new(), false);
    for (name, servo, look) in looks {
        let (id, mounting) = (servo.id, Mounting::new(servo));
        // Writing to a string cannot fail.
        let _ = match look {
            Ok(found) => {
                let Steps(position) = found.reading.position;
                let degrees = mounting.degrees(found.reading.position);
                let volts = f64::from(found.reading.voltage) / 10.0;
                let temperature = found.reading.temperature;
                let why = found.unfit(id, mounting.range());
                let told = match (&why, found.reading.status, found.voice) {
                    (Some(why), ..) => {
                        say!("; gets no torque: {why}", "。トルクはオフのままです: {why}")
                    }
                    (None, _, Voice::Twice) => say!(
                        "; answers twice: does another servo have this id?",
                        "。2回応答しています。同じIDのサーボが他にありませんか"
                    ),
                    (None, 0, _) => String::new(),
                    (None, status, _) => {
                        format!(", complains: {}", sts::complaints(status).join(", "))
                    }
                };
                unfit |= why.is_some();
                write!(
                    text,
                    "\n{name}: id {id}, position {position} ({degrees:.1} degrees), {volts:.1} V, {temperature} °C{told}"
                )
            }
            Err(Fault::NeverWhole { .. }) if !all_broken => {
                unfit = true;
                let why = Unfit::Shared;
                write!(text, "\n{name}: id {id}: {why}")
            }
            Err(fault) => {
                missing.push(id.to_string());
                write!(text, "\n{name}: {fault}")
            }
        };
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
