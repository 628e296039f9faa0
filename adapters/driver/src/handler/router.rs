use super::dispatch::{Answered, AnsweredHook, Context, Dispatch, Incoming, Reply, Work, invalid_params, sealed};
use super::error::HandlerError;
use crate::session::Session;
use bowline_core::{CloseReason, ErrorObject, Json, decode_params, unbox};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::TypeId;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

/// Maps methods to typed async functions.
///
/// ```
/// use bowline::{Context, ErrorObject, Router};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Add {
///     a: i64,
///     b: i64,
/// }
///
/// let router = Router::new()
///     .method("add", async |p: Add| Ok::<_, ErrorObject>(p.a + p.b))
///     .method_with("whoami", async |(), cx: Context| Ok::<_, ErrorObject>(cx.session().path().to_owned()))
///     .on_close(|session, reason| println!("{session:?} closed: {}", reason.as_str()));
/// ```
///
/// Params that do not fit are answered with -32602, which names the member; a method that nobody has with -32601. State is what the functions
/// capture: clone an `Arc` into each call's future.
#[derive(Default)]
pub struct Router {
    methods: BTreeMap<Box<str>, Box<Function>>,
    fallback: Option<Box<Function>>,
    on_open: Option<Box<SessionHook>>,
    on_resume: Option<Box<SessionHook>>,
    on_close: Option<Box<CloseHook>>,
    on_error: Option<Box<ErrorHook>>,
    on_answered: Option<Box<AnsweredHook>>,
}

type Function = dyn Fn(Incoming<'_>, Context) -> Work + Send + Sync;
type SessionHook = dyn Fn(&Session) + Send + Sync;
type CloseHook = dyn Fn(&Session, CloseReason) + Send + Sync;
type ErrorHook = dyn Fn(&Session, &(dyn Error + 'static)) + Send + Sync;

impl Router {
    /// One without methods.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves `name` with `function`. Its error is an [`ErrorObject`], or any other type that implements [`Error`], or a [`HandlerError`], which takes all of them by `?`; what `?` does not take
    /// (`Box<dyn Error + Send + Sync>`, `anyhow::Error`), [`HandlerError::new`] does. `()` as result gives the empty answer.
    ///
    /// The requests of a session run one at a time, unless [`PathOptions::concurrency`](crate::PathOptions::concurrency) allows more. When the session closes, a future that still runs is dropped where it
    /// waits: what has to be done to its end in any case is for a task of its own. A second function for the same name replaces the first.
    #[must_use]
    pub fn method<P, T, E, Fut>(self, name: &str, function: impl Fn(P) -> Fut + Send + Sync + 'static) -> Self
    where
        P: DeserializeOwned + 'static,
        T: Serialize + 'static,
        E: Into<HandlerError> + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.with(name, move |request, _| typed(&request, &function))
    }

    /// As [`method`](Self::method), for a function that wants to know its session or to answer later.
    ///
    /// A function that calls its peer, whose handler calls back before it answers, waits for itself: what is called back waits until this one is done. Then let the next request start first:
    ///
    /// ```
    /// use bowline::{Context, HandlerError, Router};
    ///
    /// let router = Router::new().method_with("join", async |room: String, cx: Context| {
    ///     cx.start_async();
    ///     Ok::<_, HandlerError>(cx.session().call::<bool>("may_i_let_you_in", room).await?)
    /// });
    /// ```
    #[must_use]
    pub fn method_with<P, T, E, Fut>(self, name: &str, function: impl Fn(P, Context) -> Fut + Send + Sync + 'static) -> Self
    where
        P: DeserializeOwned + 'static,
        T: Serialize + 'static,
        E: Into<HandlerError> + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.with(name, move |request, context| typed(&request, |params| function(params, context)))
    }

    /// Serves `name` with JSON as it is, both ways; no result is the empty answer. A scalar or an array that a Kurento client has boxed as
    /// `{"value":…}` comes without its box.
    #[must_use]
    pub fn raw<E, Fut>(self, name: &str, function: impl Fn(Option<Json<'static>>, Context) -> Fut + Send + Sync + 'static) -> Self
    where
        E: Into<HandlerError> + 'static,
        Fut: Future<Output = Result<Option<Json<'static>>, E>> + Send + 'static,
    {
        self.with(name, move |request, context| untyped(function(unboxed(request), context)))
    }

    /// Serves every method that has no function of its own: the function gets its name first.
    #[must_use]
    pub fn fallback<E, Fut>(mut self, function: impl Fn(String, Option<Json<'static>>, Context) -> Fut + Send + Sync + 'static) -> Self
    where
        E: Into<HandlerError> + 'static,
        Fut: Future<Output = Result<Option<Json<'static>>, E>> + Send + 'static,
    {
        self.fallback = Some(Box::new(move |request, context| untyped(function(request.method.to_owned(), unboxed(request), context))));
        self
    }

    /// Called when a session was created. Kurento: `afterConnectionEstablished`.
    #[must_use]
    pub fn on_open(mut self, hook: impl Fn(&Session) + Send + Sync + 'static) -> Self {
        self.on_open = Some(Box::new(hook));
        self
    }

    /// Called when a session goes on over a new transport. Kurento: `afterReconnection`.
    #[must_use]
    pub fn on_resume(mut self, hook: impl Fn(&Session) + Send + Sync + 'static) -> Self {
        self.on_resume = Some(Box::new(hook));
        self
    }

    /// Called when a session has ended, for good. Kurento: `afterConnectionClosed`.
    #[must_use]
    pub fn on_close(mut self, hook: impl Fn(&Session, CloseReason) + Send + Sync + 'static) -> Self {
        self.on_close = Some(Box::new(hook));
        self
    }

    /// Called when a function failed with an error that is no answer, or panicked, and when a transport failed. Kurento:
    /// `handleUncaughtException`, `handleTransportError`.
    #[must_use]
    pub fn on_error(mut self, hook: impl Fn(&Session, &(dyn Error + 'static)) + Send + Sync + 'static) -> Self {
        self.on_error = Some(Box::new(hook));
        self
    }

    /// Called when a request or notification is done with, whatever became of it: for logs and metrics.
    #[must_use]
    pub fn on_answered(mut self, hook: impl Fn(&Session, &Answered<'_>) + Send + Sync + 'static) -> Self {
        self.on_answered = Some(Box::new(hook));
        self
    }

    fn with(mut self, name: &str, function: impl Fn(Incoming<'_>, Context) -> Work + Send + Sync + 'static) -> Self {
        self.methods.insert(name.into(), Box::new(function));
        self
    }
}

/// The params for a function that takes any: what a Kurento peer had to box comes out of its box (PROTOCOL 2).
fn unboxed(request: Incoming<'_>) -> Option<Json<'static>> {
    request.params.map(|params| unbox(params, request.dialect).into_owned())
}

/// Decodes in the frame, so that only what the function wants is copied out of it.
fn typed<P, T, E, Fut>(request: &Incoming<'_>, function: impl FnOnce(P) -> Fut) -> Work
where
    P: DeserializeOwned,
    T: Serialize + 'static,
    E: Into<HandlerError>,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
{
    match decode_params(request.params.as_ref(), request.dialect) {
        Ok(params) => {
            let future = function(params);
            Work::Later(Box::pin(async move { encode(&future.await.map_err(Into::into)?) }))
        }
        Err(error) => Work::Done(Err(invalid_params(&error).into())),
    }
}

fn untyped<E: Into<HandlerError>>(future: impl Future<Output = Result<Option<Json<'static>>, E>> + Send + 'static) -> Work {
    Work::Later(Box::pin(async move { Ok(future.await.map_err(Into::into)?.map_or(Reply::Empty, Reply::Result)) }))
}

fn encode<T: Serialize + 'static>(result: &T) -> Result<Reply, HandlerError> {
    // `()` says nothing, which is the empty answer; `None` says null.
    if TypeId::of::<T>() == TypeId::of::<()>() {
        return Ok(Reply::Empty);
    }
    Ok(Reply::Result(Json::from_value(result)?))
}

impl sealed::IntoDispatch for Router {
    #[expect(private_interfaces, reason = "see the trait")]
    fn into_dispatch(self) -> Arc<dyn Dispatch> {
        Arc::new(self)
    }
}

impl Dispatch for Router {
    fn serve(&self, request: Incoming<'_>, context: Context) -> Work {
        match self.methods.get(request.method).or(self.fallback.as_ref()) {
            Some(function) => function(request, context),
            None => Work::Done(Err(ErrorObject::method_not_found(request.method).into())),
        }
    }

    fn methods(&self) -> Vec<&str> {
        self.methods.keys().map(|name| &**name).collect()
    }

    fn opened(&self, session: &Session) {
        if let Some(hook) = &self.on_open {
            hook(session);
        }
    }

    fn resumed(&self, session: &Session) {
        if let Some(hook) = &self.on_resume {
            hook(session);
        }
    }

    fn closed(&self, session: &Session, reason: CloseReason) {
        if let Some(hook) = &self.on_close {
            hook(session, reason);
        }
    }

    fn transport_error(&self, session: &Session, error: &(dyn Error + 'static)) {
        self.uncaught_error(session, error);
    }

    fn uncaught_error(&self, session: &Session, error: &(dyn Error + 'static)) {
        if let Some(hook) = &self.on_error {
            hook(session, error);
        }
    }

    fn observer(&self) -> Option<&AnsweredHook> {
        self.on_answered.as_deref()
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("methods", &self.methods.keys()).finish_non_exhaustive()
    }
}
