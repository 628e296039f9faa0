#![doc = include_str!("lib.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod decode;
mod encode;
mod event;
mod handshake;
mod header;
mod mask;
mod message;
mod text;
mod violation;

pub use decode::Decoder;
pub use encode::{Draft, Kind, close, ping, pong};
pub use event::{CloseFrame, Event};
pub use handshake::{accept_key, request_key};
pub use violation::Violation;

/// Which end of the connection this is: a client masks what it sends, a server does not (RFC 6455 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// What it reads has to be masked.
    Server,
    /// What it reads must not be masked.
    Client,
}
