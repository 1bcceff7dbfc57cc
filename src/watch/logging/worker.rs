//! What becomes of a line once it has left the queue: collapsed, budgeted, written, or counted as lost.

use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;

use super::budget::{self, Budget};
use super::format;
use super::line::{Line, Severity};
use super::repeats::{Count, Repeats};
use super::rotating::RotatingFile;
use super::screen;
use crate::base::clock::{Clock, Monotime};
use crate::say;

/// Where lines go. Either may take as long as it likes: only the thread `log` waits for it.
pub(super) trait Output: Send {
    /// Appends a line with its end to the file; after a failure nothing of it is there.
    fn file(&mut self, line: &[u8]) -> io::Result<()>;
    /// Shows a line, if that is possible at once.
    fn screen(&mut self, line: &[u8]);
    /// Opens the file again.
    fn reopen(&mut self) -> Result<()>;
    /// Names the file.
    fn path(&self) -> &Path;
}

/// The log file and standard error.
pub(super) struct FileAndScreen(pub(super) RotatingFile);

impl Output for FileAndScreen {
    fn file(&mut self, line: &[u8]) -> io::Result<()> {
        self.0.put(line)
    }

    fn screen(&mut self, line: &[u8]) {
        if !self.0.is_standard_error() {
            screen::put(line);
        }
    }

    fn reopen(&mut self) -> Result<()> {
        self.0.open()
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Writes lines in their order.
pub(super) struct Worker {
    output: Box<dyn Output>,
    repeats: Repeats,
    budget: Budget,
    clock: Arc<dyn Clock>,
    /// Lines that found no room in the queue, not yet told.
    overrun: u64,
    /// Lines that the file did not take, not yet told.
    refused: u64,
}

impl Worker {
    pub(super) fn new(output: Box<dyn Output>, clock: Arc<dyn Clock>) -> Self {
        Self {
            output,
            repeats: Repeats::default(),
            budget: Budget::new(clock.now()),
            clock,
            overrun: 0,
            refused: 0,
        }
    }

    /// Writes a line, or counts it.
    pub(super) fn line(&mut self, line: &Line) {
        self.lost(line.lost_before);
        let verdict = self.repeats.line(line);
        self.counts(&verdict.counts, line.at);
        if verdict.write {
            self.budgeted(line);
        }
    }

    /// Writes the counts of repeats that are due.
    pub(super) fn due(&mut self) {
        let now = self.clock.now();
        let counts = self.repeats.due(now);
        self.counts(&counts, now);
    }

    /// When [`due`](Self::due) has something to write.
    pub(super) fn next(&self) -> Option<Monotime> {
        self.repeats.next()
    }

    /// So many lines found no room behind the last one.
    pub(super) fn lost(&mut self, lines: u64) {
        self.overrun += lines;
        if lines > 0 {
            self.tell_lost();
        }
    }

    /// Writes what is still to be counted; nothing more is expected.
    pub(super) fn finish(&mut self) {
        let now = self.clock.now();
        let counts = self.repeats.finish(now);
        self.counts(&counts, now);
        if let Some(count) = self.budget.left_out() {
            self.own(&left_out(count));
        }
        self.tell_lost();
    }

    pub(super) fn reopen(&mut self) -> Result<()> {
        self.output.reopen()
    }

    fn budgeted(&mut self, line: &Line) {
        match self.budget.decide(line.at, line) {
            budget::BudgetVerdict::Write => {}
            budget::BudgetVerdict::WriteAfter(count) => self.own(&left_out(count)),
            budget::BudgetVerdict::LeaveOut => return,
            budget::BudgetVerdict::LeaveOutFromHere => {
                return self.own(&say!(
                    "more than 50 MB of log a day: lines at INFO and DEBUG are left out until there is room again",
                    "ログが1日50MBの上限に達しました。余裕ができるまでINFOとDEBUGの行を省略します"
                ));
            }
        }
        self.put(&line.text);
    }

    fn counts(&mut self, counts: &[Count], at: Monotime) {
        for count in counts {
            let text = format::in_the_name_of(&self.clock.wall(), &count.head, &told(count));
            let line = Line {
                head: 0,
                message: 0,
                text,
                severity: count.severity,
                counted: true,
                at,
                lost_before: 0,
            };
            self.budgeted(&line);
        }
    }

    /// A line of the log about itself, beyond any budget: there are few.
    fn own(&mut self, message: &str) {
        let line = self.about_itself(message);
        self.put(&line);
    }

    fn about_itself(&self, message: &str) -> String {
        let (wall, now) = (self.clock.wall(), self.clock.now());
        format::own(&wall, now, Severity::Warning, message).text
    }

    fn put(&mut self, text: &str) {
        let line = with_end(text);
        self.output.screen(&line);
        // Together or not at all: on a full disk the short note may find room where the line does not.
        let notes = self.notes();
        let both = [notes.as_slice(), &line].concat();
        match self.output.file(&both) {
            Ok(()) => (self.overrun, self.refused) = (0, 0),
            Err(error) => {
                if self.refused == 0 {
                    self.warn_on_screen(&error);
                }
                self.refused += 1;
            }
        }
    }

    /// Says where it can be read that the file has stopped, once for each time that it stops.
    fn warn_on_screen(&mut self, error: &io::Error) {
        let path = self.output.path().display();
        let message = say!(
            "the log file {path} cannot be written: {error}; until it can, lines are shown here only",
            "ログファイル{path}に書き込めません: {error}。書き込めるようになるまで、ここにだけ表示します"
        );
        let line = with_end(&self.about_itself(&message));
        self.output.screen(&line);
    }

    /// Says in the file what is missing from it, if it takes that.
    fn tell_lost(&mut self) {
        let notes = self.notes();
        if !notes.is_empty() && self.output.file(&notes).is_ok() {
            (self.overrun, self.refused) = (0, 0);
        }
    }

    fn notes(&self) -> Vec<u8> {
        let (overrun, refused) = (self.overrun, self.refused);
        let mut notes = Vec::new();
        if refused > 0 {
            notes.extend(with_end(&self.about_itself(&say!(
                "log lines lost: {refused} (the file could not be written; is the disk full?)",
                "失われたログ: {refused}行 (ファイルに書き込めませんでした。ディスクの空きを確認してください)"
            ))));
        }
        if overrun > 0 {
            notes.extend(with_end(&self.about_itself(&say!(
                "log lines lost: {overrun} (the disk was too slow, or there were too many)",
                "失われたログ: {overrun}行 (ディスクの応答が遅いか、行数が多すぎました)"
            ))));
        }
        notes
    }
}

fn with_end(text: &str) -> Vec<u8> {
    let mut line = Vec::with_capacity(text.len() + 1);
    line.extend_from_slice(text.as_bytes());
    line.push(b'\n');
    line
}

fn told(count: &Count) -> String {
    let Count { times, message, .. } = count;
    let seconds = count.within.as_secs();
    if *times == 1 {
        say!(
            "repeated once in {seconds} s: {message}",
            "{seconds}秒間に1回繰り返されました: {message}"
        )
    } else {
        say!(
            "repeated {times} times in {seconds} s: {message}",
            "{seconds}秒間に{times}回繰り返されました: {message}"
        )
    }
}

fn left_out(count: u64) -> String {
    say!(
        "log lines left out: {count} (more than 50 MB a day)",
        "省略したログ: {count}行 (1日50MBの上限を超えたため)"
    )
}

#[cfg(test)]
mod tests;
