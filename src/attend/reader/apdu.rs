//! The one question that is put to a card, and its answers.

use std::fmt;

use crate::attend::uid::{LENGTHS, Uid};
use crate::say;

/// GET DATA: the identifier (PC/SC specification, part 3, section 3.2.2.1.3).
pub const GET_UID: [u8; 5] = [0xFF, 0xCA, 0x00, 0x00, 0x00];

/// Why an answer to [`GET_UID`] is invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerError {
    /// Nothing at all.
    Empty,
    /// Too short for the two status bytes.
    Truncated,
    /// Status 63 00: the card moved away, or does not answer.
    NotCompleted,
    /// Status 6A 81: the reader or card does not know the question.
    NotSupported,
    /// Any other status.
    Status(u8, u8),
    /// Success, but with so many bytes of identifier.
    Length(usize),
}

impl AnswerError {
    /// Whether the same question may be answered better at once. Asking again what was answered wrongly
    /// helps nobody, and a driver that has lost step (vpcd 3.3 after an empty answer) never returns.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::NotCompleted)
    }
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Empty => say!("the card gave an empty answer", "カードの応答が空です"),
            Self::Truncated => say!(
                "the card's answer ended before its status",
                "カードの応答が途中で切れています"
            ),
            Self::NotCompleted => say!(
                "the card did not tell its identifier (status 63 00)",
                "カードが識別子を返しません (63 00)"
            ),
            Self::NotSupported => say!(
                "this card or reader does not tell an identifier (status 6A 81)",
                "このカードまたはリーダーは識別子に対応していません (6A 81)"
            ),
            Self::Status(a, b) => say!(
                "the card answered with status {a:02X} {b:02X}",
                "カードの応答ステータスは {a:02X} {b:02X} です"
            ),
            Self::Length(n) => {
                let (min, max) = (LENGTHS.start(), LENGTHS.end());
                say!(
                    "the card told an identifier of {n} bytes; {min} to {max} are possible",
                    "識別子の長さが {n} バイトです（{min}～{max} バイトのみ有効）"
                )
            }
        };
        f.write_str(&text)
    }
}

/// The identifier in an answer to [`GET_UID`].
///
/// # Errors
/// The answer holds none; see [`AnswerError`].
pub fn uid(answer: &[u8]) -> Result<Uid, AnswerError> {
    match answer {
        [] => Err(AnswerError::Empty),
        [_] => Err(AnswerError::Truncated),
        [identifier @ .., 0x90, 0x00] => {
            Uid::new(identifier).ok_or(AnswerError::Length(identifier.len()))
        }
        [.., 0x63, 0x00] => Err(AnswerError::NotCompleted),
        [.., 0x6A, 0x81] => Err(AnswerError::NotSupported),
        [.., a, b] => Err(AnswerError::Status(*a, *b)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_question_is_frozen() {
        assert_eq!(GET_UID, [0xFF, 0xCA, 0, 0, 0]);
    }

    #[test]
    fn an_identifier_ends_with_success() {
        let idm = [0x01, 0x2E, 0x44, 0xA7, 0xA5, 0x18, 0xAB, 0xCD, 0x90, 0x00];
        assert_eq!(uid(&idm).unwrap().to_string(), "012E44A7A518ABCD");
    }

    #[test]
    fn every_failure_has_its_own_name() {
        let long = [vec![7; 298], vec![0x90, 0x00]].concat();
        let noise = vec![7; 300];
        for (answer, want) in [
            (&[][..], AnswerError::Empty),
            (&[0x90], AnswerError::Truncated),
            (&[0x90, 0x00], AnswerError::Length(0)),
            (&[1, 2, 3, 0x90, 0x00], AnswerError::Length(3)),
            (&[0x63, 0x00], AnswerError::NotCompleted),
            (&[0x6A, 0x81], AnswerError::NotSupported),
            (&[0x6F, 0x00], AnswerError::Status(0x6F, 0x00)),
            (&long, AnswerError::Length(298)),
            (&noise, AnswerError::Status(7, 7)),
        ] {
            assert_eq!(uid(answer), Err(want), "{answer:02X?}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics(answer in proptest::collection::vec(any::<u8>(), 0..400)) {
            match uid(&answer) {
                Ok(uid) => prop_assert_eq!(uid.bytes(), &answer[..answer.len() - 2]),
                Err(e) => prop_assert!(!e.to_string().is_empty()),
            }
        }
    }
}
