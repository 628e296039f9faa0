#![doc = include_str!("lib.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "hyper")]
mod hyper;
mod runtime;

pub use bowline::*;
#[cfg(feature = "hyper")]
pub use hyper::upgrade;
pub use runtime::{TokioListener, TokioRuntime, TokioTimer};

/// A client on tokio for `url`, `ws://host[:port][/path]`, before it connects.
pub fn client(url: &str) -> ClientBuilder<TokioRuntime> {
    ClientBuilder::new(TokioRuntime::new(), url)
}

/// A server on tokio that serves nothing yet.
#[must_use]
pub fn server() -> Server<TokioRuntime> {
    Server::new(TokioRuntime::new())
}

/// The examples of the README and of the guide, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
#[doc = include_str!("../../../docs/guide.md")]
struct Readme;
