use crate::connection::{Events, Hub};
use crate::limits::Gate;
use crate::session::{CallError, NotifyError, Session};
use bowline_core::{Json, SessionId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::ready;
use std::time::Duration;

/// A connected client. Kurento: `JsonRpcClient`.
///
/// It is cheap to clone. While the connection is lost it reconnects by itself, and calls wait. One that is closed is not used again.
///
/// When the last clone is dropped the client closes, and the server keeps the session for its reconnection timeout: [`ClientBuilder::session`](crate::ClientBuilder::session) comes back to it. [`close`](Self::close) can end
/// it on the server too: [`ClientBuilder::close_message`](crate::ClientBuilder::close_message).
#[derive(Clone)]
pub struct Client {
    guard: Arc<Guard>,
}

/// Leaves the session when the last handle goes.
pub(super) struct Guard {
    pub(super) session: Session,
    pub(super) hub: Arc<Hub>,
    /// Those transports that are not entirely gone.
    pub(super) transports: Arc<Gate>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.session.shared.mailbox.leave();
    }
}

impl Client {
    pub(super) fn new(guard: Guard) -> Self {
        Self { guard: Arc::new(guard) }
    }

    /// Its session: for handlers and for whatever must not keep the client open. It stays the same handle when the server gives a new session.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.guard.session
    }

    /// The id of the session, once the server has given one: to come back to it after a restart. It is a secret.
    #[must_use]
    pub fn session_id(&self) -> Option<SessionId> {
        self.session().id()
    }

    /// Calls `method` and waits for its result: see [`Session::call`]. Kurento: `JsonRpcClient.sendRequest`.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    pub fn call<T: DeserializeOwned>(&self, method: &str, params: impl Serialize) -> impl Future<Output = Result<T, CallError>> {
        self.session().call(method, params)
    }

    /// As [`call`](Self::call), with a time of its own.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    pub fn call_with_timeout<T: DeserializeOwned>(
        &self,
        method: &str,
        params: impl Serialize,
        timeout: Duration,
    ) -> impl Future<Output = Result<T, CallError>> {
        self.session().call_with_timeout(method, params, timeout)
    }

    /// As [`call`](Self::call), with JSON that is left as it is, both ways.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    pub async fn call_raw(&self, method: &str, params: Option<Json<'static>>) -> Result<Json<'static>, CallError> {
        self.session().call_raw(method, params).await
    }

    /// Notifies the server: see [`Session::notify`]. Kurento: `JsonRpcClient.sendNotification`.
    ///
    /// # Errors
    ///
    /// See [`NotifyError`].
    pub fn notify(&self, method: &str, params: impl Serialize) -> impl Future<Output = Result<(), NotifyError>> {
        self.session().notify(method, params)
    }

    /// As [`notify`](Self::notify), with JSON that is left as it is.
    ///
    /// # Errors
    ///
    /// See [`NotifyError`].
    pub async fn notify_raw(&self, method: &str, params: Option<Json<'static>>) -> Result<(), NotifyError> {
        self.session().notify_raw(method, params).await
    }

    /// Notifies the server, if there is room at once.
    ///
    /// # Errors
    ///
    /// See [`NotifyError`].
    pub fn try_notify(&self, method: &str, params: impl Serialize) -> Result<(), NotifyError> {
        self.session().try_notify(method, params)
    }

    /// What happens to the connection from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        self.guard.hub.events()
    }

    /// Pings the server every `interval` from now on, or never. Kurento: `enableHeartbeat`, `disableHeartbeat`.
    pub fn set_heartbeat(&self, interval: Option<Duration>) {
        self.session().shared.mailbox.wish(|wishes| wishes.heartbeat = Some(interval));
    }

    /// Drops the connection, or the wait for the next attempt, and connects again at once.
    pub fn reconnect(&self) {
        self.session().shared.mailbox.wish(|wishes| wishes.reconnect = true);
    }

    /// Whether it is connected at the moment.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.session().is_attached()
    }

    /// Whether it is closed, or about to be.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.session().is_closed()
    }

    /// Closes it for every clone, and returns when what was sent before has been written and the connection is gone; at the latest after a few seconds,
    /// whatever the server does. Kurento: `JsonRpcClient.close`.
    ///
    /// The server keeps the session for its reconnection timeout and finishes what it was asked, unless [`ClientBuilder::close_message`](crate::ClientBuilder::close_message) is on: then it is told, drops what it has not
    /// finished, and closes the session with [`CloseReason::ClientClosed`](crate::CloseReason::ClientClosed). While the connection is lost nobody can be told.
    pub async fn close(&self) {
        self.session().close();
        poll_fn(|cx| {
            ready!(self.guard.hub.poll_ended(cx));
            self.guard.transports.poll_empty(cx)
        })
        .await;
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("session", self.session()).field("connected", &self.is_connected()).finish()
    }
}
