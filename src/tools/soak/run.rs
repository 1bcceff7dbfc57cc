//! A run from its beginning to its verdict.

mod conclusion;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::child::{self, Launch, Scratch};
use super::notify::Notify;
use super::plan::Plan;
use super::requests::{Answer, Requests};
use super::screen::{self, Screen};
use super::tally::Tally;
use super::trace::{self, Seen};
use super::verdict;
use super::watch::{Readiness, Watch, Watched};
use super::{server, setting};
use crate::attend::ledger::probe;
use crate::base::clock::{Clock, Monotime};
use crate::base::stop::{Reason, Stop, lock};
use crate::base::threads::Threads;
use crate::config::Config;
use crate::say;

/// Statistics are told every so many requests.
const STATISTICS: u64 = 100;
/// Time between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(1);
/// Taps get this long to reach the server when the requests are over.
const SETTLE: Duration = Duration::from_secs(30);
/// How soon something is noticed that is waited for.
const STEP: Duration = Duration::from_millis(50);
/// The service's end may take as long as its manager allows, and the signals after it.
const JOIN: Duration = Duration::from_secs(30);

/// What a run needs from outside.
pub struct Soak {
    /// What is asked for.
    pub plan: Plan,
    /// The devices; ledger, log and server are replaced by the run's own.
    pub config: Config,
    /// This program.
    pub program: PathBuf,
    /// More environment for the service: its trace has to write the times of the monotonic clock.
    pub environment: Vec<(String, String)>,
    /// Draws a table of these cells, the heading first.
    pub table: fn(Vec<[String; 4]>) -> String,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The order to stop; ends the run with a verdict on what was measured so far.
    pub stop: Stop,
}

/// The service does not start.
#[derive(Debug)]
pub struct Failed {
    /// What it said.
    pub why: String,
    /// Whether its configuration is at fault.
    pub usage: bool,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let why = &self.why;
        f.write_str(&say!(
            "the service does not start: {why}",
            "サービスを開始できません: {why}"
        ))
    }
}

impl std::error::Error for Failed {}

/// What belongs to a run that is going on.
struct Going {
    scratch: Scratch,
    seen: Arc<Seen>,
    watched: Arc<Mutex<Watched>>,
    screen: Screen,
    /// The order to end the service.
    end: Stop,
    began: Monotime,
}

impl Soak {
    /// Runs, and prints the verdict. True if every row passed.
    ///
    /// # Errors
    /// The service cannot be started ([`Failed`]), or the system refuses what a run needs.
    pub fn run(&self, mut threads: Threads) -> Result<bool> {
        let folder = tempfile::Builder::new()
            .prefix("facetap-soak-")
            .tempdir()
            .context("cannot make a folder for the run; set TMPDIR")?;
        let scratch = child::prepare(folder.path())?;
        let (seen, over) = (Arc::<Seen>::default(), Stop::new());
        let fifo = trace::fifo(&scratch.trace())?;
        let cards = trace::fifo(&scratch.cards())?;
        let server = server::start(&mut threads, &seen, &self.clock, &over)?;
        setting::write(
            &setting::isolated(&self.config, &scratch, &server),
            &scratch.config(),
        )?;
        let (follower, order) = (Arc::clone(&seen), over.clone());
        threads.start("trace", &self.stop, move || {
            trace::follow(fifo, &follower, &order)
        })?;

        let mut watch = Threads::default();
        let mut going = self.start_service(&mut watch, scratch, seen)?;
        let kinds = setting::kinds(&self.config);
        let clock = Arc::clone(&self.clock);
        let requests = Requests::new(
            Arc::clone(&going.seen),
            cards,
            kinds,
            clock,
            self.stop.clone(),
        );
        let ready = self.wait_until_ready(&mut going)?;
        let tally = if ready {
            self.ask(&mut going, requests)
        } else {
            Tally::default()
        };
        let elapsed = self.clock.now().since(going.began);
        let complete = !self.stop.requested();
        if ready {
            self.settle(&mut going);
        }
        going.end.request(Reason::Duration);
        watch.join(&self.clock, JOIN);
        over.request(Reason::Duration);
        let failure = self.stop.reason();
        self.stop.request(Reason::Duration);
        threads.join(&self.clock, JOIN);
        if let Some(Reason::Failure(why)) = failure {
            bail!(why);
        }
        let rows = self.conclude(&mut going, tally, elapsed, complete)?;
        let passed = verdict::passed(&rows);
        if !passed {
            let kept = folder.keep();
            let kept = kept.display();
            going.screen.line(say!(
                "log, ledger and traces are kept in {kept}",
                "ログと台帳の保存先: {kept}"
            ));
        }
        Ok(passed)
    }

    fn start_service(
        &self,
        threads: &mut Threads,
        scratch: Scratch,
        seen: Arc<Seen>,
    ) -> Result<Going> {
        let warm_up = self.plan.warm_up();
        let watched = Arc::new(Mutex::new(Watched::new(warm_up)));
        let end = Stop::new();
        let launch = Launch {
            program: self.program.clone(),
            scratch: scratch.clone(),
            faulty: self.plan.fault.is_some(),
            environment: self.environment.clone(),
            said: Arc::default(),
        };
        let notify = Notify::bind(&scratch.notify())?;
        let work = self.config.camera.enabled.then(|| Arc::clone(&seen));
        let watch = Watch::new(launch, notify, warm_up, &watched, work, &self.clock, &end);
        threads.start("watch", &self.stop, move || watch.run())?;
        Ok(Going {
            scratch,
            seen,
            watched,
            screen: Screen::new(),
            end,
            began: self.clock.now(),
        })
    }

    /// True once the service is at work, false at the order to stop.
    fn wait_until_ready(&self, going: &mut Going) -> Result<bool> {
        going
            .screen
            .progress(&say!("starting the service", "サービスを開始しています"));
        loop {
            match lock(&going.watched).readiness.clone() {
                Readiness::Ready => break,
                Readiness::Failed(why, usage) => bail!(Failed { why, usage }),
                Readiness::Starting => {}
            }
            if self.clock.wait(&self.stop, STEP) {
                return Ok(false);
            }
        }
        going.began = self.clock.now();
        Ok(true)
    }

    /// Makes requests until the time is over, or the order to stop.
    fn ask(&self, going: &mut Going, mut requests: Requests) -> Tally {
        let mut tally = Tally::default();
        let end = going.began + self.plan.duration;
        let mut fault = self.plan.fault;
        let mut shown = going.began;
        loop {
            let begin = self.clock.now();
            if begin >= end || self.stop.requested() {
                return tally;
            }
            if begin.since(going.began) >= self.plan.warm_up()
                && let Some(fault) = fault.take()
            {
                self.plant(going, &fault.order(end.since(begin)));
            }
            let (kind, answer) = requests.next();
            match answer {
                Answer::After(took) => tally.add(kind, Some(took)),
                Answer::Failed => tally.add(kind, None),
                Answer::Stopped => return tally,
            }
            let now = self.clock.now();
            let many = tally.requests().is_multiple_of(STATISTICS);
            if many || now.since(shown) >= PROGRESS {
                let seen = lock(&going.watched).clone();
                let line =
                    screen::statistics(&tally, &seen, now.since(going.began), end.since(now));
                if many {
                    going.screen.line(format_args!("[STATISTICS] {line}"));
                }
                if now.since(shown) >= PROGRESS {
                    shown = now;
                    going.screen.progress(&line);
                }
            }
            let next = (begin + self.plan.interval.draw(fastrand::f64())).min(end);
            self.clock.wait(&self.stop, next.since(now));
        }
    }

    fn plant(&self, going: &mut Going, order: &str) {
        // Written beside it and moved: the service takes whole lines.
        let file = going.scratch.faults();
        let new = file.with_extension("new");
        let planted = std::fs::write(&new, order).and_then(|()| std::fs::rename(&new, &file));
        going.screen.line(match planted {
            Ok(()) => say!("planted: {order}", "障害を注入しました: {order}"),
            Err(e) => say!(
                "cannot plant {order}: {e}",
                "障害を注入できません: {order}: {e}"
            ),
        });
    }

    /// Waits until the server has what was confirmed, or at least everything that is in the ledger.
    fn settle(&self, going: &mut Going) {
        lock(&going.seen.taps).requests_are_over();
        let deadline = self.clock.now() + SETTLE;
        // Not the order to stop: it has been given, or may be meanwhile.
        let never = Stop::new();
        while !lock(&going.seen.taps).is_delivered()
            && probe::pending(&going.scratch.data_dir()).ok() != Some(0)
            && self.clock.now() < deadline
        {
            going.screen.progress(&say!(
                "waiting for the last taps",
                "最後のタップの送信を待っています"
            ));
            self.clock.wait(&never, STEP);
        }
    }
}
