//! Which zone a player is in, and ways into others.

use glam::Vec2;
use throng_engine::Digest;

/// Where a player stays: the main zone is zone 0, instance 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Stay {
    pub zone: u32,
    /// Which of the zone's instances, from 1.
    pub instance: u32,
    /// Where in the main zone it came from, metres.
    pub way_back: Vec2,
}

impl Stay {
    pub fn digest(&self, digest: &mut Digest) {
        digest.push(u64::from(self.zone) << 32 | u64::from(self.instance));
        digest.push(u64::from(self.way_back.x.to_bits()) << 32 | u64::from(self.way_back.y.to_bits()));
    }
}
