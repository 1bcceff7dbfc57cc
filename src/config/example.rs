//! The example that is shipped as `config/facetap.json`: a few keys that most people set, with their defaults.

use serde_json::{Map, Value, json};

use super::values;

/// The keys that it shows with their defaults, in this order.
const SHOWN: [&str; 4] = [
    "camera: source width height fps fov_degrees",
    "servo: port axes",
    "cards: readers repeat_seconds",
    "attendance: roster",
];

/// The example.
#[must_use]
pub fn example() -> Value {
    let defaults = values::defaults();
    let mut shown = Map::new();
    shown.insert(
        "server_url".to_owned(),
        json!("http://attendance.example:5000"),
    );
    shown.insert("language".to_owned(), json!("en"));
    for line in SHOWN {
        let (group, names) = line.split_once(": ").unwrap_or((line, ""));
        let members = names
            .split(' ')
            .map(|name| (name.to_owned(), defaults[group][name].clone()));
        shown.insert(group.to_owned(), members.collect());
    }
    Value::Object(shown)
}
