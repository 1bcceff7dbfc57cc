//! A configuration as JSON, for people: whole numbers stand without a fraction.

use serde_json::{Number, Value};

use super::Config;
use super::schema::{KEYS, Key};

/// The built-in configuration.
#[must_use]
pub fn defaults() -> Value {
    of(&Config::default())
}

/// This configuration.
#[must_use]
pub fn of(config: &Config) -> Value {
    let mut value = serde_json::to_value(config).unwrap_or_default();
    tidy(&mut value);
    value
}

/// The paths of the keys that differ.
#[must_use]
pub fn changed(old: &Config, new: &Config) -> Vec<&'static str> {
    let (old, new) = (of(old), of(new));
    KEYS.iter()
        .filter(|key| !key.is_group())
        .filter(|key| given(&old, key) != given(&new, key))
        .map(|key| key.path)
        .collect()
}

/// The value of a key; none where it is null, or where the group that holds it is.
fn given<'a>(config: &'a Value, key: &Key) -> Option<&'a Value> {
    config
        .pointer(&key.pointer())
        .filter(|value| !value.is_null())
}

fn tidy(value: &mut Value) {
    match value {
        Value::Object(map) => map.values_mut().for_each(tidy),
        Value::Number(number) if number.is_f64() => {
            *value = plain(number.as_f64().unwrap_or_default());
        }
        _ => {}
    }
}

/// The number, without a fraction where it has none.
#[must_use]
pub(super) fn plain(number: f64) -> Value {
    // Beyond this not every whole number has a floating one.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        Value::Number(Number::from(number as i64))
    } else {
        number.into()
    }
}
