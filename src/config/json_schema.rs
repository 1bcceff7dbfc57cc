//! The table of keys as a JSON schema, with which an editor completes and checks a configuration while it is written. What
//! it cannot say (an id that two axes share) the checker says.

use serde_json::{Map, Value, json};

use super::schema::{self, Key, KeyKind};
use super::values;

/// The dialect that editors understand best.
const DIALECT: &str = "http://json-schema.org/draft-07/schema#";

/// The schema of a configuration file.
#[must_use]
pub fn json_schema() -> Value {
    let defaults = values::defaults();
    let mut keys = properties("", &defaults);
    // The checker passes over it.
    keys.insert(
        schema::SCHEMA_KEY.to_owned(),
        json!({"type": "string", "description": "where this schema lies"}),
    );
    json!({
        "$schema": DIALECT,
        "title": "FaceTap",
        "description": "configuration of facetap",
        "type": "object",
        "additionalProperties": false,
        "properties": keys,
    })
}

fn properties(group: &str, defaults: &Value) -> Map<String, Value> {
    schema::children(group)
        .map(|key| (key.name().to_owned(), property(key, defaults)))
        .collect()
}

fn property(key: &Key, defaults: &Value) -> Value {
    let mut allowed = of_kind(key, defaults);
    if key.null {
        allowed = json!({"anyOf": [allowed, {"type": "null"}]});
    }
    allowed["description"] = key.meaning.into();
    if !key.is_group()
        && let Some(default) = defaults.pointer(&key.pointer())
    {
        allowed["default"] = default.clone();
    }
    allowed
}

/// A text as the checker takes it: not empty, no control characters.
fn text() -> Value {
    json!({"type": "string", "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"})
}

fn of_kind(key: &Key, defaults: &Value) -> Value {
    match key.kind {
        KeyKind::Bool => json!({"type": "boolean"}),
        KeyKind::Whole(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
        KeyKind::Number(min, max) => number(min, max),
        KeyKind::Text | KeyKind::Path => text(),
        KeyKind::OneOf(choices) => json!({"enum": choices}),
        KeyKind::OneOfNumbers(choices) => json!({"enum": choices}),
        KeyKind::Url(schemes) => {
            json!({"type": "string", "pattern": format!(r"^({})://\S+$", any_case(schemes))})
        }
        KeyKind::Socket => json!({"type": "string", "pattern": "^.+:[0-9]{1,5}$"}),
        KeyKind::NumberOrText(min, max) => {
            json!({"anyOf": [{"type": "integer", "minimum": min, "maximum": max}, text()]})
        }
        KeyKind::NumberOrWord(min, max, word) => {
            json!({"anyOf": [number(min, max), {"const": word}]})
        }
        KeyKind::TextOrTexts => {
            json!({"anyOf": [text(), {"type": "array", "minItems": 1, "items": text()}]})
        }
        KeyKind::Group => json!({
            "type": "object",
            "additionalProperties": false,
            "properties": properties(key.path, defaults),
        }),
    }
}

fn number(min: f64, max: f64) -> Value {
    let (min, max) = (values::plain(min), values::plain(max));
    json!({"type": "number", "minimum": min, "maximum": max})
}

/// A pattern for these words in large and small letters.
fn any_case(words: &[&str]) -> String {
    let letters = |word: &&str| {
        word.chars()
            .map(|c| format!("[{}{}]", c, c.to_ascii_uppercase()))
            .collect::<String>()
    };
    words.iter().map(letters).collect::<Vec<_>>().join("|")
}
