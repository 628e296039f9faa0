//! Randomness from a seed, the same on every machine.

use std::collections::VecDeque;

/// splitmix64, with a tape before it.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
    tape: VecDeque<u8>,
}

impl Rng {
    /// A generator for `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed, tape: VecDeque::new() }
    }

    /// A generator whose first decisions are these bytes: each takes as many as its range needs. What comes after them follows from a fixed seed.
    #[must_use]
    pub fn from_tape(bytes: &[u8]) -> Self {
        Self { state: 0, tape: bytes.iter().copied().collect() }
    }

    /// The next 64 bits, never from the tape: session ids must differ.
    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, or 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let bound = bound.max(1);
        if self.tape.is_empty() {
            return self.draw() % bound;
        }
        let bytes = 8 - (bound - 1).leading_zeros() as usize / 8;
        let number = self.tape.drain(..bytes.min(self.tape.len())).fold(0, |number, byte| number << 8 | u64::from(byte));
        number % bound
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Sixteen bytes, for a session id.
    pub fn bytes(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.draw().to_le_bytes());
        bytes[8..].copy_from_slice(&self.draw().to_le_bytes());
        bytes
    }
}
