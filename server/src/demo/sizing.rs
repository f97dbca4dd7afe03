//! How large a world must be so that an avatar sees so many others on average.
//!
//! With everyone spread evenly over a square of side L, the chance that one particular other is within r of an avatar
//! is the chance that two random points of the square are within r of each other ("square line picking"). That
//! contains the edges, where an avatar sees only part of its circle: in a world of 1,000 m and 50 m of view they take
//! 4 % off, in one of 200 m 20 %.

use std::f64::consts::{PI, SQRT_2};

/// Chance that two random points of a unit square are at most `x` apart.
fn chance_within(x: f64) -> f64 {
    if x <= 0.0 {
        0.0
    } else if x <= 1.0 {
        let x2 = x * x;
        PI * x2 - (8.0 / 3.0) * x2 * x + 0.5 * x2 * x2
    } else if x < SQRT_2 {
        let x2 = x * x;
        let u = (x2 - 1.0).sqrt();
        1.0 / 3.0 + (8.0 / 3.0) * u * u * u + 4.0 * u - 0.5 * x2 * x2 - (2.0 - PI) * x2 - 4.0 * x2 * u.atan()
    } else {
        1.0
    }
}

/// Others that an avatar sees on average within `radius_m`, with `others` spread evenly over a square of `side_m`.
pub fn visible_mean(side_m: f64, others: f64, radius_m: f64) -> f64 {
    others * chance_within(radius_m / side_m)
}

/// Side in metres of the square in which an avatar sees `visible` of `others` on average within `radius_m`.
///
/// When there are not that many others, the largest square in which everyone sees everyone.
pub fn side_m(visible: f64, others: f64, radius_m: f64) -> f64 {
    let mut low = radius_m / SQRT_2;
    if visible >= others {
        return low;
    }
    // The mean falls as the side grows, like 1 / side^2 at last, so doubling brackets it within a few steps.
    let mut high = 2.0 * low;
    while visible_mean(high, others, radius_m) > visible {
        low = high;
        high *= 2.0;
    }
    for _ in 0..64 {
        let middle = 0.5 * (low + high);
        if visible_mean(middle, others, radius_m) > visible {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers in 0 to 1 from a seed, so that the test is the same everywhere.
    struct Numbers(u64);

    impl Numbers {
        fn next(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
        }
    }

    #[test]
    fn the_chance_agrees_with_throwing_points() {
        let mut numbers = Numbers(7);
        for x in [0.05, 0.3, 0.9, 1.0, 1.1, 1.3] {
            const PAIRS: u32 = 200_000;
            let hits = (0..PAIRS)
                .filter(|_| {
                    let (dx, dy) = (numbers.next() - numbers.next(), numbers.next() - numbers.next());
                    dx * dx + dy * dy <= x * x
                })
                .count();
            let thrown = hits as f64 / f64::from(PAIRS);
            assert!(
                (thrown - chance_within(x)).abs() < 0.004,
                "{x}: thrown {thrown}, formula {}",
                chance_within(x)
            );
        }
    }

    #[test]
    fn the_chance_is_continuous_and_rises_to_one() {
        assert!((chance_within(1.0) - chance_within(1.0 + 1e-12)).abs() < 1e-9);
        assert!((chance_within(SQRT_2 - 1e-9) - 1.0).abs() < 1e-7);
        assert_eq!((chance_within(0.0), chance_within(2.0)), (0.0, 1.0));
        let steps: Vec<f64> = (0..1500).map(|i| chance_within(f64::from(i) / 1000.0)).collect();
        assert!(steps.windows(2).all(|pair| pair[0] <= pair[1] + 1e-12));
    }

    #[test]
    fn the_side_gives_what_was_asked() {
        for (visible, others) in
            [(50.0, 10_999.0), (50.0, 55.0), (0.5, 3.0), (200.0, 1_000_000.0), (4.9, 5.0)]
        {
            let side = side_m(visible, others, 50.0);
            let found = visible_mean(side, others, 50.0);
            assert!(
                (found - visible).abs() < 1e-6 * visible.max(1.0),
                "{visible} of {others}: {found} at {side} m"
            );
        }
    }

    #[test]
    fn too_few_others_are_all_in_view() {
        let side = side_m(50.0, 9.0, 50.0);
        assert_eq!(visible_mean(side, 9.0, 50.0 + 1e-9), 9.0);
    }

    #[test]
    fn edges_are_counted() {
        // Without edges 11,000 entities at 50 in view would need pi 50^2 11000 / 50 square metres: 1,314 m a side.
        let side = side_m(50.0, 10_999.0, 50.0);
        assert!((1280.0..1305.0).contains(&side), "{side}");
    }
}
