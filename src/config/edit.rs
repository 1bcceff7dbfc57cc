//! Changing one value in the text of a configuration: everything else stays as its owner has written it.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::schema::{Key, KeyKind};
use super::{Config, nearest, parse, schema, values};

/// The group that the checker takes as a whole: a mount without roll is one whose axes do not name it.
const WHOLE_GROUP: &str = "servo.axes";

/// A configuration with one value changed.
#[derive(Debug)]
pub struct Edited {
    /// The new text of the file.
    pub text: String,
    /// As it was.
    pub before: Config,
    /// As it is with that text.
    pub after: Config,
}

/// Gives the key `path` the value that `typed` says, in the text of a configuration.
///
/// # Errors
/// Everything that is wrong: with the text as it is, with the key, or with the configuration as it would be.
pub fn set(text: &str, path: &str, typed: &str) -> Result<Edited, Vec<String>> {
    let (before, _) = parse(text)?;
    let Some(key) = schema::find(path) else {
        let meant = nearest(path, schema::KEYS.iter().map(|k| k.path))
            .map_or_else(String::new, |meant| format!("did you mean \"{meant}\"? "));
        return Err(vec![format!(
            "has no key \"{path}\"; {meant}`facetap config schema` lists all of them"
        )]);
    };
    let mark = usize::from(text.starts_with('\u{feff}')) * '\u{feff}'.len_utf8();
    let (mark, body) = text.split_at(mark);
    let value = value_of(key, typed);
    let text = format!("{mark}{}", put(body, key, value, &before));
    let (after, _) = parse(&text)?;
    Ok(Edited {
        text,
        before,
        after,
    })
}

/// What was typed, as what the key may be; what fits nothing is left for the checker to name.
fn value_of(key: &Key, typed: &str) -> Value {
    let as_json = serde_json::from_str::<Value>(typed).ok();
    let wants_text = matches!(
        key.kind,
        KeyKind::Text | KeyKind::Path | KeyKind::OneOf(_) | KeyKind::Url(_) | KeyKind::Socket
    );
    match as_json {
        Some(Value::Null) if !key.null && wants_text => typed.into(),
        // A terminal may be called 12.
        Some(Value::Bool(_) | Value::Number(_)) if wants_text => typed.into(),
        Some(value) => value,
        None => typed.into(),
    }
}

fn put(text: &str, key: &Key, value: Value, before: &Config) -> String {
    let parts: Vec<&str> = key.path.split('.').collect();
    let mut object = trimmed(text);
    for (depth, part) in parts.iter().enumerate() {
        let members = members(text, &object);
        let Some(member) = members.get(*part) else {
            // Axes that are named for the first time are all named.
            let whole = key
                .path
                .strip_prefix(WHOLE_GROUP)
                .filter(|below| !below.is_empty() && depth < WHOLE_GROUP.split('.').count());
            let inner = match whole {
                Some(below) => {
                    let mut axes = values::of(before)["servo"]["axes"].clone();
                    if let Some(place) = axes.pointer_mut(&below.replace('.', "/")) {
                        *place = value;
                    }
                    nested(&["servo", "axes"][depth + 1..], axes)
                }
                None => nested(&parts[depth + 1..], value),
            };
            return insert(text, &object, &members, part, &inner);
        };
        let is_last = depth + 1 == parts.len();
        if is_last || !text[member.clone()].starts_with('{') {
            let inner = nested(&parts[depth + 1..], value);
            return replaced(text, member.clone(), &inline(&inner));
        }
        object = member.clone();
    }
    text.to_owned()
}

/// Where the text without the blanks around it stands.
fn trimmed(text: &str) -> Range<usize> {
    let start = text.len() - text.trim_start().len();
    start..start + text.trim().len()
}

/// The members of an object, and where their values stand in the text.
fn members(text: &str, object: &Range<usize>) -> BTreeMap<String, Range<usize>> {
    let found: BTreeMap<String, &RawValue> =
        serde_json::from_str(&text[object.clone()]).unwrap_or_default();
    found
        .into_iter()
        .map(|(name, raw)| {
            // Borrowed from the text, so the address tells the place.
            let start = raw.get().as_ptr().addr() - text.as_ptr().addr();
            (name, start..start + raw.get().len())
        })
        .collect()
}

fn nested(names: &[&str], value: Value) -> Value {
    names.iter().rev().fold(value, |inner, name| {
        Value::Object(Map::from_iter([((*name).to_owned(), inner)]))
    })
}

fn replaced(text: &str, at: Range<usize>, with: &str) -> String {
    format!("{}{with}{}", &text[..at.start], &text[at.end..])
}

/// A new member behind the last one, on a line of its own where the others have theirs.
fn insert(
    text: &str,
    object: &Range<usize>,
    members: &BTreeMap<String, Range<usize>>,
    name: &str,
    value: &Value,
) -> String {
    let member = format!("{}: {}", Value::from(name), inline(value));
    let Some(last) = members.values().map(|at| at.end).max() else {
        let whole_file = *object == trimmed(text);
        let new = if whole_file {
            format!("{{\n  {member}\n}}")
        } else {
            format!("{{ {member} }}")
        };
        return replaced(text, object.clone(), &new);
    };
    let inside = &text[object.start + 1..object.end];
    let lead = &inside[..inside.len() - inside.trim_start().len()];
    let lead = if lead.contains('\n') { lead } else { " " };
    replaced(text, last..last, &format!(",{lead}{member}"))
}

/// A value on one line.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let inner: Vec<_> = map
                .iter()
                .map(|(name, value)| format!("{}: {}", Value::from(name.as_str()), inline(value)))
                .collect();
            format!("{{ {} }}", inner.join(", "))
        }
        Value::Array(list) => {
            format!(
                "[{}]",
                list.iter().map(inline).collect::<Vec<_>>().join(", ")
            )
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, path: &str, typed: &str) -> String {
        set(text, path, typed).expect(path).text
    }

    #[test]
    fn everything_else_stays_as_it_was_written() {
        let text = "\u{feff}{\r\n\t\"camera\" : {\"fps\":15 , \"width\": 640},\r\n\t\"language\":\"ja\"\r\n}\r\n";
        assert_eq!(
            edited(text, "camera.fps", "30"),
            text.replace(":15 ", ":30 ")
        );
        assert_eq!(
            edited(text, "camera.height", "360"),
            text.replace("640}", "640, \"height\": 360}")
        );
        assert_eq!(
            edited(text, "server_url", "http://host:5000"),
            text.replace(
                "\"ja\"",
                "\"ja\",\r\n\t\"server_url\": \"http://host:5000\""
            )
        );
    }

    #[test]
    fn groups_that_are_missing_empty_or_null_are_made() {
        assert_eq!(
            edited("{}", "log.level", "DEBUG"),
            "{\n  \"log\": { \"level\": \"DEBUG\" }\n}"
        );
        assert_eq!(
            edited("{\"log\": {}}\n", "log.keep", "3"),
            "{\"log\": { \"keep\": 3 }}\n"
        );
        assert_eq!(
            edited("{\"web\": null}", "web.listen", "127.0.0.1:9000"),
            "{\"web\": { \"listen\": \"127.0.0.1:9000\" }}"
        );
        assert_eq!(
            edited("{\"web\": {\"listen\": \"[::1]:80\"}}", "web", "null"),
            "{\"web\": null}"
        );
    }

    #[test]
    fn an_axis_that_is_named_first_leaves_the_others_as_they_are() {
        for text in ["{}", "{\"servo\": {\"baud\": 115200}}"] {
            let edited = set(text, "servo.axes.pan.id", "7").unwrap();
            assert_eq!(
                values::changed(&edited.before, &edited.after),
                ["servo.axes.pan.id"],
                "{}",
                edited.text
            );
        }
        let none = set("{}", "servo.axes.roll", "null").unwrap();
        assert!(none.after.servo.axes.roll.is_none());
        let back = set(&none.text, "servo.axes.roll.invert", "true").unwrap();
        assert!(back.after.servo.axes.roll.is_some_and(|roll| roll.invert));
    }

    #[test]
    fn what_was_typed_is_taken_as_what_the_key_may_be() {
        let after = |path, typed| set("{}", path, typed).unwrap().after;
        assert_eq!(
            after("terminal_id", "12").terminal_id.as_deref(),
            Some("12")
        );
        assert_eq!(
            after("terminal_id", "\"a b\"").terminal_id.as_deref(),
            Some("a b")
        );
        assert_eq!(after("terminal_id", "null").terminal_id, None);
        assert_eq!(
            after("camera.latency_ms", "80")
                .camera
                .latency_ms
                .milliseconds(),
            Some(80.0)
        );
        assert_eq!(
            after("camera.latency_ms", "auto")
                .camera
                .latency_ms
                .milliseconds(),
            None
        );
        assert_eq!(
            after("camera.source", "1").camera.source,
            crate::config::Source::Number(1)
        );
        assert_eq!(
            after("cards.readers", "[\"ACR\", \"SCM\"]").cards.readers,
            crate::config::Readers::Several(vec!["ACR".into(), "SCM".into()])
        );
    }

    #[test]
    fn what_would_be_wrong_is_said_and_what_is_wrong_already_too() {
        let problem = |text, path, typed| set(text, path, typed).unwrap_err().join("\n");
        assert!(problem("{}", "camera.fpx", "30").contains("camera.fps"));
        assert!(problem("{}", "camera.fps", "fast").contains("1 to 240"));
        assert!(problem("{}", "servo.axes.pan.id", "3").contains("both 3"));
        assert!(problem("{\"camrea\": 1}", "camera.fps", "30").contains("camrea"));
    }

    proptest::proptest! {
        #[test]
        fn a_value_that_is_set_is_there_and_nothing_else_changes(
            text in proptest::sample::select(vec![
                "{}", " { } ", "{\"log\":{\"keep\":3}}", "{\n  \"gpio\": { \"red\": null },\n  \"mqtt\": null\n}\n",
                "{\"camera\": {\"fps\": 5, \"source\": \"a{b}c\\\"d\"}, \"servo\": {\"axes\": {\"pan\": {}, \"tilt\": {}}}}",
            ]),
            (path, value) in proptest::sample::select(vec![
                ("log.keep", "9"), ("gpio.red", "4"), ("camera.fps", "12.5"), ("camera.source", "x{y\"z"),
                ("servo.axes.tilt.max", "20"), ("retry_interval", "60"), ("mqtt.url", "mqtt://h"),
            ]),
        ) {
            let edited = set(text, path, value).unwrap();
            let changed = values::changed(&edited.before, &edited.after);
            proptest::prop_assert!(changed.iter().all(|c| *c == path || *c == "mqtt.topic"), "{changed:?}");
            let again = set(&edited.text, path, value).unwrap();
            proptest::prop_assert_eq!(again.text, edited.text);
        }
    }
}
