//! The axes of the mount, and one thing for each of them.

use std::ops::{Index, IndexMut};

use crate::follow::pose::Pose;

/// An axis of the mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Axis {
    /// Left and right.
    Pan,
    /// Inclination.
    Roll,
    /// Up and down.
    Tilt,
}

impl Axis {
    /// All of them, in the order of their usual ids on the bus.
    pub const ALL: [Self; 3] = [Self::Pan, Self::Roll, Self::Tilt];

    /// The name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pan => "pan",
            Self::Roll => "roll",
            Self::Tilt => "tilt",
        }
    }
}

/// One thing for each axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Each<T> {
    /// For pan.
    pub pan: T,
    /// For roll.
    pub roll: T,
    /// For tilt.
    pub tilt: T,
}

impl<T> Each<T> {
    /// What `make` gives for each axis.
    pub fn new(mut make: impl FnMut(Axis) -> T) -> Self {
        Self {
            pan: make(Axis::Pan),
            roll: make(Axis::Roll),
            tilt: make(Axis::Tilt),
        }
    }

    /// What `make` makes of each thing.
    pub fn map<U>(self, mut make: impl FnMut(T) -> U) -> Each<U> {
        Each {
            pan: make(self.pan),
            roll: make(self.roll),
            tilt: make(self.tilt),
        }
    }

    /// The axes with their things.
    pub fn iter(&self) -> impl Iterator<Item = (Axis, &T)> {
        Axis::ALL.into_iter().map(|axis| (axis, &self[axis]))
    }
}

impl<T> Index<Axis> for Each<T> {
    type Output = T;
    fn index(&self, axis: Axis) -> &T {
        match axis {
            Axis::Pan => &self.pan,
            Axis::Roll => &self.roll,
            Axis::Tilt => &self.tilt,
        }
    }
}

impl<T> IndexMut<Axis> for Each<T> {
    fn index_mut(&mut self, axis: Axis) -> &mut T {
        match axis {
            Axis::Pan => &mut self.pan,
            Axis::Roll => &mut self.roll,
            Axis::Tilt => &mut self.tilt,
        }
    }
}

impl From<Each<f64>> for Pose {
    fn from(degrees: Each<f64>) -> Self {
        Self {
            pan: degrees.pan,
            tilt: degrees.tilt,
            roll: degrees.roll,
        }
    }
}

impl From<Pose> for Each<f64> {
    fn from(pose: Pose) -> Self {
        Self {
            pan: pose.pan,
            roll: pose.roll,
            tilt: pose.tilt,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pose_keeps_its_angles() {
        let pose = Pose {
            pan: 1.0,
            tilt: 2.0,
            roll: 3.0,
        };
        let each = Each::from(pose);
        assert_eq!(Axis::ALL.map(|a| each[a]), [1.0, 3.0, 2.0]);
        assert_eq!(Pose::from(each), pose);
        assert_eq!(Pose::from(Each::new(|a| each[a])), pose);
    }
}
