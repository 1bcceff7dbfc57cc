//! The green LED on a pin of the Raspberry Pi.

use std::fs::OpenOptions;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use rppal::gpio::{Gpio, OutputPin};

use super::{Glow, Indicator, Notice};
use crate::base::clock::Monotime;
use crate::say;

/// The registers of the pins: Raspberry Pi up to 4, and 5.
const GPIOMEM: &str = "/dev/gpiomem";
const GPIOMEM_RP1: &str = "/dev/gpiomem0";
const MODEL: &str = "/proc/device-tree/model";

/// The green LED. Dark when dropped.
#[derive(Debug)]
pub struct GreenLed {
    pin: OutputPin,
    glow: Glow,
}

impl GreenLed {
    /// Takes the pin with this BCM number.
    ///
    /// # Errors
    /// The board has no such pin, or this user may not use it; the message says which.
    pub fn open(pin: u8) -> Result<Self> {
        check_board()?;
        let mut pin = Gpio::new()
            .and_then(|gpio| gpio.get(pin))
            .with_context(|| format!("cannot use GPIO {pin}"))?
            .into_output_low();
        // Back to an input at the end would leave the LED to whatever the board pulls it to.
        pin.set_reset_on_drop(false);
        Ok(Self {
            pin,
            glow: Glow::Off,
        })
    }

    fn set(&mut self, glow: Glow) {
        self.glow = glow;
        match glow {
            Glow::Off => self.pin.set_low(),
            Glow::Until(_) => self.pin.set_high(),
        }
    }
}

impl Drop for GreenLed {
    fn drop(&mut self) {
        self.pin.set_low();
    }
}

impl Indicator for GreenLed {
    fn show(&mut self, notice: &Notice, now: Monotime) -> Result<()> {
        self.set(Glow::green(notice.event, now));
        Ok(())
    }

    fn advance(&mut self, now: Monotime) -> Result<Option<Monotime>> {
        let left = self.glow.at(now);
        if left != self.glow {
            self.set(left);
        }
        Ok(match left {
            Glow::Off => None,
            Glow::Until(end) => Some(end),
        })
    }
}

/// Makes sure that rppal finds the registers where it looks first. It would fall back to `/dev/mem`,
/// and writing there on a board that only says it is a Pi (an emulated one, seen 2025) crashes it.
fn check_board() -> Result<()> {
    let model = std::fs::read_to_string(MODEL).unwrap_or_default();
    let Some(device) = registers(&model, &|path| Path::new(path).exists()) else {
        bail!(say!(
            "this board has no GPIO ({GPIOMEM})",
            "このボードには GPIO がありません ({GPIOMEM})"
        ));
    };
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(device)
        .with_context(|| {
            say!(
                "cannot open {device}; add this user to the group gpio",
                "{device} を開けません。このユーザーを gpio グループに追加してください"
            )
        })?;
    Ok(())
}

/// Where rppal will look for the registers on a board of this model, if that exists.
fn registers(model: &str, exists: &dyn Fn(&str) -> bool) -> Option<&'static str> {
    // Raspberry Pi 5, 500, Compute Module 5: the pins belong to the RP1.
    let rp1 = ["Pi 5", "Module 5"].iter().any(|m| model.contains(m));
    let device = if rp1 { GPIOMEM_RP1 } else { GPIOMEM };
    (model.contains("Raspberry Pi") && exists(device)).then_some(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_only_looked_for_on_a_board_that_has_them() {
        let all = |_: &str| true;
        let none = |_: &str| false;
        let rp1_only = |path: &str| path == GPIOMEM_RP1;
        let pi4 = "Raspberry Pi 4 Model B Rev 1.4\0";
        let pi5 = "Raspberry Pi 5 Model B Rev 1.0\0";
        assert_eq!(registers(pi4, &all), Some(GPIOMEM));
        assert_eq!(registers(pi5, &all), Some(GPIOMEM_RP1));
        assert_eq!(registers(pi5, &rp1_only), Some(GPIOMEM_RP1));
        assert_eq!(registers(pi4, &rp1_only), None, "never /dev/mem");
        assert_eq!(registers(pi4, &none), None);
        assert_eq!(registers("linux,dummy-virt", &all), None);
        assert_eq!(registers("", &all), None);
    }
}
