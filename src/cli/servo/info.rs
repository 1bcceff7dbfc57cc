//! `facetap servo info`: all about one servo.

use anyhow::Result;
use clap::Args;

use super::Common;
use super::session::Session;
use super::show;
use crate::cli::{DONE, print};
use crate::follow::servo::commission::look::{Seen, Sight};

#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  facetap servo info 1\n  facetap servo info 1 --json")]
pub(in crate::cli) struct InfoOptions {
    /// Its id
    #[arg(value_name = "ID")]
    pub id: u8,
    #[command(flatten)]
    pub common: Common,
}

pub(super) fn info(options: &InfoOptions) -> Result<u8> {
    let session = Session::begin(&options.common)?;
    session.check_id(options.id)?;
    let axis = session.axis_of(options.id);
    let (_, servo) = session.find(options.id)?;
    if options.common.json {
        let (id, rate, protocol) = (servo.id, servo.rate, servo.protocol);
        let sight = Sight::Servo(Box::new(servo));
        print(show::object(
            &Seen {
                id,
                rate,
                protocol,
                sight,
            },
            axis,
        ));
    } else {
        for line in show::lines(&servo, axis) {
            print(line);
        }
    }
    Ok(DONE)
}
