//! Buzzer and LEDs on the pins of the Raspberry Pi.

use std::fs::OpenOptions;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use rppal::gpio::{Gpio, Mode, OutputPin};
use rppal::pwm::{Channel, Pwm};

use super::Outputs;
use super::player::Output;
use crate::config;
use crate::say;

/// The registers of the pins: Raspberry Pi up to 4, and 5.
const GPIOMEM: &str = "/dev/gpiomem";
const GPIOMEM_RP1: &str = "/dev/gpiomem0";
const MODEL: &str = "/proc/device-tree/model";

/// Part of a period for which the buzzer has current: the loudest.
const DUTY: f64 = 0.5;

/// What there is on the pins. Dark and silent when dropped.
#[derive(Debug)]
pub struct Pins {
    buzzer: Option<Buzzer>,
    red: Option<OutputPin>,
    green: Option<OutputPin>,
    blue: Option<OutputPin>,
    /// The tone that sounds; setting it again would make it stutter.
    hz: Option<u16>,
}

/// A passive buzzer.
#[derive(Debug)]
enum Buzzer {
    /// The chip makes the tone.
    Hardware(Pwm, u8),
    /// A thread makes it, which lives as long as the tone and keeps a core busy for that time.
    Software(OutputPin),
}

impl Pins {
    /// Takes the pins with these BCM numbers. What could not be taken is left out and named.
    ///
    /// # Errors
    /// None could be taken; the message says why.
    pub fn open(config: &config::Gpio) -> Result<(Self, Vec<String>)> {
        let rp1 = check_board()? == GPIOMEM_RP1;
        let gpio = Gpio::new().with_context(|| {
            say!(
                "the GPIO of this board cannot be used",
                "このボードの GPIO を使用できません"
            )
        })?;
        let mut faults = Vec::new();
        let mut note = |what: &str, e: anyhow::Error| faults.push(format!("{what}: {e:#}"));
        let mut led = |what: &str, pin: Option<u8>| {
            let taken = output(&gpio, pin?);
            taken.map_err(|e| note(what, e)).ok()
        };
        let red = led("gpio.red", config.red);
        let green = led("gpio.green", config.green);
        let blue = led("gpio.blue", config.blue);
        let buzzer = config.buzzer.and_then(|pin| {
            let taken = Buzzer::open(&gpio, pin, rp1);
            taken.map_err(|e| note("gpio.buzzer", e)).ok()
        });
        let pins = Self {
            buzzer,
            red,
            green,
            blue,
            hz: None,
        };
        if pins.describe().is_empty() {
            bail!("{}", faults.join("; "));
        }
        Ok((pins, faults))
    }

    /// What there is, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let led = |name: String, pin: &Option<OutputPin>| {
            let pin = pin.as_ref()?.pin();
            Some(format!("{name} GPIO {pin}"))
        };
        let buzzer = self.buzzer.as_ref().map(|buzzer| match buzzer {
            Buzzer::Hardware(_, pin) => say!(
                "buzzer GPIO {pin} (hardware PWM)",
                "ブザー GPIO {pin}（ハードウェア PWM）"
            ),
            Buzzer::Software(pin) => {
                let pin = pin.pin();
                say!(
                    "buzzer GPIO {pin} (software PWM)",
                    "ブザー GPIO {pin}（ソフトウェア PWM）"
                )
            }
        });
        let parts = [
            buzzer,
            led(say!("red LED", "赤 LED"), &self.red),
            led(say!("green LED", "緑 LED"), &self.green),
            led(say!("blue LED", "青 LED"), &self.blue),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

impl Outputs for Pins {
    fn set(&mut self, output: Output) -> Result<()> {
        light(&mut self.red, output.lamps.red);
        light(&mut self.green, output.lamps.green);
        light(&mut self.blue, output.lamps.blue);
        if let Some(buzzer) = &mut self.buzzer
            && self.hz != output.hz
        {
            buzzer.sound(output.hz)?;
            self.hz = output.hz;
        }
        Ok(())
    }

    fn has_buzzer(&self) -> bool {
        self.buzzer.is_some()
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        if let Some(buzzer) = &mut self.buzzer {
            // It ends by its own drop if this fails.
            let _ = buzzer.sound(None);
        }
        for pin in [&mut self.red, &mut self.green, &mut self.blue] {
            light(pin, false);
        }
    }
}

impl Buzzer {
    fn open(gpio: &Gpio, pin: u8, rp1: bool) -> Result<Self> {
        let mode = gpio.get(pin).with_context(|| cannot_use(pin))?.mode();
        if let Some(channel) = hardware_channel(pin, mode, rp1)
            && let Ok(pwm) = Pwm::new(channel)
        {
            return Ok(Self::Hardware(pwm, pin));
        }
        output(gpio, pin).map(Self::Software)
    }

    fn sound(&mut self, hz: Option<u16>) -> Result<()> {
        match (self, hz) {
            (Self::Hardware(pwm, pin), hz) => match hz {
                Some(hz) => pwm
                    .set_frequency(hz.into(), DUTY)
                    .and_then(|()| pwm.enable()),
                None => pwm.disable(),
            }
            .with_context(|| cannot_use(*pin)),
            (Self::Software(pin), hz) => {
                let number = pin.pin();
                match hz {
                    Some(hz) => pin.set_pwm_frequency(hz.into(), DUTY),
                    None => pin.clear_pwm(),
                }
                .with_context(|| cannot_use(number))?;
                if hz.is_none() {
                    pin.set_low();
                }
                Ok(())
            }
        }
    }
}

fn cannot_use(pin: u8) -> String {
    say!("cannot use GPIO {pin}", "GPIO {pin} を使用できません")
}

fn output(gpio: &Gpio, pin: u8) -> Result<OutputPin> {
    let mut pin = gpio
        .get(pin)
        .with_context(|| cannot_use(pin))?
        .into_output_low();
    // Back to an input at the end would leave the LED to whatever the board pulls it to.
    pin.set_reset_on_drop(false);
    Ok(pin)
}

fn light(pin: &mut Option<OutputPin>, lit: bool) {
    if let Some(pin) = pin {
        pin.write(lit.into());
    }
}

/// The PWM channel that drives this pin now: the pin has to be switched to it already (`dtoverlay=pwm`),
/// for a channel that exists may come out at another pin.
///
/// BCM2835 ARM Peripherals, table 6-31; RP1 Peripherals, table 4.
fn hardware_channel(pin: u8, mode: Mode, rp1: bool) -> Option<Channel> {
    match (rp1, pin, mode) {
        (false, 12, Mode::Alt0) | (false, 18, Mode::Alt5) => Some(Channel::Pwm0),
        (false, 13, Mode::Alt0) | (false, 19, Mode::Alt5) => Some(Channel::Pwm1),
        (true, 12, Mode::Alt0) => Some(Channel::Pwm0),
        (true, 13, Mode::Alt0) => Some(Channel::Pwm1),
        (true, 18, Mode::Alt3) => Some(Channel::Pwm2),
        (true, 19, Mode::Alt3) => Some(Channel::Pwm3),
        _ => None,
    }
}

/// Makes sure that rppal finds the registers where it looks first, and tells where. It would fall back to
/// `/dev/mem`, and writing there on a board that only says it is a Pi (an emulated one, seen 2025) crashes
/// it.
fn check_board() -> Result<&'static str> {
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
    Ok(device)
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

    #[test]
    fn hardware_pwm_is_used_only_where_it_comes_out_at_the_pin() {
        assert_eq!(hardware_channel(18, Mode::Alt5, false), Some(Channel::Pwm0));
        assert_eq!(hardware_channel(18, Mode::Alt3, true), Some(Channel::Pwm2));
        // An ordinary pin, though a PWM driver may be loaded for another one.
        assert_eq!(hardware_channel(18, Mode::Input, false), None);
        assert_eq!(hardware_channel(18, Mode::Output, true), None);
        assert_eq!(hardware_channel(18, Mode::Alt5, true), None);
        assert_eq!(hardware_channel(26, Mode::Alt5, false), None);
    }
}
