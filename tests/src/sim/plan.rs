//! What one schedule is made of, all drawn from its seed.

use super::network::Side;
use super::rng::Rng;
use bowline_core::{ClientConfig, Dialect, Limits, Reconnect, ServerConfig};
use std::sync::Arc;
use std::time::Duration;

/// The parameters of a schedule.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many clients the server has.
    pub clients: usize,
    /// Operations of the applications, over all clients.
    pub operations: u32,
    /// Faults of the network.
    pub faults: u32,
    /// The longest one-way delay of a frame.
    pub latency: Duration,
    /// How often (of a hundred) a frame is slower than a client's patience: what it has given up arrives after all.
    pub spikes: u64,
    /// Bytes that a connection takes before its reader has read them.
    pub window: usize,
    /// The longest that a side may take to learn of a cut.
    pub notice: Duration,
    /// How often (of a hundred) a side never learns of a cut by itself.
    pub half_open: u64,
    /// How often (of a hundred) a fault is a restart of the server.
    pub restarts: u64,
    /// Whether pings are lost on their way: a client that never acknowledges while it is connected.
    pub mute: bool,
    /// The side whose slow handlers call their caller before they answer. If both did, calls could fill both buffers, and nobody would have room to ask.
    pub asks_back: Option<Side>,
    /// Time over which operations and faults are spread.
    pub span: Duration,
    /// The server's configuration.
    pub server: Arc<ServerConfig>,
    /// The clients' configuration.
    pub client: Arc<ClientConfig>,
}

impl Plan {
    /// The plan for a seed.
    #[must_use]
    pub fn draw(rng: &mut Rng) -> Self {
        let dialect = if rng.chance(50) { Dialect::Kurento } else { Dialect::Strict };
        let ms = Duration::from_millis;
        let small = rng.chance(30);
        let limits = Limits {
            outbox_messages: if small { rng.between(2, 12) as usize } else { 1024 },
            outbox_bytes: if small { rng.between(200, 4000) as usize } else { 256 * 1024 },
            in_flight: if rng.chance(20) { rng.between(1, 6) as usize } else { 1024 },
            ..Limits::default()
        };
        let half_open = if rng.chance(40) { 40 } else { 0 };
        let heartbeat = (half_open > 0 || rng.chance(50)).then(|| ms(rng.between(200, 5000)));
        let server = ServerConfig {
            dialect,
            limits: limits.clone(),
            grace: ms(if rng.chance(15) { rng.between(100, 2000) } else { 60_000 }),
            watchdog: rng.chance(30),
            concurrency: if rng.chance(70) { 1 } else { 3 },
            ..ServerConfig::default()
        };
        let client = ClientConfig {
            dialect,
            limits,
            heartbeat,
            request_timeout: if rng.chance(20) { ms(rng.between(50, 3000)) } else { Duration::from_secs(3600) },
            idle_timeout: Some(Duration::from_secs(30)),
            reconnect: Reconnect::Forever,
            first_connect: bowline_core::FirstConnect::Retry,
            backoff_max: Duration::from_secs(2),
            ..ClientConfig::default()
        };
        let clients = rng.between(1, 3) as usize;
        let operations = rng.between(5, 60) as u32;
        // A server may keep less for each session than clients do that are left as they are. This is not drawn, …
        let usual = Limits::default();
        let limits = if operations.is_multiple_of(4) {
            Limits { outbox_messages: usual.outbox_messages, outbox_bytes: usual.outbox_bytes, ..client.limits.clone() }
        } else {
            client.limits.clone()
        };
        let client = ClientConfig { limits, ..client };
        Self {
            clients,
            operations,
            faults: rng.below(8) as u32,
            latency: ms(rng.between(1, 200)),
            spikes: if rng.chance(15) { rng.between(1, 8) } else { 0 },
            window: if rng.chance(30) { rng.between(100, 2000) as usize } else { 1 << 20 },
            notice: ms(rng.between(1, 3000)),
            half_open,
            restarts: if rng.chance(10) { 25 } else { 0 },
            mute: rng.chance(5),
            // … nor is this: the decisions of a tape stay where they are.
            asks_back: [None, Some(Side::Client), Some(Side::Server)][operations as usize % 3],
            span: ms(rng.between(100, 20_000)),
            server: Arc::new(server),
            client: Arc::new(client),
        }
    }
}
