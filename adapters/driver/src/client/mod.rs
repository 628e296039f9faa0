mod addresses;
mod builder;
mod handle;
mod handshake;
mod headers;
mod target;

pub use builder::ClientBuilder;
pub use handle::Client;
