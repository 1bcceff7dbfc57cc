//! Which servos answer, and the log messages about it.

use crate::base::clock::Monotime;
use crate::follow::control::Axis;
use crate::{say_info, say_warn};

use super::bus::Fault;
use super::steps::Mounting;
use super::sts;

/// Missed answers in a row after which an axis is taken for absent.
const MISSES: u32 = 5;

/// One servo.
pub struct Servo {
    /// What it moves.
    pub axis: Axis,
    /// Its number on the bus.
    pub id: u8,
    /// How it is mounted.
    pub mounting: Mounting,
    /// Whether it answers.
    pub health: Health,
}

/// Whether a servo answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Health {
    /// It does.
    Answering {
        /// Answers missed in a row.
        missed: u32,
        /// Status bits that people have been told of.
        told: u8,
    },
    /// It does not.
    Absent {
        /// When to look for it again.
        retry: Monotime,
    },
}

impl Servo {
    /// Whether it is one to talk to.
    pub const fn answers(&self) -> bool {
        matches!(self.health, Health::Answering { .. })
    }

    /// It answered, as expected at the start of a connection.
    pub fn found(&mut self, status: u8) {
        self.health = Health::Answering { missed: 0, told: 0 };
        self.heard(status);
    }

    /// It answered with these status bits.
    pub fn heard(&mut self, status: u8) {
        let (axis, id) = (self.axis.name(), self.id);
        let told = match self.health {
            Health::Answering { told, .. } => told,
            Health::Absent { .. } => {
                say_info!(
                    "servo {id} ({axis}) answers again",
                    "サーボ{id} ({axis}) が再び応答しました"
                );
                0
            }
        };
        if status & !told != 0 {
            let what = sts::complaints(status).join(", ");
            say_warn!(
                "servo {id} ({axis}) complains: {what} (status {status:#04x})",
                "サーボ{id} ({axis}) の警告: {what} (ステータス {status:#04x})"
            );
        }
        self.health = Health::Answering {
            missed: 0,
            told: told | status,
        };
    }

    /// It did not answer; once it is taken for absent it is looked for at `retry`.
    pub fn missed(&mut self, fault: &Fault, retry: Monotime) {
        self.health = match self.health {
            Health::Answering { missed, told } if missed + 1 < MISSES => Health::Answering {
                missed: missed + 1,
                told,
            },
            Health::Answering { .. } => {
                let (axis, id) = (self.axis.name(), self.id);
                say_warn!(
                    "servo {id} ({axis}) is lost: {fault}; check its cable and power, the other axes go on",
                    "サーボ{id} ({axis}) を見失いました: {fault}。ケーブルと電源を確認してください。他の軸は継続します"
                );
                Health::Absent { retry }
            }
            Health::Absent { .. } => Health::Absent { retry },
        };
    }

    /// Tells that it does not answer at the start of a connection.
    pub fn tell_absent(&self) {
        let (axis, id) = (self.axis.name(), self.id);
        say_warn!(
            "servo {id} ({axis}) does not answer; check its id, cable and power, the other axes go on",
            "サーボ{id} ({axis}) が応答しません。ID、ケーブル、電源を確認してください。他の軸は継続します"
        );
    }

    /// Tells that its torque went off by itself.
    pub fn tell_let_go(&self) {
        let (axis, id) = (self.axis.name(), self.id);
        say_warn!(
            "servo {id} ({axis}) had let go, perhaps its power failed for a moment; setting it up again",
            "サーボ{id} ({axis}) のトルクが切れていました。電源の瞬断の可能性があります。再設定します"
        );
    }
}
