//! Servos: what control decides becomes movement.
//!
//! From the bytes up: [`protocol`] makes and reads the frames of each family, [`steps`] knows units, [`bus`] exchanges frames
//! and [`orders`] makes sure that what is told was taken,
//! over a [`wire::Wire`] (the serial one is in [`port`]; [`ports`] lists what there is). What a servo is, is read before it
//! gets torque ([`survey`], and [`unfit`] for why not), whether it does what it is told is judged while it has
//! ([`following_error`]). [`line`] has the
//! servos, which of them are in service, and how they get there; [`mount`] drives them, [`slew`] is the last limit before the bus,
//! [`drive`] is the 50 Hz loop that lives as long as the service; [`handover`] is how it
//! lends the bus, to [`commission`] for example, which finds servos and sets them up. [`simulated`] answers the same
//! bytes at the far end of a pseudo-terminal, so that the serial code is always the real one; how such a servo
//! moves is in [`shaft`].

pub mod bus;
pub mod commission;
pub mod drive;
pub mod fault;
pub mod following_error;
pub mod handover;
pub mod line;
pub mod mount;
pub mod opening;
pub mod orders;
pub mod port;
pub mod ports;
pub mod probe;
pub mod protocol;
pub mod shaft;
pub mod simulated;
pub mod slew;
pub mod steps;
pub mod survey;
pub mod unfit;
pub mod wire;

mod health;
mod model;
mod reboots;

#[cfg(test)]
mod bus_tests;
#[cfg(test)]
#[path = "../../../tests/common/servo_loop.rs"]
mod loop_scene;
#[cfg(test)]
mod loop_tests;
#[cfg(test)]
mod misbehaviour_scene;
#[cfg(test)]
mod misbehaviour_tests;
#[cfg(test)]
mod script;

pub use drive::ServoLoop;
pub use probe::probe;
pub use simulated::{PoseHandle, SimulatedServos};

/// `servo.port` for the servo models of [`simulated`].
pub const SIMULATED: &str = "simulated";
