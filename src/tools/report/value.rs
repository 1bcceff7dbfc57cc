//! `Name: number unit` in a line, wherever it stands.

/// A figure as a line has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Value<'a> {
    /// What stands in front of the colon.
    pub name: &'a str,
    /// In `unit`, finite.
    pub number: f64,
    /// What stands behind the number; a duration (`00:05:00`) is in `h`.
    pub unit: &'a str,
}

/// A name is not longer than this (bytes); what is longer is a sentence.
const LONGEST_NAME: usize = 60;
const LONGEST_UNIT: usize = 16;

/// What separates one figure from the next. Of `VRAM: 523.12/8192.00 MB (6.4%)` the part is taken, of
/// `(VMS: 1024.56 MB)` what it holds.
const SEPARATORS: [char; 10] = [',', '|', '(', ')', ';', '[', ']', '、', '（', '）'];

/// Every figure of the text, in order. `VRAM: n/a` is none.
pub fn values(text: &str) -> Vec<Value<'_>> {
    let mut found = Vec::new();
    let mut from = 0;
    let mut rest = text;
    while let Some(at) = rest.find([':', '：']) {
        let colon = from + at;
        let behind = &rest[at..];
        let after = behind.trim_start_matches([':', '：']);
        let before = &text[..colon];
        let name = before
            .rsplit(|c| c == ':' || SEPARATORS.contains(&c))
            .next()
            .unwrap_or(before)
            .trim();
        let taken = match number(after.trim_start()) {
            Some((number, unit, end)) if named(name) => {
                found.push(Value { name, number, unit });
                end
            }
            _ => after,
        };
        from = text.len() - taken.len();
        rest = taken;
    }
    found
}

fn named(name: &str) -> bool {
    name.len() <= LONGEST_NAME && name.contains(char::is_alphabetic)
}

/// The number at the beginning, its unit, and what follows.
fn number(text: &str) -> Option<(f64, &str, &str)> {
    if let Some((hours, rest)) = duration(text) {
        return ends(rest).then_some((hours, "h", rest));
    }
    let (number, mut rest) = plain(text)?;
    if let Some(whole) = rest.strip_prefix('/')
        && let Some((_, behind)) = plain(whole)
    {
        rest = behind;
    }
    let unit = rest.strip_prefix(' ').unwrap_or(rest);
    let end = unit
        .find(|c: char| !(c.is_alphabetic() || matches!(c, '%' | '°' | '℃' | '/' | 'µ')))
        .unwrap_or(unit.len());
    let (unit, rest) = unit.split_at(end);
    (ends(rest) && unit.len() <= LONGEST_UNIT).then_some((number, unit, rest))
}

/// Whether a figure may end here: `0x50005` and `192.168.1.31` are none.
fn ends(rest: &str) -> bool {
    rest.chars()
        .next()
        .is_none_or(|c| c.is_whitespace() || SEPARATORS.contains(&c))
}

/// Digits with a sign and a point.
fn plain(text: &str) -> Option<(f64, &str)> {
    let digits = |t: &str| t.find(|c: char| !c.is_ascii_digit()).unwrap_or(t.len());
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sign = text.len() - unsigned.len();
    let whole = digits(unsigned);
    if whole == 0 {
        return None;
    }
    let mut end = sign + whole;
    if let Some(fraction) = text[end..].strip_prefix('.') {
        let places = digits(fraction);
        end += if places > 0 { 1 + places } else { 0 };
    }
    let number: f64 = text[..end].parse().ok()?;
    number.is_finite().then_some((number, &text[end..]))
}

/// `125:00:00` or `2 days, 1:02:03`, as Python writes it, in hours.
fn duration(text: &str) -> Option<(f64, &str)> {
    let (days, clock) = match text.split_once(" day") {
        Some((days, rest)) if days.len() <= 6 => {
            let rest = rest.strip_prefix('s').unwrap_or(rest);
            (days.parse::<u32>().ok()?, rest.strip_prefix(", ")?)
        }
        _ => (0, text),
    };
    let (hours, rest) = plain(clock)?;
    let (minutes, rest) = plain(rest.strip_prefix(':')?)?;
    let (seconds, rest) = plain(rest.strip_prefix(':')?)?;
    let sound = hours >= 0.0 && (0.0..60.0).contains(&minutes) && (0.0..61.0).contains(&seconds);
    sound.then(|| {
        (
            f64::from(days) * 24.0 + hours + minutes / 60.0 + seconds / 3600.0,
            rest,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<(&str, f64, &str)> {
        values(text)
            .into_iter()
            .map(|v| (v.name, v.number, v.unit))
            .collect()
    }

    #[test]
    fn the_translation_server_s_line() {
        assert_eq!(
            read(
                " CPU_RAM: 512.34 MB (VMS: 1024.56 MB), VRAM: 523.12/8192.00 MB (6.4%), Handles: 234, Threads: 12"
            ),
            [
                ("CPU_RAM", 512.34, "MB"),
                ("VMS", 1024.56, "MB"),
                ("VRAM", 523.12, "MB"),
                ("Handles", 234.0, ""),
                ("Threads", 12.0, ""),
            ]
        );
        assert_eq!(read("VRAM: n/a, Handles: 23"), [("Handles", 23.0, "")]);
    }

    #[test]
    fn the_tracker_s_and_the_card_client_s_line() {
        assert_eq!(
            read("稼働時間: 1.2h, メモリ: 150.5MB, CPU: 25.0%, FD: 23, フレーム数: 10"),
            [
                ("稼働時間", 1.2, "h"),
                ("メモリ", 150.5, "MB"),
                ("CPU", 25.0, "%"),
                ("FD", 23.0, ""),
                ("フレーム数", 10.0, ""),
            ]
        );
        let line = read(
            "経過: 00:06:00 | RSS: 45.23MB (初期比: +2.15MB) | VMS: 123.45MB | システム: 35.2% (512MB空き)",
        );
        assert_eq!(line.len(), 5, "{line:?}");
        assert_eq!(line[0], ("経過", 0.1, "h"));
        assert_eq!(line[2], ("初期比", 2.15, "MB"));
        assert_eq!(read("経過: 2 days, 1:30:00 | RSS: 1MB")[0].1, 49.5);
        assert_eq!(read("経過: 125:00:00")[0].1, 125.0);
        assert_eq!(read("初期比: -2.15MB")[0].1, -2.15);
    }

    #[test]
    fn columns_that_do_not_exist_yet_and_what_is_no_figure() {
        assert_eq!(
            read("Temperature: 48.3 °C, Load: 0.5, Taps waiting: 3"),
            [
                ("Temperature", 48.3, "°C"),
                ("Load", 0.5, ""),
                ("Taps waiting", 3.0, ""),
            ]
        );
        assert_eq!(
            read("Flags: 0x50005, Server: 192.168.1.31:5000, : 3, 7: 4"),
            []
        );
        assert_eq!(read(&format!("N: {}", "9".repeat(400))), []);
    }

    proptest! {
        #[test]
        fn no_text_panics_and_every_number_is_finite(text in "([A-Za-z メモリ0-9:：.,|()/%+-]|.){0,80}") {
            for value in values(&text) {
                prop_assert!(value.number.is_finite() && !value.name.is_empty());
            }
        }
    }
}
