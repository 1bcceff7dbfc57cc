//! How well the face was followed, by true angles.

use serde::{Serialize, Serializer};

use super::scenario::Scenario;
use super::simulation::{Recording, SAMPLE_MS, Sample};
use crate::follow::control::follower::ON_TARGET;
use crate::follow::control::{Axis, Each};

/// The mount has this long to come to rest after the face did, in seconds.
const REST_AFTER: f64 = 3.0;

/// Who is on target for the last time has to be so for this long, in seconds.
const HELD: f64 = 0.9;

/// The figures of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// Seconds from an event until the error is within 2 degrees for good, that is until the event is over; the longest
    /// of the run. None where it never was.
    #[serde(serialize_with = "rounded_if_any")]
    pub settling_s: Option<f64>,
    /// By how many degrees the camera went beyond all places where the face has been, and where it was itself, since
    /// the event.
    #[serde(serialize_with = "rounded")]
    pub overshoot_degrees: f64,
    /// Root of the mean squared error in degrees, while the face is there.
    #[serde(serialize_with = "rounded")]
    pub rms_degrees: f64,
    /// The part of that time during which the error is within 2 degrees, from 0 to 1.
    #[serde(serialize_with = "rounded")]
    pub on_target: f64,
    /// Peak to peak of the camera's angle at rest, in degrees: 3 s after the face came to stand. None where it never
    /// stands for so long.
    #[serde(serialize_with = "rounded_if_any")]
    pub swing_degrees: Option<f64>,
    /// Changes of direction of the set point in a minute at rest, in whole steps of the servo.
    #[serde(serialize_with = "rounded_if_any")]
    pub reversals_per_minute: Option<f64>,
    /// Changes of the set point in a minute at rest.
    #[serde(serialize_with = "rounded_if_any")]
    pub commands_per_minute: Option<f64>,
    /// Root of the mean squared jerk of the shafts, in degrees/s^3.
    #[serde(serialize_with = "rounded")]
    pub jerk_degrees_s3: f64,
    /// How often another person was followed than before.
    pub switches: u32,
}

/// Places that a reader can tell apart, and not those in which another machine's arithmetic may differ.
fn round(value: f64) -> f64 {
    let rounded = (value * 1000.0).round() / 1000.0;
    // -0.0 is 0.
    rounded + 0.0
}

fn rounded<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(round(*value))
}

#[allow(clippy::ref_option)]
fn rounded_if_any<S: Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
    value.map(round).serialize(to)
}

/// The axes that are judged.
fn axes(scenario: &Scenario) -> &'static [Axis] {
    if scenario.roll {
        &Axis::ALL
    } else {
        &[Axis::Pan, Axis::Tilt]
    }
}

/// The angle between face and camera in degrees, over all axes that are judged; none while nobody is there.
fn error(sample: &Sample, axes: &[Axis]) -> Option<f64> {
    let (face, camera) = (Each::from(sample.face?), Each::from(sample.camera));
    let squares = axes.iter().map(|a| (face[*a] - camera[*a]).powi(2));
    Some(squares.sum::<f64>().sqrt())
}

impl Figures {
    /// The figures of a recording of this scenario.
    #[must_use]
    pub fn of(scenario: &Scenario, recording: &Recording) -> Self {
        let axes = axes(scenario);
        let samples = &recording.samples;
        let begin = samples.partition_point(|s| s.seconds < scenario.judged_from);
        let judged = &samples[begin..];
        let errors: Vec<f64> = judged.iter().filter_map(|s| error(s, axes)).collect();
        let segments: Vec<&[Sample]> = segments(scenario.events, samples).collect();
        let settled: Option<Vec<f64>> = segments.iter().map(|s| settling(s, axes)).collect();
        let largest = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
        let overshoots: Vec<f64> = segments.iter().map(|s| overshoot(s, axes)).collect();
        let rests = rests(judged);
        Self {
            settling_s: settled.map(|s| largest(&s)),
            overshoot_degrees: largest(&overshoots),
            rms_degrees: mean(errors.iter().map(|e| e * e)).sqrt(),
            on_target: mean(errors.iter().map(|e| f64::from(u8::from(*e <= ON_TARGET)))),
            swing_degrees: at_rest(&rests, |r| largest(&[swing(r, axes)]), f64::max),
            reversals_per_minute: per_minute(&rests, |r| reversals(r, axes)),
            commands_per_minute: per_minute(&rests, |r| commands(r, axes)),
            jerk_degrees_s3: jerk(judged, axes),
            switches: recording.switches,
        }
    }
}

/// The mean; 0 of nothing.
fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1) as f64;
    values.sum::<f64>() / count
}

/// The samples of each event.
fn segments<'a>(
    events: &[(f64, f64)],
    samples: &'a [Sample],
) -> impl Iterator<Item = &'a [Sample]> {
    let place = |at: f64| samples.partition_point(|s| s.seconds < at);
    events
        .iter()
        .map(move |(from, to)| &samples[place(*from)..place(*to)])
}

/// Seconds until the error is within the target for good; none if it is not at the end, or only came there at last: a
/// mount that swings passes the target again and again.
fn settling(segment: &[Sample], axes: &[Axis]) -> Option<f64> {
    let there: Vec<(f64, f64)> = segment
        .iter()
        .filter_map(|s| Some((s.seconds, error(s, axes)?)))
        .collect();
    let (first, last) = (there.first()?.0, there.last()?.0);
    let outside = there.iter().rposition(|(_, error)| *error > ON_TARGET);
    let settled = outside
        .map_or(Some(&there[0]), |place| there.get(place + 1))?
        .0;
    (last - settled >= HELD).then_some(settled - first)
}

/// The most that the camera leaves what lies between where it was itself at the beginning and where the face has been.
fn overshoot(segment: &[Sample], axes: &[Axis]) -> f64 {
    let mut most: f64 = 0.0;
    for axis in axes {
        let angle = |pose| Each::from(pose)[*axis];
        let Some(first) = segment.first() else {
            continue;
        };
        let (mut low, mut high) = (angle(first.camera), angle(first.camera));
        for sample in segment {
            let Some(face) = sample.face else {
                continue;
            };
            low = low.min(angle(face));
            high = high.max(angle(face));
            let camera = angle(sample.camera);
            most = most.max(camera - high).max(low - camera);
        }
    }
    most
}

/// The stretches during which the face has stood for long enough that the mount should be at rest.
fn rests(samples: &[Sample]) -> Vec<&[Sample]> {
    let stands = samples.chunk_by(|a, b| a.face == b.face);
    stands
        .filter(|stand| stand[0].face.is_some())
        .filter_map(|stand| {
            let from = stand[0].seconds + REST_AFTER;
            let rest = &stand[stand.partition_point(|s| s.seconds < from)..];
            // One sample tells of no movement.
            (rest.len() > 1).then_some(rest)
        })
        .collect()
}

fn at_rest(
    rests: &[&[Sample]],
    figure: impl Fn(&[Sample]) -> f64,
    join: impl Fn(f64, f64) -> f64,
) -> Option<f64> {
    rests.iter().map(|rest| figure(rest)).reduce(join)
}

fn per_minute(rests: &[&[Sample]], count: impl Fn(&[Sample]) -> u32) -> Option<f64> {
    let minutes: f64 = rests
        .iter()
        .map(|rest| rest.len() as f64 * SAMPLE_MS as f64 / 60_000.0)
        .sum();
    let counted: u32 = rests.iter().map(|rest| count(rest)).sum();
    (minutes > 0.0).then(|| f64::from(counted) / minutes)
}

fn swing(rest: &[Sample], axes: &[Axis]) -> f64 {
    let of = |axis: Axis| {
        let angles = rest.iter().map(|s| Each::from(s.camera)[axis]);
        let high = angles.clone().fold(f64::NEG_INFINITY, f64::max);
        high - angles.fold(f64::INFINITY, f64::min)
    };
    axes.iter().map(|axis| of(*axis)).fold(0.0, f64::max)
}

/// The movements of the set point of one axis in steps, without the moments at which it stands.
fn moves(rest: &[Sample], axis: Axis) -> impl Iterator<Item = i32> {
    rest.windows(2).filter_map(move |pair| {
        let (before, after) = (pair[0].goals?[axis], pair[1].goals?[axis]);
        Some(after.0 - before.0).filter(|moved| *moved != 0)
    })
}

fn reversals(rest: &[Sample], axes: &[Axis]) -> u32 {
    let of = |axis: Axis| {
        let signs: Vec<i32> = moves(rest, axis).map(i32::signum).collect();
        signs.windows(2).filter(|w| w[0] != w[1]).count() as u32
    };
    axes.iter().map(|axis| of(*axis)).sum()
}

/// A command moves all axes at once, so each moment counts once.
fn commands(rest: &[Sample], axes: &[Axis]) -> u32 {
    let moved = |pair: &[Sample]| match (pair[0].goals, pair[1].goals) {
        (Some(before), Some(after)) => axes.iter().any(|a| before[*a] != after[*a]),
        (None, None) => false,
        _ => true,
    };
    rest.windows(2).filter(|pair| moved(pair)).count() as u32
}

/// By third differences of the shafts' angles.
fn jerk(judged: &[Sample], axes: &[Axis]) -> f64 {
    let h = SAMPLE_MS as f64 / 1e3;
    let squares = judged.windows(4).map(|w| {
        let of = |axis: &Axis| {
            let angle = |i: usize| Each::from(w[i].shafts)[*axis];
            (angle(3) - 3.0 * angle(2) + 3.0 * angle(1) - angle(0)) / h.powi(3)
        };
        axes.iter().map(|axis| of(axis).powi(2)).sum::<f64>()
    });
    mean(squares).sqrt()
}
