//! Carrying out commands, in the order in which they arrived.

use crate::chat::{self, Audience, Chat, Rate};
use crate::{AccountId, Command, CommandId, Game, Notice, Outcome, PlayerId};

impl Game {
    /// Carries out all commands that have arrived since the last tick, and answers each.
    pub(crate) fn execute(&mut self) {
        // Out of the game for as long as the game is changed by what they ask.
        let mut commands = std::mem::take(&mut self.commands);
        let hz = u32::from(self.config.world.tick_hz);
        let rate = Rate { interval_ticks: hz.div_ceil(10), burst: 20 };
        for index in 0..commands.len() {
            let (player_id, id, command) = commands.get(index);
            let tick = self.world.tick();
            let Some(player) = self.players.get_mut(player_id).filter(|player| player.is_connected) else {
                self.counters.inputs_of_nobody += 1;
                continue;
            };
            player.command_count = 0;
            let account = player.character;
            // A repeat costs less than being told to come again, and what was done must not look as if it were not.
            let outcome = match (self.economy.answered(account, id), command) {
                (Some(outcome), _) => {
                    self.counters.commands_repeated += 1;
                    outcome
                }
                _ if !self.characters.get_mut(account).budgets.commands.take(tick, rate) => Outcome::TooFast,
                (None, Some(command)) => self.carry_out(player_id, account, id, command),
                (None, None) => Outcome::Malformed,
            };
            match outcome {
                Outcome::Done => self.counters.commands_done += 1,
                _ => self.counters.commands_refused += 1,
            }
            self.notices.tell(player_id, Notice::Answer { id, outcome });
        }
        commands.clear();
        self.commands = commands;
    }

    fn carry_out(
        &mut self,
        player: PlayerId,
        account: AccountId,
        id: CommandId,
        command: Command<'_>,
    ) -> Outcome {
        match command {
            Command::Say { text } => self.speak(|chat, audience| chat.say(player, text, audience)),
            Command::Shout { text } => self.speak(|chat, audience| chat.shout(player, text, audience)),
            Command::Whisper { name, text } => {
                self.speak(|chat, audience| chat.whisper(player, name, text, audience))
            }
            Command::Mute { name, is_muted } => chat::mute(&mut self.characters, account, name, is_muted),
            Command::EnterZone { zone, instance } => self.enter_zone(player, account, zone, instance),
            Command::LeaveZone => self.leave_zone(player),
            goods => self.deal(player, account, id, goods),
        }
    }

    fn speak(&mut self, words: impl FnOnce(&mut Chat, Audience<'_>) -> Outcome) -> Outcome {
        let Self { world, players, characters, notices, counters, chat, .. } = self;
        words(chat, Audience { world, players, characters, notices, counters })
    }
}
