//! What a session's handles leave for its task.

use crate::owed::AnswerSlot;
use crate::session::attributes::Attributes;
use crate::session::call::CallTag;
use crate::transport::WebSocket;
use bowline_core::{CallId, CloseReason, Instant, Json, Outcome, Responder};
use std::sync::Arc;
use std::time::Duration;

/// How a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It is closed, for this reason.
    Closed(CloseReason),
    /// Nobody here has it any more; the peer keeps it, in case that somebody comes back to it.
    Left,
}

/// What keeps its order. `by` is the request whose handler has said it, or 0.
pub(crate) enum Ordered {
    Call { by: u64, method: Box<str>, params: Option<Json<'static>>, deadline: Instant, tag: CallTag },
    Notify { by: u64, method: Box<str>, params: Option<Json<'static>> },
    Answer { by: u64, responder: Responder, outcome: Outcome<'static> },
}

impl Ordered {
    /// Of a post: the bytes that came with it. Answers have their own bounds.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Call { method, params, .. } | Self::Notify { method, params, .. } => {
                method.len() + params.as_ref().map_or(0, |params| params.as_str().len())
            }
            Self::Answer { .. } => 0,
        }
    }

    /// Of a call: until when it may be sent.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Call { deadline, .. } => Some(*deadline),
            Self::Notify { .. } | Self::Answer { .. } => None,
        }
    }

    /// Of an answer: to what, and how many bytes it has.
    pub(super) fn answer(&self) -> Option<(&Responder, usize)> {
        match self {
            Self::Answer { responder, outcome, .. } => Some((responder, bytes_of(outcome))),
            Self::Call { .. } | Self::Notify { .. } => None,
        }
    }

    /// Whether it is an answer behind nothing that its own handler has said. `said` are the handlers of the posts before it. The end of a notification says nothing to the
    /// peer, and is behind nothing.
    pub(super) fn is_answer_ahead(&self, said: &mut Vec<u64>) -> bool {
        match self {
            Self::Call { by, .. } | Self::Notify { by, .. } => {
                said.push(*by);
                false
            }
            Self::Answer { by, responder, .. } => responder.is_notification() || !said.contains(by),
        }
    }
}

fn bytes_of(outcome: &Outcome<'_>) -> usize {
    match outcome {
        Outcome::Result(result) => result.as_str().len(),
        Outcome::Error(error) => error.message.len() + error.data.as_ref().map_or(0, |data| data.as_str().len()),
        Outcome::Empty => 0,
    }
}

/// What goes first.
pub(crate) enum Urgent {
    /// This transport is yours, and this frame came over it.
    Attach(Box<HandOver>),
    /// Nobody waits for this call any more.
    Forget(CallId),
    /// The request with this key will be answered later.
    Defer(u64),
    /// The request of this slot will be answered later.
    DeferShared(Arc<AnswerSlot>),
}

/// A transport on its way to the session that it named.
pub(crate) struct HandOver {
    pub(crate) transport: WebSocket,
    /// How long its client may be silent.
    pub(crate) watch: Option<Duration>,
    pub(crate) frame: Box<str>,
    pub(crate) attributes: Attributes,
}

/// What was asked of the session itself; asked twice, the last one counts.
#[derive(Default)]
pub(crate) struct Wishes {
    pub(crate) disconnect: bool,
    pub(crate) reconnect: bool,
    pub(crate) grace: Option<Duration>,
    pub(crate) heartbeat: Option<Option<Duration>>,
    /// Finish what is in flight, and close then.
    pub(crate) wind_up: bool,
}
