//! The page: tables and plots in one file that needs no network, no script and nothing else.

pub mod axis;
pub mod frame;
mod plot;

use std::io::Write;

use anyhow::Result;

use super::listing::{self, Listing};
use super::{Report, Source};
use crate::base::outside::is_obeyed;
use crate::tools::report::resource::ResourceKind;
use crate::{base::text, say};

/// Runs that are listed one by one.
const MOST_RUNS: usize = 50;

/// Light and dark as the reader's system has it; light on paper. Marks differ in their dashes as well as in
/// their colours.
const STYLE: &str = "
:root { --ink: #1c2430; --paper: #ffffff; --faint: #c9d1da; --line: #1f5fa8; --band: #1f5fa833;
  --bad: #b3261e; --warn: #a15c00; --plain: #56636f; --gap: #8882; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --paper: #14181d; --faint: #3a444f;
  --line: #7db4f0; --band: #7db4f033; --bad: #ff8a80; --warn: #f0b35a; --plain: #9aa7b4; } }
@media print { :root { --ink: #000; --paper: #fff; --faint: #bbb; --line: #003f87; --band: #003f8733;
  --bad: #a00; --warn: #850; --plain: #555; } figure, tr { break-inside: avoid; } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 1000px; margin: 2em auto; padding: 0 1em; }
h2 { margin-top: 2em; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .2em 1em .2em 0; border-bottom: 1px solid var(--faint); vertical-align: top; }
figure { margin: 1.2em 0; }
figcaption { font-weight: 600; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--ink); font: 11px system-ui, sans-serif; }
.grid { stroke: var(--faint); stroke-width: 1; }
.mean { fill: none; stroke: var(--line); stroke-width: 1.6; stroke-linejoin: round; }
.second { stroke: var(--ink); stroke-width: 1.2; }
.dot { fill: var(--line); }
.band { fill: var(--band); stroke: none; }
.gap { fill: var(--gap); stroke: none; }
polyline { fill: none; stroke-linejoin: round; }
.bad { stroke: var(--bad); stroke-width: 1.6; }
.warn { stroke: var(--warn); stroke-width: 1.2; stroke-dasharray: 5 3; }
.plain { stroke: var(--plain); stroke-width: 1.2; stroke-dasharray: 1.5 3; }
.legend svg { width: 28px; height: 12px; display: inline-block; vertical-align: middle; }
.legend span { margin-right: 1.2em; white-space: nowrap; }
";

/// Writes the page.
///
/// # Errors
/// `out` cannot be written.
pub fn page(report: &Report, out: &mut dyn Write) -> Result<()> {
    let title = say!("FaceTap: report on logs", "FaceTap ログレポート");
    begin(&title, out)?;
    for unread in &report.unread {
        let line = say!("not read: {unread}", "読み込めません: {unread}");
        writeln!(out, "<p>{}</p>", escape(&line))?;
    }
    for source in report.sources.iter().filter(|s| s.telling > 0) {
        log(report, source, out)?;
    }
    end(out)
}

/// Writes everything up to the title.
///
/// # Errors
/// `out` cannot be written.
pub fn begin(title: &str, out: &mut dyn Write) -> Result<()> {
    let language = if text::japanese() { "ja" } else { "en" };
    let title = escape(title);
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    )?;
    Ok(())
}

/// Writes the end.
///
/// # Errors
/// `out` cannot be written.
pub fn end(out: &mut dyn Write) -> Result<()> {
    writeln!(out, "</body>\n</html>")?;
    Ok(())
}

fn log(report: &Report, source: &Source, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "<section>\n<h2>{}</h2>", escape(&source.name))?;
    writeln!(out, "<p>{}</p>", escape(&listing::heading(source)))?;
    let mut tables = listing::tables(source, report.resources(), MOST_RUNS).into_iter();
    // The figures first, then the plots, then the details.
    if let Some(first) = tables.next() {
        table(&first, out)?;
    }
    let plotted = source.series.iter().zip(report.resources());
    let mut plotted = plotted
        .filter(|(s, r)| r.kind != ResourceKind::Uptime && s.last().is_some())
        .peekable();
    if plotted.peek().is_some() {
        legend(out)?;
    }
    let marks = plot::marks(&report.sources);
    for (series, resource) in plotted {
        plot::figure(source, series, resource, &marks, out)?;
    }
    for listing in tables {
        table(&listing, out)?;
    }
    writeln!(out, "</section>")?;
    Ok(())
}

/// Writes a table.
///
/// # Errors
/// `out` cannot be written.
pub fn table(listing: &Listing, out: &mut dyn Write) -> Result<()> {
    writeln!(
        out,
        "<h3>{}</h3>\n<div class=\"scroll\"><table>",
        escape(&listing.title)
    )?;
    let row = |cells: &[String], tag: &str| {
        let cells = cells
            .iter()
            .map(|c| format!("<{tag}>{}</{tag}>", escape(c)));
        format!("<tr>{}</tr>", cells.collect::<String>())
    };
    writeln!(out, "{}", row(&listing.headings, "th"))?;
    for cells in &listing.rows {
        writeln!(out, "{}", row(cells, "td"))?;
    }
    writeln!(out, "</table></div>")?;
    if let Some(note) = &listing.note {
        writeln!(out, "<p>{}</p>", escape(note))?;
    }
    Ok(())
}

fn legend(out: &mut dyn Write) -> Result<()> {
    let entries = [
        ("bad", say!("crash, alarm", "クラッシュ・警報")),
        ("warn", say!("warning, device opened again", "警告・再接続")),
        (
            "plain",
            say!(
                "restart, order to stop, clock set",
                "再起動・終了指示・時計の変更"
            ),
        ),
    ];
    write!(out, "<p class=\"legend\">")?;
    for (class, label) in entries {
        write!(
            out,
            "<span><svg viewBox=\"0 0 28 12\" aria-hidden=\"true\"><line class=\"{class}\" x1=\"1\" y1=\"6\" \
             x2=\"27\" y2=\"6\"/></svg> {}</span>",
            escape(&label)
        )?;
    }
    let band = say!(
        "grey: no line was written; shaded: smallest to largest of the readings put together in one point",
        "灰色: ログのない期間。帯: 1点にまとめた測定の最小～最大"
    );
    writeln!(out, "{}</p>", escape(&band))?;
    Ok(())
}

/// Text as text: nothing of a log becomes part of the page.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if is_obeyed(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_log_becomes_markup() {
        assert_eq!(
            escape("<script>alert(\"1\")</script> & 'x'\u{0}メモリ"),
            "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39;\u{fffd}メモリ"
        );
    }
}
