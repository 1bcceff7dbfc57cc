//! The tables of a report, for the terminal and the page alike.

use super::event::EventKind;
use super::follow::Source;
use super::resource::{Resource, ResourceKind};
use super::run::Run;
use super::{stamp, words};
use crate::say;

/// A table in words.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// What it is about.
    pub title: String,
    /// The columns.
    pub headings: Vec<String>,
    /// The cells.
    pub rows: Vec<Vec<String>>,
    /// That something was left out.
    pub note: Option<String>,
}

/// Where the log is from, and what of it was read.
pub fn heading(source: &Source) -> String {
    let (first, last) = (stamp::show(source.first), stamp::show(source.last));
    let (lines, samples, runs) = (source.lines, source.samples, source.run_count);
    let interval = source.interval.map_or_else(|| "-".to_owned(), words::span);
    say!(
        "{first} to {last}: lines {lines}, readings {samples} (every {interval}), runs {runs}",
        "{first} ～ {last}: {lines} 行、測定 {samples} 回 (間隔 {interval})、起動 {runs} 回"
    )
}

/// The tables of a log that have rows, with the figures of at most `runs` runs.
pub fn tables(source: &Source, resources: &[Resource], runs: usize) -> Vec<Listing> {
    [
        figures(source, resources),
        self::runs(source, runs),
        figures_of_runs(source, resources, runs),
        events(source),
        gaps(source),
    ]
    .into_iter()
    .filter(|l| !l.rows.is_empty())
    .collect()
}

fn figures(source: &Source, resources: &[Resource]) -> Listing {
    let begin = match source.runs.as_slice() {
        [one] if source.run_count == 1 => Some(source.origin + one.place),
        _ => None,
    };
    let rows = source
        .figures
        .iter()
        .zip(resources)
        .filter_map(|(figures, resource)| {
            let figures = figures.as_ref()?;
            Some(vec![
                resource.name().to_owned(),
                resource.unit.clone(),
                words::number(figures.min),
                words::number(figures.mean),
                words::number(figures.max),
                words::slope(figures, resource),
                words::verdict(figures, resource, begin),
            ])
        });
    Listing {
        title: say!("Figures", "測定値"),
        headings: vec![
            say!("resource", "リソース"),
            say!("unit", "単位"),
            say!("minimum", "最小"),
            say!("mean", "平均"),
            say!("maximum", "最大"),
            say!("slope/h", "傾き/h"),
            say!("shape", "形"),
        ],
        rows: rows.collect(),
        note: None,
    }
}

/// The last of the runs, and that others were left out.
fn shown(source: &Source, most: usize) -> (&[Run], Option<String>) {
    let shown = &source.runs[source.runs.len().saturating_sub(most)..];
    let left = source.run_count - shown.len() as u64;
    let note = (left > 0).then(|| {
        say!(
            "{left} earlier runs are counted above and not listed",
            "これより前の {left} 回は省略しています（上の集計には含まれます）"
        )
    });
    (shown, note)
}

fn runs(source: &Source, most: usize) -> Listing {
    let (shown, note) = shown(source, most);
    let rows = shown.iter().map(|run| {
        vec![
            run.number.to_string(),
            stamp::show(run.begin),
            stamp::show(run.finish),
            words::span(run.hours * 3600.0),
            run.samples.to_string(),
            words::end(run.end),
        ]
    });
    Listing {
        title: say!("Runs", "起動ごとの記録"),
        headings: vec![
            say!("run", "回"),
            say!("from", "開始"),
            say!("to", "終了"),
            say!("lasted", "長さ"),
            say!("readings", "測定"),
            say!("end", "終わり方"),
        ],
        rows: rows.collect(),
        note,
    }
}

/// What a program holds, run by run; the overall figures tell the same of a single run.
fn figures_of_runs(source: &Source, resources: &[Resource], most: usize) -> Listing {
    let (shown, note) = if source.run_count > 1 {
        shown(source, most)
    } else {
        (&[][..], None)
    };
    let rows = shown.iter().flat_map(|run| {
        let begin = source.origin + run.place;
        run.figures
            .iter()
            .zip(resources)
            .filter(|(_, resource)| resource.kind == ResourceKind::Held)
            .filter_map(move |(figures, resource)| {
                let figures = figures.as_ref()?;
                Some(vec![
                    run.number.to_string(),
                    resource.name().to_owned(),
                    words::number(figures.min),
                    words::number(figures.mean),
                    words::number(figures.max),
                    words::slope(figures, resource),
                    words::verdict(figures, resource, Some(begin)),
                ])
            })
    });
    Listing {
        title: say!("Figures of each run", "起動ごとの測定値"),
        headings: vec![
            say!("run", "回"),
            say!("resource", "リソース"),
            say!("minimum", "最小"),
            say!("mean", "平均"),
            say!("maximum", "最大"),
            say!("slope/h", "傾き/h"),
            say!("shape", "形"),
        ],
        rows: rows.collect(),
        note,
    }
}

/// What people look for first is listed even where there was none.
const ALWAYS: [EventKind; 2] = [EventKind::Crash, EventKind::Uncaught];

fn events(source: &Source) -> Listing {
    let none = ALWAYS
        .iter()
        .filter(|kind| !source.events.contains_key(kind))
        .map(|kind| vec![kind.label(), "0".to_owned(), "-".to_owned(), "-".to_owned()]);
    let met = source.events.iter().map(|(kind, tally)| {
        vec![
            kind.label(),
            tally.count.to_string(),
            stamp::show(tally.first),
            stamp::show(tally.last),
        ]
    });
    Listing {
        title: say!("Events", "出来事"),
        headings: vec![
            say!("event", "種類"),
            say!("count", "回数"),
            say!("first", "最初"),
            say!("last", "最後"),
        ],
        rows: none.chain(met).collect(),
        note: None,
    }
}

fn gaps(source: &Source) -> Listing {
    let rows = source.gaps.iter().map(|gap| {
        vec![
            stamp::show(gap.from),
            stamp::show(gap.to),
            words::span(gap.seconds),
            if gap.restart {
                say!("then a restart", "その後に再起動")
            } else {
                say!("then it went on", "その後に再開")
            },
        ]
    });
    let left = source.gap_count - source.gaps.len() as u64;
    Listing {
        title: say!(
            "Gaps (no line for more than three intervals)",
            "空白（測定間隔の3倍を超えてログがない期間）"
        ),
        headings: vec![
            say!("last line", "最後の行"),
            say!("next line", "次の行"),
            say!("silent for", "長さ"),
            String::new(),
        ],
        rows: rows.collect(),
        note: (left > 0).then(|| {
            say!(
                "{left} shorter gaps are not listed",
                "これより短い空白 {left} 件は省略しています"
            )
        }),
    }
}
