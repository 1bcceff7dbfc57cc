//! Figures and shapes in words, in both languages.

use super::figures::Figures;
use super::resource::{Resource, ResourceKind};
use super::run::End;
use super::stamp;
use crate::say;
use crate::watch::trend::{Form, Jump};

/// A figure with as many places as tell something.
pub fn number(value: f64) -> String {
    let places = match value.abs() {
        v if v.fract() == 0.0 && v < 1e15 => 0,
        v if v >= 1e15 => return format!("{value:.2e}"),
        v if v >= 100.0 => 1,
        _ => 2,
    };
    // -0.00 is 0.00.
    let text = format!("{value:.places$}");
    let zero = text
        .trim_start_matches('-')
        .chars()
        .all(|c| matches!(c, '0' | '.'));
    if zero {
        text.trim_start_matches('-').to_owned()
    } else {
        text
    }
}

/// A change, with its sign.
fn change(value: f64) -> String {
    let text = number(value);
    if value > 0.0 && !text.starts_with('+') {
        format!("+{text}")
    } else {
        text
    }
}

/// A slope: always with two places, since a small one matters.
fn rate(value: f64) -> String {
    match value.abs() {
        v if v < 0.005 => "0".to_owned(),
        v if v < 1000.0 => format!("{value:+.2}"),
        _ => change(value.round()),
    }
}

fn with_unit(number: String, unit: &str) -> String {
    match unit {
        "" => number,
        "%" => format!("{number}%"),
        unit => format!("{number} {unit}"),
    }
}

/// A stretch of time in the unit that suits it.
pub fn span(seconds: f64) -> String {
    let hours = seconds / 3600.0;
    if seconds < 120.0 {
        say!("{} s", "{}秒", number((seconds * 10.0).round() / 10.0))
    } else if hours < 2.0 {
        say!("{:.0} min", "{:.0}分", seconds / 60.0)
    } else if hours < 72.0 {
        say!("{:.1} h", "{:.1}時間", hours)
    } else {
        say!("{:.1} d", "{:.1}日", hours / 24.0)
    }
}

/// The slope an hour.
pub fn slope(figures: &Figures, resource: &Resource) -> String {
    match (resource.kind, figures.shape.slope) {
        (ResourceKind::Uptime, _) | (_, None) => "-".to_owned(),
        (_, Some(slope)) => rate(slope),
    }
}

/// The shape, with the numbers that led to it. `begin` is the wall clock of the first reading, if there was
/// one run alone.
pub fn verdict(figures: &Figures, resource: &Resource, begin: Option<f64>) -> String {
    let shape = &figures.shape;
    let unit = |value: f64| with_unit(change(value), &resource.unit);
    let scatter = with_unit(number(shape.scatter), &resource.unit);
    let hours = span(shape.hours * 3600.0);
    match resource.kind {
        ResourceKind::Uptime => return "-".to_owned(),
        ResourceKind::Counter => {
            let more = change(figures.increase);
            return say!("counter: {more}", "カウンター: {more}");
        }
        ResourceKind::Held | ResourceKind::Free => {}
    }
    match &shape.form {
        Form::Short => {
            let count = figures.count;
            say!("too few readings ({count})", "測定が少なすぎます ({count})")
        }
        Form::Flat => say!(
            "flat: scatter {scatter} in {hours}",
            "平坦: ばらつき {scatter} ({hours})"
        ),
        Form::Jumps(jumps) => {
            let list = list(jumps, &unit, begin);
            say!(
                "jump: {list}; flat beside that, scatter {scatter}",
                "段差: {list}。それ以外は平坦、ばらつき {scatter}"
            )
        }
        Form::Line(jumps) => {
            let (growth, rate) = (
                unit(shape.growth),
                with_unit(rate(shape.slope.unwrap_or(0.0)), &resource.unit),
            );
            let beside = if jumps.is_empty() {
                String::new()
            } else {
                let list = list(jumps, &unit, begin);
                say!("; and a jump: {list}", "。段差もあり: {list}")
            };
            let line = if figures.leak {
                say!("LINE = LEAK", "直線 = リーク")
            } else {
                say!("line", "直線")
            };
            say!(
                "{line}: {growth} in {hours}, {rate}/h, scatter {scatter}{beside}",
                "{line}: {hours}で {growth}、毎時 {rate}、ばらつき {scatter}{beside}"
            )
        }
    }
}

fn list(jumps: &[Jump], unit: &dyn Fn(f64) -> String, begin: Option<f64>) -> String {
    let one = |jump: &Jump| {
        let by = unit(jump.by);
        match begin {
            Some(begin) => {
                let at = stamp::show(begin + jump.at * 3600.0);
                say!("{by} at {at}", "{at} に {by}")
            }
            None => by,
        }
    };
    jumps.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// How a run ended.
pub fn end(end: End) -> String {
    match end {
        End::Clean => say!("told to stop", "指示による終了"),
        End::Crash => say!("CRASH", "クラッシュ"),
        End::Silent => say!("without a word", "記録なし（突然終了）"),
        End::Open => say!("the log ends here", "ログの終わり"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (23.0, "23"),
            (150.53, "150.5"),
            (1.0416, "1.04"),
            (-0.001, "0.00"),
            (-2.5, "-2.50"),
            (1e300, "1.00e300"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(change(1.5), "+1.50");
        assert_eq!(change(0.0), "0");
        assert_eq!(span(90.0), "90 s");
        assert_eq!(span(600.0), "10 min");
        assert_eq!(span(86_400.0), "24.0 h");
        assert_eq!(span(864_000.0), "10.0 d");
    }
}
