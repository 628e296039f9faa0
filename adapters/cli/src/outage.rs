//! What becomes of the connection while an answer is waited for.

use crate::failure::{Failure, from_library};
use crate::text::say;
use bowline_tokio::{CallError, Client, ConnectionEvent, Events, SessionKept};
use futures_util::future::FutureExt;
use std::future::Future;
use std::pin::pin;

/// Looks at a client's connection, and tells on stderr when it is lost and when it is back.
pub(crate) struct Lookout {
    events: Events,
    connection: Connection,
}

enum Connection {
    There,
    Lost {
        /// Why the last attempt to get it back has failed.
        why: Option<String>,
    },
}

impl Lookout {
    pub(crate) fn new(client: &Client) -> Self {
        let mut lookout = Self { events: client.events(), connection: Connection::There };
        // What was lost before tells nothing any more.
        if !client.is_connected() {
            lookout.see(&ConnectionEvent::Disconnected);
        }
        lookout
    }

    /// Looks until `answer` is there.
    pub(crate) async fn until<T>(&mut self, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        let mut looking = true;
        let answer = loop {
            tokio::select! {
                // What happens to the connection behind the answer is of no interest.
                biased;
                answer = &mut answer => break answer,
                event = self.events.next(), if looking => match event {
                    Some(event) => self.see(&event),
                    None => looking = false,
                },
            }
        };
        // It came over a connection that is back, if there is one.
        while let (Connection::Lost { .. }, Some(Some(event))) = (&self.connection, self.events.next().now_or_never()) {
            self.see(&event);
        }
        answer
    }

    fn see(&mut self, event: &ConnectionEvent) {
        match (event, &mut self.connection) {
            (ConnectionEvent::Disconnected, Connection::There) => {
                say("* the connection is lost; reconnecting");
                self.connection = Connection::Lost { why: None };
            }
            (ConnectionEvent::ConnectionFailed { error, .. }, Connection::Lost { why }) => *why = Some(from_library(&error.to_string())),
            (ConnectionEvent::Reconnected(kept), _) => {
                say(match kept {
                    SessionKept::Same => "* reconnected, the session goes on",
                    SessionKept::New => "* reconnected, the session is a new one",
                });
                self.connection = Connection::There;
            }
            // Nothing that whoever waits for an answer has to know, or known already.
            _ => {}
        }
    }

    /// Why there is no answer. While the connection is lost, what was asked for may be done all the same.
    pub(crate) fn failure(self, error: CallError) -> Failure {
        match self.connection {
            // A client closes that would try again only after its time.
            Connection::Lost { why } if matches!(error, CallError::TimedOut | CallError::Closed) => {
                let why = why.map_or_else(String::new, |why| format!("\nthe last attempt to reconnect: {why}"));
                Failure::Unknown(format!("the connection was lost and did not come back in time; whether the call ran is unknown{why}"))
            }
            Connection::Lost { .. } | Connection::There => error.into(),
        }
    }
}
