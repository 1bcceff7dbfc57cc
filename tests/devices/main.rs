//! The loops that own a device, in this process: the readers with the real pcscd, the servos with a program that shares
//! no code with them, and all of them with devices that are lost again and again.

#[path = "../common/card.rs"]
mod card;
#[path = "../common/daemon.rs"]
mod daemon;
mod pcscd;
mod reinit;
mod servo_bus;
#[path = "../common/servo_loop.rs"]
mod servo_loop;
mod servo_memory;
mod servo_oracles;
#[path = "../common/servos.rs"]
mod servos;
