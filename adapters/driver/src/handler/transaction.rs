use super::dispatch::{Context, invalid_params};
use crate::owed::AnswerSlot;
use crate::session::Session;
use bowline_core::{Dialect, ErrorObject, Json, Outcome, decode_params, unbox};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::Arc;

/// One request or notification of the peer, in the hands of a [`Handler`](crate::Handler). Kurento: `Transaction`.
///
/// It may be answered at any time while the handler runs, once; later answers are dropped. The session's next request waits for the handler's
/// end all the same, or for [`start_async`](Self::start_async). If the handler returns without an answer, the peer gets the
/// empty one (PROTOCOL 2).
pub struct Transaction {
    pub(super) context: Context,
    pub(super) method: Box<str>,
    pub(super) params: Option<Json<'static>>,
    pub(super) dialect: Dialect,
    pub(super) slot: Arc<AnswerSlot>,
}

impl Transaction {
    /// The name of the method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The params as a `T`.
    ///
    /// # Errors
    ///
    /// -32602, which names the member at fault. With `?` it becomes the answer.
    pub fn params<T: DeserializeOwned>(&self) -> Result<T, ErrorObject> {
        decode_params(self.params.as_ref(), self.dialect).map_err(|error| invalid_params(&error))
    }

    /// The params as they came; in the Kurento dialect without `sessionId`, and a scalar or an array without the box `{"value":…}` around it.
    #[must_use]
    pub fn raw_params(&self) -> Option<Json<'_>> {
        self.params.as_ref().map(|params| unbox(params.borrow(), self.dialect))
    }

    /// The session that it came in. Kurento: `Transaction.getSession`.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.context.session
    }

    /// Whether it is the first request of the session. Kurento: `Session.isNew`.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.context.is_new
    }

    /// Whether it is a notification, which nobody waits for. Kurento: `Transaction.isNotification`.
    #[must_use]
    pub fn is_notification(&self) -> bool {
        self.context.is_notification
    }

    /// Answers with `result`. Kurento: `Transaction.sendResponse`.
    ///
    /// # Errors
    ///
    /// If `result` cannot be written as JSON; then nothing was answered.
    pub fn respond<T: Serialize + ?Sized>(&self, result: &T) -> Result<(), serde_json::Error> {
        self.respond_raw(Json::from_value(result)?);
        Ok(())
    }

    /// Answers with JSON as it is.
    pub fn respond_raw(&self, result: Json<'static>) {
        answer(self.session(), &self.slot, Outcome::Result(result));
    }

    /// Answers with an error. Kurento: `Transaction.sendError`.
    pub fn respond_error(&self, error: ErrorObject) {
        answer(self.session(), &self.slot, Outcome::Error(error));
    }

    /// Leaves the answer to whoever has the [`Responder`], and lets the session's next request start, as long as no more handlers than
    /// [`Limits::in_flight`](crate::Limits::in_flight) are at work. Kurento: `Transaction.startAsync`.
    #[must_use = "a responder that is dropped gives the empty answer"]
    pub fn start_async(self) -> Responder {
        self.slot.keep();
        let session = self.context.session.clone();
        session.shared.mailbox.defer_shared(Arc::clone(&self.slot));
        Responder { session, slot: self.slot }
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("method", &self.method).field("params", &self.params).finish_non_exhaustive()
    }
}

/// The right to answer one request, later and from anywhere. Dropped, it gives the empty answer.
pub struct Responder {
    session: Session,
    slot: Arc<AnswerSlot>,
}

impl Responder {
    /// The session of the request.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Answers with `result`.
    ///
    /// # Errors
    ///
    /// If `result` cannot be written as JSON; the peer gets the error -32603 then.
    pub fn respond<T: Serialize + ?Sized>(self, result: &T) -> Result<(), serde_json::Error> {
        match Json::from_value(result) {
            Ok(result) => {
                self.respond_raw(result);
                Ok(())
            }
            Err(error) => {
                self.respond_error(ErrorObject::internal());
                Err(error)
            }
        }
    }

    /// Answers with JSON as it is.
    pub fn respond_raw(self, result: Json<'static>) {
        answer(&self.session, &self.slot, Outcome::Result(result));
    }

    /// Answers with an error.
    pub fn respond_error(self, error: ErrorObject) {
        answer(&self.session, &self.slot, Outcome::Error(error));
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        answer(&self.session, &self.slot, Outcome::Empty);
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder").field("session", &self.session).finish_non_exhaustive()
    }
}

fn answer(session: &Session, slot: &AnswerSlot, outcome: Outcome<'static>) {
    if let Some(responder) = slot.take() {
        session.shared.mailbox.answer(session.request, responder, outcome);
    }
}
