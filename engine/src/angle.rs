//! Angles as 1/65536 of a turn, and their sine and cosine from arithmetic alone: libm's differ between platforms.

/// A facing in 1/65536 of a turn, counter-clockwise from +x.
pub type Yaw = u16;

/// Unit vector `(cos, sin)` of a facing; both are within 2e-6 of the true value.
///
/// Odd and even Taylor polynomials on an eighth of a turn, mirrored into the other seven. No branches, so that it
/// vectorises.
#[inline(always)]
pub fn direction(yaw: Yaw) -> (f32, f32) {
    // The quarter nearest to the angle, and what is left: -1/8 .. 1/8 of a turn.
    let quarter = yaw.wrapping_add(0x2000) >> 14;
    let rest = yaw.wrapping_sub(quarter << 14) as i16;
    let angle = f32::from(rest) * (std::f32::consts::TAU / 65_536.0);
    let square = angle * angle;
    let sin = angle * (1.0 - square * (1.0 / 6.0 - square * (1.0 / 120.0 - square * (1.0 / 5_040.0))));
    let cos =
        1.0 - square * (0.5 - square * (1.0 / 24.0 - square * (1.0 / 720.0 - square * (1.0 / 40_320.0))));
    let (x, y) = if quarter & 1 == 0 { (cos, sin) } else { (-sin, cos) };
    if quarter & 2 == 0 { (x, y) } else { (-x, -y) }
}

/// The facing along (`x`, `y`), within 2/65536 of a turn of the true one; 0 for no direction at all.
///
/// Abramowitz and Stegun's polynomial of the arc tangent (4.4.49) on an eighth of a turn, mirrored into the other seven.
#[inline(always)]
pub fn facing(x: f32, y: f32) -> Yaw {
    let (along, across) = (x.abs(), y.abs());
    let (least, most) = if along < across { (along, across) } else { (across, along) };
    if !(most > 0.0 && most < f32::INFINITY) {
        return 0;
    }
    let ratio = least / most;
    let square = ratio * ratio;
    let series = 0.180_141 + square * (-0.085_133 + square * 0.020_835_1);
    let angle = ratio * (0.999_866 + square * (-0.330_299_5 + square * series));
    let eighth = (angle * (65_536.0 / std::f32::consts::TAU) + 0.5) as u16;
    let quarter = if along < across { 0x4000 - eighth } else { eighth };
    let half = if x < 0.0 { 0x8000 - quarter } else { quarter };
    if y < 0.0 { half.wrapping_neg() } else { half }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_facing_is_close_to_libm() {
        for yaw in 0..=u16::MAX {
            let angle = f64::from(yaw) * std::f64::consts::TAU / 65_536.0;
            let (x, y) = direction(yaw);
            assert!(
                (f64::from(x) - angle.cos()).abs() < 2e-6 && (f64::from(y) - angle.sin()).abs() < 2e-6,
                "{yaw}"
            );
        }
    }

    #[test]
    fn a_direction_faces_along_itself() {
        for yaw in 0..=u16::MAX {
            let (x, y) = direction(yaw);
            for scale in [1e-20, 1.0, 3e15] {
                let off = facing(x * scale, y * scale).wrapping_sub(yaw) as i16;
                assert!(off.abs() <= 2, "{yaw} came back {off} off");
            }
        }
        for nowhere in [0.0, -0.0, f32::NAN, f32::INFINITY] {
            assert_eq!(facing(nowhere, nowhere), 0);
        }
    }
}
