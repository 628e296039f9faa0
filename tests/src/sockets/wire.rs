//! The same scenario, with TLS and without.

use super::peer::{Head, Peer, ask};
use bowline::{BoundServer, ClientBuilder, ClientTls, Runtime, Server, ServerTls};
use bowline_smol::SmolRuntime;
use bowline_tokio::TokioRuntime;
use futures_rustls::pki_types::ServerName;
use futures_rustls::rustls::crypto::ring;
use futures_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rcgen::{CertificateParams, KeyPair};
use std::fmt::Debug;
use std::future::Future;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

/// A blocking connection of a [`Peer`], with TLS or without.
pub trait Connection: Read + Write + Send + Debug {}

impl<S: Read + Write + Send + Debug> Connection for S {}

/// A runtime whose servers and clients meet over `ws://`, or over `wss://`, as [`Over`](super::Over) says. A scenario that takes this, and not a bare [`Runtime`], can be run over both.
pub trait Wire: Runtime {
    /// The certificate of its servers, which its clients trust; `None` for `ws://`.
    fn certificate(&self) -> Option<&'static Certificate> {
        None
    }

    /// Binds `server`.
    fn listen(&self, server: Server<Self>, address: &str) -> impl Future<Output = io::Result<BoundServer<Self>>> + Send {
        let certificate = self.certificate();
        async move {
            match certificate {
                Some(certificate) => server.bind_tls(address, &certificate.server).await,
                None => server.bind(address).await,
            }
        }
    }

    /// A client for `url`, which says `ws://` in either case, before it connects.
    ///
    /// # Panics
    ///
    /// If our own certificate cannot be read.
    fn dial(&self, url: &str) -> ClientBuilder<Self> {
        match self.certificate() {
            Some(certificate) => {
                let tls = ClientTls::new().trust_only(certificate.pem.as_bytes()).expect("a certificate");
                ClientBuilder::new(self.clone(), &url.replacen("ws://", "wss://", 1)).tls(tls)
            }
            None => ClientBuilder::new(self.clone(), url),
        }
    }

    /// How a peer that is not ours connects.
    fn opener(&self) -> Opener {
        Opener(self.certificate())
    }
}

impl Wire for TokioRuntime {}

impl Wire for SmolRuntime {}

/// Opens blocking connections to the servers of a [`Wire`].
#[derive(Clone, Copy, Debug)]
pub struct Opener(Option<&'static Certificate>);

impl Opener {
    /// A connection that will not wait for ever.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    ///
    /// # Panics
    ///
    /// If rustls does not take our own configuration.
    pub fn open(self, address: SocketAddr) -> io::Result<Box<dyn Connection>> {
        let stream = Peer::open(address)?;
        let Some(certificate) = self.0 else { return Ok(Box::new(stream)) };
        let name = ServerName::IpAddress(address.ip().into());
        let tls = ClientConnection::new(Arc::clone(&certificate.peer), name).expect("a TLS client");
        Ok(Box::new(StreamOwned::new(tls, stream)))
    }

    /// Asks for a WebSocket at `path` with more `headers`. Returns whatever the server answers.
    ///
    /// # Errors
    ///
    /// If the connection ends before there is an answer.
    pub fn handshake(self, address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> io::Result<Head> {
        ask(&mut self.open(address)?, &address.to_string(), path, headers)
    }

    /// A peer at `path`.
    ///
    /// # Panics
    ///
    /// If it does not get in.
    #[must_use]
    pub fn connect(self, address: SocketAddr, path: &str) -> Peer<Box<dyn Connection>> {
        Peer::over(self.open(address).expect("the server is there"), path)
    }
}

/// The certificate for 127.0.0.1 of every server over TLS, made once for the process.
#[derive(Debug)]
pub struct Certificate {
    pem: String,
    server: ServerTls,
    peer: Arc<ClientConfig>,
}

impl Certificate {
    pub(super) fn the_one() -> &'static Self {
        static CERTIFICATE: OnceLock<Certificate> = OnceLock::new();
        CERTIFICATE.get_or_init(|| {
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
            let certificate = params.self_signed(&key).expect("a certificate");
            let server =
                ServerTls::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).expect("a certificate and its key");
            let mut roots = RootCertStore::empty();
            roots.add(certificate.der().clone()).expect("a root");
            let peer = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("protocol versions")
                .with_root_certificates(roots)
                .with_no_client_auth();
            Self { pem: certificate.pem(), server, peer: Arc::new(peer) }
        })
    }
}
