//! Kinds of creatures.

/// What all creatures of a kind have in common. Times are for 20 ticks a second.
#[derive(Clone, Debug, PartialEq)]
pub struct Species {
    /// For people who read reports; clients know species by number.
    pub name: &'static str,
    /// Speed when chasing or fleeing, metres per second; it roams at half of it.
    pub speed_m_s: f32,
    /// Points of health at level 1.
    pub health: u16,
    /// Points of a bite at level 1.
    pub points: u16,
    /// Ticks from one bite to the next.
    pub rest_ticks: u32,
    /// How far it bites, centre to centre.
    pub reach_m: f32,
    /// How far it notices players; 0 for one that only defends itself.
    pub notice_m: f32,
    /// It roams within this distance of its home.
    pub roam_m: f32,
    /// It gives up and goes home when further from it than this, unless its spawn area says otherwise.
    pub leash_m: f32,
    /// It flees with less than so many thousandths of its health; 0 for never.
    pub flee_permille: u16,
    /// Ticks from death to standing at home again.
    pub respawn_ticks: u32,
}

/// Points of health grow by so many thousandths with each level above 1.
const HEALTH_PERMILLE: u32 = 200;

impl Species {
    /// Points of health of an unhurt creature of `level`.
    pub fn health_at(&self, level: u8) -> u16 {
        let permille = 1_000 + u32::from(level.saturating_sub(1)) * HEALTH_PERMILLE;
        (u64::from(self.health) * u64::from(permille) / 1_000).clamp(1, u16::MAX.into()) as u16
    }

    /// The kinds of the reference game, by number.
    pub fn table() -> Vec<Species> {
        let wolf = Species {
            name: "wolf",
            speed_m_s: 4.5,
            health: 60,
            points: 6,
            rest_ticks: 24,
            reach_m: 2.0,
            notice_m: 15.0,
            roam_m: 12.0,
            leash_m: 40.0,
            flee_permille: 0,
            respawn_ticks: 600,
        };
        let boar = Species {
            name: "boar",
            speed_m_s: 4.0,
            health: 90,
            points: 8,
            rest_ticks: 30,
            notice_m: 0.0,
            roam_m: 8.0,
            ..wolf.clone()
        };
        let deer = Species {
            name: "deer",
            speed_m_s: 5.0,
            health: 40,
            points: 2,
            notice_m: 0.0,
            roam_m: 20.0,
            flee_permille: 900,
            ..wolf.clone()
        };
        let bandit = Species {
            name: "bandit",
            speed_m_s: 4.2,
            health: 120,
            points: 10,
            rest_ticks: 20,
            reach_m: 2.5,
            notice_m: 20.0,
            roam_m: 6.0,
            leash_m: 60.0,
            flee_permille: 250,
            respawn_ticks: 1_200,
        };
        vec![wolf, boar, deer, bandit]
    }
}
