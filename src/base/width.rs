//! Full-width letters, digits and signs, which Japanese input methods produce.

/// The ASCII sign that a full-width one (U+FF01 to U+FF5E) stands for; none for every other.
#[must_use]
pub fn ascii_of(c: char) -> Option<char> {
    matches!(c, '\u{ff01}'..='\u{ff5e}')
        .then(|| char::from_u32(u32::from(c) - 0xFEE0))
        .flatten()
}
