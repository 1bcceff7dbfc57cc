//! When the service restarts of its own accord, and at which moment. Pure.

use std::time::Duration;

use crate::base::clock::Monotime;
use crate::say;

/// No card for so long, and no face: an idle moment.
const QUIET: Duration = Duration::from_secs(60);
/// A restart that is due waits this long for an idle moment, then takes any without a card in [`SHORT_QUIET`], and
/// after twice the time any at all.
const PATIENCE: Duration = Duration::from_secs(3600);
/// See [`PATIENCE`].
const SHORT_QUIET: Duration = Duration::from_secs(5);
/// A leak that reaches the limit within this time is not waited for.
const LEAK_AHEAD: Duration = Duration::from_secs(3600);
/// A limit of memory that is below what the service needs must not make it spin: so long it runs at least.
pub const FIRST_REST: Duration = Duration::from_secs(10);
/// The same where the run before ended by the limit, too.
pub const NEXT_REST: Duration = Duration::from_secs(600);

/// Why the service restarts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Why {
    /// `restart_hours` have passed.
    Planned(Duration),
    /// Memory grows, and reaches the limit in this time.
    Leak(Duration),
    /// Memory is above the limit; both in bytes.
    Memory {
        /// Resident.
        rss: u64,
        /// Allowed.
        limit: u64,
    },
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&match self {
            Self::Planned(after) => {
                let hours = after.as_secs_f64() / 3600.0;
                say!(
                    "planned, after {hours} h (restart_hours)",
                    "予定された再起動です ({hours}時間経過, restart_hours)"
                )
            }
            Self::Leak(left) => {
                let minutes = left.as_secs_f64() / 60.0;
                say!(
                    "memory grows and would reach its limit in {minutes:.0} min",
                    "メモリが増え続けており、約{minutes:.0}分で上限に達します"
                )
            }
            Self::Memory { rss, limit } => {
                let (rss, limit) = (rss >> 20, limit >> 20);
                say!(
                    "memory is at {rss} MB, above its limit of {limit} MB (monitor.rss_limit_mb)",
                    "メモリが{rss}MBとなり、上限{limit}MBを超えました (monitor.rss_limit_mb)"
                )
            }
        })
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Restart after so long; none for never.
    pub every: Option<Duration>,
    /// Most resident memory in bytes.
    pub limit: u64,
    /// How long the service runs at least before the limit is applied.
    pub rest: Duration,
}

/// How things are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Now {
    /// The moment.
    pub at: Monotime,
    /// Since the start.
    pub uptime: Duration,
    /// Since the last card was held to a reader; none without one since the start.
    pub card: Option<Duration>,
    /// Whether a face is in view.
    pub face: bool,
    /// Whether taps are on their way to the server.
    pub sending: bool,
    /// Resident memory in bytes.
    pub rss: u64,
    /// In what time the memory reaches the limit, if it grows.
    pub full_in: Option<Duration>,
}

/// Decides, from moment to moment.
#[derive(Debug)]
pub struct Restart {
    plan: Plan,
    due: Option<(Monotime, Why)>,
}

impl Restart {
    /// Nothing is due yet.
    #[must_use]
    pub const fn new(plan: Plan) -> Self {
        Self { plan, due: None }
    }

    /// Goes by another plan from now on.
    pub fn change(&mut self, plan: Plan) {
        if plan != self.plan {
            *self = Self::new(plan);
        }
    }

    /// Whether to restart now, and why.
    pub fn decide(&mut self, now: &Now) -> Option<Why> {
        let Plan { every, limit, rest } = self.plan;
        if now.rss > limit && now.uptime >= rest {
            return Some(Why::Memory {
                rss: now.rss,
                limit,
            });
        }
        match now.full_in {
            Some(left) if left <= LEAK_AHEAD => {
                self.due.get_or_insert((now.at, Why::Leak(left)));
            }
            // It has stopped growing.
            _ if matches!(self.due, Some((_, Why::Leak(_)))) => self.due = None,
            _ => {}
        }
        if let Some(every) = every
            && now.uptime >= every
        {
            self.due.get_or_insert((now.at, Why::Planned(every)));
        }
        let (since, why) = self.due?;
        // Where restarts are minutes apart, so is everything else.
        let scale = |usual: Duration| match why {
            Why::Planned(every) => usual.min(every / 10),
            _ => usual,
        };
        let waited = now.at.since(since);
        let quiet_for = |needed| now.card.is_none_or(|card| card >= needed);
        let idle = quiet_for(scale(QUIET)) && !now.face && !now.sending;
        let patience = scale(PATIENCE);
        let enough = waited >= patience && quiet_for(scale(SHORT_QUIET)) && !now.sending;
        (idle || enough || waited >= patience * 2).then_some(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const PLAN: Plan = Plan {
        every: Some(Duration::from_secs(12 * 3600)),
        limit: 600 << 20,
        rest: FIRST_REST,
    };

    fn at(uptime: Duration) -> Now {
        Now {
            at: Monotime::from_zero(uptime),
            uptime,
            card: None,
            face: false,
            sending: false,
            rss: 30 << 20,
            full_in: None,
        }
    }

    #[test]
    fn planned_at_the_first_idle_moment() {
        let mut restart = Restart::new(PLAN);
        assert_eq!(
            restart.decide(&at(HOUR * 12 - Duration::from_secs(1))),
            None
        );
        let face = Now {
            face: true,
            ..at(HOUR * 12)
        };
        assert_eq!(restart.decide(&face), None);
        let card = Now {
            card: Some(Duration::from_secs(59)),
            ..at(HOUR * 12)
        };
        assert_eq!(restart.decide(&card), None);
        let sending = Now {
            sending: true,
            ..at(HOUR * 12)
        };
        assert_eq!(restart.decide(&sending), None);
        let idle = Now {
            card: Some(QUIET),
            ..at(HOUR * 12)
        };
        assert_eq!(restart.decide(&idle), Some(Why::Planned(HOUR * 12)));
    }

    #[test]
    fn a_busy_door_is_not_waited_for_longer_than_two_hours() {
        let mut restart = Restart::new(PLAN);
        let busy = |uptime, card| Now {
            face: true,
            card: Some(Duration::from_secs(card)),
            ..at(uptime)
        };
        assert_eq!(restart.decide(&busy(HOUR * 12, 9)), None);
        assert_eq!(restart.decide(&busy(HOUR * 13, 4)), None);
        assert!(restart.decide(&busy(HOUR * 13, 5)).is_some());
        let mut restart = Restart::new(PLAN);
        assert_eq!(restart.decide(&busy(HOUR * 12, 0)), None);
        assert_eq!(restart.decide(&busy(HOUR * 13, 0)), None);
        assert!(restart.decide(&busy(HOUR * 14, 0)).is_some());
    }

    #[test]
    fn a_short_plan_has_short_pauses() {
        let every = Duration::from_secs(36);
        let mut restart = Restart::new(Plan {
            every: Some(every),
            ..PLAN
        });
        let busy = |uptime| Now {
            face: true,
            card: Some(Duration::from_secs(4)),
            ..at(uptime)
        };
        assert_eq!(restart.decide(&busy(every)), None);
        assert!(restart.decide(&busy(every + every / 10)).is_some());
    }

    #[test]
    fn memory_above_its_limit_waits_for_nobody_but_does_not_spin() {
        let mut restart = Restart::new(PLAN);
        let full = |uptime| Now {
            rss: 601 << 20,
            face: true,
            card: Some(Duration::ZERO),
            ..at(uptime)
        };
        assert_eq!(restart.decide(&full(Duration::from_secs(9))), None);
        assert!(matches!(
            restart.decide(&full(FIRST_REST)),
            Some(Why::Memory { .. })
        ));
    }

    #[test]
    fn a_leak_restarts_when_an_hour_is_left() {
        let mut restart = Restart::new(Plan {
            every: None,
            ..PLAN
        });
        let leaking = |left| Now {
            full_in: Some(left),
            ..at(HOUR * 5)
        };
        assert_eq!(restart.decide(&leaking(HOUR * 2)), None);
        assert_eq!(restart.decide(&leaking(HOUR)), Some(Why::Leak(HOUR)));
        let busy = Now {
            face: true,
            ..leaking(HOUR)
        };
        let mut restart = Restart::new(Plan {
            every: None,
            ..PLAN
        });
        assert_eq!(restart.decide(&busy), None);
        assert_eq!(restart.decide(&at(HOUR * 6)), None, "it has stopped");
    }

    #[test]
    fn thirty_days_of_an_office_restart_twice_a_day() {
        // Ten seconds a step; cards every 20 s and faces from 9 to 18 h, nobody at night.
        let (step, mut uptime, mut restarts) = (10, 0_u64, Vec::new());
        let mut restart = Restart::new(PLAN);
        for second in (0..30 * 86_400).step_by(step) {
            let hour = second % 86_400 / 3600;
            let office = (9..18).contains(&hour);
            let now = Now {
                card: office.then_some(Duration::from_secs(second % 20)),
                face: office,
                ..at(Duration::from_secs(uptime))
            };
            uptime += step as u64;
            if restart.decide(&now).is_some() {
                restarts.push(hour);
                restart = Restart::new(PLAN);
                uptime = 0;
            }
        }
        assert!((50..=60).contains(&restarts.len()), "{restarts:?}");
    }
}
