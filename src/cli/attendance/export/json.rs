//! JSON: an array with an object on each line.

use anyhow::Result;
use serde::Serialize;

use super::{Form, name, seconds};
use crate::attend::ledger::query::Row;
use crate::cli::attendance::offset;
use crate::cli::attendance::people::People;

/// The form.
#[derive(Default)]
pub(super) struct Json {
    begun: bool,
}

/// The names are those of the CSV's columns. They are stable.
#[derive(Serialize)]
struct Object<'a> {
    number: Option<i64>,
    time: &'a str,
    utc: &'a str,
    offset: String,
    card: &'a str,
    #[serde(rename = "type")]
    kind: Option<&'a str>,
    name: Option<&'a str>,
    known: Option<bool>,
    reader: &'a str,
    outcome: &'static str,
    clock: Option<&'a str>,
    faces: Option<i64>,
    nearest_face_s: Option<f64>,
    state: Option<&'a str>,
    attempts: Option<i64>,
    answer: Option<&'a str>,
    review: Option<&'a str>,
    note: Option<&'a str>,
}

impl Form for Json {
    fn head(&mut self) -> Vec<u8> {
        b"[".to_vec()
    }

    fn rows(&mut self, rows: &[Row], people: &People) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for row in rows {
            bytes.extend(if self.begun { &b",\n"[..] } else { b"\n" });
            self.begun = true;
            let (name, known) = name(people, row);
            serde_json::to_writer(
                &mut bytes,
                &Object {
                    number: row.number,
                    time: &row.local_time,
                    utc: &row.utc_time,
                    offset: offset(row.offset_s),
                    card: &row.uid,
                    kind: row.card.as_deref(),
                    name,
                    known,
                    reader: &row.reader,
                    outcome: row.outcome.word(),
                    clock: row.clock.as_deref(),
                    faces: row.faces,
                    nearest_face_s: seconds(row.nearest_face_ms),
                    state: row.state.as_deref(),
                    attempts: row.attempts,
                    answer: row.answer.as_deref(),
                    review: row.review.as_deref(),
                    note: row.why.as_deref(),
                },
            )?;
        }
        Ok(bytes)
    }

    fn tail(&mut self) -> Vec<u8> {
        if self.begun { b"\n]\n" } else { &b"]\n"[..] }.to_vec()
    }

    fn lost(&self) -> u64 {
        0
    }
}
