//! Which port is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;

use crate::base::clock::Clock;
use crate::base::stop::Stop;
use crate::config;

use super::bus::{Bus, Presence};
use super::handover::{self, Lent};
use super::mount::configured;
use super::port::{self, SerialWire};
use super::protocol;

/// Opens the configured port, or with `auto` the first one on which a servo answers; the one that broke last is tried
/// last.
///
/// # Errors
/// No port can be opened; the message names each with its reason.
pub fn open(
    config: &config::Servo,
    broken: Option<&Path>,
    clock: &Arc<dyn Clock>,
    stop: &Stop,
) -> Result<Bus<SerialWire>> {
    let mut paths = port::candidates(&config.port);
    let there = paths.len();
    paths.retain(|path| !handover::is_wanted(path));
    if paths.is_empty() && there > 0 {
        anyhow::bail!(Lent);
    }
    // Stable: the order of the others stays.
    paths.sort_by_key(|path| Some(path.as_path()) == broken);
    open_first(&paths, config, clock, stop)
}

/// The same of these ports.
pub(super) fn open_first(
    paths: &[PathBuf],
    config: &config::Servo,
    clock: &Arc<dyn Clock>,
    stop: &Stop,
) -> Result<Bus<SerialWire>> {
    let mut reasons = Vec::new();
    // Where several servos have the id of a new one, all that is heard of them is broken.
    let mut garbled = None;
    for path in paths {
        if stop.requested() {
            break;
        }
        match open_one(path, config, clock) {
            Ok((bus, Presence::Clear)) => return Ok(bus),
            Ok((_, Presence::Garbled)) => garbled = garbled.or(Some(path)),
            Ok((_, Presence::Absent)) => {
                let ids = configured(&config.axes).map(|(_, axis)| axis.id.to_string());
                let ids = ids.collect::<Vec<_>>().join(", ");
                reasons.push(format!("no servo {ids} answers on {}", path.display()));
            }
            Err(e) => reasons.push(format!("{e:#}")),
        }
    }
    if let Some(path) = garbled {
        return Ok(open_one(path, config, clock)?.0);
    }
    if reasons.is_empty() {
        anyhow::bail!(
            "no USB serial port is there: plug in the servo adapter, or name its port in \"servo.port\" \
             (--servo-port)"
        );
    }
    anyhow::bail!("{}", reasons.join("; "))
}

/// Opens one port, and where it was not named looks whether one of the servos answers there.
fn open_one(
    path: &Path,
    config: &config::Servo,
    clock: &Arc<dyn Clock>,
) -> Result<(Bus<SerialWire>, Presence)> {
    let wire = port::open(path, config.baud)?;
    let mut bus = Bus::new(wire, protocol::of(config.protocol), Arc::clone(clock));
    if config.port != port::AUTO {
        return Ok((bus, Presence::Clear));
    }
    if bus.greet()?.is_none() {
        return Ok((bus, Presence::Absent));
    }
    let mut presence = Presence::Absent;
    for (_, axis) in configured(&config.axes) {
        // One that breaks here is one of several: the next may be sound.
        match bus.presence(axis.id)? {
            Presence::Clear => return Ok((bus, Presence::Clear)),
            Presence::Garbled => presence = Presence::Garbled,
            Presence::Absent => {}
        }
    }
    Ok((bus, presence))
}
