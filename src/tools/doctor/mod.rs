//! Doctor: finds what is wrong, says why it matters and how to mend it (`facetap doctor`).
//!
//! [`machine`] finds configuration, folders and service; [`sections`] look at one thing each, side by side and each for
//! a limited time ([`probe`]); what they tell is shown by [`terminal`] and written with everything else that a
//! maintainer needs by [`diagnosis`], without card ids, names and secrets ([`mask`], [`secrets`]). Everything is looked
//! at below a [`root::Root`], so that findings which need hardware are tested with a tree of files.

pub mod account;
pub mod command;
pub mod diagnosis;
pub mod drives;
pub mod extras;
pub mod finding;
pub mod kernel_lines;
pub mod machine;
pub mod mask;
pub mod probe;
pub mod root;
pub mod secrets;
pub mod sections;
pub mod tail;
pub mod terminal;
pub mod unit_file;

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use anyhow::Result;

use crate::base::limited::{NotDone, in_time};
use crate::base::stop::Stop;
use crate::base::threads::Threads;
use crate::say;
use machine::{Asked, Machine};
use mask::Mask;
use probe::Section;
use secrets::Known;

/// For finding configuration, folders and service.
const FINDING: Duration = Duration::from_millis(500);
/// For roster and ledger, side by side with the sections.
const SECRETS: Duration = Duration::from_millis(1200);

/// Everything that was found.
pub struct Examination {
    /// What was looked at.
    pub machine: Arc<Machine>,
    /// The sections, in their order.
    pub sections: Vec<Section>,
    /// What a maintainer wants to see besides.
    pub extras: Vec<Section>,
    /// What must not be told.
    pub known: Known,
    /// What could not be recognised for masking, for people; empty if everything could.
    pub unmasked: Vec<String>,
    /// How long all of it took.
    pub took: Duration,
}

/// Finds configuration, folders and service.
///
/// # Errors
/// It takes longer than half a second: a disk does not answer.
pub fn find(asked: &Asked) -> Result<Arc<Machine>> {
    let limit = asked.limit.unwrap_or(FINDING);
    let asked = asked.clone();
    in_time("setting", limit, move || Arc::new(Machine::find(&asked))).map_err(|why| match why {
        NotDone::Hangs => anyhow::anyhow!(say!(
            "the files of the configuration cannot be read in time: a disk hangs (dmesg | tail), or is slow (--limit 10)",
            "設定ファイルを時間内に読めません。ディスクが応答していません（dmesg | tail を確認するか、--limit 10 を試してください）"
        )),
        why => why.into(),
    })
}

impl Examination {
    /// Looks at everything; takes as long as the slowest section, at most [`sections::longest`].
    #[must_use]
    pub fn of(machine: &Arc<Machine>) -> Self {
        let begun = machine.clock.now();
        let mut probes = sections::all();
        let count = probes.len();
        probes.extend(extras::all());
        let (sender, receiver) = sync_channel(1);
        let asked = Arc::clone(machine);
        // A thread that cannot be started is one that says nothing.
        let _ = Threads::default().start("secrets", &Stop::new(), move || {
            let _ = sender.send(secrets::gather(&asked));
        });
        let mut sections = probe::run(&probes, machine);
        let extras = sections.split_off(count);
        let left = (begun + machine.patience(SECRETS)).since(machine.clock.now());
        let known = receiver.recv_timeout(left);
        let known = known.unwrap_or_else(|_| nothing_known(machine));
        Self {
            unmasked: unread(&known),
            machine: Arc::clone(machine),
            sections,
            extras,
            known,
            took: machine.clock.now().since(begun),
        }
    }

    /// What takes card ids, names and secrets out of a text.
    #[must_use]
    pub fn mask(&self) -> Mask {
        Mask::new(&self.known.secrets)
    }

    /// Whether there is a warning or a problem.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.sections.iter().any(|s| s.severity().is_bad())
    }
}

/// What takes card ids, names and secrets out of a text, without looking at anything else; and what could not be
/// recognised for that, for people.
#[must_use]
pub fn mask(machine: &Arc<Machine>) -> (Mask, Vec<String>) {
    let asked = Arc::clone(machine);
    let known = in_time("secrets", machine.patience(SECRETS), move || {
        secrets::gather(&asked)
    });
    let known = known.unwrap_or_else(|_| nothing_known(machine));
    (Mask::new(&known.secrets), unread(&known))
}

/// Roster and ledger did not answer in time.
fn nothing_known(machine: &Machine) -> Known {
    Known {
        unread: vec![machine.root.own(&machine.data_dir).display().to_string()],
        ..Known::default()
    }
}

fn unread(known: &Known) -> Vec<String> {
    let tell = |file: &String| {
        say!(
            "{file} cannot be read, so its names cannot be recognised: the logs are left out; use sudo",
            "{file} を読めず氏名を判別できないため、ログを省略します。sudo を使ってください"
        )
    };
    known.unread.iter().map(tell).collect()
}
