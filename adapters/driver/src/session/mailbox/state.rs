//! What a [`Mailbox`](super::Mailbox) guards.

use super::post::{Ending, Ordered, Urgent, Wishes};
use crate::session::call::CallTag;
use bowline_core::Instant;
use std::collections::VecDeque;
use std::mem;
use std::task::Waker;

/// Calls and notifications that may wait for the session's task. Answers are bounded by the requests in flight.
pub(super) const POSTS: usize = 256;
/// Bytes of them; the one that crosses the line is still taken. They stand before the endpoint, which does not count them.
pub(super) const POST_BYTES: usize = 64 * 1024;

#[derive(Default)]
pub(super) struct State {
    pub(super) wishes: Wishes,
    pub(super) urgent: VecDeque<Urgent>,
    pub(super) ordered: VecDeque<Ordered>,
    /// How many of `ordered` are posts.
    pub(super) posts: usize,
    /// The bytes of those.
    pub(super) post_bytes: usize,
    /// Posts for which there is no room yet, and who waits with them: in the order of their tickets.
    pub(super) waiting: VecDeque<Waiter>,
    pub(super) next_ticket: u64,
    /// The posts of the tickets from this one on were not taken: it closed first.
    pub(super) refused_from: Option<u64>,
    /// No later than the first deadline among `ordered`, `waiting` and `closing`.
    pub(super) deadline: Option<Instant>,
    /// To be ended like this, after `ordered`, but no later than then.
    pub(super) closing: Option<(Ending, Instant)>,
    pub(super) life: Life,
    /// Wakes the task.
    pub(super) task: Option<Waker>,
}

pub(super) struct Waiter {
    pub(super) ticket: u64,
    pub(super) post: Ordered,
    pub(super) waker: Waker,
    pub(super) deadline: Option<Instant>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Life {
    #[default]
    Open,
    /// Nothing is taken any more but answers.
    Closing,
    /// The task has to end without a word.
    Killed,
    /// The task has ended.
    Closed,
}

impl State {
    pub(super) fn has_room(&self) -> bool {
        self.posts < POSTS && self.post_bytes < POST_BYTES
    }

    /// Posts what waits longest, if there is room: here and not when its sender runs, or another sender might overtake it.
    pub(super) fn grant(&mut self) -> Option<Waker> {
        if !self.has_room() {
            return None;
        }
        let waiter = self.waiting.pop_front()?;
        self.push(waiter.post);
        Some(waiter.waker)
    }

    /// Nobody who waits will have room any more.
    pub(super) fn refuse_waiting(&mut self) -> VecDeque<Waiter> {
        let first = self.waiting.front().map_or(self.next_ticket, |waiter| waiter.ticket);
        self.refused_from.get_or_insert(first);
        mem::take(&mut self.waiting)
    }

    pub(super) fn note_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = match (self.deadline, deadline) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    pub(super) fn push(&mut self, post: Ordered) {
        if let Ordered::Call { deadline, .. } = &post {
            self.note_deadline(Some(*deadline));
        }
        self.posts += 1;
        self.post_bytes += post.bytes();
        self.ordered.push_back(post);
    }

    /// How many of `ordered` are answers.
    pub(super) fn answers(&self) -> usize {
        self.ordered.len() - self.posts
    }

    /// Takes the calls back of which `is_taken` says so. Who waits is given their room, and is to be woken.
    pub(super) fn take_calls(&mut self, is_taken: impl Fn(Instant, &CallTag) -> bool) -> (Vec<CallTag>, Vec<Waker>) {
        let mut taken = Vec::new();
        for post in mem::take(&mut self.ordered) {
            let bytes = post.bytes();
            match post {
                Ordered::Call { deadline, tag, .. } if is_taken(deadline, &tag) => {
                    self.posts -= 1;
                    self.post_bytes -= bytes;
                    taken.push(tag);
                }
                Ordered::Call { .. } | Ordered::Notify { .. } | Ordered::Answer { .. } => self.ordered.push_back(post),
            }
        }
        // Only now, or who waits would overtake what was still to be looked at.
        let wakers = taken.iter().filter_map(|_| self.grant()).collect();
        (taken, wakers)
    }

    /// Whether there is an answer that goes ahead of the posts.
    pub(super) fn has_answer_ahead(&self) -> bool {
        let mut said = Vec::new();
        self.answers() > 0 && self.ordered.iter().any(|next| next.is_answer_ahead(&mut said))
    }

    pub(super) fn is_quiet(&self) -> bool {
        let Wishes { disconnect, reconnect, grace, heartbeat, wind_up } = &self.wishes;
        self.urgent.is_empty() && !disconnect && !reconnect && !wind_up && grace.is_none() && heartbeat.is_none()
    }
}
