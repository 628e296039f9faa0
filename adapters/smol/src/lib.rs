#![doc = include_str!("lib.md")]
#![forbid(unsafe_code)]

mod runtime;

pub use bowline::*;
pub use runtime::{SmolListener, SmolRuntime, SmolTimer};

/// A client on smol for `url`, `ws://host[:port][/path]`, before it connects.
pub fn client(url: &str) -> ClientBuilder<SmolRuntime> {
    ClientBuilder::new(SmolRuntime::new(), url)
}

/// A server on smol that serves nothing yet.
#[must_use]
pub fn server() -> Server<SmolRuntime> {
    Server::new(SmolRuntime::new())
}
