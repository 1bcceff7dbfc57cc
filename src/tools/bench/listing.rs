//! The tables of the outcomes, for the terminal and the page alike.

use super::{Outcome, Outcomes};
use crate::say;
use crate::tools::report::listing::Listing;

/// A table for each scenario.
#[must_use]
pub fn tables(outcomes: &Outcomes) -> Vec<Listing> {
    let scenarios = outcomes.runs.chunk_by(|a, b| a.scenario == b.scenario);
    scenarios.map(table).collect()
}

fn table(runs: &[Outcome]) -> Listing {
    Listing {
        title: runs.first().map_or("", |run| run.scenario).to_owned(),
        headings: vec![
            say!("delay ms", "遅延 ms"),
            say!("law", "制御則"),
            say!("settling s", "整定 s"),
            say!("overshoot °", "行き過ぎ °"),
            say!("RMS °", "RMS °"),
            say!("on target %", "目標内 %"),
            say!("swing °", "静止時の揺れ °"),
            say!("reversals/min", "反転 回/分"),
            say!("commands/min", "指令 回/分"),
            say!("jerk °/s³", "躍度 °/s³"),
            say!("switches", "人物の切替"),
        ],
        rows: runs.iter().map(row).collect(),
        note: None,
    }
}

fn row(run: &Outcome) -> Vec<String> {
    let figures = &run.figures;
    let or_dash = |value: Option<f64>, places: usize| {
        value.map_or_else(|| "-".to_owned(), |v| format!("{v:.places$}"))
    };
    let settling = figures
        .settling_s
        .map_or_else(|| say!("never", "なし"), |seconds| format!("{seconds:.2}"));
    vec![
        run.delay_ms.to_string(),
        run.law.to_owned(),
        settling,
        format!("{:.2}", figures.overshoot_degrees),
        format!("{:.2}", figures.rms_degrees),
        format!("{:.1}", figures.on_target * 100.0),
        or_dash(figures.swing_degrees, 2),
        or_dash(figures.reversals_per_minute, 0),
        or_dash(figures.commands_per_minute, 0),
        format!("{:.0}", figures.jerk_degrees_s3),
        figures.switches.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::Plan;
    use super::*;

    #[test]
    fn every_run_has_its_row_in_the_table_of_its_scenario() {
        let mut plan = Plan::whole(1);
        plan.delays = vec![0, 300];
        plan.scenarios
            .retain(|s| matches!(s.name, "still" | "sine"));
        let tables = tables(&plan.run(|_, _, _| ()));
        let titles: Vec<&str> = tables.iter().map(|t| t.title.as_str()).collect();
        assert_eq!(titles, ["still", "sine"]);
        for table in &tables {
            assert_eq!(table.rows.len(), 6);
            assert!(
                table
                    .rows
                    .iter()
                    .all(|row| row.len() == table.headings.len())
            );
            assert_eq!(table.rows[4][..2], ["300".to_owned(), "old".to_owned()]);
        }
        // There is no rest in a sine.
        assert_eq!(tables[1].rows[0][6..9], ["-", "-", "-"].map(str::to_owned));
    }
}
