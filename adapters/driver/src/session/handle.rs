use super::attributes::{Attribute, Attributes};
use super::call::call_ends;
use super::error::{CallError, NotifyError, raw_result, typed_result};
use super::mailbox::{Mailbox, Ordered, PostError, Ticket};
use crate::clock;
use crate::transport::TransportInfo;
use bowline_core::{CloseReason, Dialect, Instant, Json, MAX_SESSION_ID_BYTES, SessionId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// A session, as the application has it: to call the peer, to notify it, to keep values in. Kurento: `Session`.
///
/// It is cheap to clone, can be used from anywhere, and is valid while the session is detached: what is sent then waits, within bounds, for the
/// next transport. Holding it keeps no session alive.
#[derive(Clone)]
pub struct Session {
    pub(crate) shared: Arc<Shared>,
    /// The request whose handler has this handle, or 0: its answer goes behind what is sent through it.
    pub(crate) request: u64,
}

/// What the handles of a session share with its task.
pub(crate) struct Shared {
    pub(crate) mailbox: Mailbox,
    pub(crate) attached: AtomicBool,
    /// Bytes of the longest message that the peer takes, as far as it has said.
    pub(crate) peer_takes: AtomicUsize,
    /// Bytes that it keeps for its peer, as the registry has counted them.
    pub(crate) replay: AtomicUsize,
    path: Arc<str>,
    place: Arc<Place>,
    inner: Mutex<Inner>,
}

struct Inner {
    id: Option<SessionId>,
    attributes: Attributes,
    /// No attributes are kept any more.
    ended: bool,
    transport: Option<Arc<TransportInfo>>,
}

/// What the sessions of one path, or of one client, have in common.
pub(crate) struct Place {
    pub(crate) label: Box<str>,
    pub(crate) dialect: Dialect,
    pub(crate) request_timeout: Duration,
}

/// The attribute that [`Session::register_info`] reads.
const REGISTER_INFO: &str = "registerInfo";

impl Shared {
    pub(crate) fn new(place: Arc<Place>, path: Arc<str>, attributes: Attributes) -> Self {
        let inner = Mutex::new(Inner { id: None, attributes, ended: false, transport: None });
        Self {
            mailbox: Mailbox::new(),
            attached: AtomicBool::new(false),
            peer_takes: AtomicUsize::new(usize::MAX),
            replay: AtomicUsize::new(0),
            path,
            place,
            inner,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_id(&self, id: Option<&SessionId>) {
        self.lock().id = id.cloned();
    }

    /// The session goes on over another transport.
    pub(crate) fn set_transport(&self, transport: &Arc<TransportInfo>) {
        self.lock().transport = Some(Arc::clone(transport));
    }

    pub(crate) fn take_attributes(&self) -> Attributes {
        std::mem::take(&mut self.lock().attributes)
    }

    /// Adds those whose names are free, and gives back the others: to be dropped where nothing is locked, for whoever is dropped may ask for the session.
    #[must_use]
    pub(crate) fn add_attributes(&self, attributes: Attributes) -> Attributes {
        self.lock().attributes.add_missing(attributes)
    }

    /// The session has ended: its attributes, for which nobody has any use now. One may hold a handle of the session, and would keep itself for ever.
    pub(crate) fn end_attributes(&self) -> Attributes {
        let mut inner = self.lock();
        inner.ended = true;
        std::mem::take(&mut inner.attributes)
    }
}

// What it is.
impl Session {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, request: 0 }
    }

    /// The handle for the handler of a request, the first of which is 1.
    pub(crate) fn of_request(&self, request: u64) -> Self {
        Self { shared: Arc::clone(&self.shared), request }
    }

    /// Its id: always there on a server; on a client, once the server has given one. It is a secret: whoever has it can take the session over, unless
    /// [`Server::resume_guard`](crate::Server::resume_guard) says no.
    #[must_use]
    pub fn id(&self) -> Option<SessionId> {
        self.shared.lock().id.clone()
    }

    /// The path on which it was created, as the client asked for it.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.shared.path
    }

    /// The label of its path or of its client, which the log shows.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.shared.place.label
    }

    /// The transport that it has, or had last; `None` before the first.
    #[must_use]
    pub fn transport(&self) -> Option<Arc<TransportInfo>> {
        self.shared.lock().transport.clone()
    }

    /// Whether it has a transport at the moment.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.shared.attached.load(Ordering::Acquire)
    }

    /// Whether it is closed, or about to be.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.mailbox.is_closed()
    }
}

// Talking to the peer.
impl Session {
    /// Calls `method` at the peer and waits for its result. Kurento: `Session.sendRequest`.
    ///
    /// Params that are `()` are left out. While the session's buffer is full the call waits for room. The time for everything together is 60 s on a
    /// server, and on a client what it was built with. Dropping the future forgets the call; the peer may have executed it.
    ///
    /// Take care inside a handler: one request of a session runs at a time. If the peer's handler calls back before it answers, that call waits for the handler which waits here, until the time is over.
    /// Let the next request start first ([`Context::start_async`](crate::Context::start_async), [`Transaction::start_async`](crate::Transaction::start_async)), or allow several at once
    /// ([`PathOptions::concurrency`](crate::PathOptions::concurrency), [`ClientBuilder::concurrency`](crate::ClientBuilder::concurrency)).
    ///
    /// # Errors
    ///
    /// See [`CallError`]. [`CallError::Interrupted`] says that nobody knows whether the call ran.
    pub fn call<T: DeserializeOwned>(&self, method: &str, params: impl Serialize) -> impl Future<Output = Result<T, CallError>> {
        self.call_with_timeout(method, params, self.shared.place.request_timeout)
    }

    /// As [`call`](Self::call), with a time of its own.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn call_with_timeout<T: DeserializeOwned>(
        &self,
        method: &str,
        params: impl Serialize,
        timeout: Duration,
    ) -> impl Future<Output = Result<T, CallError>> {
        let params = encode(&params);
        async move {
            let result = self.call_until(method, params.map_err(CallError::Encode)?, clock::now() + timeout).await?;
            typed_result(&result, self.shared.place.dialect)
        }
    }

    /// As [`call`](Self::call), with JSON that is left as it is, both ways.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub async fn call_raw(&self, method: &str, params: Option<Json<'static>>) -> Result<Json<'static>, CallError> {
        self.call_until(method, params, clock::now() + self.shared.place.request_timeout).await
    }

    async fn call_until(&self, method: &str, params: Option<Json<'static>>, deadline: Instant) -> Result<Json<'static>, CallError> {
        if is_reserved(method) {
            return Err(CallError::ReservedMethod);
        }
        let mailbox = &self.shared.mailbox;
        let (tag, pending) = call_ends(mailbox);
        let post = Ordered::Call { by: self.request, method: method.into(), params, deadline, tag };
        match (Posting { mailbox, ticket: Ticket::default(), post: Some(post), deadline: Some(deadline) }).await {
            Ok(()) => raw_result(pending.await),
            Err(PostError::TimedOut) => Err(CallError::TimedOut),
            Err(PostError::Closed | PostError::Full) => Err(CallError::Closed),
        }
    }

    /// Notifies the peer, waiting for room while the session's buffer is full. Kurento: `Session.sendNotification`.
    ///
    /// Notifications and calls of one session arrive in the order in which they were made. Those that a handler has made through its own handle
    /// ([`Context::session`](crate::Context::session), [`Transaction::session`](crate::Transaction::session)) arrive before its answer, if the future that this returns was ready when it answered.
    /// While the buffer is full, other answers go past them.
    ///
    /// # Errors
    ///
    /// If the session is closed, the method is reserved, `params` cannot be written as JSON, or the message is longer than what the peer takes or nested too deep.
    pub fn notify(&self, method: &str, params: impl Serialize) -> impl Future<Output = Result<(), NotifyError>> {
        let params = encode(&params);
        async move { self.notify_raw(method, params.map_err(NotifyError::Encode)?).await }
    }

    /// As [`notify`](Self::notify), with JSON that is left as it is.
    ///
    /// # Errors
    ///
    /// As [`notify`](Self::notify).
    pub async fn notify_raw(&self, method: &str, params: Option<Json<'static>>) -> Result<(), NotifyError> {
        let post = Some(self.notification(method, params)?);
        Ok((Posting { mailbox: &self.shared.mailbox, ticket: Ticket::default(), post, deadline: None }).await?)
    }

    /// Notifies the peer, if there is room at once.
    ///
    /// # Errors
    ///
    /// As [`notify`](Self::notify), and [`NotifyError::Full`].
    pub fn try_notify(&self, method: &str, params: impl Serialize) -> Result<(), NotifyError> {
        let params = encode(&params).map_err(NotifyError::Encode)?;
        Ok(self.shared.mailbox.try_post(self.notification(method, params)?)?)
    }

    /// The notification, if it can be sent. A peer that says less the next time it comes gets it no more: that can only be logged.
    fn notification(&self, method: &str, params: Option<Json<'static>>) -> Result<Ordered, NotifyError> {
        if is_reserved(method) {
            return Err(NotifyError::ReservedMethod);
        }
        let takes = self.shared.peer_takes.load(Ordering::Relaxed);
        if takes < usize::MAX && notification_bytes(method, params.as_ref()) > takes {
            return Err(NotifyError::TooBig(takes));
        }
        if params.as_ref().is_some_and(|params| !params.fits_within(1)) {
            return Err(NotifyError::TooDeep);
        }
        Ok(Ordered::Notify { by: self.request, method: method.into(), params })
    }
}

// Its life.
impl Session {
    /// Closes it, once what was sent before has been handed to the transport. Without a transport, or with a peer that takes nothing for 3 s, it is
    /// closed all the same, and what still waits is dropped. Handlers that still run are dropped. Kurento: `Session.close`.
    ///
    /// On a server this ends the session, and does not keep its client away: one that reconnects by itself, as Bowline's and Kurento's JavaScript clients do, comes back and gets a new session. To send it away
    /// for good, note who it is, and refuse its next handshake in [`Server::intercept`](crate::Server::intercept); the status that it gets is in
    /// [`ConnectError::status`](crate::ConnectError::status), and it goes on trying as long as its own [`Reconnect`](crate::Reconnect) says. On a client it is
    /// [`Client::close`](crate::Client::close) without the wait.
    pub fn close(&self) {
        self.shared.mailbox.close(CloseReason::Application);
    }

    /// Cuts its transport without a word, as a lost network does. The session stays, and waits for its client to come back.
    pub fn disconnect(&self) {
        self.shared.mailbox.wish(|wishes| wishes.disconnect = true);
    }

    /// How long it waits for its client when the transport is lost, from now on; on a server only. Kurento: `Session.setReconnectionTimeout`.
    ///
    /// A client with resumption learns of it with its next `connect`, and until then looks for the server as often as the old one asks for: one for all sessions of a path
    /// ([`PathOptions::reconnection_timeout`](crate::PathOptions::reconnection_timeout)) it knows from the beginning.
    pub fn set_reconnection_timeout(&self, timeout: Duration) {
        self.shared.mailbox.wish(|wishes| wishes.grace = Some(timeout));
    }
}

// Its attributes. Kurento: `Session.getAttributes`.
impl Session {
    /// Sets the attribute `name`; what it was is dropped. Once the session has ended, so is `value`.
    pub fn set_attribute<T: Send + 'static>(&self, name: &str, value: T) {
        let mut inner = self.shared.lock();
        let unused = if inner.ended { Some(Box::new(value) as Attribute) } else { inner.attributes.replace(name, value) };
        // Not before it is unlocked: what is dropped may ask for the session.
        drop(inner);
        drop(unused);
    }

    /// A clone of the attribute `name`, if there is one and it is a `T`.
    #[must_use]
    pub fn attribute<T: Clone + 'static>(&self, name: &str) -> Option<T> {
        self.shared.lock().attributes.get(name).cloned()
    }

    /// Takes the attribute `name` out. Returns whether it was there.
    pub fn remove_attribute(&self, name: &str) -> bool {
        let removed = self.shared.lock().attributes.take_any(name);
        removed.is_some()
    }

    /// Changes the attribute `name` in one step: `change` gets what it was, if that was a `T`, and gives what it shall be; `None` takes it out.
    /// Nothing else may be asked of this session inside `change`.
    pub fn update_attribute<T: Send + 'static>(&self, name: &str, change: impl FnOnce(Option<T>) -> Option<T>) {
        let mut inner = self.shared.lock();
        let before = inner.attributes.take(name);
        let (mut unused, mut replaced) = (change(before), None);
        if !inner.ended
            && let Some(after) = unused.take()
        {
            replaced = inner.attributes.replace(name, after);
        }
        // As above.
        drop(inner);
        drop((unused, replaced));
    }

    /// What the application knows of the peer since it registered. Kurento: `Session.getRegisterInfo`.
    #[must_use]
    pub fn register_info<T: Clone + 'static>(&self) -> Option<T> {
        self.attribute(REGISTER_INFO)
    }

    /// Sets what [`register_info`](Self::register_info) gives.
    pub fn set_register_info<T: Send + 'static>(&self, info: T) {
        self.set_attribute(REGISTER_INFO, info);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id()).field("path", &self.path()).finish_non_exhaustive()
    }
}

impl From<PostError> for NotifyError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::Full => Self::Full,
            // A notification has no deadline.
            PostError::Closed | PostError::TimedOut => Self::Closed,
        }
    }
}

/// Waits until a post is taken; dropped, it takes the post back.
struct Posting<'a> {
    mailbox: &'a Mailbox,
    ticket: Ticket,
    post: Option<Ordered>,
    deadline: Option<Instant>,
}

impl Future for Posting<'_> {
    type Output = Result<(), PostError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let deadline = this.deadline.map(|until| (until, clock::now()));
        this.mailbox.poll_post(cx, &mut this.ticket, &mut this.post, deadline)
    }
}

impl Drop for Posting<'_> {
    fn drop(&mut self) {
        self.mailbox.give_up(&mut self.ticket);
    }
}

/// `()` and `null` are no params: JSON-RPC 2.0 section 4.2 knows objects and arrays only.
fn encode(params: &impl Serialize) -> Result<Option<Json<'static>>, String> {
    let json = Json::from_value(params).map_err(|error| error.to_string())?;
    Ok((json != Json::NULL).then_some(json))
}

/// No less than what a notification is long as the endpoint writes it, and about 300 bytes more in the worst case, a client's in Kurento's dialect.
fn notification_bytes(method: &str, params: Option<&Json<'_>>) -> usize {
    const AROUND: usize = r#"{"jsonrpc":"2.0","method":,"params":{"value":}}"#.len();
    /// What the session's id may add.
    const SESSION: usize = 16 + 2 * MAX_SESSION_ID_BYTES;
    let method = Json::from_value(method).map_or(0, |method| method.as_str().len());
    AROUND + SESSION + method + params.map_or(0, |params| params.as_str().len())
}

fn is_reserved(method: &str) -> bool {
    matches!(method, "connect" | "ping" | "closeSession")
}
