//! What a demo shows while it runs: a few lines redrawn in place on a terminal, one line a second elsewhere.

use std::io::{self, IsTerminal};

use throng_tools::bots::{Phase, Progress as BotsProgress};

use crate::pipe::print_line;
use crate::report::Progress as RealmProgress;

/// Characters of the bar between its brackets.
const BAR_CHARS: usize = 40;

/// The newest figures of both processes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    pub seconds_wanted: u32,
    pub clients_wanted: u32,
    pub realm: RealmProgress,
    pub bots: Option<BotsProgress>,
}

/// Where lines are drawn.
pub(super) struct Screen {
    is_terminal: bool,
    /// Lines that the next drawing replaces.
    drawn: usize,
    /// The line printed last, where there is no terminal.
    line: String,
}

impl Screen {
    pub fn new() -> Self {
        // What `TERM=dumb` cannot do is to go back up.
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self { is_terminal: io::stdout().is_terminal() && !is_dumb, drawn: 0, line: String::new() }
    }

    /// Shows `figures`; called about once a second.
    pub fn draw(&mut self, figures: &Figures) {
        if self.is_terminal {
            let lines = picture(figures);
            print_line(&redraw(&lines, self.drawn));
            self.drawn = lines.len();
        } else {
            // Both processes bring news, and not each says another thing.
            let line = line(figures);
            if line != self.line {
                print_line(&line);
                self.line = line;
            }
        }
    }

    /// Prints `text` below what is drawn, which then stays.
    pub fn print(&mut self, text: &str) {
        self.drawn = 0;
        print_line(text);
    }
}

/// Goes `drawn` lines up and writes `lines` over them, without the last line's end.
fn redraw(lines: &[String], drawn: usize) -> String {
    let mut text = if drawn > 0 { format!("\x1b[{drawn}A") } else { String::new() };
    for (number, line) in lines.iter().enumerate() {
        text.push_str(if number > 0 { "\n\x1b[2K" } else { "\x1b[2K" });
        text.push_str(line);
    }
    text
}

/// How far the run is: what it is doing, the share done and how that reads.
fn stage(figures: &Figures) -> (&'static str, f64, String) {
    let connected = figures.bots.map_or(0, |bots| bots.second.connected);
    let share = f64::from(connected) / f64::from(figures.clients_wanted.max(1));
    let clients = format!("{connected} of {} clients", figures.clients_wanted);
    match figures.bots.map(|bots| (bots.phase, bots.measured_seconds)) {
        None => ("starting", 0.0, clients),
        Some((Phase::Connecting, _)) => ("connecting", share, clients),
        Some((Phase::Settling, _)) => ("settling", 1.0, clients),
        Some((Phase::Measuring, seconds)) => {
            let wanted = figures.seconds_wanted.max(1);
            ("measuring", seconds / f64::from(wanted), format!("{seconds:.0} of {wanted} s, {clients}"))
        }
        Some((Phase::Leaving | Phase::Done, _)) => ("leaving", 1.0, clients),
    }
}

fn bar(share: f64) -> String {
    let filled = (share.clamp(0.0, 1.0) * BAR_CHARS as f64).round() as usize;
    format!("[{}{}]", "#".repeat(filled), ".".repeat(BAR_CHARS - filled))
}

/// The lines for a terminal, each shorter than 80 characters.
fn picture(figures: &Figures) -> Vec<String> {
    let (doing, share, how_far) = stage(figures);
    let mut lines = vec![format!("  {doing:10} {} {how_far}", bar(share))];
    let realm = &figures.realm;
    lines.push(format!(
        "  tick       p50 {:6.2}  p99 {:6.2}  max {:6.2} of {:.0} ms, {} late since the start",
        realm.tick_ms_p50,
        realm.tick_ms_p99,
        realm.tick_ms_max,
        1000.0 / f64::from(realm.tick_hz.max(1)),
        realm.ticks_late
    ));
    lines.push(format!(
        "  out        {:.0} snapshots/s, {:.1} MB/s, {:.0} B a client and tick",
        realm.snapshots_per_s,
        realm.bytes_per_s / 1e6,
        realm.bytes_per_client_per_tick
    ));
    lines.push(format!(
        "  in         {:.0} datagrams/s, realm on {:.2} cores",
        realm.received_per_s, realm.cpu_cores
    ));
    let (mismatches, decode_errors) =
        figures.bots.map_or((0, 0), |bots| (bots.view_mismatches, bots.decode_errors));
    lines.push(format!("  views      {mismatches} mismatches, {decode_errors} decode errors"));
    lines
}

/// The same in one line.
fn line(figures: &Figures) -> String {
    let (doing, _, how_far) = stage(figures);
    let realm = &figures.realm;
    format!(
        "{doing}: {how_far}; tick p50 {:.2} p99 {:.2} max {:.2} ms, {} late since the start; {:.1} MB/s out, {:.0} B a client and tick",
        realm.tick_ms_p50,
        realm.tick_ms_p99,
        realm.tick_ms_max,
        realm.ticks_late,
        realm.bytes_per_s / 1e6,
        realm.bytes_per_client_per_tick
    )
}

#[cfg(test)]
mod tests {
    use throng_tools::bots::Second;

    use super::*;

    fn figures(phase: Phase, connected: u32, measured_seconds: f64) -> Figures {
        let second = Second { connected, ..Second::default() };
        let bots = BotsProgress {
            phase,
            clients: 1_000_000,
            second,
            measured_seconds,
            view_mismatches: 0,
            decode_errors: 0,
        };
        let realm = RealmProgress {
            tick_hz: 20,
            tick_ms_p50: 999.99,
            tick_ms_p99: 999.99,
            tick_ms_max: 999.99,
            snapshots_per_s: 2e7,
            bytes_per_s: 9.9e9,
            bytes_per_client_per_tick: 1200.0,
            ..RealmProgress::default()
        };
        Figures { seconds_wanted: 86_400, clients_wanted: 1_000_000, realm, bots: Some(bots) }
    }

    #[test]
    fn the_bar_fills_and_never_overflows() {
        let filled = |share| bar(share).matches('#').count();
        assert_eq!((filled(0.0), filled(0.5), filled(1.0)), (0, BAR_CHARS / 2, BAR_CHARS));
        assert_eq!((filled(-1.0), filled(7.0), filled(f64::NAN)), (0, BAR_CHARS, 0));
        assert!([0.0, 0.3, 1.0].iter().all(|&share| bar(share).len() == BAR_CHARS + 2));
    }

    #[test]
    fn each_phase_shows_how_far_it_is() {
        let shares = [
            (Phase::Connecting, 500_000, 0.0, "connecting", 0.5),
            (Phase::Settling, 1_000_000, 0.0, "settling", 1.0),
            (Phase::Measuring, 1_000_000, 21_600.0, "measuring", 0.25),
            (Phase::Leaving, 1_000_000, 86_400.0, "leaving", 1.0),
        ];
        for (phase, connected, seconds, doing, share) in shares {
            let found = stage(&figures(phase, connected, seconds));
            assert_eq!((found.0, found.1), (doing, share));
        }
        assert_eq!(stage(&Figures::default()).0, "starting");
    }

    #[test]
    fn the_picture_keeps_its_height_and_fits_a_terminal() {
        let start = picture(&Figures::default());
        let full = picture(&figures(Phase::Measuring, 10_000, 10.0));
        assert_eq!(start.len(), full.len());
        for line in start.iter().chain(&full) {
            assert!(line.len() < 100, "{} characters: {line}", line.len());
        }
    }

    #[test]
    fn redrawing_goes_up_as_many_lines_as_were_drawn() {
        let lines = ["a".to_owned(), "b".to_owned()];
        assert_eq!(redraw(&lines, 0), "\x1b[2Ka\n\x1b[2Kb");
        assert_eq!(redraw(&lines, 2), "\x1b[2A\x1b[2Ka\n\x1b[2Kb");
    }
}
