//! A thousand times a device is lost and opened anew by the loop that owns it: nothing grows.
//!
//! Descriptors, threads and resident memory are read after a hundred cycles, when everything that is made once has been
//! made, and after a thousand. Each test runs in a process of its own. Pauses between two attempts are skipped, all else
//! is real: a server on the network, an AVI file, the pseudo-terminal of the simulated servos, the PC/SC daemon.

mod camera;
mod hasty;
mod measure;
mod reader;
mod servo;
