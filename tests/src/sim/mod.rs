//! A server with several clients over a simulated network, on virtual time, driven by a seed.
//!
//! One **schedule** is one seed: how the network delays and cuts, when the server pauses or restarts, what the applications send. The network cuts
//! connections at any byte, lets either side learn of it late or never, and keeps old connections alive beside new ones. A small model
//! ([`model`]) knows what was sent and checks what arrives: each message exactly once and in order as long as the session lives, each call
//! settled exactly once, bounds kept, timers that move on.

mod applications;
pub mod model;
pub mod network;
pub mod plan;
pub mod rng;
pub mod script;
mod wires;
pub mod world;

pub use model::Tally;
pub use plan::Plan;
pub use world::{run, run_tape};
