//! What a key of the configuration may be.

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum KeyKind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Whole(i64, i64),
    /// A number.
    Number(f64, f64),
    /// A text that is not empty, without control characters.
    Text,
    /// A path.
    Path,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// One of these numbers.
    OneOfNumbers(&'static [i64]),
    /// An address that begins with one of these schemes.
    Url(&'static [&'static str]),
    /// `host:port`.
    Socket,
    /// A whole number or a text that is not empty.
    NumberOrText(i64, i64),
    /// A number, or this word.
    NumberOrWord(f64, f64, &'static str),
    /// A text that is not empty, or a list of such.
    TextOrTexts,
    /// An object; its keys follow with its own path before them.
    Group,
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Path from the top, joined with dots.
    pub path: &'static str,
    /// What is allowed.
    pub kind: KeyKind,
    /// Whether `null` is allowed too.
    pub null: bool,
    /// What it is for.
    pub meaning: &'static str,
    /// Whether the feature exists in this version.
    pub built: bool,
    /// Whether a running service applies a change when it is told to reload.
    pub reload: Reload,
}

/// When a changed value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// At the next start.
    AtStart,
    /// As soon as the service is told to reload.
    AtOnce,
    /// The same, but `null` turns on and off what is there from the start.
    BetweenValues,
}

pub(super) const fn key(path: &'static str, kind: KeyKind, meaning: &'static str) -> Key {
    Key {
        path,
        kind,
        null: false,
        meaning,
        built: true,
        reload: Reload::AtStart,
    }
}

impl Key {
    pub(super) const fn or_null(mut self) -> Self {
        self.null = true;
        self
    }

    pub(super) const fn later(mut self) -> Self {
        self.built = false;
        self
    }

    /// A running service applies a change.
    pub(super) const fn live(mut self) -> Self {
        self.reload = Reload::AtOnce;
        self
    }

    /// The same, unless the value is, or was, `null`.
    pub(super) const fn live_between_values(mut self) -> Self {
        self.reload = Reload::BetweenValues;
        self
    }

    /// Whether its value is an object whose keys follow.
    #[must_use]
    pub fn is_group(&self) -> bool {
        self.kind == KeyKind::Group
    }

    /// Where its value stands in the configuration as JSON.
    #[must_use]
    pub fn pointer(&self) -> String {
        format!("/{}", self.path.replace('.', "/"))
    }

    /// The last part of the path.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }

    /// What is allowed, for people.
    #[must_use]
    pub fn allowed(&self) -> String {
        let text = match self.kind {
            KeyKind::Bool => "true or false".to_owned(),
            KeyKind::Whole(min, max) => format!("a whole number from {min} to {max}"),
            KeyKind::Number(min, max) => format!("a number from {min} to {max}"),
            KeyKind::Text => "a text that is not empty".to_owned(),
            KeyKind::Path => "a path".to_owned(),
            KeyKind::OneOf(choices) => choices
                .iter()
                .map(|c| format!("\"{c}\""))
                .collect::<Vec<_>>()
                .join(", "),
            KeyKind::OneOfNumbers(choices) => choices
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", "),
            KeyKind::Url(schemes) => format!(
                "an address that begins with {}",
                schemes
                    .iter()
                    .map(|s| format!("{s}://"))
                    .collect::<Vec<_>>()
                    .join(" or ")
            ),
            KeyKind::Socket => "an address and a port such as \"127.0.0.1:8780\"".to_owned(),
            KeyKind::NumberOrText(min, max) => {
                format!("a whole number from {min} to {max} or a text that is not empty")
            }
            KeyKind::NumberOrWord(min, max, word) => {
                format!("\"{word}\" or a number from {min} to {max}")
            }
            KeyKind::TextOrTexts => "a text or a list of texts, none of them empty".to_owned(),
            KeyKind::Group => "an object { ... }".to_owned(),
        };
        if self.null {
            format!("{text}, or null")
        } else {
            text
        }
    }
}
