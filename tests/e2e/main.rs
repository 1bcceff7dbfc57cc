//! The built binary from outside: real serial lines, a real PC/SC daemon, real servers.

mod attendance;
#[path = "../pcscd/card.rs"]
mod card;
mod configuration;
#[path = "../pcscd/daemon.rs"]
mod daemon;
mod following;
mod harness;
mod running;
