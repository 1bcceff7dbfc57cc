//! Whether anything moves before a camera that has seen nobody for a while.

/// So large a part of the points has to change.
const PART: f32 = 0.003;
/// By more than this, and by more than so many times what noise changes a point by on average.
const CHANGE: u8 = 8;
const ABOVE_NOISE: f32 = 5.0;
/// How fast the estimate of the noise follows.
const ADAPTION: f32 = 0.2;
const ADAPTION_MOVED: f32 = 0.05;
/// A change of the light changes everything a little: the mean is taken out up to this.
const MOST_LIGHT: i32 = 12;

/// Compares a few thousand points with those of the picture before.
#[derive(Debug, Default)]
pub struct Motion {
    before: Vec<u8>,
    /// Mean change of a point while nothing moves.
    noise: f32,
}

impl Motion {
    /// Takes the points of a picture. True if something has moved since the one before.
    pub fn see(&mut self, points: &[u8]) -> bool {
        if points.len() != self.before.len() || points.is_empty() {
            self.before.clear();
            self.before.extend_from_slice(points);
            return false;
        }
        let count = points.len() as f32;
        let changes = || {
            let pairs = self.before.iter().zip(points);
            pairs.map(|(a, b)| i32::from(*b) - i32::from(*a))
        };
        let mean = changes().sum::<i32>() as f32 / count;
        let light = (mean.round() as i32).clamp(-MOST_LIGHT, MOST_LIGHT);
        let least = (ABOVE_NOISE * self.noise).max(f32::from(CHANGE)) as i32;
        let (mut changed, mut total) = (0u32, 0u32);
        for change in changes() {
            let change = (change - light).unsigned_abs();
            total += change;
            changed += u32::from(change as i32 > least);
        }
        let moved = changed as f32 > PART * count;
        // What moves is no noise; but where everything does all the time, it is.
        let adaption = if moved { ADAPTION_MOVED } else { ADAPTION };
        self.noise += adaption * (total as f32 / count - self.noise);
        self.before.copy_from_slice(points);
        moved
    }

    /// The next picture has none before it.
    pub fn forget(&mut self) {
        self.before.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastrand::Rng;

    fn scene(random: &mut Rng, noise: i32, light: i32) -> Vec<u8> {
        (0..4800)
            .map(|i| {
                let shaken = 90 + i % 60 + light + random.i32(-noise..=noise);
                shaken.clamp(0, 255) as u8
            })
            .collect()
    }

    #[test]
    fn noise_and_light_do_not_wake_and_a_small_head_does() {
        for noise in [0, 3, 12] {
            let mut random = Rng::with_seed(1);
            let mut motion = Motion::default();
            let woken = (0..200).filter(|i| {
                // A lamp is dimmed.
                let light = if *i > 100 { (*i - 100) / 4 } else { 0 };
                motion.see(&scene(&mut random, noise, light))
            });
            // Much noise has to be learned first.
            let most = if noise > 6 { 30 } else { 0 };
            assert!(woken.count() <= most, "noise {noise}");
            let mut picture = scene(&mut random, noise, 24);
            // 5 by 6 points of 80 by 60: a head of 40 by 48 pixels.
            for row in 20..26 {
                for column in 30..35 {
                    picture[row * 80 + column] = 250;
                }
            }
            assert!(motion.see(&picture), "noise {noise}");
        }
    }

    #[test]
    fn another_size_begins_anew() {
        let mut motion = Motion::default();
        assert!(!motion.see(&[0; 100]) && !motion.see(&[200; 50]) && !motion.see(&[]));
    }
}
