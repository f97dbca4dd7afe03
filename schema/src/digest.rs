//! The view digest: 32 bits over a near list, which both ends compute and compare.

/// Digest of a near list, pushed in list order.
///
/// It finds mistakes, not attackers: a client that reconstructed a list wrongly gets another value except with
/// probability 2^-32. Multiply and rotate, so that a word costs about a nanosecond on either end.
///
/// ```
/// use throng_schema::ViewDigest;
/// assert_eq!(ViewDigest::new().finish(), 0x811c_9dc5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewDigest(u32);

impl ViewDigest {
    /// The digest of an empty list.
    pub const fn new() -> Self {
        Self(0x811c_9dc5)
    }

    /// Adds one entity as five packed words: `xy` is x in the low 16 bits and y in the high ones; `z_yaw` is z
    /// and, from bit 16, yaw's 8 bits; `attr01` is attribute 0 low and 1 high, `attr23` likewise.
    #[inline]
    pub const fn push(&mut self, id: u32, xy: u32, z_yaw: u32, attr01: u32, attr23: u32) {
        self.0 = word(word(word(word(word(self.0, id), xy), z_yaw), attr01), attr23);
    }

    /// Adds one entity from its fields.
    #[inline]
    pub const fn push_entity(&mut self, id: u32, x: i16, y: i16, z: i16, yaw: u8, attr: [u16; 4]) {
        self.push(
            id,
            x as u16 as u32 | (y as u16 as u32) << 16,
            z as u16 as u32 | (yaw as u32) << 16,
            attr[0] as u32 | (attr[1] as u32) << 16,
            attr[2] as u32 | (attr[3] as u32) << 16,
        );
    }

    /// The digest; never 0, which on the wire means "no digest in this snapshot".
    #[inline]
    pub const fn finish(self) -> u32 {
        if self.0 == 0 { 1 } else { self.0 }
    }
}

impl Default for ViewDigest {
    fn default() -> Self {
        Self::new()
    }
}

#[inline]
const fn word(h: u32, w: u32) -> u32 {
    (h ^ w).wrapping_mul(0x9E37_79B1).rotate_left(15)
}
