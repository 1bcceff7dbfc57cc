//! Which cameras are at the connectors, as `rpicam-vid --list-cameras` tells.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};

use super::PROGRAMS;
use super::program::{Output, Program};
use crate::base::clock::Clock;
use crate::follow::camera::plain;
use crate::say;

/// Time that the list may take.
const LIMIT: Duration = Duration::from_secs(5);
/// Most that is read of it, in bytes. A camera has some hundred.
const MOST: usize = 64 << 10;

/// The cameras at the connectors, such as "imx708 4608x2592". None if the program is not installed.
///
/// # Errors
/// The program cannot be started, or does not come to an end.
pub fn cameras(clock: &Arc<dyn Clock>) -> Result<Option<Vec<String>>> {
    cameras_of(&PROGRAMS, clock)
}

pub(super) fn cameras_of(
    names: &[&'static str],
    clock: &Arc<dyn Clock>,
) -> Result<Option<Vec<String>>> {
    let Some(mut program) = Program::start(names, &["--list-cameras".to_owned()], clock)? else {
        return Ok(None);
    };
    let name = program.name;
    let deadline = clock.now() + LIMIT;
    let (mut text, mut buffer) = (Vec::new(), vec![0; 4096]);
    while clock.now() < deadline && text.len() < MOST {
        match program.read(&mut buffer, Duration::from_millis(100)) {
            Ok(Output::Bytes { count, .. }) => text.extend_from_slice(&buffer[..count]),
            Ok(Output::Nothing) => {}
            Ok(Output::Over) => return Ok(Some(parse(&String::from_utf8_lossy(&text)))),
            Err(e) => bail!("{name}: {}", plain(&e)),
        }
    }
    let limit = LIMIT.as_secs();
    let why = say!(
        "{name} --list-cameras does not come to an end within {limit} s",
        "{name} --list-cameras が {limit} 秒以内に終わりません"
    );
    bail!(program.with_last_words(why))
}

/// The lines `0 : imx708 [4608x2592 10-bit RGGB] (/base/soc/i2c0mux/i2c@1/imx708@1a)`; what lies between
/// them are modes.
fn parse(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| {
            let (number, rest) = line.split_once(" : ")?;
            number.parse::<u32>().ok()?;
            let model = rest.split(' ').next()?;
            let size = rest.split_once('[').and_then(|(_, s)| {
                let size = s.split([' ', ']']).next()?;
                size.contains('x').then_some(size)
            });
            Some(match size {
                Some(size) => format!("{model} {size}"),
                None => model.to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_understood() {
        let list = "Available cameras\n-----------------\n\
            0 : imx708 [4608x2592 10-bit RGGB] (/base/soc/i2c0mux/i2c@1/imx708@1a)\n    \
            Modes: 'SRGGB10_CSI2P' : 1536x864 [120.13 fps - (768, 432)/3072x1728 crop]\n\n\
            1 : ov5647 [2592x1944] (/base/soc/i2c0mux/i2c@0/ov5647@36)\n2 : odd\n";
        assert_eq!(parse(list), ["imx708 4608x2592", "ov5647 2592x1944", "odd"]);
        assert_eq!(parse("No cameras available!\n"), Vec::<String>::new());
    }
}
