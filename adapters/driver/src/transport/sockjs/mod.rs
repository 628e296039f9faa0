//! A SockJS session as a transport: requests on one side, the bytes of a WebSocket on the other.
//!
//! The session task knows one kind of transport. So what a client posts becomes frames of a WebSocket here, and what the task writes becomes frames of SockJS. That is one more copy of
//! each message, for those who have nothing better, and no branch on the way of those who have.

mod line;
mod pipe;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use line::{Attached, Line, Ticket};
pub(crate) use pipe::Pipe;
pub(crate) use table::{Key, Table};
