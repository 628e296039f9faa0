use super::error::HandlerError;
use crate::owed::Owed;
use crate::session::Session;
use bowline_core::{CloseReason, DecodeError, Dialect, ErrorObject, Json};
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// What serves the requests of a path or of a client: a [`Router`](crate::Router), or your own [`Handler`](crate::Handler).
///
/// You never implement it.
#[diagnostic::on_unimplemented(message = "`{Self}` cannot serve requests", note = "give a `Router`, or a type that implements `Handler`")]
pub trait Service: sealed::IntoDispatch {}

impl<S: sealed::IntoDispatch> Service for S {}

pub(crate) mod sealed {
    use super::{Arc, Dispatch};

    /// What a service becomes when it is served.
    pub trait IntoDispatch {
        #[expect(private_interfaces, reason = "the trait is sealed: nobody outside can name it")]
        fn into_dispatch(self) -> Arc<dyn Dispatch>;
    }
}

/// What the session task needs of the application.
pub(crate) trait Dispatch: Send + Sync + 'static {
    fn serve(&self, request: Incoming<'_>, context: Context) -> Work;
    fn opened(&self, session: &Session);
    fn resumed(&self, session: &Session);
    fn closed(&self, session: &Session, reason: CloseReason);
    fn transport_error(&self, session: &Session, error: &(dyn Error + 'static));
    fn uncaught_error(&self, session: &Session, error: &(dyn Error + 'static));
    /// The methods that it knows by name, for the metrics: all others are counted together.
    fn methods(&self) -> Vec<&str>;
    /// What wants to know of every answer; most services do not.
    fn observer(&self) -> Option<&AnsweredHook>;
}

pub(crate) type AnsweredHook = dyn Fn(&Session, &Answered<'_>) + Send + Sync;

/// A request or notification that its handler is done with: see [`Router::on_answered`](crate::Router::on_answered).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Answered<'a> {
    /// The method's name, as the peer wrote it.
    pub method: &'a str,
    /// The error that was the answer, if it was one.
    pub error: Option<&'a ErrorObject>,
    /// Whether nobody waited for an answer.
    pub notification: bool,
    /// The time from its start to its end.
    pub elapsed: Duration,
}

/// A request, still in its frame.
pub(crate) struct Incoming<'a> {
    pub(crate) method: &'a str,
    pub(crate) params: Option<Json<'a>>,
    pub(crate) dialect: Dialect,
    /// For handlers that answer by themselves.
    pub(crate) owed: &'a mut Owed,
}

/// The answer to params that do not fit: it names the member.
pub(super) fn invalid_params(error: &DecodeError) -> ErrorObject {
    let DecodeError { path, message } = error;
    ErrorObject::invalid_params(&if path.is_empty() { message.clone() } else { format!("`{path}`: {message}") })
}

/// What became of a request.
pub(crate) enum Work {
    Done(Result<Reply, HandlerError>),
    /// It runs on. The task polls it in place, first at once.
    Later(Pin<Box<dyn Future<Output = Result<Reply, HandlerError>> + Send>>),
}

/// What a handler gives back.
#[derive(Debug)]
pub(crate) enum Reply {
    Result(Json<'static>),
    Empty,
}

/// What a handler knows of its request, beside the params.
#[derive(Clone, Debug)]
pub struct Context {
    pub(crate) session: Session,
    pub(crate) is_new: bool,
    pub(crate) is_notification: bool,
}

impl Context {
    /// The session that it came in.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Whether it is the first request of the session. Kurento: `Session.isNew`.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Whether it is a notification: what its handler returns is dropped.
    #[must_use]
    pub fn is_notification(&self) -> bool {
        self.is_notification
    }

    /// Lets the session's next request start now. This handler goes on beside it, and what it returns is still the answer. Kurento: `Transaction.startAsync`.
    pub fn start_async(&self) {
        self.session.shared.mailbox.defer(self.session.request);
    }
}
