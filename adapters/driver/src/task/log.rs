//! What the log shows of a session: its label and the first characters of its id, never the whole.

use crate::session::Session;
use tracing::{Span, field};

/// The span of a session's task. Events that stand for themselves, warnings and errors, name the session once more: it is not there below DEBUG.
pub(super) fn span(session: &Session) -> Span {
    let span = tracing::debug_span!(target: "bowline::session", "session", label = session.label(), id = field::Empty);
    show_id(&span, session);
    span
}

/// The session has got its id, or another.
pub(super) fn show_id(span: &Span, session: &Session) {
    if !span.is_disabled()
        && let Some(id) = session.id()
    {
        span.record("id", field::debug(id));
    }
}
