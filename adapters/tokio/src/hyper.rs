use crate::TokioRuntime;
use bowline::http::{Request, Response};
use bowline::{Acceptor, BoxStream};
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use tokio_util::compat::TokioAsyncReadCompatExt;

/// Answers a request of an application of hyper's, or of what stands on it, as axum does, and serves the WebSocket that comes of it: see
/// [`Acceptor::upgrade`]. The example `axum` shows it whole.
///
/// `peer` is the client's address, if the application knows it.
///
/// An interceptor cannot wait for anything. A middleware can: it finds out who the user is, and hands that over in the request's extensions.
///
/// ```
/// use axum::extract::{Request, State};
/// use axum::http::StatusCode;
/// use axum::middleware::{self, Next};
/// use axum::response::Response;
/// use axum::routing::any;
/// use bowline_tokio::{Acceptor, Context, ErrorObject, Router, TokioRuntime};
///
/// #[derive(Clone)]
/// struct User(String);
///
/// /// Asks a database, or another server.
/// async fn user_of(token: &str) -> Option<User> {
///     token.strip_prefix("Bearer ").map(|name| User(name.to_owned()))
/// }
///
/// async fn authenticate(mut request: Request, next: Next) -> Result<Response, StatusCode> {
///     let token = request.headers().get("authorization").and_then(|token| token.to_str().ok()).unwrap_or_default().to_owned();
///     let user = user_of(&token).await.ok_or(StatusCode::UNAUTHORIZED)?;
///     request.extensions_mut().insert(user);
///     Ok(next.run(request).await)
/// }
///
/// async fn rpc(State(sessions): State<Acceptor<TokioRuntime>>, mut request: Request) -> axum::http::Response<String> {
///     bowline_tokio::upgrade(&sessions, &mut request, None)
/// }
///
/// fn application() -> std::io::Result<axum::Router> {
///     let methods = Router::new().method_with("who_am_i", async |(): (), cx: Context| {
///         Ok::<_, ErrorObject>(cx.session().attribute::<User>("user").map(|user| user.0))
///     });
///     let sessions = bowline_tokio::server()
///         .path("/rpc", methods)
///         .intercept(|head, attributes| {
///             let user = head.extensions().get::<User>().ok_or(StatusCode::UNAUTHORIZED)?;
///             attributes.set("user", user.clone());
///             Ok(())
///         })
///         .build()?;
///     Ok(axum::Router::new().route("/rpc", any(rpc)).with_state(sessions).layer(middleware::from_fn(authenticate)))
/// }
/// ```
pub fn upgrade<B>(acceptor: &Acceptor<TokioRuntime>, request: &mut Request<B>, peer: Option<SocketAddr>) -> Response<String> {
    let upgraded = hyper::upgrade::on(&mut *request);
    acceptor.upgrade(request, peer, async {
        let upgraded = upgraded.await.map_err(io::Error::other)?;
        Ok(Box::new(TokioIo::new(upgraded).compat()) as BoxStream)
    })
}
