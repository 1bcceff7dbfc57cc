//! `facetap report`: logs read back.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;

use super::table::Table;
use super::target::Target;
use super::{Usage, env};
use crate::base::text::{self, Language};
use crate::tools::report::{Report, html, listing};
use crate::{config, say};

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Reads FaceTap's log and memory_usage.log and those of the face tracker, the card client and the \
                  translation server. Rotated files may be given in any order.\n\nExamples:\n  \
                  facetap report /var/log/facetap/facetap.log*\n  \
                  facetap report facetap.log memory_usage.log --html report.html --csv report.csv\n  \
                  zcat old.log.gz | facetap report -"
)]
pub(super) struct ReportOptions {
    /// Logs; - for the standard input
    #[arg(value_name = "LOG", required = true)]
    pub logs: Vec<PathBuf>,
    /// Write a page with tables and plots, which needs nothing but itself
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write a row for each reading, for a spreadsheet
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
}

/// Runs that are listed one by one on the terminal.
const MOST_RUNS: usize = 20;

pub(super) fn report(options: &ReportOptions) -> Result<u8> {
    // A report needs no configuration; where there is one, it knows the language.
    let configured = config::load(None, &env)
        .ok()
        .and_then(|l| l.config.language);
    text::speak(configured.unwrap_or_else(Language::from_locale));
    keep_apart(options)?;
    let mut report = Report::read(&options.logs, options.csv.is_some())?;
    for unread in &report.unread {
        super::complain(&say!("not read: {unread}", "読み込めません: {unread}"));
    }
    if !report.tells_something() {
        bail!(nothing());
    }
    if let Some(file) = &options.html {
        write(file, "--html", |out| html::page(&report, out))?;
    }
    if let Some(file) = &options.csv {
        write(file, "--csv", |out| report.write_rows(out))?;
    }
    // Last, so that a reader who leaves early (`| head`) does not cost the files.
    match print(&report, &mut std::io::stdout().lock()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(super::DONE),
    }
}

/// Nothing that is read or written may be overwritten.
fn keep_apart(options: &ReportOptions) -> Result<()> {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut taken: Vec<_> = options.logs.iter().map(|l| real(l)).collect();
    for file in [&options.html, &options.csv].into_iter().flatten() {
        let regular = std::fs::metadata(file).map_or(true, |m| m.is_file());
        if regular && taken.contains(&real(file)) {
            let file = file.display();
            return Err(Usage(say!(
                "{file} is named twice; give another file to write",
                "{file} が二度指定されています。書き込み先には別のファイルを指定してください"
            ))
            .into());
        }
        taken.push(real(file));
    }
    Ok(())
}

fn write(
    file: &Path,
    option: &'static str,
    make: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let mut target = Target::open(Some(file), option)?;
    make(&mut Into(&mut target))?;
    target.finish()
}

/// A target as something to write to.
struct Into<'a>(&'a mut Target);

impl Write for Into<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes).map_err(std::io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn print(report: &Report, out: &mut impl Write) -> std::io::Result<()> {
    for (i, source) in report.sources.iter().filter(|s| s.telling > 0).enumerate() {
        if i > 0 {
            writeln!(out)?;
        }
        // The name of a file may hold anything.
        writeln!(out, "{}", super::table::harmless(&source.name))?;
        writeln!(out, "{}", listing::heading(source))?;
        for listing in listing::tables(source, report.resources(), MOST_RUNS) {
            writeln!(out, "\n{}", listing.title)?;
            let mut table = Table::default();
            table.row(listing.headings);
            for row in listing.rows {
                table.row(row);
            }
            table.write(out)?;
            if let Some(note) = listing.note {
                writeln!(out, "({note})")?;
            }
        }
    }
    out.flush()
}

fn nothing() -> String {
    say!(
        "nothing was read. These lines are known:\n  \
         2026-11-21 09:00:00 - module - LEVEL - text    (FaceTap, the face tracker)\n  \
         ... [RESOURCE_MONITOR] CPU_RAM: 512.34 MB ...  (FaceTap, the translation server)\n  \
         ... [リソース監視] 稼働時間: 1.2h ...          (FaceTap, the face tracker)\n  \
         [2026-11-21 09:00:00] 経過: 00:05:00 | RSS: ... (memory_usage.log)",
        "読み取れる行がありませんでした。対応している形式:\n  \
         2026-11-21 09:00:00 - module - LEVEL - text    (FaceTap、顔追跡)\n  \
         ... [RESOURCE_MONITOR] CPU_RAM: 512.34 MB ...  (FaceTap、翻訳サーバー)\n  \
         ... [リソース監視] 稼働時間: 1.2h ...          (FaceTap、顔追跡)\n  \
         [2026-11-21 09:00:00] 経過: 00:05:00 | RSS: ... (memory_usage.log)"
    )
}
