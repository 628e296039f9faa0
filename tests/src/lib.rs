//! What the tests of the workspace share.

#[cfg(feature = "sockets")]
pub mod attacks;
#[cfg(feature = "sockets")]
pub mod conformance;
pub mod hostile;
pub mod raw;
pub mod raw_client;
pub mod raw_frame;
pub mod raw_server;
pub mod sim;
#[cfg(feature = "sockets")]
pub mod sockets;
