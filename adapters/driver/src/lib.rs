#![doc = include_str!("lib.md")]
#![forbid(unsafe_code)]

mod client;
mod clock;
mod connection;
mod guesses;
mod handler;
mod limits;
mod metrics;
mod owed;
mod readiness;
mod registry;
mod runtime;
mod server;
mod session;
mod task;
mod tcp;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "tls/off.rs"]
mod tls;
mod transport;

pub use bowline_core::{
    Close, CloseReason, DecodeError, Dialect, ErrorObject, FirstConnect, InFlight, InvalidJson, Json, Limits, Reconnect, SessionId,
};
pub use client::{Client, ClientBuilder};
pub use connection::{ConnectError, ConnectionEvent, Events, SessionKept};
pub use handler::{Answered, Context, Handler, HandlerError, Responder, Router, Service, Transaction};
pub use http;
pub use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
pub use readiness::ReadinessStream;
pub use runtime::{BoxStream, Runtime, Stream, Timer};
pub use server::{
    Acceptor, Address, BoundServer, PathOptions, RequestHead, Server, ServerHandle, ServerLimits, ShutdownReport, SockJsOptions,
};
pub use session::{Attributes, CallError, NotifyError, Session};
pub use tcp::tune_tcp;
#[cfg(feature = "tls")]
pub use tls::{ClientCertificates, ClientTls, ServerTls, TlsError};
pub use transport::{TransportInfo, TransportKind};
