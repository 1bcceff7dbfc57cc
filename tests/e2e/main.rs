//! The built binary from outside: real serial lines, a real PC/SC daemon, real servers.

mod configuration;
mod following;
mod harness;
mod running;
