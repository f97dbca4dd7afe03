//! Distances between prediction and truth, counted in few numbers.

/// Upper bound of the first bucket, metres: below it nothing can be seen.
const FIRST_M: f32 = 0.001;

/// Each bound is the one before times the square root of two, so the last is 46 m.
const BUCKETS: usize = 32;

/// A histogram of distances from a millimetre to tens of metres.
#[derive(Clone, Copy, Debug, Default)]
pub struct ErrorHistogram {
    counts: [u64; BUCKETS],
    max_m: f32,
}

impl ErrorHistogram {
    /// Counts one distance, metres. What is no number counts as the largest.
    pub fn add(&mut self, error_m: f32) {
        let above = (2.0 * (error_m / FIRST_M).log2()).ceil();
        // The cast takes a NaN for 0, so that is looked at apart.
        let bucket = if above.is_nan() { BUCKETS - 1 } else { (above.max(0.0) as usize).min(BUCKETS - 1) };
        self.counts[bucket] += 1;
        self.max_m = self.max_m.max(error_m);
    }

    /// Adds what another one has counted.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.max_m = self.max_m.max(other.max_m);
    }

    /// How many distances were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The largest, metres.
    pub fn max_m(&self) -> f32 {
        self.max_m
    }

    /// A distance that at least `share` (0 to 1) of those counted do not exceed, metres: at most 41 % too high.
    /// 0 when there is none.
    pub fn quantile_m(&self, share: f64) -> f32 {
        let wanted = (share * self.count() as f64).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted.max(1) {
                let is_last = bucket == BUCKETS - 1;
                return if is_last {
                    self.max_m
                } else {
                    (FIRST_M * 2f32.powf(bucket as f32 / 2.0)).min(self.max_m)
                };
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_bound_what_was_counted() {
        let mut errors = ErrorHistogram::default();
        assert_eq!((errors.count(), errors.quantile_m(0.99), errors.max_m()), (0, 0.0, 0.0));
        for millimetres in 1..=1000 {
            errors.add(millimetres as f32 / 1000.0);
        }
        for share in [0.5, 0.9, 0.99, 0.999, 1.0] {
            let found = f64::from(errors.quantile_m(share));
            assert!((share..=share * 1.42).contains(&found), "{share}: {found}");
        }
        errors.add(0.0);
        assert_eq!(errors.max_m(), 1.0);
        let mut both = ErrorHistogram::default();
        both.merge(&errors);
        both.add(1e9);
        assert_eq!((both.count(), both.max_m()), (1002, 1e9));
        both.add(f32::NAN);
        assert_eq!(both.counts[BUCKETS - 1], 2);
    }
}
