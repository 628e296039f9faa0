//! What a client's task and its handles both know of its connection.

mod error;
mod event;

use crate::transport::WebSocket;
pub use error::ConnectError;
pub use event::{ConnectionEvent, Events, SessionKept};
pub(crate) use event::{EventHook, Hub};
use std::future::Future;
use std::pin::Pin;

/// A transport being opened.
pub(crate) type Dialing = Pin<Box<dyn Future<Output = Result<WebSocket, ConnectError>> + Send>>;
/// What opens one.
pub(crate) type Dial = Box<dyn Fn() -> Dialing + Send>;
