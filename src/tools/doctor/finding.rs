//! What the doctor tells: a finding with what was seen, why it matters, and the command that mends it.

use std::fmt;

use crate::say;

/// How bad it is; the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A section without any finding.
    Ok,
    /// Good to know; nothing has to be done.
    Note,
    /// Works, but not as well or not for as long as it should.
    Warning,
    /// Something does not work.
    Problem,
}

impl Severity {
    /// Whether `facetap doctor` ends with status 1 for it.
    #[must_use]
    pub fn is_bad(self) -> bool {
        self >= Self::Warning
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&match self {
            Self::Ok => say!("ok", "正常"),
            Self::Note => say!("note", "情報"),
            Self::Warning => say!("warning", "警告"),
            Self::Problem => say!("PROBLEM", "問題"),
        })
    }
}

/// One thing that was found. `docs/doctor.md` has a heading for each `key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its name in both languages, such as `disk-full`.
    pub key: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was seen, with the value.
    pub what: String,
    /// Why it matters.
    pub why: String,
    /// The command that mends it, or what to do where none can.
    pub mend: String,
}

/// A [`Finding`]: how bad it is, its key, and its texts, each in both languages or as an expression.
///
/// ```text
/// finding!(
///     Warning, "clock-adrift",
///     what: "the clock is wrong by {seconds} s",
///           "時計が {seconds} 秒ずれています",
///     why: since_when(),
///     mend: "sudo timedatectl set-ntp true",
/// )
/// ```
/// A command without words is the same in both. The comma after the last text is needed.
#[macro_export]
macro_rules! finding {
    ($severity:ident, $key:literal, $($texts:tt)+) => {
        $crate::finding!(@ $severity, $key; ; $($texts)+)
    };
    (@ $severity:ident, $key:literal; $($done:ident: $said:expr,)*; $part:ident: $en:literal, $ja:literal, $($rest:tt)*) => {
        $crate::finding!(@ $severity, $key; $($done: $said,)* $part: $crate::say!($en, $ja),; $($rest)*)
    };
    (@ $severity:ident, $key:literal; $($done:ident: $said:expr,)*; mend: $command:literal, $($rest:tt)*) => {
        $crate::finding!(@ $severity, $key; $($done: $said,)* mend: String::from($command),; $($rest)*)
    };
    (@ $severity:ident, $key:literal; $($done:ident: $said:expr,)*; $part:ident: $text:expr, $($rest:tt)*) => {
        $crate::finding!(@ $severity, $key; $($done: $said,)* $part: $text,; $($rest)*)
    };
    (@ $severity:ident, $key:literal; $($part:ident: $text:expr,)*;) => {
        $crate::tools::doctor::finding::Finding {
            key: $key,
            severity: $crate::tools::doctor::finding::Severity::$severity,
            $($part: $text,)*
        }
    };
}
