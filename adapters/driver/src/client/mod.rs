mod addresses;
mod builder;
mod handle;
mod handshake;
mod target;

pub use builder::ClientBuilder;
pub use handle::Client;
