//! Least squares by sums: a path of the face, and what of the pictures it leaves over.

/// Coefficients of a path at most: of 1, t, t^2 and t^3.
const TERMS: usize = 4;

type Terms = [f64; TERMS];

/// Sums of powers of the times.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moments {
    /// Of t^0 to t^6.
    powers: [f64; 2 * TERMS - 1],
}

impl Moments {
    /// A picture that came at `t`.
    pub fn add(&mut self, t: f64) {
        let mut power = 1.0;
        for sum in &mut self.powers {
            *sum += power;
            power *= t;
        }
    }

    /// How many they are.
    #[must_use]
    pub const fn count(&self) -> f64 {
        self.powers[0]
    }

    /// A face that stands, or walks at a steady pace. None where the times do not suffice.
    #[must_use]
    pub fn steady(&self) -> Option<Path> {
        self.path(2)
    }

    /// A face that sways slowly: for a second or two that is a curve of the third degree.
    #[must_use]
    pub fn swaying(&self) -> Option<Path> {
        self.path(TERMS)
    }

    /// Cholesky.
    fn path(&self, terms: usize) -> Option<Path> {
        let mut root = [[0.0; TERMS]; TERMS];
        for i in 0..terms {
            for j in 0..=i {
                let before: f64 = (0..j).map(|k| root[i][k] * root[j][k]).sum();
                let rest = self.powers[i + j] - before;
                if i == j {
                    if rest <= 1e-9 * self.powers[2 * i] {
                        return None;
                    }
                    root[i][i] = rest.sqrt();
                } else {
                    root[i][j] = rest / root[j][j];
                }
            }
        }
        Some(Path { root, terms })
    }
}

/// Sums of what was seen (`y`) and where the mount was (`p`).
#[derive(Debug, Clone, Copy, Default)]
pub struct Sums {
    y: Terms,
    p: Terms,
    yy: f64,
    pp: f64,
    py: f64,
}

impl Sums {
    /// A picture that came at `t`.
    pub fn add(&mut self, t: f64, y: f64, p: f64) {
        let mut power = 1.0;
        for i in 0..TERMS {
            self.y[i] += power * y;
            self.p[i] += power * p;
            power *= t;
        }
        self.yy += y * y;
        self.pp += p * p;
        self.py += p * y;
    }
}

/// How a face may move by itself.
#[derive(Debug, Clone, Copy)]
pub struct Path {
    /// Of the moments, below the diagonal.
    root: [Terms; TERMS],
    terms: usize,
}

/// What a path of the face does not explain, as sums of squares.
#[derive(Debug, Clone, Copy)]
pub struct Rest {
    /// Of what was seen.
    pub seen: f64,
    /// Of where the mount was.
    pub moved: f64,
    /// Of both together.
    pub both: f64,
}

impl Rest {
    /// The step of the picture for a step of the mount.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        -self.both / self.moved
    }

    /// What is left over of `y + ratio * p`.
    #[must_use]
    pub fn left(&self, ratio: f64) -> f64 {
        (self.seen + ratio * (2.0 * self.both + ratio * self.moved)).max(0.0)
    }
}

impl Path {
    fn project(&self, sums: &Terms) -> Terms {
        let mut made = [0.0; TERMS];
        for i in 0..self.terms {
            let before: f64 = (0..i).map(|k| self.root[i][k] * made[k]).sum();
            made[i] = (sums[i] - before) / self.root[i][i];
        }
        made
    }

    /// What this path leaves over.
    #[must_use]
    pub fn rest(&self, of: &Sums) -> Rest {
        let (y, p) = (self.project(&of.y), self.project(&of.p));
        let dot = |a: &Terms, b: &Terms| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        Rest {
            seen: (of.yy - dot(&y, &y)).max(0.0),
            moved: (of.pp - dot(&p, &p)).max(0.0),
            both: of.py - dot(&p, &y),
        }
    }

    /// What the path that explains `y + ratio * p` best in `all` leaves over in `part` of them, which came at `times`.
    #[must_use]
    pub fn left_in(&self, all: &Sums, ratio: f64, part: &Sums, times: &Moments) -> f64 {
        let both: Terms = std::array::from_fn(|i| all.y[i] + ratio * all.p[i]);
        let mut path = self.project(&both);
        // Back to coefficients of the powers.
        for i in (0..self.terms).rev() {
            let after: f64 = (i + 1..self.terms).map(|k| self.root[k][i] * path[k]).sum();
            path[i] = (path[i] - after) / self.root[i][i];
        }
        let mut left = part.yy + ratio * (2.0 * part.py + ratio * part.pp);
        for i in 0..self.terms {
            left -= 2.0 * path[i] * (part.y[i] + ratio * part.p[i]);
            for k in 0..self.terms {
                left += path[i] * path[k] * times.powers[i + k];
            }
        }
        left.max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_explains_itself_and_leaves_over_what_is_none() {
        let (mut times, mut sums) = (Moments::default(), Sums::default());
        let step = |t: f64| if t < 1.0 { 0.0 } else { 5.0 };
        for i in 0..60 {
            let t = f64::from(i) / 30.0;
            times.add(t);
            // A face on a curve, seen from a mount that jumps.
            sums.add(
                t,
                3.0 + 4.0 * t - 2.0 * t.powi(2) + t.powi(3) - step(t),
                step(t),
            );
        }
        let swaying = times.swaying().unwrap().rest(&sums);
        assert!(swaying.left(1.0) < 1e-6, "{swaying:?}");
        assert!((swaying.ratio() - 1.0).abs() < 1e-6 && swaying.moved > 10.0);
        assert!(times.steady().unwrap().rest(&sums).left(1.0) > 1.0);
        let part = times.swaying().unwrap().left_in(&sums, 1.0, &sums, &times);
        assert!(part < 1e-6, "{part}");
        let wrong = times.steady().unwrap();
        let whole = wrong.rest(&sums).left(1.0);
        assert!((wrong.left_in(&sums, 1.0, &sums, &times) - whole).abs() < 1e-6);
    }

    #[test]
    fn too_few_times_have_no_path() {
        let mut times = Moments::default();
        times.add(1.0);
        times.add(1.0);
        assert!(times.steady().is_none());
        times.add(2.0);
        assert!(times.steady().is_some() && times.swaying().is_none());
    }
}
