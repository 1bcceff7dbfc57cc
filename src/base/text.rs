//! The two languages of log, LCD and command output.
//!
//! Both wordings stand side by side where they are used: `say!("camera opened", "カメラを開きました")`.
//! The choice is made once, at the start, before the first line is written.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

/// A language of log lines, LCD and command output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    /// English.
    #[serde(rename = "en")]
    English,
    /// Japanese, in the wording of the systems that FaceTap replaces.
    #[serde(rename = "ja")]
    Japanese,
}

impl Language {
    /// The language that the environment asks for: Japanese for a locale `ja...`, else English.
    #[must_use]
    pub fn from_locale() -> Self {
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
        Self::of_locale(locale.as_deref().unwrap_or(""))
    }

    fn of_locale(locale: &str) -> Self {
        if locale == "ja" || locale.starts_with("ja_") || locale.starts_with("ja.") {
            Self::Japanese
        } else {
            Self::English
        }
    }
}

static JAPANESE: AtomicBool = AtomicBool::new(false);

/// Chooses the language of everything that is said from now on.
pub fn speak(language: Language) {
    JAPANESE.store(language == Language::Japanese, Ordering::Relaxed);
}

/// Whether Japanese was chosen.
#[must_use]
pub fn japanese() -> bool {
    JAPANESE.load(Ordering::Relaxed)
}

/// Formats the English or the Japanese text, whichever was chosen. Both take the same arguments.
#[macro_export]
macro_rules! say {
    ($en:literal, $ja:literal $(, $arg:expr)* $(,)?) => {
        if $crate::base::text::japanese() {
            format!($ja $(, $arg)*)
        } else {
            format!($en $(, $arg)*)
        }
    };
}

/// Writes a line to the log, at the level of the same name, in the language that was chosen:
/// `say_warn!("servo {id} is lost", "サーボ {id} を見失いました")`.
#[macro_export]
macro_rules! say_error {
    ($($text:tt)+) => { log::error!("{}", $crate::say!($($text)+)) };
}

/// As [`say_error!`], at the level of warnings.
#[macro_export]
macro_rules! say_warn {
    ($($text:tt)+) => { log::warn!("{}", $crate::say!($($text)+)) };
}

/// As [`say_error!`], at the level of what is good to know.
#[macro_export]
macro_rules! say_info {
    ($($text:tt)+) => { log::info!("{}", $crate::say!($($text)+)) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locale_decides() {
        for (locale, want) in [
            ("ja_JP.UTF-8", Language::Japanese),
            ("ja", Language::Japanese),
            ("C.UTF-8", Language::English),
            ("jam_JM", Language::English),
            ("", Language::English),
        ] {
            assert_eq!(Language::of_locale(locale), want, "{locale}");
        }
    }
}
