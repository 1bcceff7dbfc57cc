//! A file with answers in the place of a person.

use std::path::Path;

use anyhow::{Result, anyhow};
use serde_json::{Map, Value};

use crate::base::files;
use crate::cli::Usage;
use crate::config::nearest;
use crate::say;

/// A longer file is none with answers.
const MOST_BYTES: u64 = 1 << 16;
/// Seconds that a test tap may be waited for.
const LONGEST_WAIT: f64 = 600.0;

/// The answers by step.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answers(Map<String, Value>);

impl Answers {
    /// Reads and checks the file; `steps` are the keys that there are.
    ///
    /// # Errors
    /// It cannot be read, or everything that is wrong in it.
    pub fn read(file: &Path, steps: &[&str]) -> Result<Self> {
        let name = file.display();
        let bytes = files::read(file, MOST_BYTES).map_err(|e| {
            anyhow!(Usage(say!(
                "the answers {name} cannot be read: {e}",
                "回答ファイル {name} を読めません: {e}"
            )))
        })?;
        let wrong = |what: String| anyhow!(Usage(format!("{name}: {what}")));
        let value = serde_json::from_slice(&bytes).map_err(|e| {
            wrong(say!(
                "is not valid JSON: {e}",
                "JSON として正しくありません: {e}"
            ))
        })?;
        Self::check(value, steps).map_err(|problems| wrong(problems.join("; ")))
    }

    fn check(value: Value, steps: &[&str]) -> Result<Self, Vec<String>> {
        let Value::Object(given) = value else {
            return Err(vec![say!(
                "an object with the steps as keys is expected",
                "手順名をキーとするオブジェクトが必要です"
            )]);
        };
        let problems: Vec<String> = given
            .iter()
            .filter_map(|(key, value)| {
                if !steps.contains(&key.as_str()) {
                    return Some(unknown(key, steps));
                }
                let allowed = misfit(key, value)?;
                Some(say!(
                    "\"{key}\" is {value}, allowed is {allowed}",
                    "\"{key}\" の値 {value} は使えません。使用できる値: {allowed}"
                ))
            })
            .collect();
        if problems.is_empty() {
            Ok(Self(given))
        } else {
            Err(problems)
        }
    }

    /// The answer to a step; none where it is to be left out.
    pub fn of(&self, step: &str) -> Option<&Value> {
        let answer = self.0.get(step)?;
        (!matches!(answer, Value::Null | Value::Bool(false))).then_some(answer)
    }
}

fn unknown(key: &str, known: &[&str]) -> String {
    let all = known.join(", ");
    match nearest(key, known.iter().copied()) {
        Some(meant) => say!(
            "there is no step \"{key}\"; did you mean \"{meant}\"?",
            "手順 \"{key}\" はありません。\"{meant}\" ではありませんか?"
        ),
        None => say!(
            "there is no step \"{key}\"; there are: {all}",
            "手順 \"{key}\" はありません。使用できる手順: {all}"
        ),
    }
}

/// What is allowed where this answer is not.
fn misfit(step: &str, answer: &Value) -> Option<String> {
    if matches!(answer, Value::Null | Value::Bool(false)) {
        return None;
    }
    let is_text = answer.as_str().is_some_and(|text| !text.is_empty());
    let (fits, allowed) = match step {
        "language" => (
            matches!(answer.as_str(), Some("en" | "ja")),
            "\"en\", \"ja\"",
        ),
        "camera" => (is_text || answer.is_u64(), "what camera.source takes"),
        "server" => (is_text, "what server_url takes"),
        "cards" => (
            answer == &Value::Bool(true)
                || answer
                    .as_f64()
                    .is_some_and(|s| (0.0..=LONGEST_WAIT).contains(&s)),
            "true, false, or the seconds to wait for a tap (0 to 600)",
        ),
        "servos" => (
            answer == &Value::Bool(true) || answer.as_object().is_some_and(are_servos),
            "true, false, or {\"port\": text, \"roll\": true or false, \"ids\": true or false}",
        ),
        _ => (answer == &Value::Bool(true), "true, false"),
    };
    (!fits).then(|| allowed.to_owned())
}

fn are_servos(choices: &Map<String, Value>) -> bool {
    choices.iter().all(|(key, value)| match key.as_str() {
        "port" => value.is_string(),
        "roll" | "ids" => value.is_boolean(),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const STEPS: &[&str] = &["language", "camera", "servos", "cards", "server", "write"];

    fn check(value: Value) -> Result<Answers, String> {
        Answers::check(value, STEPS).map_err(|problems| problems.join("; "))
    }

    #[test]
    fn answers_are_found_by_step_and_what_is_not_wanted_is_left_out() {
        let answers = check(json!({
            "language": "ja", "camera": "http://cam/", "servos": {"port": "auto", "ids": false},
            "cards": 30, "server": null, "write": false,
        }))
        .unwrap();
        assert_eq!(answers.of("camera"), Some(&json!("http://cam/")));
        assert_eq!(answers.of("cards"), Some(&json!(30)));
        for left_out in ["server", "write", "delay"] {
            assert_eq!(answers.of(left_out), None, "{left_out}");
        }
    }

    #[test]
    fn every_mistake_is_named_with_what_is_allowed() {
        for (value, part) in [
            (json!([]), "an object"),
            (json!({"camra": "auto"}), "did you mean \"camera\""),
            (json!({"xyzzy": 1}), "there are: language"),
            (json!({"language": "fr"}), "\"en\", \"ja\""),
            (json!({"camera": ""}), "camera.source"),
            (json!({"cards": 601}), "0 to 600"),
            (json!({"cards": "yes"}), "0 to 600"),
            (json!({"servos": {"prot": "a"}}), "\"port\""),
            (json!({"servos": 3}), "\"port\""),
            (json!({"write": "yes"}), "true, false"),
        ] {
            let problems = check(value.clone()).unwrap_err();
            assert!(problems.contains(part), "{value}: {problems}");
        }
        let two = check(json!({"server": 1, "write": 1})).unwrap_err();
        assert!(two.contains("server") && two.contains("write"), "{two}");
    }
}
