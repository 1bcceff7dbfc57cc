//! A look at the servos for `facetap check`.

use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::{Result, bail};

use crate::base::clock::{Clock, SystemClock};
use crate::base::stop::{Reason, Stop};
use crate::base::threads::Threads;
use crate::config;

use super::SIMULATED;
use super::bus::Bus;
use super::mount::configured;
use super::simulated::SimulatedServos;
use super::steps::Mounting;
use super::sts::{self, register};
use super::wire::Wire;

/// Opens the port and reads every axis once. Moves nothing and changes no torque.
///
/// Returns one line for the port and each axis: id, angle, voltage, temperature.
///
/// # Errors
/// The port cannot be opened, or an axis does not answer; the message has the lines of the others too.
pub fn probe(mut config: config::Servo) -> Result<String> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stop = Stop::new();
    let mut threads = Threads::default();
    let simulated = if config.port == SIMULATED {
        let servos = SimulatedServos::start(&config.axes, Arc::clone(&clock), &stop, &mut threads)?;
        config.port = servos.path().to_string_lossy().into_owned();
        Some(servos)
    } else {
        None
    };
    let result = super::drive::open(&config, &clock, &stop).and_then(|bus| look(bus, &config));
    if simulated.is_some() {
        stop.request(Reason::Duration);
        threads.join(&clock, std::time::Duration::from_secs(1));
    }
    result
}

fn look<W: Wire>(mut bus: Bus<W>, config: &config::Servo) -> Result<String> {
    let mut text = format!("{} at {} baud", bus.name(), config.baud);
    let mut missing = Vec::new();
    for (axis, servo) in configured(&config.axes) {
        let (name, id) = (axis.name(), servo.id);
        // Position, speed, load, voltage, temperature.
        let read = bus.read(id, register::PRESENT_POSITION, 8);
        // Writing to a string cannot fail.
        let _ = match read {
            Ok((status, bytes)) => {
                let position = super::steps::Steps(sts::signed(sts::word(bytes[0], bytes[1]), 15));
                let degrees = Mounting::new(servo).degrees(position);
                let complaints = match sts::complaints(status).join(", ") {
                    none if none.is_empty() => none,
                    some => format!(", complains: {some}"),
                };
                write!(
                    text,
                    "\n{name}: id {id}, position {} ({degrees:.1} degrees), {:.1} V, {} °C{complaints}",
                    position.0,
                    f64::from(bytes[6]) / 10.0,
                    bytes[7],
                )
            }
            Err(fault) => {
                missing.push(id.to_string());
                write!(text, "\n{name}: {fault}")
            }
        };
    }
    if missing.is_empty() {
        Ok(text)
    } else {
        bail!(
            "{text}\ncheck power, cable and the ids in \"servo.axes\" (missing: {})",
            missing.join(", ")
        )
    }
}
