//! `facetap soak`: the stress run with its verdict.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Args as ClapArgs;

use super::table::Table;
use super::{DONE, FAILED, Usage, again, env};
use crate::base::clock::SystemClock;
use crate::base::stop::Stop;
use crate::base::text::{self, Language};
use crate::base::threads::Threads;
use crate::tools::soak::fault::Fault;
use crate::tools::soak::plan::{self, Interval, Plan};
use crate::tools::soak::{Failed, Soak, setting};
use crate::{base::signals, config, say};

#[derive(Debug, Clone, ClapArgs)]
#[command(
    after_help = "Taps and frames are requested in turn, each with 10 s to be answered. Ledger, log and server are the run's own, in a folder of its own ($TMPDIR).\n\nStatus 0 if every row of the verdict passed, 1 if one failed.\n\nExamples:\n  facetap soak --duration 24 --interval 1\n  facetap soak --duration 0.02 --interval 0.05\n  facetap soak --duration 0.02 --interval 0.1..1.0 --fault leak"
)]
pub(super) struct SoakOptions {
    /// How long, in hours
    #[arg(long, value_name = "HOURS", value_parser = plan::hours, default_value = "24")]
    pub duration: Duration,
    /// Time from one request to the next in seconds, or a range that it is drawn from
    #[arg(long, value_name = "SECONDS|MIN..MAX", value_parser = Interval::parse, default_value = "1")]
    pub interval: Interval,
    /// Plants a fault after the warm-up, to see it turn red: leak, fd-leak, panic, hang, slow, lose-tap
    #[arg(long, value_name = "NAME", value_parser = Fault::parse)]
    pub fault: Option<Fault>,
    /// Takes the devices from this configuration file instead of simulated ones. With real card readers only
    /// frames are requested. The service itself must not run meanwhile
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

pub(super) fn soak(options: &SoakOptions) -> Result<u8> {
    let config = match &options.config {
        Some(file) => config::load(Some(file), &env)?.config,
        None => setting::simulated(),
    };
    text::speak(config.language.unwrap_or_else(Language::from_locale));
    let plan = Plan {
        duration: options.duration,
        interval: options.interval,
        fault: options.fault,
    };
    plan.check().map_err(Usage)?;
    if setting::kinds(&config).is_empty() {
        return Err(Usage(say!(
            "nothing can be requested: the configuration has neither a camera nor simulated card readers; turn on \
             camera.enabled, or set cards.readers to \"simulated\"",
            "カメラもシミュレーションのカードリーダーもないため、リクエストを送信できません。camera.enabled または \
             cards.readers を設定してください"
        ))
        .into());
    }
    let (name, value) = again::trace_from_zero();
    let soak = Soak {
        plan,
        config,
        program: again::program(),
        environment: vec![(name.to_owned(), value)],
        table,
        clock: Arc::new(SystemClock),
        stop: Stop::new(),
    };
    let mut threads = Threads::default();
    signals::watch(&mut threads, &soak.stop, || ())?;
    match soak.run(threads) {
        Ok(true) => Ok(DONE),
        Ok(false) => Ok(FAILED),
        Err(e) if e.downcast_ref::<Failed>().is_some_and(|f| f.usage) => {
            Err(Usage(format!("{e:#}")).into())
        }
        Err(e) => Err(e),
    }
}

fn table(rows: Vec<[String; 4]>) -> String {
    let (mut table, mut text) = (Table::default(), Vec::new());
    rows.into_iter().for_each(|row| table.row(row));
    // Writing to memory cannot fail.
    let _ = table.write(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}
