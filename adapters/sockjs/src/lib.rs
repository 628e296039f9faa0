#![doc = include_str!("lib.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod frame;
mod payload;
mod reception;
mod route;
mod session;

pub use frame::{Close, close};
pub use payload::{BadPayload, form_payload, messages};
pub use reception::{BadCallback, Callback, Reception};
pub use route::{Receiving, Route, Sending, Transport};
pub use session::{Admission, Session, Settings, Transmit};
