//! Looks that run side by side, each for a limited time: one that hangs is a finding, not a hang.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use super::finding::{Finding, Severity};
use super::machine::Machine;
use crate::base::stop::Stop;
use crate::base::threads::Threads;
use crate::{finding, say};

/// What a look has given: facts for a maintainer, findings for everybody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Looked {
    /// Everything that was seen, in words.
    pub facts: String,
    /// What is worth telling.
    pub findings: Vec<Finding>,
}

impl Looked {
    /// Judges facts.
    pub fn at<F: fmt::Debug>(facts: &F, judge: fn(&F) -> Vec<Finding>) -> Self {
        Self {
            findings: judge(facts),
            facts: format!("{facts:#?}"),
        }
    }
}

/// Something to look at.
#[derive(Clone)]
pub struct Probe {
    /// Its name, which is also the thread's and the section's.
    pub name: &'static str,
    /// The longest it may take.
    pub limit: Duration,
    /// Gathers and judges.
    pub look: fn(&Machine) -> Looked,
    /// What it means when it takes longer, where that is known.
    pub hung: Option<fn(&Machine, Duration) -> Finding>,
}

/// A probe with its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Name of the probe.
    pub name: &'static str,
    /// How long it took; none if it was given up.
    pub took: Option<Duration>,
    /// What it gave.
    pub looked: Looked,
}

impl Section {
    /// The worst of its findings.
    #[must_use]
    pub fn severity(&self) -> Severity {
        let worst = self.looked.findings.iter().map(|f| f.severity).max();
        worst.unwrap_or(Severity::Ok)
    }
}

/// Runs all probes at once. It takes as long as the slowest, at most the largest limit; a thread that is still at
/// work then is left behind and ends with the process.
pub fn run(probes: &[Probe], machine: &Arc<Machine>) -> Vec<Section> {
    let clock = Arc::clone(&machine.clock);
    let (stop, mut threads) = (Stop::new(), Threads::default());
    let begun = clock.now();
    let awaited: Vec<_> = probes
        .iter()
        .map(|probe| {
            let (sender, receiver) = sync_channel(1);
            let (machine, look) = (Arc::clone(machine), probe.look);
            let started = threads.start(probe.name, &stop, move || {
                let looked = look(&machine);
                // Nobody listens any more if it was too late.
                let _ = sender.send((looked, machine.clock.now()));
            });
            (probe, receiver, started)
        })
        .collect();
    awaited
        .into_iter()
        .map(|(probe, receiver, started)| {
            let limit = machine.patience(probe.limit);
            let left = (begun + limit).since(clock.now());
            let (took, looked) = match receiver.recv_timeout(left) {
                Ok((looked, ended)) => (Some(ended.since(begun)), looked),
                Err(why) => (None, given_up(probe, machine, why, started.is_ok())),
            };
            Section {
                name: probe.name,
                took,
                looked,
            }
        })
        .collect()
}

fn given_up(probe: &Probe, machine: &Machine, why: RecvTimeoutError, started: bool) -> Looked {
    let finding = match (why, probe.hung) {
        (RecvTimeoutError::Timeout, Some(hung)) => hung(machine, machine.patience(probe.limit)),
        (RecvTimeoutError::Timeout, None) => hangs(probe.name, machine.patience(probe.limit)),
        (RecvTimeoutError::Disconnected, _) => failed(probe.name, started),
    };
    Looked {
        facts: String::new(),
        findings: vec![finding],
    }
}

fn hangs(name: &str, limit: Duration) -> Finding {
    let seconds = limit.as_secs_f64();
    finding!(
        Problem, "look-hangs",
        what: "looking at \"{name}\" did not come to an end within {seconds} s",
              "「{name}」の確認が {seconds} 秒以内に終わりませんでした",
        why: "a disk, a device or a program that does not answer also keeps the service waiting",
             "応答しないディスク・機器・プログラムはサービスも待たせます",
        mend: "dmesg | tail -50    # the kernel names what is stuck; restart the board if it is a disk",
              "dmesg | tail -50    # 停止している箇所をカーネルが表示します。ディスクの場合は再起動してください",
    )
}

fn failed(name: &str, started: bool) -> Finding {
    finding!(
        Problem, "look-failed",
        what: if started {
            say!(
                "looking at \"{name}\" failed",
                "「{name}」の確認に失敗しました"
            )
        } else {
            say!(
                "no thread can be started to look at \"{name}\"",
                "「{name}」を確認するスレッドを起動できません"
            )
        },
        why: "what it would have told is not known",
             "この項目の状態は不明です",
        mend: "send the diagnosis file to the maintainers; ulimit -u tells how many threads are allowed",
              "診断ファイルを開発者へ送ってください（スレッド数の上限: ulimit -u）",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::doctor::machine::Asked;

    fn machine() -> Arc<Machine> {
        Arc::new(Machine::find(&Asked::default()))
    }

    fn block(_: &Machine) -> Looked {
        // For ever: whoever waits for it waits in vain.
        let (_keep, wait) = std::sync::mpsc::channel::<()>();
        let _ = wait.recv();
        Looked::default()
    }

    fn quick(_: &Machine) -> Looked {
        Looked {
            facts: "seen".into(),
            findings: Vec::new(),
        }
    }

    fn probe(name: &'static str, look: fn(&Machine) -> Looked) -> Probe {
        Probe {
            name,
            limit: Duration::from_millis(30),
            look,
            hung: None,
        }
    }

    #[test]
    fn one_that_hangs_is_told_and_the_others_are_heard() {
        let patient = Probe {
            limit: Duration::from_secs(60),
            ..probe("quick", quick)
        };
        let own = Probe {
            hung: Some(|_, limit| {
                let what = format!("{} ms", limit.as_millis());
                finding!(
                    Warning, "own",
                    what: what,
                    why: String::new(),
                    mend: String::new(),
                )
            }),
            ..probe("own", block)
        };
        let sections = run(&[probe("stuck", block), patient, own], &machine());
        let keys: Vec<_> = sections
            .iter()
            .map(|s| s.looked.findings.first().map(|f| f.key))
            .collect();
        assert_eq!(keys, [Some("look-hangs"), None, Some("own")]);
        assert_eq!(sections[0].took, None);
        assert!(sections[0].looked.findings[0].what.contains("0.03 s"));
        assert!(sections[1].took.is_some());
        assert_eq!(sections[1].looked.facts, "seen");
        assert_eq!(sections[1].severity(), Severity::Ok);
        assert_eq!(sections[2].looked.findings[0].what, "30 ms");
    }

    #[test]
    fn one_that_panics_is_told() {
        let patient = Probe {
            limit: Duration::from_secs(60),
            ..probe("doomed", |_| panic!("on purpose"))
        };
        let sections = run(&[patient], &machine());
        assert_eq!(sections[0].looked.findings[0].key, "look-failed");
        assert_eq!(sections[0].severity(), Severity::Problem);
    }
}
