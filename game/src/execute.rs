//! Carrying out commands, in the order in which they arrived.

use crate::characters::CharacterIndex;
use crate::chat::{self, Audience, Rate};
use crate::{Command, Game, Notice, Outcome, PlayerId};

/// Who asks, and where it stands in the tables.
#[derive(Clone, Copy, Debug)]
struct Asker {
    player: PlayerId,
    character: CharacterIndex,
}

impl Game {
    /// Carries out all commands that have arrived since the last tick, and answers each.
    pub(crate) fn execute(&mut self) {
        // Out of the game for as long as the game is changed by what they ask.
        let mut commands = std::mem::take(&mut self.commands);
        let hz = u32::from(self.config.world.tick_hz);
        let rate = Rate { interval_ticks: hz.div_ceil(10), burst: 20 };
        for index in 0..commands.len() {
            let (id, command_id, command) = commands.get(index);
            let tick = self.world.tick();
            let Some(player) = self.players.get_mut(id).filter(|player| player.is_connected) else {
                self.counters.inputs_of_nobody += 1;
                continue;
            };
            let asker = Asker { player: id, character: player.character };
            let outcome = match command {
                _ if !player.budgets.commands.take(tick, rate) => Outcome::TooFast,
                Some(command) => self.carry_out(asker, command),
                None => Outcome::Malformed,
            };
            match outcome {
                Outcome::Done => self.counters.commands_done += 1,
                _ => self.counters.commands_refused += 1,
            }
            self.notices.tell(id, Notice::Answer { id: command_id, outcome });
        }
        commands.clear();
        self.commands = commands;
    }

    fn carry_out(&mut self, asker: Asker, command: Command<'_>) -> Outcome {
        let Asker { player, character } = asker;
        match command {
            Command::Say { text } => {
                let (chat, audience) = self.audience();
                chat.say(player, text, audience)
            }
            Command::Shout { text } => {
                let (chat, audience) = self.audience();
                chat.shout(player, text, audience)
            }
            Command::Whisper { name, text } => {
                let (chat, audience) = self.audience();
                chat.whisper(player, name, text, audience)
            }
            Command::Mute { name, is_muted } => chat::mute(&mut self.characters, character, name, is_muted),
            _ => Outcome::NotAllowed,
        }
    }

    fn audience(&mut self) -> (&mut chat::Chat, Audience<'_>) {
        let Self { world, players, characters, notices, counters, chat, .. } = self;
        (chat, Audience { world, players, characters, notices, counters })
    }
}
