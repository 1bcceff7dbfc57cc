//! Servos: what control decides becomes movement.
//!
//! From the bytes up: [`sts`] makes and reads frames, [`steps`] knows units, [`bus`] exchanges frames
//! over a [`wire::Wire`] (the serial one is in [`port`]; [`ports`] lists what there is), [`mount`] knows the axes and which of them
//! answer, [`drive`] is the 50 Hz loop that lives as long as the service. [`simulated`] answers the same
//! bytes at the far end of a pseudo-terminal, so that the serial code is always the real one; how such a servo
//! moves is in [`shaft`].

pub mod bus;
pub mod drive;
pub mod mount;
pub mod port;
pub mod ports;
pub mod probe;
pub mod shaft;
pub mod simulated;
pub mod steps;
pub mod sts;
pub mod wire;

mod health;
mod model;

#[cfg(test)]
mod bus_tests;
#[cfg(test)]
#[path = "../../../tests/common/servo_loop.rs"]
mod loop_scene;
#[cfg(test)]
mod loop_tests;

pub use drive::ServoLoop;
pub use probe::probe;
pub use simulated::{PoseHandle, SimulatedServos};

/// `servo.port` for the servo models of [`simulated`].
pub const SIMULATED: &str = "simulated";
