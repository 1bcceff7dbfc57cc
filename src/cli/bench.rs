//! `facetap bench`: the program held against a simulation.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::table::Table;
use super::target::Target;
use super::{DONE, env};
use crate::base::text::{self, Language};
use crate::config;
use crate::tools::bench::law::Law;
use crate::tools::bench::page::Plots;
use crate::tools::bench::scenario::Scenario;
use crate::tools::bench::{DELAYS, LONGEST_DELAY, Outcomes, Plan, listing, scenario};

#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  facetap bench follow --scenario still --delay 300")]
pub(super) struct BenchOptions {
    #[command(subcommand)]
    pub command: BenchCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub(super) enum BenchCommand {
    /// How well a face is followed: settling, overshoot, error, rest, for cameras that are late. Virtual
    /// time, no device; the same seed gives the same figures
    Follow(FollowOptions),
}

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Laws: ours (the service's own, which has to learn the camera's delay), old (the old tracker's PD on pixels), uncompensated (ours, which takes every picture for one of this moment); learned (ours, which has learned the delay before), told (ours, told when each picture was exposed) and bound (as well as the servos can) only where they are asked for.\n\nExamples:\n  facetap bench follow\n  facetap bench follow --scenario still --scenario step --delay 300 --html follow.html\n  facetap bench follow --delay 80 --law learned --law told --law bound --json"
)]
pub(super) struct FollowOptions {
    /// Where chance begins
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: u64,
    /// Only this scenario: still, step, sine, walk-past, stop-and-go, occlusion, crossing, lost-and-back,
    /// head-tilt; may be given again
    #[arg(long, value_name = "NAME", value_parser = Scenario::parse)]
    pub scenario: Vec<&'static Scenario>,
    /// Only a camera that is so late, in ms, give or take 20; may be given again
    /// [default: 0, 50, 100, 200, 300, 500]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(..=i64::from(LONGEST_DELAY)))]
    pub delay: Vec<u32>,
    /// Only this law; may be given again [default: ours, old, uncompensated]
    #[arg(long, value_name = "NAME", value_parser = Law::parse)]
    pub law: Vec<Law>,
    /// For programs: a JSON object on one line
    #[arg(long)]
    pub json: bool,
    /// Write a page with the tables and a plot for every scenario and delay
    #[arg(long, visible_alias = "plot", value_name = "FILE")]
    pub html: Option<PathBuf>,
}

pub(super) fn bench(options: &BenchOptions) -> Result<u8> {
    // No configuration is needed; where there is one, it knows the language.
    let configured = config::load(None, &env)
        .ok()
        .and_then(|l| l.config.language);
    text::speak(configured.unwrap_or_else(Language::from_locale));
    match &options.command {
        BenchCommand::Follow(options) => follow(options),
    }
}

fn plan(options: &FollowOptions) -> Plan {
    fn or<T: Clone>(asked: &[T], usual: impl FnOnce() -> Vec<T>) -> Vec<T> {
        if asked.is_empty() {
            usual()
        } else {
            asked.to_vec()
        }
    }
    Plan {
        seed: options.seed,
        scenarios: or(&options.scenario, || scenario::ALL.iter().collect()),
        delays: or(&options.delay, || DELAYS.to_vec()),
        laws: or(&options.law, || Law::COMPARED.to_vec()),
    }
}

fn follow(options: &FollowOptions) -> Result<u8> {
    let target = options.html.as_deref();
    let target = target.map(|file| Target::open(Some(file), "--html"));
    let target = target.transpose()?;
    let mut plots = Plots::default();
    let outcomes = plan(options).run(|scenario, outcome, recording| {
        if target.is_some() {
            plots.add(scenario, outcome, recording);
        }
    });
    if let Some(mut target) = target {
        let mut page = Vec::new();
        plots.write(&outcomes, &mut page)?;
        target.write(&page)?;
        target.finish()?;
    }
    if options.json {
        super::print(serde_json::to_string(&outcomes)?);
        return Ok(DONE);
    }
    match print(&outcomes, &mut std::io::stdout().lock()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(DONE),
    }
}

fn print(outcomes: &Outcomes, out: &mut impl Write) -> std::io::Result<()> {
    for (i, listing) in listing::tables(outcomes).into_iter().enumerate() {
        if i > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{}", listing.title)?;
        let mut table = Table::default();
        table.row(listing.headings);
        listing.rows.into_iter().for_each(|row| table.row(row));
        table.write(out)?;
    }
    out.flush()
}
