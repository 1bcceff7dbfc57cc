//! The end of a run: ledger read, verdict given, everything printed.

use std::time::Duration;

use anyhow::Result;

use super::{Going, Soak};
use crate::attend::ledger::query::{Filter, View};
use crate::attend::trace;
use crate::base::stop::lock;
use crate::say;
use crate::tools::soak::screen;
use crate::tools::soak::tally::{RequestKind, Tally};
use crate::tools::soak::verdict::{self, Check, Measured, Outcome, Row};

impl Soak {
    /// Reads the ledger, judges, and prints.
    pub(super) fn conclude(
        &self,
        going: &mut Going,
        tally: Tally,
        elapsed: Duration,
        complete: bool,
    ) -> Result<Vec<Row>> {
        let mut taps = lock(&going.seen.taps);
        if taps.account().made > 0 {
            View::open(&going.scratch.data_dir())?.each_page(&Filter::default(), |rows| {
                let counted = rows.iter().filter(|r| r.outcome == trace::Outcome::Counted);
                counted.for_each(|row| taps.recorded(&row.uid));
                Ok(())
            })?;
        }
        let account = taps.account();
        drop(taps);
        let seen = lock(&going.watched).clone();
        let measured = Measured {
            tally: tally.corrected(account.in_vain),
            taps: account,
            resources: seen.resources.clone(),
            ends: seen.ends.clone(),
            marks: seen.marks,
            loop_restarts: seen.loop_restarts,
            complete,
        };
        let rows = verdict::judge(&measured);
        self.summary(going, &measured, elapsed);
        let table = (self.table)(screen::cells(&rows));
        going.screen.line(format_args!("\n{table}"));
        going.screen.line(if verdict::passed(&rows) {
            say!("PASSED", "合格")
        } else {
            say!("FAILED", "不合格")
        });
        self.tell_fault(going, &rows);
        Ok(rows)
    }

    fn summary(&self, going: &mut Going, m: &Measured, elapsed: Duration) {
        let (requests, errors) = (m.tally.requests(), m.tally.errors);
        let a_minute = screen::a_minute(requests, elapsed);
        let time = screen::clock(elapsed);
        let broken_off = if m.complete {
            String::new()
        } else {
            say!(", broken off", "（中断）")
        };
        going.screen.line(say!(
            "\n{time}{broken_off}: {requests} requests ({a_minute:.0} a minute), {errors} failed",
            "\n{time}{broken_off}: リクエスト {requests} 件 (毎分 {a_minute:.0} 件), 失敗 {errors} 件"
        ));
        for (kind, name) in [
            (RequestKind::Tap, say!("taps", "タップ")),
            (RequestKind::Frame, say!("frames", "フレーム")),
        ] {
            let times = m.tally.times(kind);
            if let (Some(half), Some(most)) = (times.percentile(0.5), times.percentile(0.99)) {
                going.screen.line(say!(
                    "{name}: response {half} ms (median), {most} ms (99 %)",
                    "{name}: 応答時間 {half} ms (中央値), {most} ms (99 %)"
                ));
            }
        }
        let (restarts, own) = (m.ends.restarts, m.marks.auto_restarts);
        going.screen.line(say!(
            "the service was started again {restarts} times, of its own accord {own} times",
            "サービスの再起動: {restarts} 回（うち自動再起動 {own} 回）"
        ));
        for crash in &m.ends.told {
            going
                .screen
                .line(say!("crash: {crash}", "クラッシュ: {crash}"));
        }
    }

    fn tell_fault(&self, going: &mut Going, rows: &[Row]) {
        let Some(fault) = self.plan.fault else {
            return;
        };
        let failed = rows.iter().filter(|r| r.outcome == Outcome::Failed);
        let red: Vec<_> = failed.map(|r| r.check).collect();
        let named = fault
            .red()
            .iter()
            .map(|c: &Check| c.name())
            .collect::<Vec<_>>()
            .join(", ");
        let name = fault.name();
        going.screen.line(if red == fault.red() {
            say!(
                "planted: {name}; red as documented: {named}",
                "注入した障害: {name}（文書どおり不合格: {named}）"
            )
        } else {
            say!(
                "planted: {name}; NOT AS DOCUMENTED, which is: {named}",
                "注入した障害: {name}（文書と異なります。文書では: {named}）"
            )
        });
    }
}
