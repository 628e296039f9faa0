use super::dispatch::{AnsweredHook, Context, Dispatch, Incoming, Reply, Work, sealed};
use super::error::HandlerError;
use super::transaction::Transaction;
use crate::session::Session;
use bowline_core::CloseReason;
use std::error::Error;
use std::future::Future;
use std::sync::Arc;

/// Serves requests by hand, below the [`Router`](crate::Router). Kurento: `DefaultJsonRpcHandler`.
///
/// ```
/// use bowline::{Handler, HandlerError, Transaction};
/// use std::sync::Arc;
///
/// struct Echo;
///
/// impl Handler for Echo {
///     async fn handle(self: Arc<Self>, tx: Transaction) -> Result<(), HandlerError> {
///         if let Some(params) = tx.raw_params() {
///             tx.respond_raw(params.into_owned());
///         }
///         Ok(())
///     }
/// }
/// ```
///
/// The events are called by the session's task, one after the other, and must not block.
pub trait Handler: Send + Sync + 'static {
    /// Serves one request or notification. The requests of one session come one after the other, unless the path allows more at once or
    /// [`Transaction::start_async`] lets the next one start. A handler that still runs when its session closes is dropped.
    ///
    /// # Errors
    ///
    /// An error is the answer, if none was given: see [`HandlerError`].
    fn handle(self: Arc<Self>, transaction: Transaction) -> impl Future<Output = Result<(), HandlerError>> + Send;

    /// The methods that it serves, for the metrics: those are counted by their names, all others together.
    fn methods(&self) -> Vec<&str> {
        Vec::new()
    }

    /// A session was created, or a client connected for the first time. Kurento: `afterConnectionEstablished`.
    fn session_opened(&self, session: &Session) {
        let _ = session;
    }

    /// The session goes on over a new transport. Kurento: `afterReconnection`.
    fn session_resumed(&self, session: &Session) {
        let _ = session;
    }

    /// The session has ended, for good. Kurento: `afterConnectionClosed`.
    fn session_closed(&self, session: &Session, reason: CloseReason) {
        let _ = (session, reason);
    }

    /// The session's transport failed. Kurento: `handleTransportError`.
    fn transport_error(&self, session: &Session, error: &(dyn Error + 'static)) {
        let _ = (session, error);
    }

    /// A handler failed with an error that is no answer, or panicked. Kurento: `handleUncaughtException`.
    fn uncaught_error(&self, session: &Session, error: &(dyn Error + 'static)) {
        let _ = (session, error);
    }
}

struct ByHand<H>(Arc<H>);

impl<H: Handler> sealed::IntoDispatch for H {
    #[expect(private_interfaces, reason = "see the trait")]
    fn into_dispatch(self) -> Arc<dyn Dispatch> {
        Arc::new(ByHand(Arc::new(self)))
    }
}

impl<H: Handler> Dispatch for ByHand<H> {
    fn serve(&self, request: Incoming<'_>, context: Context) -> Work {
        let transaction = Transaction {
            context,
            method: request.method.into(),
            params: request.params.map(bowline_core::Json::into_owned),
            dialect: request.dialect,
            slot: request.owed.share(),
        };
        let handled = Arc::clone(&self.0).handle(transaction);
        Work::Later(Box::pin(async move { handled.await.map(|()| Reply::Empty) }))
    }

    fn methods(&self) -> Vec<&str> {
        self.0.methods()
    }

    fn opened(&self, session: &Session) {
        self.0.session_opened(session);
    }

    fn resumed(&self, session: &Session) {
        self.0.session_resumed(session);
    }

    fn closed(&self, session: &Session, reason: CloseReason) {
        self.0.session_closed(session, reason);
    }

    fn transport_error(&self, session: &Session, error: &(dyn Error + 'static)) {
        self.0.transport_error(session, error);
    }

    fn uncaught_error(&self, session: &Session, error: &(dyn Error + 'static)) {
        self.0.uncaught_error(session, error);
    }

    fn observer(&self) -> Option<&AnsweredHook> {
        None
    }
}
