//! The built binary from outside: real serial lines, a real PC/SC daemon, real servers.

mod attendance;
mod attendance_command;
#[path = "../common/card.rs"]
mod card;
mod configuration;
#[path = "../common/daemon.rs"]
mod daemon;
mod devices;
mod following;
mod harness;
mod rpicam;
mod running;
#[path = "../common/servos.rs"]
mod servos;
