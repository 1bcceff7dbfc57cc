//! A table for a terminal: columns stand below each other, wide characters counted as two.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr as _;

use crate::base::outside::is_obeyed;

/// Rows of cells; the first is the heading.
#[derive(Debug, Default)]
pub(super) struct Table(Vec<Vec<String>>);

impl Table {
    /// Adds a row. What would garble the terminal is replaced.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.0
            .push(cells.into_iter().map(|c| harmless(&c)).collect());
    }

    /// Writes the rows, two spaces between the columns and none at the end of a line.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut widths: Vec<usize> = Vec::new();
        for row in &self.0 {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        for row in &self.0 {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width - cell.width() + 2));
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        out.flush()
    }
}

/// The text without what a terminal would obey: names and answers come from elsewhere.
pub(super) fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if is_obeyed(c) { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_and_nothing_is_obeyed() {
        let mut table = Table::default();
        for row in [
            ["no", "name", "x"],
            ["10", "山田 太郎", ""],
            ["1", "\u{1b}[2J", "y"],
        ] {
            table.row(row.map(str::to_owned));
        }
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "no  name       x\n10  山田 太郎\n1   \u{fffd}[2J       y\n"
        );
    }
}
