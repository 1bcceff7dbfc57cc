//! The LCD's I2C bus, and a double that writes down what is sent.

use anyhow::{Context as _, Result, bail};
use rppal::i2c::I2c;

use crate::config::LcdSettings;
use crate::say;

/// The addresses of the usual PCF8574 boards: PCF8574 and PCF8574A without jumpers.
pub const ADDRESSES: [u8; 2] = [0x27, 0x3F];
/// What an answer may take; the bus of a Pi needs 0.2 ms a byte.
const TIMEOUT_MS: u32 = 50;

/// The eight pins behind one address of a bus. After an error the chip may have got the byte or not.
pub trait Expander: Send {
    /// Sets the pins.
    ///
    /// # Errors
    /// The chip does not answer, or the bus fails.
    fn send(&mut self, pins: u8) -> Result<()>;

    /// How the pins are.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    fn receive(&mut self) -> Result<u8>;
}

/// Finds the LCD: at the configured address, else at the usual ones.
///
/// # Errors
/// There is no such bus, this user may not use it, or nobody answers; the message tells what to do.
pub fn open(settings: &LcdSettings) -> Result<(u8, Box<dyn Expander>)> {
    let bus = settings.i2c_bus;
    let mut i2c = I2c::with_bus(bus).with_context(|| {
        say!(
            "the I2C bus /dev/i2c-{bus} cannot be used; turn it on with raspi-config, or correct \
             lcd_settings.i2c_bus",
            "I2C バス /dev/i2c-{bus} を使用できません。raspi-config で有効にするか、\
             lcd_settings.i2c_bus を修正してください"
        )
    })?;
    // Some drivers do not know it, and have a limit of their own.
    let _ = i2c.set_timeout(TIMEOUT_MS);
    let tried = addresses(settings.i2c_addr);
    for address in &tried {
        // An address that a driver of the kernel has taken is none of ours.
        let ours = i2c.set_slave_address((*address).into()).is_ok();
        if ours && i2c.smbus_receive_byte().is_ok() {
            return Ok((*address, Box::new(i2c)));
        }
    }
    let tried: Vec<_> = tried.iter().map(|a| format!("0x{a:02X}")).collect();
    let tried = tried.join(", ");
    bail!(say!(
        "no LCD answers on /dev/i2c-{bus} at {tried}; check its wiring and lcd_settings.i2c_addr",
        "/dev/i2c-{bus} の {tried} で LCD が応答しません。配線と lcd_settings.i2c_addr を確認してください"
    ))
}

/// The addresses to try, the configured one first.
fn addresses(configured: u8) -> Vec<u8> {
    let mut addresses = vec![configured];
    addresses.extend(ADDRESSES.iter().filter(|a| **a != configured));
    addresses
}

impl Expander for I2c {
    fn send(&mut self, pins: u8) -> Result<()> {
        // Byte by byte: what every adapter can, the kernel's own simulated one too.
        self.smbus_send_byte(pins).with_context(|| silent(self))
    }

    fn receive(&mut self) -> Result<u8> {
        self.smbus_receive_byte().with_context(|| silent(self))
    }
}

fn silent(i2c: &I2c) -> String {
    let bus = i2c.bus();
    say!(
        "the LCD on /dev/i2c-{bus} does not answer",
        "/dev/i2c-{bus} の LCD が応答しません"
    )
}

#[cfg(test)]
pub(super) mod double {
    use super::*;
    use crate::base::stop::lock;
    use std::sync::{Arc, Mutex};

    /// What a simulated chip has received, and how it is.
    #[derive(Debug, Default)]
    pub struct Chip {
        pub sent: Vec<u8>,
        /// How the pins were set last.
        pub pins: u8,
        /// Off the bus.
        pub unplugged: bool,
        /// All pins high until something is sent.
        pub fresh: bool,
    }

    /// A simulated chip on a cable.
    #[derive(Debug, Default, Clone)]
    pub struct Recording(pub Arc<Mutex<Chip>>);

    impl Expander for Recording {
        fn send(&mut self, pins: u8) -> Result<()> {
            let mut chip = lock(&self.0);
            if chip.unplugged {
                bail!("no answer");
            }
            chip.fresh = false;
            chip.pins = pins;
            chip.sent.push(pins);
            Ok(())
        }

        fn receive(&mut self) -> Result<u8> {
            let chip = lock(&self.0);
            match (chip.unplugged, chip.fresh) {
                (true, _) => bail!("no answer"),
                (false, true) => Ok(0xFF),
                (false, false) => Ok(chip.pins),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configured_address_is_tried_first_then_the_usual_ones() {
        assert_eq!(addresses(0x27), [0x27, 0x3F]);
        assert_eq!(addresses(0x3F), [0x3F, 0x27]);
        assert_eq!(addresses(0x20), [0x20, 0x27, 0x3F]);
    }

    #[test]
    fn a_bus_that_does_not_exist_has_a_remedy() {
        let settings = LcdSettings {
            i2c_addr: 0x27,
            i2c_bus: 255,
            backlight: true,
        };
        let why = format!("{:#}", open(&settings).err().unwrap());
        assert!(
            why.contains("/dev/i2c-255") && why.contains("i2c_bus"),
            "{why}"
        );
    }
}
