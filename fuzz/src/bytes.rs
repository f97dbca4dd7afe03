//! Reading a fuzzer's bytes as a script: short numbers and runs, never failing, ending when they end.

/// What is left of the script.
pub(crate) struct Bytes<'d>(pub &'d [u8]);

impl<'d> Bytes<'d> {
    /// The next byte; `None` at the end, which ends the script.
    pub fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next byte, 0 at the end.
    pub fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    pub fn half(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// A run that starts with its length (16 bits), cut where the script ends.
    pub fn run(&mut self) -> &'d [u8] {
        let length = usize::from(self.half()).min(self.0.len());
        let (run, rest) = self.0.split_at(length);
        self.0 = rest;
        run
    }
}
