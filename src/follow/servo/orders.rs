//! Orders on the servo bus, and how it is made sure that they were taken.

use std::time::Duration;

use super::bus::{ANSWER, Bus};
use super::fault::Fault;
use super::protocol::Write;
use super::steps::Steps;
use super::wire::Wire;

/// An acknowledgement carries nothing that is needed, so it is waited for less long.
const ACKNOWLEDGED: Duration = Duration::from_millis(25);

impl<W: Wire> Bus<W> {
    /// Writes registers and makes sure of it: by the acknowledgement, or else by reading them back.
    ///
    /// # Errors
    /// The servo does not answer, or does not take the value; or the line failed.
    pub fn write(&mut self, id: u8, order: &Write) -> Result<(), Fault> {
        let query = self.protocol.write(id, order);
        let register = order.register;
        let read_back = self.protocol.read_back(id, order);
        if self.unacknowledging.contains(&id) {
            self.send(&query.bytes)?;
        } else {
            match (self.exchange(&query, id, ACKNOWLEDGED), &read_back) {
                (Ok(_), _) => return Ok(()),
                (Err(Fault::Error { .. }), _) => return Err(Fault::Refused { id, register }),
                (Err(fault @ Fault::Line { .. }), _) | (Err(fault), None) => return Err(fault),
                (Err(_), Some(_)) => {}
            }
        }
        let Some(question) = read_back else {
            return Ok(());
        };
        if self.exchange(&question, id, ANSWER)?.data != order.data {
            return Err(Fault::Refused { id, register });
        }
        if !self.unacknowledging.contains(&id) {
            self.unacknowledging.push(id);
        }
        Ok(())
    }

    /// Writes registers and waits shortly for a sign that they were taken, without insisting on it. When
    /// this returns the frame has left, so that the port may be closed. False if there was no sign.
    ///
    /// # Errors
    /// The line failed.
    pub fn write_hastily(&mut self, id: u8, order: &Write) -> Result<bool, Fault> {
        let query = self.protocol.write(id, order);
        if !self.protocol.abilities().answers {
            self.send(&query.bytes)?;
            // What comes there is nothing to us; the time is what the frame takes.
            self.wait_for_sign(ACKNOWLEDGED)?;
            return Ok(true);
        }
        let sign = match self.protocol.read_back(id, order) {
            Some(question) if self.unacknowledging.contains(&id) => {
                self.send(&query.bytes)?;
                let held = self.exchange(&question, id, ACKNOWLEDGED);
                held.map(|held| held.data == order.data)
            }
            _ => self.exchange(&query, id, ACKNOWLEDGED).map(|_| true),
        };
        match sign {
            Err(fault @ Fault::Line { .. }) => Err(fault),
            other => Ok(other.unwrap_or(false)),
        }
    }

    /// Switches the torque on or off, where the goal does not do that by itself, and makes sure of it.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn torque(&mut self, id: u8, on: bool) -> Result<(), Fault> {
        match self.protocol.torque(on) {
            Some(order) => self.write(id, &order),
            None => Ok(()),
        }
    }

    /// Switches the torque off as [`write_hastily`](Self::write_hastily) does.
    ///
    /// # Errors
    /// The line failed.
    pub fn let_go(&mut self, id: u8) -> Result<bool, Fault> {
        match self.protocol.torque(false) {
            Some(order) => self.write_hastily(id, &order),
            None => Ok(true),
        }
    }

    /// Starts a servo anew, where there is such an order.
    ///
    /// # Errors
    /// The line failed.
    pub fn reboot(&mut self, id: u8) -> Result<(), Fault> {
        let Some(query) = self.protocol.reboot(id) else {
            return Ok(());
        };
        match self.exchange(&query, id, ANSWER) {
            Err(fault @ Fault::Line { .. }) => Err(fault),
            _ => Ok(()),
        }
    }

    /// Has a servo that answers pings only answer everything, where that changes nothing permanent. Whether it was told to.
    ///
    /// # Errors
    /// The line failed.
    pub fn answer_all(&mut self, id: u8) -> Result<bool, Fault> {
        let Some(order) = self.protocol.answer_all() else {
            return Ok(false);
        };
        self.write_hastily(id, &order)?;
        Ok(true)
    }

    /// Gives several servos their goals in one frame.
    ///
    /// # Errors
    /// The line failed.
    pub fn write_goals(&mut self, goals: &[(u8, Steps)]) -> Result<(), Fault> {
        self.send(&self.protocol.goals(goals))
    }
}
