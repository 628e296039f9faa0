//! What is told of a request when it is done with: to the metrics, the log and the path's observer.

use super::SessionTask;
use crate::clock;
use crate::handler::Answered;
use crate::metrics::{Method, Outcome};
use crate::runtime::Runtime;
use bowline_core::{ErrorObject, Instant};
use tracing::Level;

/// The target of the events that tell of requests.
const REQUESTS: &str = "bowline::request";

/// A request that has started.
pub(super) struct Watched {
    method: Method,
    /// Its name, if anybody wants to know.
    name: Option<Box<str>>,
    started: Instant,
    notification: bool,
}

impl<R: Runtime> SessionTask<R> {
    /// A request for `method` starts.
    pub(super) fn watch(&self, method: &str, started: Instant, notification: bool) -> Watched {
        let named = self.dispatch.observer().is_some() || tracing::enabled!(target: REQUESTS, Level::DEBUG);
        Watched { method: self.metrics.method(method), name: named.then(|| method.into()), started, notification }
    }

    /// It is done with. `error` is the answer, if that was one.
    pub(super) fn tell_of(&self, watched: &Watched, error: Option<&ErrorObject>) {
        let Watched { method, name, started, notification } = watched;
        let outcome = match error {
            Some(_) => Outcome::Error,
            None if *notification => Outcome::Notified,
            None => Outcome::Ok,
        };
        self.metrics.request(*method, outcome, *started);
        let Some(name) = name else { return };
        let elapsed = clock::now() - *started;
        let code = error.map(|error| error.code);
        tracing::debug!(target: REQUESTS, method = %name, outcome = outcome.as_str(), code, ?elapsed);
        if let Some(observer) = self.dispatch.observer() {
            let answered = Answered { method: name, error, notification: *notification, elapsed };
            self.tell(|| observer(&self.session, &answered));
        }
    }

    /// Its session has ended before its handler did.
    pub(super) fn tell_of_drop(&self, watched: &Watched) {
        let Watched { method, name, started, .. } = watched;
        let outcome = Outcome::Dropped;
        self.metrics.request(*method, outcome, *started);
        if let Some(name) = name {
            tracing::debug!(target: REQUESTS, method = %name, outcome = outcome.as_str(), elapsed = ?(clock::now() - *started));
        }
    }
}
