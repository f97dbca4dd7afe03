//! A door in memory: grants by the gateway of fixed keys, when the test says so.
#![allow(dead_code)] // Each test file uses its own part.

use std::collections::VecDeque;

use throng_net::protocol::token::Grant;
use throng_net::testing::Gateway;
use throng_tools::bots::Door;

/// Who is granted entry, and when.
#[derive(Default)]
pub struct Gate {
    pub gateway: Gateway,
    /// What time it is, in the server's time.
    pub now_us: u64,
    /// From when on whom, in that order.
    pub waiting: VecDeque<(u64, u32)>,
    /// Whether it lets somebody in again who asks again.
    pub is_patient: bool,
    /// Who has asked again.
    pub asked_again: Vec<u32>,
    /// Stays open even when nobody waits.
    pub is_undecided: bool,
}

impl Gate {
    /// Everybody at once, and again if need be.
    pub fn open_to(clients: u32) -> Self {
        let waiting = (0..clients).map(|client| (0, client)).collect();
        Self { waiting, is_patient: true, ..Self::default() }
    }
}

impl Door for Gate {
    fn next(&mut self) -> Option<(u32, Grant)> {
        let (_, client) = self.waiting.pop_front_if(|(from_us, _)| *from_us <= self.now_us)?;
        Some((client, self.gateway.grant(self.now_us)))
    }

    fn ask_again(&mut self, client: u32) {
        self.asked_again.push(client);
        if self.is_patient {
            self.waiting.push_back((self.now_us, client));
        }
    }

    fn is_shut(&mut self) -> bool {
        self.waiting.is_empty() && !self.is_undecided
    }
}
