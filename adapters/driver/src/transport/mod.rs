mod closing;
mod info;
mod outgoing;
mod scratch;
pub(crate) mod sockjs;
mod websocket;

pub(crate) use closing::{close_in_background, finish_in_background, linger};
pub use info::{TransportInfo, TransportKind};
pub(crate) use websocket::{Incoming, Input, Side, WebSocket};
