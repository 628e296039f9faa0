//! TLS by rustls, on any runtime: it needs a stream and nothing else.

mod client;
mod error;
mod insecure;
mod pem;
mod server;

pub use client::ClientTls;
pub(crate) use client::{Connector, blame};
pub use error::TlsError;
pub use server::{ClientCertificates, ServerTls};

use futures_rustls::rustls::crypto::{CryptoProvider, ring};
use std::sync::{Arc, LazyLock};

/// What is spoken over it (RFC 7301).
const ALPN: &[u8] = b"http/1.1";

/// Named here, so that nothing depends on what the process has installed.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(ring::default_provider()));
    Arc::clone(&PROVIDER)
}
