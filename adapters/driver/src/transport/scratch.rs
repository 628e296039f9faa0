//! What the connections of a thread use in turn, so that an idle one holds none of it.

use std::cell::{Cell, RefCell};

/// Bytes that are read at once.
pub(super) const READ: usize = 64 * 1024;
/// A buffer for writing that has grown beyond this is given back to the system.
const WRITE: usize = 128 * 1024;
/// Bytes of buffers for writing that wait to be used. Many are in use at once when sessions wait with their writes for each other.
const WRITES: usize = 256 * 1024;
/// Masks that are drawn at once: each draw is a system call.
const MASKS: usize = 64;

thread_local! {
    static READING: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static WRITING: RefCell<Pool> = const { RefCell::new(Pool { buffers: Vec::new(), bytes: 0 }) };
    static DRAWN: RefCell<Vec<[u8; 4]>> = const { RefCell::new(Vec::new()) };
}

/// Empty buffers. What was used last is used first, for it is what the caches hold.
struct Pool {
    buffers: Vec<Vec<u8>>,
    /// Their capacities.
    bytes: usize,
}

impl Pool {
    fn take(&mut self) -> Vec<u8> {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.bytes -= buffer.capacity();
        buffer
    }

    fn give(&mut self, buffer: Vec<u8>) {
        if self.bytes + buffer.capacity() <= WRITES {
            self.bytes += buffer.capacity();
            self.buffers.push(buffer);
        }
    }
}

/// A buffer of [`READ`] bytes to read into: the thread's, or a new one if that is in use.
pub(super) fn take_reading() -> Vec<u8> {
    let mut buffer = READING.try_with(Cell::take).unwrap_or_default();
    buffer.resize(READ, 0);
    buffer
}

pub(super) fn give_reading(buffer: Vec<u8>) {
    // A thread that ends needs it no more.
    let _ = READING.try_with(|kept| kept.set(buffer));
}

/// An empty buffer to write into: one of the thread's, or a new one if all are in use.
pub(super) fn take_writing() -> Vec<u8> {
    WRITING.try_with(|pool| pool.borrow_mut().take()).unwrap_or_default()
}

pub(super) fn give_writing(mut buffer: Vec<u8>) {
    if (1..=WRITE).contains(&buffer.capacity()) {
        buffer.clear();
        // As above.
        let _ = WRITING.try_with(|pool| pool.borrow_mut().give(buffer));
    }
}

/// A mask that nobody can guess (RFC 6455 section 10.3).
pub(super) fn mask() -> [u8; 4] {
    let drawn = DRAWN.try_with(|drawn| {
        let mut drawn = drawn.try_borrow_mut().ok()?;
        if drawn.is_empty() {
            let mut random = [0; MASKS * 4];
            getrandom::fill(&mut random).ok()?;
            drawn.extend_from_slice(random.as_chunks().0);
        }
        drawn.pop()
    });
    // Without a source of randomness no session could be secret either; a fixed mask only loses what it protects, proxies.
    drawn.ok().flatten().unwrap_or([0x5a, 0xf1, 0xc0, 0xde])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_the_threads_again_once_it_is_given_back() {
        let mut first = take_reading();
        let second = take_reading();
        assert_eq!((first.len(), second.len()), (READ, READ));
        first[0] = 7;
        give_reading(first);
        assert_eq!(take_reading()[0], 7);

        let mut written = take_writing();
        written.extend_from_slice(&[7; 10]);
        give_writing(written);
        let again = take_writing();
        assert!(again.is_empty() && again.capacity() >= 10);
        give_writing(Vec::with_capacity(WRITE + 1));
        assert_eq!(take_writing().capacity(), 0);
    }

    #[test]
    fn masks_do_not_repeat() {
        let masks: std::collections::HashSet<_> = (0..3 * MASKS).map(|_| mask()).collect();
        assert!(masks.len() > 2 * MASKS);
    }
}
