//! The last crash.

use jiff::Timestamp;

use crate::crash;
use crate::doctor::finding::Finding;
use crate::doctor::setting::Setting;
use crate::say;

/// A crash is news for so long, in days.
const NEWS_DAYS: i64 = 30;

/// What is seen.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The crash file.
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
    pub fn of(setting: &Setting) -> Self {
        let about = setting.crash_file.metadata().ok().filter(|m| m.len() > 0);
        let written = about
            .and_then(|m| m.modified().ok())
            .and_then(|at| Timestamp::try_from(at).ok());
        let now = setting.clock.wall().timestamp();
        Self {
            file: setting.root.own(&setting.crash_file).display().to_string(),
            days: written.map(|w| (now.as_second() - w.as_second()) / 86_400),
            line: crash::last(&setting.crash_file).map(|last| last.to_string()),
            written,
        }
    }
}

/// Judges.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let (Some(written), Some(days)) = (facts.written, facts.days) else {
        return Vec::new();
    };
    let (file, line) = (&facts.file, facts.line.as_deref().unwrap_or_default());
    let what = say!(
        "the program has crashed, last on {written:.0}: {line}",
        "プログラムがクラッシュしました（最後: {written:.0}）: {line}"
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
        Finding::warning("crashed", what, why, mend)
    } else {
        Finding::note("crashed-long-ago", what, why, mend)
    }]
}
