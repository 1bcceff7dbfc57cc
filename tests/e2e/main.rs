//! The built binary from outside: real serial lines, a real PC/SC daemon, real servers.

mod advice;
mod at_rest;
mod attendance;
mod attendance_command;
mod bench;
mod calibrate;
#[path = "../common/card.rs"]
mod card;
mod cards;
mod configuration;
mod crash;
mod crash_recovery;
#[path = "../common/daemon.rs"]
mod daemon;
mod damage;
mod devices;
mod diagnosis;
mod disk;
mod doctor;
mod following;
mod frozen;
mod gate;
mod harness;
mod health;
mod hidden;
mod late_camera;
mod limits;
mod locked;
mod logging;
mod migrating;
mod monitor;
mod mounts;
#[path = "../common/odd_pictures.rs"]
mod odd_pictures;
mod odd_server;
mod pictures;
#[path = "../common/program.rs"]
mod program;
mod protocols;
mod reloading;
mod report;
mod rpicam;
mod running;
mod server;
mod servo_tool;
#[path = "../common/servos.rs"]
mod servos;
mod setup;
mod soak;
mod streams;
mod supervise;
mod terminal;
mod troubleshooting;
mod uplink;
mod watchman;
mod window;
#[path = "../common/xserver.rs"]
mod xserver;
mod zone;
