//! What a process holds at one moment.

use bowline_tests::sockets::{Over, own_memory};
use bowline_tokio::Runtime;
use serde::{Deserialize, Serialize};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::fmt;
use std::io;

/// Counts what is allocated and not freed. Unlike the memory of the process that is exact: what the allocator keeps for itself is not in it.
#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes that tables and the buffers of threads may hold more than before: they keep the size that they once had.
const KEPT_BYTES: usize = 64 * 1024;
/// Such blocks. One that stays behind in every hundredth session shows after a few seconds.
const KEPT_BLOCKS: usize = 32;
/// What the memory of a process may be above the most that it held at once: arenas, stacks, and half as much again for pages of which a part is in use.
const KEPT_MEMORY: u64 = 8 * 1024 * 1024;

/// What there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    /// Tasks of Bowline's.
    tasks: usize,
    descriptors: usize,
    /// Allocations that were not freed, and their bytes.
    blocks: usize,
    bytes: usize,
    /// What the system counts.
    memory: u64,
}

impl Held {
    /// By this process, whose tasks all run on `runtime`.
    pub(crate) fn here<R: Runtime>(runtime: &Over<R>) -> io::Result<Self> {
        let descriptors = std::fs::read_dir("/proc/self/fd")?.count();
        let memory = own_memory(std::process::id())?;
        let heap = INSTRUMENTED_SYSTEM.stats();
        Ok(Self {
            tasks: runtime.tasks().get(),
            descriptors,
            blocks: heap.allocations.saturating_sub(heap.deallocations),
            bytes: heap.bytes_allocated.saturating_sub(heap.bytes_deallocated),
            memory,
        })
    }

    /// Of each the larger.
    pub(crate) fn or_more(self, other: Self) -> Self {
        Self {
            tasks: self.tasks.max(other.tasks),
            descriptors: self.descriptors.max(other.descriptors),
            blocks: self.blocks.max(other.blocks),
            bytes: self.bytes.max(other.bytes),
            memory: self.memory.max(other.memory),
        }
    }

    /// Whether nothing goes on any more: the tasks and the sockets are those of an `idle` one.
    pub(crate) fn is_quiet(&self, idle: &Self) -> bool {
        self.tasks <= idle.tasks && self.descriptors <= idle.descriptors
    }

    /// Whether nothing was kept that was not there `before`, and no more memory than there had to be for the `most` of what was held.
    pub(crate) fn is_back_at(&self, before: &Self, most: &Self) -> bool {
        self.is_quiet(before)
            && self.blocks <= before.blocks + KEPT_BLOCKS
            && self.bytes <= before.bytes + KEPT_BYTES
            && self.memory <= most.bytes as u64 * 3 / 2 + KEPT_MEMORY
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tasks, descriptors, blocks, bytes, memory } = self;
        write!(f, "tasks {tasks}, file descriptors {descriptors}, live blocks {blocks}, live bytes {bytes}, memory {} KiB", memory / 1024)
    }
}
