//! JSON as people write it by hand: a mistake is named as what it is, with its place, instead of as what a parser expected.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::slips;

/// How the parser's complaint about a second value begins.
const BEHIND_THE_END: &str = "trailing characters";

/// Reads the text of a file.
///
/// # Errors
/// What is wrong with it as JSON, and keys that are given twice.
pub(super) fn read(text: &str) -> Result<Value, Vec<String>> {
    let twice = RefCell::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Node {
        path: String::new(),
        twice: &twice,
    }
    .deserialize(&mut reader)
    .and_then(|value| reader.end().map(|()| value))
    .map_err(|e| {
        // What stands behind the end is too much, whatever it is.
        let slips = if e.to_string().starts_with(BEHIND_THE_END) {
            Vec::new()
        } else {
            slips::find(text)
        };
        if slips.is_empty() {
            vec![explained(&e)]
        } else {
            slips
        }
    })?;
    let twice = twice.into_inner();
    if twice.is_empty() {
        Ok(value)
    } else {
        Err(twice)
    }
}

/// What the parser found, where no slip explains it.
fn explained(e: &serde_json::Error) -> String {
    let (line, column) = (e.line(), e.column());
    if e.is_eof() {
        return format!(
            "ends too early (line {line}): a bracket or a quote is not closed; was it cut off?"
        );
    }
    let said = e.to_string();
    let meant = [
        ("expected `,`", "a comma is missing before this"),
        ("expected `:`", "a colon is missing between key and value"),
        (
            BEHIND_THE_END,
            "something follows behind the bracket that ends the configuration",
        ),
        (
            "invalid escape",
            "a backslash in a text is written twice: \\\\",
        ),
    ]
    .into_iter()
    .find(|(begin, _)| said.starts_with(begin));
    match meant {
        Some((_, meant)) => format!("is not valid JSON at line {line}, column {column}: {meant}"),
        None => format!("is not valid JSON at line {line}, column {column}: {said}"),
    }
}

/// Reads one value as it stands, and notes keys that its objects have twice: of those the last would count unsaid.
struct Node<'a> {
    /// The key that leads here (`camera.fps`); empty for the whole.
    path: String,
    twice: &'a RefCell<Vec<String>>,
}

impl Node<'_> {
    fn at(&self, key: &str) -> Self {
        Self {
            path: match self.path.as_str() {
                "" => key.to_owned(),
                path => format!("{path}.{key}"),
            },
            twice: self.twice,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.at(&list.len().to_string()))? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let node = self.at(&key);
            if object.contains_key(&key) {
                let path = &node.path;
                let mut twice = self.twice.borrow_mut();
                let said = format!("\"{path}\" is given more than once; keep one of them");
                if !twice.contains(&said) {
                    twice.push(said);
                }
            }
            let value = entries.next_value_seed(node)?;
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_come_out_as_they_stand() {
        let text = r#"{"a": [1, -2, 2.5, true, null, "x\u0041"], "b": {"c": {}}, "d": 18446744073709551615}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(read(text).unwrap(), value);
    }

    #[test]
    fn keys_that_stand_twice_are_named_each_once_with_their_groups() {
        let text =
            r#"{"a": 1, "b": {"c": 1, "\u0063": 2, "c": 3}, "a": {"d": [{"e": 1, "e": 1}]}}"#;
        let problems = read(text).unwrap_err();
        let said: Vec<_> = problems
            .iter()
            .map(|p| p.split(" is given more than once").next().unwrap())
            .collect();
        assert_eq!(said, ["\"b.c\"", "\"a\"", "\"a.d.0.e\""]);
        assert_eq!(
            read(r#"{"a": {"x": 1}, "b": {"x": 1}}"#).unwrap(),
            json!({"a": {"x": 1}, "b": {"x": 1}})
        );
    }

    #[test]
    fn what_is_missing_is_told_in_plain_words() {
        for (text, meant) in [
            ("{\"a\": 1 \"b\": 2}", "a comma is missing"),
            ("{\"a\": 1\n\"b\": 2}", "line 2"),
            ("{\"a\" 1}", "a colon is missing"),
            ("{\"a\": 1}\n{\"b\": 2}", "something follows"),
            (r#"{"a": "C:\Users"}"#, "written twice"),
            ("{\"a\": 1", "ends too early (line 1)"),
        ] {
            let problems = read(text).unwrap_err();
            assert!(
                problems.len() == 1 && problems[0].contains(meant),
                "{text}: {problems:?}"
            );
        }
    }
}
