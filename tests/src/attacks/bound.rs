//! How much memory an attack may cost, from the bounds in force.

use std::fmt;

/// A session's task, its endpoint, its socket's registration, its part of the tables.
pub(super) const TASK: usize = 8 * 1024;
/// What one read brings, while it cannot be dealt with.
pub(super) const READ: usize = 64 * 1024;
/// What a transport takes to write before the socket takes it; one message more may stand behind it.
pub(super) const WRITE_BUFFER: usize = 64 * 1024;
/// Control frames that may wait to be written before nothing is read any more, and those that one read of the buffer adds.
pub(super) const PONGS: usize = 4 * 1024 + READ;
/// Bytes of notifications that may be on their way to a session's task.
pub(super) const POSTS: usize = 64 * 1024;
/// What is noted of a request in flight or of a message that waits, beside its text.
pub(super) const ENTRY: usize = 256;
/// What the allocator and the runtime hold whatever happens: an arena for each thread, stacks, fragments.
const SLACK: usize = 8 * 1024 * 1024;
/// A buffer that grows doubles: what it holds may be half of what it takes.
const GROWTH: usize = 2;

/// A sum of named bounds.
#[derive(Clone, Debug)]
pub struct Bound {
    times: usize,
    of: &'static str,
    each: Vec<(usize, &'static str)>,
    together: Vec<(usize, &'static str)>,
}

impl Bound {
    /// For each of so many of these: the sum of what one may hold.
    pub(super) fn of_each(times: usize, of: &'static str, each: impl Into<Vec<(usize, &'static str)>>) -> Self {
        Self { times, of, each: each.into(), together: Vec::new() }
    }

    /// What all of them together may hold besides.
    pub(super) fn and(mut self, bytes: usize, name: &'static str) -> Self {
        self.together.push((bytes, name));
        self
    }

    /// Bytes by which the server's memory may grow.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let sum = |terms: &[(usize, &str)]| terms.iter().map(|(bytes, _)| *bytes as u64).sum::<u64>();
        (self.times as u64 * sum(&self.each) + sum(&self.together)) * GROWTH as u64 + SLACK as u64
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |terms: &[(usize, &'static str)]| {
            let terms: Vec<_> = terms.iter().map(|(bytes, name)| format!("{name} {} KiB", bytes / 1024)).collect();
            terms.join(" + ")
        };
        write!(f, "{GROWTH} × ({} {} × ({})", self.times, self.of, sum(&self.each))?;
        if !self.together.is_empty() {
            write!(f, " + {}", sum(&self.together))?;
        }
        write!(f, ") + slack {} MiB", SLACK / (1024 * 1024))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_twice_its_terms_and_the_slack() {
        let bound = Bound::of_each(3, "peers", [(1024, "a"), (2048, "b")]).and(4096, "c");
        assert_eq!(bound.bytes(), 2 * (3 * 3072 + 4096) + 8 * 1024 * 1024);
        assert_eq!(bound.to_string(), "2 × (3 peers × (a 1 KiB + b 2 KiB) + c 4 KiB) + slack 8 MiB");
    }
}
