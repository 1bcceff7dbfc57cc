//! CSV for spreadsheet programs: CRLF, and UTF-8 with a byte order mark or CP932.

use anyhow::Result;
use csv::{Terminator, Writer, WriterBuilder};

use super::cp932::Encoder;
use super::{Form, name, seconds};
use crate::attend::ledger::query::Row;
use crate::cli::attendance::options::Encoding;
use crate::cli::attendance::people::People;
use crate::cli::attendance::{offset, to_the_second};
use crate::tools::spreadsheet::no_formula;

/// The columns. Spreadsheets and programs out there name them: they are never changed, only added to.
const HEADINGS: [&str; 19] = [
    "number",
    "time",
    "utc",
    "offset",
    "card",
    "type",
    "name",
    "known",
    "reader",
    "outcome",
    "clock",
    "faces",
    "nearest_face_s",
    "state",
    "attempts",
    "answer",
    "review",
    "note",
    "card_bytes",
];

/// The form.
pub(super) struct Csv {
    cp932: Option<Encoder>,
}

impl Csv {
    pub fn new(encoding: Encoding) -> Self {
        Self {
            cp932: match encoding {
                Encoding::Utf8 => None,
                Encoding::Cp932 => Some(Encoder::default()),
            },
        }
    }

    /// No byte of a CP932 character is a comma, a quotation mark or a line end, so what is encoded already
    /// may be quoted.
    fn record<'a>(
        &mut self,
        writer: &mut Writer<Vec<u8>>,
        fields: impl IntoIterator<Item = &'a str>,
    ) -> csv::Result<()> {
        for field in fields {
            match &mut self.cp932 {
                None => writer.write_field(field)?,
                Some(encoder) => writer.write_field(encoder.encode(field))?,
            }
        }
        writer.write_record(None::<&[u8]>)
    }
}

impl Form for Csv {
    fn head(&mut self) -> Vec<u8> {
        let mark = if self.cp932.is_none() { "\u{feff}" } else { "" };
        // ASCII without anything to quote: the same in every encoding.
        format!("{mark}{}\r\n", HEADINGS.join(",")).into_bytes()
    }

    fn rows(&mut self, rows: &[Row], people: &People) -> Result<Vec<u8>> {
        let mut writer = WriterBuilder::new()
            .terminator(Terminator::CRLF)
            .from_writer(Vec::new());
        for row in rows {
            let fields = fields(row, people);
            self.record(&mut writer, fields.iter().map(String::as_str))?;
        }
        Ok(writer.into_inner().map_err(|e| e.into_error())?)
    }

    fn tail(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn lost(&self) -> u64 {
        self.cp932.as_ref().map_or(0, Encoder::lost)
    }
}

fn fields(row: &Row, people: &People) -> [String; HEADINGS.len()] {
    let number = |n: Option<i64>| n.map(|n| n.to_string()).unwrap_or_default();
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    let (name, known) = name(people, row);
    let known = match known {
        Some(true) => "yes",
        Some(false) => "no",
        None => "",
    };
    [
        number(row.number),
        to_the_second(&row.local_time),
        row.utc_time.clone(),
        // A bare +09:00 would be taken for nine o'clock.
        format!("UTC{}", offset(row.offset_s)),
        row.uid.clone(),
        text(&row.card),
        no_formula(name.unwrap_or_default()),
        known.to_owned(),
        no_formula(&row.reader),
        row.outcome.word().to_owned(),
        text(&row.clock),
        number(row.faces),
        seconds(row.nearest_face_ms).map_or_else(String::new, |s| s.to_string()),
        text(&row.state),
        number(row.attempts),
        no_formula(&text(&row.answer)),
        no_formula(&text(&row.review)),
        no_formula(&text(&row.why)),
        in_bytes(&row.uid),
    ]
}

/// `04:A1:B2:C3`: four parts and more are no time of day, so a spreadsheet leaves them alone, while it
/// turns a card of digits alone into a number. The roster takes this form.
fn in_bytes(uid: &str) -> String {
    uid.as_bytes()
        .chunks(2)
        .map(String::from_utf8_lossy)
        .collect::<Vec<_>>()
        .join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headings_are_frozen() {
        let head = Csv::new(Encoding::Utf8).head();
        assert_eq!(
            String::from_utf8(head).unwrap(),
            "\u{feff}number,time,utc,offset,card,type,name,known,reader,outcome,clock,faces,nearest_face_s,\
             state,attempts,answer,review,note,card_bytes\r\n"
        );
        assert!(Csv::new(Encoding::Cp932).head().starts_with(b"number,"));
    }

    #[test]
    fn cards_survive_a_spreadsheet_as_bytes() {
        assert_eq!(in_bytes("04A1B2C3"), "04:A1:B2:C3");
        assert_eq!(in_bytes(""), "");
    }
}
