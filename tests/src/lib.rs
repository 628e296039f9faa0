//! What the tests of the workspace share.

pub mod hostile;
pub mod raw;
pub mod raw_client;
pub mod raw_server;
pub mod sim;
#[cfg(feature = "sockets")]
pub mod sockets;
