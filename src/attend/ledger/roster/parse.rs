//! From text to names: delimiter, header, columns, and what is wrong with a line.

use anyhow::{Result, ensure};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::{Contents, uid};
use crate::attend::uid::Uid;
use crate::say;

/// More people than any place this is made for.
const MOST_LINES: usize = 200_000;
/// Lines that are used to detect the delimiter.
const SAMPLE: usize = 20;
/// The longest name in characters; more is another column by mistake.
const LONGEST_NAME: usize = 200;
/// Fields of a line that are looked at; more are ignored.
const COLUMNS: usize = 64;

/// Headings of the column of cards, in lower case without spaces and signs.
const CARD_HEADINGS: &[&str] = &[
    "uid",
    "idm",
    "card",
    "cardid",
    "carduid",
    "cardno",
    "cardnumber",
    "nfc",
    "nfcid",
    "tag",
    "felica",
    "カード",
    "カードid",
    "カード番号",
    "カードuid",
    "カードidm",
    "icカード",
    "icカード番号",
];
/// Headings of the column of names.
const NAME_HEADINGS: &[&str] = &[
    "name",
    "fullname",
    "displayname",
    "person",
    "employee",
    "employeename",
    "氏名",
    "名前",
    "お名前",
    "姓名",
    "社員名",
    "利用者名",
    "表示名",
    "名称",
];

/// Where card and name stand in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Columns {
    card: usize,
    name: usize,
}

/// Reads the text of a roster.
///
/// # Errors
/// It has more lines than a roster can have.
pub(super) fn parse(text: &str) -> Result<Contents> {
    // `lines` would miss the lone carriage returns of old programs.
    let lines: Vec<(usize, &str)> = text
        .split('\n')
        .flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
        .enumerate()
        .map(|(i, line)| (i + 1, line))
        .filter(|(_, line)| !line.trim().is_empty())
        .collect();
    ensure!(
        lines.len() <= MOST_LINES,
        say!(
            "more than {MOST_LINES} lines: this is no roster",
            "{MOST_LINES} 行を超えています。名簿ではありません"
        )
    );
    let mut splitter = Splitter::new(delimiter(&lines));
    let mut contents = Contents::default();
    let mut columns = Columns { card: 0, name: 1 };
    let mut rest = &lines[..];
    if let Some((_, first)) = lines.first()
        && let Some(found) = header(&splitter.split(first))
    {
        columns = found;
        rest = &lines[1..];
    }
    contents.names.reserve(rest.len());
    for (number, line) in rest {
        let fields = splitter.split(line);
        let problem = match entry(&fields, columns) {
            Ok((card, name)) => contents.names.insert(card, name).map(|_| {
                say!(
                    "the card {card} is there twice; this line counts",
                    "カード {card} が重複しています。この行を使います"
                )
            }),
            Err(problem) => Some(problem),
        };
        if let Some(problem) = problem {
            contents
                .problems
                .push(say!("line {number}: {problem}", "{number} 行目: {problem}"));
        }
    }
    Ok(contents)
}

/// The delimiter by which the most cards are found; a comma where none finds any.
fn delimiter(lines: &[(usize, &str)]) -> u8 {
    let found = |delimiter: u8| {
        let mut splitter = Splitter::new(delimiter);
        lines
            .iter()
            .take(SAMPLE)
            .map(|(_, line)| splitter.split(line))
            .filter(|fields| fields.len() > 1 && fields.iter().any(|f| uid::parse(f).is_ok()))
            .count()
    };
    let mut best = (b',', found(b','));
    for other in [b';', b'\t'] {
        let count = found(other);
        if count > best.1 {
            best = (other, count);
        }
    }
    best.0
}

/// The columns if this line is a header: it has known headings, or its first field has no digit and so is
/// not even a spoiled card number.
fn header(fields: &[String]) -> Option<Columns> {
    let plain = |field: &String| -> String {
        field
            .chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect()
    };
    let headings: Vec<String> = fields.iter().map(plain).collect();
    let position = |known: &[&str]| headings.iter().position(|h| known.contains(&h.as_str()));
    match (position(CARD_HEADINGS), position(NAME_HEADINGS)) {
        (Some(card), Some(name)) => Some(Columns { card, name }),
        (Some(card), None) => Some(Columns {
            card,
            name: usize::from(card == 0),
        }),
        (None, Some(name)) => Some(Columns {
            card: usize::from(name == 0),
            name,
        }),
        (None, None) => {
            let first = fields.first()?;
            let could_be = first.chars().any(|c| c.is_numeric()) || uid::parse(first).is_ok();
            (!could_be).then_some(Columns { card: 0, name: 1 })
        }
    }
}

fn entry(fields: &[String], columns: Columns) -> Result<(Uid, String), String> {
    let field = |i: usize| fields.get(i).map_or("", String::as_str);
    let card = uid::parse(field(columns.card)).map_err(|e| e.to_string())?;
    // A line break or an escape sequence in a name would garble log, list and LCD.
    let name = field(columns.name)
        .split(|c: char| c.is_control() || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    if name.is_empty() {
        return Err(say!(
            "the card {card} has no name",
            "カード {card} に名前がありません"
        ));
    }
    if name.chars().count() > LONGEST_NAME {
        return Err(say!(
            "the name of the card {card} is longer than {LONGEST_NAME} characters",
            "カード {card} の名前が {LONGEST_NAME} 文字を超えています"
        ));
    }
    if name.contains('\u{fffd}') {
        return Err(say!(
            "the name of the card {card} is neither UTF-8 nor CP932",
            "カード {card} の名前の文字コードが不正です（UTF-8 または CP932 で保存してください）"
        ));
    }
    Ok((card, name))
}

/// Splits one line at a time, so that a quotation mark that is never closed spoils that line only.
struct Splitter {
    reader: Reader,
    output: Vec<u8>,
}

impl Splitter {
    fn new(delimiter: u8) -> Self {
        Self {
            reader: ReaderBuilder::new().delimiter(delimiter).build(),
            output: Vec::new(),
        }
    }

    fn split(&mut self, line: &str) -> Vec<String> {
        self.reader.reset();
        // Fields are never longer than the line that they come from.
        self.output.resize(line.len() + 1, 0);
        let mut ends = [0; COLUMNS];
        let (result, _, written, mut count) =
            self.reader
                .read_record(line.as_bytes(), &mut self.output, &mut ends);
        if result == ReadRecordResult::InputEmpty {
            // The end of the input ends the record.
            let (_, _, _, more) =
                self.reader
                    .read_record(&[], &mut self.output[written..], &mut ends[count..]);
            count += more;
        }
        let mut start = 0;
        ends[..count]
            .iter()
            .map(|end| {
                let field = String::from_utf8_lossy(&self.output[start..*end]).into_owned();
                start = *end;
                field
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
