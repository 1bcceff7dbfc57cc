//! The encodings in which people's programs save a CSV file, told by the bytes: what is not valid is excluded, and of the
//! rest that is taken in which the text looks like names. Where two do, or none, the file is refused: a wrong name would
//! be believed.

mod characters;
mod plausible;

use std::borrow::Cow;
use std::cmp::Reverse;

use anyhow::{Result, bail, ensure};
use encoding_rs::{
    BIG5, DecoderResult, EUC_JP, EUC_KR, Encoding, GBK, ISO_2022_JP, MACINTOSH, SHIFT_JIS, UTF_8,
    UTF_16BE, UTF_16LE, WINDOWS_1252,
};

use super::headings;
use crate::say;
use plausible::{Language, Score, is_usual, score};

/// Bytes by which the encoding is told; validity is that of all.
const SAMPLE: usize = 32 * 1024;
/// Lines in which headings are looked for.
const HEADINGS: usize = 20;
/// Points of a heading that is understood.
const HEADING: i64 = 20;

/// Text, and what it was.
#[derive(Debug)]
pub(super) struct Decoded<'a> {
    pub text: Cow<'a, str>,
    pub encoding: &'static str,
}

/// An encoding without a mark, its name for people, and whose names are expected in it.
const CANDIDATES: [(&Encoding, &str, Language); 7] = [
    // What WHATWG calls Shift_JIS is CP932.
    (SHIFT_JIS, "CP932", Language::Japanese),
    (EUC_JP, "EUC-JP", Language::Japanese),
    (GBK, "GBK", Language::Chinese),
    (BIG5, "Big5", Language::Taiwanese),
    (EUC_KR, "EUC-KR", Language::Korean),
    (WINDOWS_1252, "CP1252", Language::Western),
    (MACINTOSH, "Mac Roman", Language::Western),
];

/// The text of a file. Single characters that are broken in UTF-8 or UTF-16 become U+FFFD.
///
/// # Errors
/// It cannot be told which encoding it is; the message names a line.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded<'_>> {
    let done = |text, encoding| Ok(Decoded { text, encoding });
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        let text = encoding.decode_without_bom_handling(&bytes[mark..]).0;
        return done(text, encoding.name());
    }
    if let Some(encoding) = without_mark(bytes) {
        return done(
            encoding.decode_without_bom_handling(bytes).0,
            encoding.name(),
        );
    }
    ensure!(
        !bytes.contains(&0),
        say!(
            "it is no text, but another kind of file (a workbook?); save it as CSV UTF-8",
            "テキストではありません（Excel ブックなど）。「CSV UTF-8」として保存してください"
        )
    );
    if bytes.is_ascii() {
        let escaped = [&b"\x1b$B"[..], b"\x1b$@", b"\x1b(J"];
        if bytes.windows(3).any(|w| escaped.contains(&w)) {
            return done(
                ISO_2022_JP.decode_without_bom_handling(bytes).0,
                "ISO-2022-JP",
            );
        }
        return done(String::from_utf8_lossy(bytes), UTF_8.name());
    }
    match utf8(bytes) {
        Utf8::Yes => return done(String::from_utf8_lossy(bytes), UTF_8.name()),
        Utf8::Perhaps => {}
        Utf8::No => return told_by_names(bytes),
    }
    // Two bytes for each character may be valid by chance.
    told_by_names(bytes).or_else(|_| done(String::from_utf8_lossy(bytes), UTF_8.name()))
}

/// UTF-16 without its mark: every other byte of digits, commas and line ends is zero.
fn without_mark(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    let zeros = |first: usize| {
        sample
            .iter()
            .skip(first)
            .step_by(2)
            .filter(|b| **b == 0)
            .count()
    };
    let (even, odd) = (zeros(0), zeros(1));
    let encoding = match (even, odd) {
        (0, 1..) => UTF_16LE,
        (1.., 0) => UTF_16BE,
        _ => return None,
    };
    (even + odd >= sample.len() / 8 && bytes.len().is_multiple_of(2)).then_some(encoding)
}

enum Utf8 {
    Yes,
    /// Valid, but with characters of two bytes only, which are not those between Latin letters.
    Perhaps,
    No,
}

fn utf8(bytes: &[u8]) -> Utf8 {
    let (mut longer, mut wide, mut broken, mut odd) = (0_usize, false, 0_usize, false);
    for chunk in bytes.utf8_chunks() {
        let mut around = [' '; 2];
        for c in chunk.valid().chars() {
            longer += usize::from(!c.is_ascii());
            wide |= c.len_utf8() > 2;
            // The character in the middle.
            let [before, this] = around;
            let latin = matches!(this, '\u{c0}'..='\u{17f}');
            let beside = before.is_ascii_alphabetic() || c.is_ascii_alphabetic();
            odd |= !(this.is_ascii() || (latin && beside));
            around = [this, c];
        }
        let [before, last] = around;
        odd |= !last.is_ascii() && !before.is_ascii_alphabetic();
        let rest = chunk.invalid();
        // The file is still being written: its end is cut within a character.
        let cut = bytes.ends_with(rest)
            && std::str::from_utf8(rest).is_err_and(|e| e.error_len().is_none());
        broken += usize::from(!rest.is_empty() && !cut);
    }
    match (longer, broken) {
        (0, _) => Utf8::No,
        (_, 0) if !wide && odd => Utf8::Perhaps,
        (_, 0) => Utf8::Yes,
        // Text of another encoding is seldom valid for long.
        _ if wide && longer > 8 * broken => Utf8::Yes,
        _ => Utf8::No,
    }
}

struct Reading {
    encoding: &'static Encoding,
    name: &'static str,
    score: Score,
    points: i64,
}

fn told_by_names(bytes: &[u8]) -> Result<Decoded<'_>> {
    let sample = sample(bytes);
    let mut readings: Vec<Reading> = CANDIDATES
        .into_iter()
        .filter(|(encoding, ..)| is_valid(encoding, bytes))
        .map(|(encoding, name, language)| {
            let text = encoding.decode_without_bom_handling(sample).0;
            let score = score(&text, language);
            Reading {
                encoding,
                name,
                score,
                points: score.points + HEADING * headings_in(&text),
            }
        })
        .collect();
    readings.sort_by_key(|r| Reverse(r.points));
    let is_good = |r: &&Reading| r.score.is_good() || (r.points > 0 && r.points > r.score.points);
    let (number, line) = doubtful_line(bytes);
    let read = |r: &Reading| shown(&r.encoding.decode_without_bom_handling(line).0);
    let Some(best) = readings.iter().find(is_good) else {
        let first = readings.first();
        let a = first.map_or_else(|| shown(&String::from_utf8_lossy(line)), read);
        bail!(say!(
            "its encoding cannot be told: line {number} (\"{a}\") makes no sense in any of UTF-8, UTF-16, CP932, EUC-JP, \
             GBK and CP1252; save it as CSV UTF-8",
            "文字コードを判別できません。{number} 行目（「{a}」）は UTF-8、UTF-16、CP932、EUC-JP、GBK、CP1252 の\
             いずれとしても読めません。「CSV UTF-8」として保存してください"
        ));
    };
    // Half as likely is too likely, unless it is the same text.
    let rival = readings.iter().find(|r| {
        r.name != best.name && r.points > 0 && 2 * r.points > best.points && !same(best, r, bytes)
    });
    if let Some(rival) = rival {
        let (a, b) = (read(best), read(rival));
        let (first, second) = (best.name, rival.name);
        bail!(say!(
            "its encoding cannot be told: line {number} is \"{a}\" in {first} and \"{b}\" in {second}; save it as CSV UTF-8",
            "文字コードを判別できません。{number} 行目は {first} では「{a}」、{second} では「{b}」です。\
             「CSV UTF-8」として保存してください"
        ));
    }
    Ok(Decoded {
        text: best.encoding.decode_without_bom_handling(bytes).0,
        encoding: best.name,
    })
}

fn same(a: &Reading, b: &Reading, bytes: &[u8]) -> bool {
    a.encoding.decode_without_bom_handling(bytes).0
        == b.encoding.decode_without_bom_handling(bytes).0
}

/// The beginning, up to a line end.
fn sample(bytes: &[u8]) -> &[u8] {
    let part = &bytes[..bytes.len().min(SAMPLE)];
    let end = if part.len() == bytes.len() {
        None
    } else {
        part.iter().rposition(|b| matches!(b, b'\n' | b'\r'))
    };
    &part[..end.unwrap_or(part.len())]
}

/// Whether every byte means something, looked at a piece at a time.
fn is_valid(encoding: &'static Encoding, bytes: &[u8]) -> bool {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut piece = [0; 8192];
    let mut rest = bytes;
    loop {
        let (result, read, _) = decoder.decode_to_utf8_without_replacement(rest, &mut piece, true);
        rest = &rest[read..];
        match result {
            DecoderResult::InputEmpty => return true,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => return false,
        }
    }
}

/// Headings that are understood and are not the same in every encoding.
fn headings_in(text: &str) -> i64 {
    let fields = text
        .split(['\n', '\r'])
        .take(HEADINGS)
        .flat_map(|line| line.split([',', ';', '\t']))
        .filter(|field| !field.is_ascii());
    fields
        .map(|f| i64::from(headings::meaning(f).is_some()))
        .sum()
}

/// The first line that is no UTF-8, else the first that is not the same in every encoding; without its end.
fn doubtful_line(bytes: &[u8]) -> (usize, &[u8]) {
    let lines = || {
        let lines = bytes.split(|b| *b == b'\n').flat_map(|line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            line.split(|b| *b == b'\r')
        });
        (1..).zip(lines)
    };
    lines()
        .find(|(_, line)| std::str::from_utf8(line).is_err())
        .or_else(|| lines().find(|(_, line)| !line.is_ascii()))
        .unwrap_or((1, bytes))
}

/// The beginning of a text, for a message.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

/// No character of CP1252 has a higher number.
const LAST_OF_CP1252: char = '\u{2122}';

/// Whether a name is what becomes of another in the wrong encoding, and was saved so: `MÃ¼ller`, `螻ｱ逕ｰ`, `ŽR“c`.
pub(super) fn is_garbled(name: &str) -> bool {
    // Nearly all names; encoding takes its time.
    if name.is_ascii() || is_usual(name) {
        return false;
    }
    let as_bytes = |encoding: &'static Encoding| {
        let (bytes, _, lost) = encoding.encode(name);
        (!lost).then(|| bytes.into_owned())
    };
    let is_utf8 = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
    if name.chars().all(|c| c <= LAST_OF_CP1252) {
        return as_bytes(WINDOWS_1252).is_some_and(|bytes| {
            let text = SHIFT_JIS.decode_without_bom_handling_and_without_replacement(&bytes);
            let japanese = text.is_some_and(|t| {
                let score = score(&t, Language::Japanese);
                score.characters > 1 && score.points >= 3 * score.characters
            });
            is_utf8(&bytes) || (japanese && bytes.iter().any(|b| matches!(b, 0x80..=0x9F)))
        });
    }
    as_bytes(SHIFT_JIS).is_some_and(|bytes| {
        is_utf8(&bytes)
            && String::from_utf8_lossy(&bytes)
                .chars()
                .any(|c| c.len_utf8() > 2)
    })
}

#[cfg(test)]
mod tests;
