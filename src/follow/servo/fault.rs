//! What can go wrong in an exchange on the servo bus, and how it is told.

use std::fmt;
use std::io;

use super::protocol::{Protocol, Query, after_echo};
use super::steps::Steps;

/// What went wrong in an exchange.
#[derive(Debug)]
pub enum Fault {
    /// No byte came.
    Silent {
        /// Who was asked.
        id: u8,
    },
    /// What was sent came back, and nothing else.
    Echo {
        /// Who was asked.
        id: u8,
    },
    /// It answers a ping, and no question.
    OnlyPings {
        /// Who was asked.
        id: u8,
        /// The register that says what is answered.
        register: u16,
    },
    /// It answers that it cannot do what it is told.
    Error {
        /// Who was asked.
        id: u8,
        /// Why not.
        why: &'static str,
    },
    /// The received bytes were not the expected reply.
    Garbled {
        /// Who was asked.
        id: u8,
        /// The first bytes.
        bytes: Vec<u8>,
    },
    /// However often it is asked, what comes is broken.
    NeverWhole {
        /// Who was asked.
        id: u8,
    },
    /// What came is the answer to an earlier question.
    Late {
        /// Who was asked.
        id: u8,
    },
    /// The positions of two answers are farther apart than a servo can turn in between.
    Jumps {
        /// Who was asked.
        id: u8,
        /// Where it was said to be.
        from: Steps,
        /// Where it is said to be now.
        to: Steps,
    },
    /// It is of another family than the configuration says.
    Foreign {
        /// Who was asked.
        id: u8,
        /// What tells so.
        value: u16,
    },
    /// A register does not hold what was written to it.
    Refused {
        /// Who was asked.
        id: u8,
        /// The register.
        register: u16,
    },
    /// The line itself failed and is to be opened again.
    Line {
        /// Its name.
        name: String,
        /// What the system says.
        cause: io::Error,
    },
}

impl Fault {
    /// Whether nobody answers at all.
    #[must_use]
    pub const fn is_silence(&self) -> bool {
        matches!(self, Self::Silent { .. } | Self::Echo { .. })
    }

    /// Whether the whole bus is gone, not one servo.
    #[must_use]
    pub const fn is_line(&self) -> bool {
        matches!(self, Self::Line { .. })
    }
}

/// Whether broken answers are the fault of the line, and not of two servos with one id: nobody is heard whole. Of each servo
/// that was looked at, what went wrong.
pub fn all_broken<'a>(mut looks: impl ExactSizeIterator<Item = Option<&'a Fault>>) -> bool {
    looks.len() > 1 && looks.all(|fault| matches!(fault, Some(Fault::NeverWhole { .. })))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent { id } => write!(f, "servo {id} does not answer"),
            Self::Echo { id } => write!(
                f,
                "servo {id} does not answer: only what was sent comes back (the adapter echoes, so its line works; check the \
                 servo's power, its id, and the wire on which answers come)"
            ),
            Self::OnlyPings { id, register } => write!(
                f,
                "servo {id} answers pings and no questions: set its status return level (register {register}) to answer \
                 everything"
            ),
            Self::Error { id, why } => write!(f, "servo {id} answers with an error: {why}"),
            Self::Garbled { id, bytes } => {
                write!(f, "servo {id} answers garbled bytes:")?;
                bytes
                    .iter()
                    .take(16)
                    .try_for_each(|b| write!(f, " {b:02X}"))
            }
            Self::NeverWhole { id } => write!(f, "all answers of servo {id} are broken"),
            Self::Late { id } => write!(
                f,
                "servo {id} answers too late (does its reply delay, register 7 of a Feetech and 9 of a Dynamixel, or the adapter's latency_timer hold the \
                 answers back?)"
            ),
            Self::Jumps { id, from, to } => write!(
                f,
                "servo {id} tells positions that cannot be: {} steps, then {} (do two servos share this id?)",
                from.0, to.0
            ),
            Self::Foreign { id, value } => write!(
                f,
                "servo {id} is of another family than \"servo.protocol\" says (it tells {value})"
            ),
            Self::Refused { id, register } => {
                write!(
                    f,
                    "servo {id} does not take a value in its register {register}"
                )
            }
            Self::Line { name, cause } => write!(f, "the serial port {name} failed: {cause}"),
        }
    }
}

impl std::error::Error for Fault {}

/// Why there is no answer of servo `id` among what came in after a question to it alone, or to several.
pub(super) fn why_not(
    protocol: &dyn Protocol,
    bytes: &[u8],
    query: &Query,
    id: u8,
    alone: bool,
) -> Fault {
    let rest = after_echo(bytes, &query.bytes);
    let head = protocol.head(id);
    // In the answers to a question to several, only what begins as its own is its own.
    let begins = !head.is_empty() && rest.windows(head.len()).any(|w| w == head);
    if !protocol.replies(rest, query, id).is_empty() {
        Fault::Late { id }
    } else if rest.is_empty() && !bytes.is_empty() {
        Fault::Echo { id }
    } else if rest.is_empty() || !(alone || begins) {
        Fault::Silent { id }
    } else {
        Fault::Garbled {
            id,
            bytes: rest.to_vec(),
        }
    }
}
