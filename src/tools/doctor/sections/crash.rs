//! The last crash.

use jiff::Timestamp;

use crate::tools::doctor::finding::Finding;
use crate::tools::doctor::machine::Machine;
use crate::watch::crash;
use crate::{finding, say};

/// A crash is news for so long, in days.
const NEWS_DAYS: i64 = 30;

/// What is seen.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The newest file with reports.
    pub file: String,
    /// When it was written last; none if there is none, or it is empty.
    pub written: Option<Timestamp>,
    /// Days since.
    pub days: Option<i64>,
    /// What the last crash was, if the file tells.
    pub line: Option<String>,
}

impl Facts {
    /// Looks.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let (file, written) = crash::reported(&machine.crash_file).unzip();
        let written = written.and_then(|at| Timestamp::try_from(at).ok());
        let now = machine.clock.wall().timestamp();
        Self {
            file: file.map_or_else(String::new, |f| machine.root.own(&f).display().to_string()),
            written,
            days: written.map(|w| (now.as_second() - w.as_second()) / 86_400),
            line: crash::last(&machine.crash_file).map(|last| last.to_string()),
        }
    }
}

/// Judges.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let (Some(written), Some(days)) = (facts.written, facts.days) else {
        return Vec::new();
    };
    let file = &facts.file;
    // Of a report that was cut off there is nothing to tell in a line.
    let line = facts.line.as_ref().map(|line| format!(": {line}"));
    let line = line.unwrap_or_default();
    let what = say!(
        "the program has crashed, last on {written:.0}{line}",
        "プログラムがクラッシュしました（最後: {written:.0}）{line}"
    );
    let why = say!(
        "what has crashed once does so again; {file} says where",
        "再発の可能性があります。原因の箇所は {file} にあります"
    );
    let mend = say!(
        "send the diagnosis file to the maintainers, then: sudo rm {file}",
        "診断ファイルを開発者へ送り、その後: sudo rm {file}"
    );
    vec![if days <= NEWS_DAYS {
        finding!(
            Warning, "crashed",
            what: what,
            why: why,
            mend: mend,
        )
    } else {
        finding!(
            Note, "crashed-long-ago",
            what: what,
            why: why,
            mend: mend,
        )
    }]
}
