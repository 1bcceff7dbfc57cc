//! What all commands share: configuration, port, the lease of the bus, and finding a servo.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;

use super::Common;
use super::ask::{Ask, Bar};
use crate::base::clock::{Clock, SystemClock};
use crate::base::signals;
use crate::base::stop::{Reason, Stop};
use crate::base::text::{self, Language};
use crate::base::threads::Threads;
use crate::cli::{Usage, complain, env, print};
use crate::config::{self, Config};
use crate::follow::servo::SimulatedServos;
use crate::follow::servo::bus::Bus;
use crate::follow::servo::commission::keep::lacks;
use crate::follow::servo::commission::look::{Seen, Servo, Sight};
use crate::follow::servo::commission::seek::{Scan, Seeker, Try, tries};
use crate::follow::servo::handover::{self, Lease};
use crate::follow::servo::mount::configured;
use crate::follow::servo::port::{self, SerialWire};
use crate::follow::servo::ports;
use crate::follow::servo::protocol::{self, Protocol, maestro::Maestro};
use crate::follow::servo::steps::{Mounting, Scale};
use crate::say;

/// A command at work on a bus.
pub(in crate::cli) struct Session {
    pub config: Config,
    pub clock: Arc<dyn Clock>,
    pub stop: Stop,
    pub ask: Ask,
    json: bool,
    pub port: PathBuf,
    /// What is spoken as far as the configuration says, or the adapter itself.
    pub protocol: &'static dyn Protocol,
    tries: Vec<Try>,
    threads: Threads,
    pub lease: Lease,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stop.request(Reason::Duration);
        std::mem::take(&mut self.threads).join(&self.clock, Duration::from_secs(1));
    }
}

impl Session {
    /// Reads the configuration and asks for the bus.
    ///
    /// # Errors
    /// No port, several, or somebody else has it.
    pub fn begin(options: &Common) -> Result<Self> {
        let mut config = config::load(options.config.as_deref(), &env)?.config;
        text::speak(config.language.unwrap_or_else(Language::from_locale));
        if let Some(port) = &options.servo_port {
            config.servo.port.clone_from(port);
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let stop = Stop::new();
        let mut threads = Threads::default();
        signals::watch(&mut threads, &stop, || ())?;
        SimulatedServos::start_if_wanted(&mut config.servo, &clock, &stop, &mut threads)?;
        let paths = port::candidates(&config.servo.port);
        let port = match &paths[..] {
            [] => bail!(say!(
                "no USB serial port is there: plug in the servo adapter, or name its port (--servo-port)",
                "USBシリアルポートがありません。サーボアダプターを接続するか、--servo-port で指定してください"
            )),
            [port] => port.clone(),
            several => {
                let names: Vec<String> = several.iter().map(|p| p.display().to_string()).collect();
                bail!(Usage(say!(
                    "there are several serial ports; name that of the servos: --servo-port {}",
                    "シリアルポートが複数あります。サーボのポートを指定してください: --servo-port {}",
                    names.join(say!(" or ", " / ").as_str())
                )))
            }
        };
        let lease = handover::ask(&port, clock.as_ref(), &stop)?;
        let mut protocol = protocol::of(config.servo.protocol);
        if is_maestro(&port) && protocol.abilities().ids {
            protocol = &Maestro::PLAIN;
            config.servo.baud = 115_200;
        }
        Ok(Self {
            ask: Ask::new(options.yes, &stop),
            json: options.json,
            tries: tries(protocol, config.servo.baud),
            config,
            clock,
            stop,
            port,
            protocol,
            threads,
            lease,
        })
    }

    /// Tells the person something; where programs read, beside what they read.
    pub fn tell(&self, text: impl std::fmt::Display) {
        if self.json {
            complain(&text.to_string());
        } else {
            print(text);
        }
    }

    /// What was done, for programs.
    pub fn result(&self, done: Value) {
        if self.json {
            print(done);
        }
    }

    /// Opens the port at a rate.
    pub fn open(&self, rate: u32) -> Result<SerialWire> {
        handover::open_port(&self.port, rate, self.clock.as_ref(), &self.stop)
    }

    /// A bus at which a controller without ids is greeted.
    pub fn controller(&self) -> Result<Bus<SerialWire>> {
        let wire = self.open(self.config.servo.baud)?;
        let mut bus = Bus::new(wire, self.protocol, Arc::clone(&self.clock));
        if bus.greet()?.is_none() {
            bail!(say!(
                "no Maestro answers: set its serial mode to \"USB Dual Port\" in the Maestro Control Center, and check the wires",
                "Maestro が応答しません。Maestro Control Center でシリアルモードを \"USB Dual Port\" に設定し、配線を確認してください"
            ));
        }
        Ok(bus)
    }

    /// Looks for everybody, or for one id.
    pub fn seek(&self, only: Option<u8>) -> Result<Scan> {
        self.seek_among(&self.tries, only)
    }

    /// Looks where new servos are, and only if there is nobody everywhere else.
    pub fn seek_quickly(&self) -> Result<Scan> {
        let likely = self.tries.iter().filter(|each| each.likely);
        let quick: Vec<Try> = likely
            .map(|each| Try {
                thorough: false,
                ..*each
            })
            .collect();
        let scan = self.seek_among(&quick, None)?;
        if scan.seen.is_empty() {
            self.seek(None)
        } else {
            Ok(scan)
        }
    }

    fn seek_among(&self, tries: &[Try], only: Option<u8>) -> Result<Scan> {
        let mut bar = Bar::new();
        let mut progress = |done: usize, all: usize, next: &Try| {
            let word = format!("{} {}", next.protocol.name(), next.rate);
            bar.show(done as f64 / all.max(1) as f64, &word);
        };
        let mut seeker = Seeker {
            open: &mut |rate| self.open(rate),
            clock: &self.clock,
            stop: &self.stop,
            progress: &mut progress,
        };
        seeker.scan(tries, only)
    }

    /// The one servo with this id, and the bus to talk to it. Family and model are known.
    ///
    /// # Errors
    /// There is none, or something else; what to do is said.
    pub fn find(&self, id: u8) -> Result<(Bus<SerialWire>, Servo)> {
        if !self.protocol.abilities().ids {
            bail!(lacks(self.protocol.name()));
        }
        let scan = self.seek(Some(id))?;
        let Some(seen) = scan.seen.first() else {
            bail!(nobody(id, &scan));
        };
        match &seen.sight {
            Sight::Servo(servo) => {
                let bus = self.bus(servo)?;
                Ok((bus, Servo::clone(servo)))
            }
            _ => bail!("{}", super::show::problem(seen)),
        }
    }

    /// The bus of a servo that was found.
    pub fn bus(&self, servo: &Servo) -> Result<Bus<SerialWire>> {
        let wire = self.open(servo.rate)?;
        let mut bus = Bus::new(wire, servo.protocol, Arc::clone(&self.clock));
        if servo.late {
            bus.be_patient(Duration::from_millis(250));
        }
        if let Some(order) = servo.protocol.answer_all() {
            // One that answers pings only; not permanent.
            let (place, all) = servo.table.level;
            if place.of(&servo.memory) != Some(all) {
                bus.write_hastily(servo.id, &order)?;
            }
        }
        Ok(bus)
    }

    /// The axis that the configuration gives an id to.
    pub fn axis_of(&self, id: u8) -> Option<&'static str> {
        self.axis(id).map(|(axis, _)| axis)
    }

    /// The limits of that axis, in steps of these units.
    pub fn range_of(&self, id: u8, scale: Scale) -> Option<(i32, i32)> {
        self.axis(id)
            .map(|(_, config)| Mounting::new(config, scale).range())
    }

    fn axis(&self, id: u8) -> Option<(&'static str, &config::Axis)> {
        let mut axes = configured(&self.config.servo.axes);
        let found = axes.find(|(_, config)| config.id == id);
        found.map(|(axis, config)| (axis.name(), config))
    }

    /// Refuses a number that is no id, or no channel.
    pub fn check_id(&self, id: u8) -> Result<()> {
        let last = self.protocol.table().map_or(253, |t| t.last_id);
        if id > last {
            bail!(Usage(say!(
                "there is no id {id}: from 0 to {last}",
                "ID {id} は使えません（0〜{last}）"
            )));
        }
        Ok(())
    }
}

/// Whether the adapter says by itself that it is a Maestro, to which questions of another family would be orders.
fn is_maestro(port: &std::path::Path) -> bool {
    let node = port.canonicalize().ok();
    let mut all = ports::list().into_iter();
    all.any(|port| Some(port.node) == node && port.product.is_some_and(|p| p.contains("(1ffb:")))
}

/// That nobody answers, and what may be the reason.
fn nobody(id: u8, scan: &Scan) -> String {
    let echo = if scan.echo { echo() } else { String::new() };
    say!(
        "no servo with id {id} answers, in any family and at any bit rate: check power, cable and id (`facetap servo scan`){echo}",
        "ID {id} のサーボが応答しません（全系列・全通信速度）。電源、ケーブル、IDを確認してください（`facetap servo scan`）{echo}"
    )
}

/// That only what is sent comes back.
pub(super) fn echo() -> String {
    say!(
        "; the adapter echoes: writes work, reads do not (the wire on which answers come, or the servos' power)",
        "。アダプターのエコーのみです: 書き込みは届き、応答は届きません（応答側の配線、サーボの電源）"
    )
}

/// Who is not a servo that can be set up.
pub(super) fn others(seen: &[Seen]) -> Vec<String> {
    seen.iter()
        .filter(|one| one.servo().is_none())
        .map(super::show::problem)
        .collect()
}
