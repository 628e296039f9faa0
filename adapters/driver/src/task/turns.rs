//! Whose turn it is on a thread.
//!
//! What a session's task runs through when it is woken, from the read to the write, is as much code as a processor keeps at hand, and what the system does for a write
//! is as much again. Sessions that are woken together, and each read, answer and write, push each other's code out. So a session that is one of many
//! reads and answers, and writes only when it comes to its turn again, when the others have read and answered: the same code runs over and over, and then the system's.

use std::cell::Cell;

/// As often as this, at most, a session writes at once before one looks again whether there are others.
const ALONE: u8 = 63;

thread_local! {
    static THREAD: Cell<Turns> = const { Cell::new(Turns { begun: 0, alone: 0, left: 0 }) };
}

#[derive(Clone, Copy)]
struct Turns {
    /// Turns that sessions have had on this thread.
    begun: u32,
    /// How many turns in a row go on as those of a session that is alone: more, the more often that was found.
    alone: u8,
    /// How many of those are left.
    left: u8,
}

/// One poll of a session's task.
#[derive(Clone, Copy)]
pub(super) struct Turn(u32);

impl Turn {
    pub(super) fn begin() -> Self {
        with(|turns| {
            turns.begun = turns.begun.wrapping_add(1);
            Self(turns.begun)
        })
    }

    /// Whether others have probably been woken, too, and have not had their turn yet. Asked once in a turn: it counts how often the answer was no.
    pub(super) fn is_one_of_many(self) -> bool {
        with(|turns| {
            let alone = turns.left > 0;
            turns.left = turns.left.saturating_sub(1);
            !alone
        })
    }

    /// In this turn the session goes on that has waited since that of `before`.
    pub(super) fn waited_since(self, before: Self) {
        with(|turns| {
            // In vain, if nobody had a turn in between. On another thread it is any number, and misleads once.
            turns.alone = if self.0.wrapping_sub(before.0) == 1 { (2 * turns.alone + 1).min(ALONE) } else { 0 };
            turns.left = turns.alone;
        });
    }
}

fn with<T>(change: impl FnOnce(&mut Turns) -> T) -> T {
    THREAD.with(|thread| {
        let mut turns = thread.get();
        let changed = change(&mut turns);
        thread.set(turns);
        changed
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_alone_looks_less_and_less_often_for_others_and_a_crowd_is_noticed_at_once() {
        let mut at_once = 0;
        let mut rows = Vec::new();
        let mut before = None;
        while rows.len() < 9 {
            let turn = Turn::begin();
            if let Some(before) = before.take() {
                turn.waited_since(before);
            }
            if turn.is_one_of_many() {
                rows.push(at_once);
                at_once = 0;
                before = Some(turn);
            } else {
                at_once += 1;
            }
        }
        assert_eq!(rows, [0, 1, 3, 7, 15, 31, 63, 63, 63]);

        Turn::begin();
        let turn = Turn::begin();
        turn.waited_since(before.unwrap());
        assert!(turn.is_one_of_many() && Turn::begin().is_one_of_many());
    }
}
