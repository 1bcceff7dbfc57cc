//! `facetap servo scan`: who is on the line.

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::Common;
use super::session::{Session, echo, others};
use super::show;
use crate::cli::table::Table;
use crate::cli::{DONE, FAILED, complain, print};
use crate::follow::servo::commission::seek::Scan;
use crate::say;

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Nothing is changed or moved, and torque stays as it is. Takes about ten seconds.\n\nExamples:\n  facetap servo scan\n  facetap servo scan --servo-port /dev/ttyUSB0 --json"
)]
pub(in crate::cli) struct ScanOptions {
    #[command(flatten)]
    pub common: Common,
}

pub(super) fn scan(options: &ScanOptions) -> Result<u8> {
    let session = Session::begin(&options.common)?;
    if !session.protocol.abilities().ids {
        return channels(&session, options.common.json);
    }
    let mut scan = session.seek(None)?;
    scan.seen.sort_by_key(|one| one.id);
    let port = session.port.display();
    if options.common.json {
        let axis = |id| session.axis_of(id);
        let list: Vec<Value> = scan
            .seen
            .iter()
            .map(|one| show::object(one, axis(one.id)))
            .collect();
        print(Value::from(list));
    } else {
        let mut table = Table::default();
        table.row(show::heading());
        let servos: Vec<_> = scan.seen.iter().filter_map(|one| one.servo()).collect();
        for servo in &servos {
            table.row(show::row(servo, session.axis_of(servo.id)));
        }
        if !servos.is_empty() {
            table.write(&mut std::io::stdout())?;
        }
        for servo in &servos {
            for what in show::hindrances(servo) {
                let id = servo.id;
                print(say!("id {id}: {what}", "ID {id}: {what}"));
            }
        }
        for what in others(&scan.seen) {
            print(what);
        }
    }
    for what in remarks(&scan) {
        complain(&what);
    }
    if scan.seen.is_empty() {
        let echo = if scan.echo { echo() } else { String::new() };
        complain(&say!(
            "no servo answers on {port}, in any family and at any bit rate: check the servos' power and the cable{echo}",
            "{port} でサーボが応答しません（全系列・全通信速度）。サーボの電源とケーブルを確認してください{echo}"
        ));
        return Ok(FAILED);
    }
    Ok(DONE)
}

/// What is to be known beside the list.
fn remarks(scan: &Scan) -> Vec<String> {
    let list = |rates: &[u32]| {
        rates
            .iter()
            .map(u32::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut all = Vec::new();
    let mut refused = scan.refused.clone();
    refused.dedup();
    if !refused.is_empty() {
        let rates = list(&refused);
        all.push(say!(
            "the adapter cannot do {rates} baud: not looked there",
            "アダプターが {rates} baud に対応していないため、確認していません"
        ));
    }
    if scan.seen.is_empty() && !scan.noise.is_empty() {
        let rates = list(&scan.noise);
        all.push(say!(
            "something comes at {rates} baud that is no answer: several servos with one id, another device, or a bad cable",
            "{rates} baud で応答ではないデータを受信しました（同じIDの複数のサーボ、別の機器、ケーブル不良）"
        ));
    }
    all
}

/// A controller has channels, which cannot be found out: asking for one that it has not ends all pulses.
fn channels(session: &Session, as_json: bool) -> Result<u8> {
    let mut bus = session.controller()?;
    let name = session.protocol.name();
    let mut list = Vec::new();
    for (axis, config) in crate::follow::servo::mount::configured(&session.config.servo.axes) {
        let reading = bus.read_axis(config.id)?;
        let position = (!reading.off).then_some(reading.position.0);
        list.push((config.id, axis.name(), position));
    }
    if as_json {
        let of = |(id, axis, position): &(u8, &str, Option<i32>)| json!({"id": id, "axis": axis, "position": position, "family": "maestro"});
        print(Value::from(list.iter().map(of).collect::<Vec<_>>()));
        return Ok(DONE);
    }
    let why = session.protocol.shortcomings().unwrap_or_default();
    print(format!("{name}: {why}"));
    for (id, axis, position) in list {
        let at = position.map_or_else(
            || say!("no pulses", "パルスなし"),
            |q| format!("{:.1} µs", f64::from(q) / 4.0),
        );
        print(say!(
            "channel {id} ({axis}): {at}",
            "チャンネル {id} ({axis}): {at}"
        ));
    }
    Ok(DONE)
}
