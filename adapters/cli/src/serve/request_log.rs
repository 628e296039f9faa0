use crate::text::{harmless, say, short};
use bowline_tokio::{Answered, Router, Session};

/// Where finished requests are logged.
#[derive(Clone, Copy, Debug)]
pub(super) enum RequestLog {
    Off,
    Stderr,
}

impl RequestLog {
    /// Logs the requests that `router` serves.
    pub(super) fn on(self, router: Router) -> Router {
        match self {
            Self::Off => router,
            Self::Stderr => router.on_answered(|session, answered| say(&line(session, answered))),
        }
    }
}

/// Nothing that is a secret, and nothing of what the peers say to each other.
fn line(session: &Session, answered: &Answered<'_>) -> String {
    // Its `Debug` shows the first characters only.
    let id = session.id().map_or_else(|| "-".into(), |id| format!("{id:?}"));
    let outcome = match answered.error {
        Some(error) => format!("error {}", error.code),
        None if answered.notification => "notified".into(),
        None => "ok".into(),
    };
    format!("{id} {} {outcome} {}", harmless(answered.method), short(answered.elapsed))
}
