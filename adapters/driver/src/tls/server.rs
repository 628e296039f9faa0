use super::error::TlsError;
use super::{ALPN, pem, provider};
use crate::runtime::BoxStream;
use futures_rustls::TlsAcceptor;
use futures_rustls::rustls::server::WebPkiClientVerifier;
use futures_rustls::rustls::{self, InconsistentKeys, RootCertStore, ServerConfig};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// A server's certificate and key, for [`Server::bind_tls`](crate::Server::bind_tls).
///
/// It is cheap to clone, and all clones are one: what [`reload`](Self::reload) or [`replace`](Self::replace) brings holds for every connection that comes
/// after, on every listener that has it. Connections that are there go on.
#[derive(Clone)]
pub struct ServerTls {
    source: Source,
    clients: Option<(Arc<RootCertStore>, ClientCertificates)>,
    config: Arc<RwLock<Arc<ServerConfig>>>,
}

#[derive(Clone)]
enum Source {
    Memory,
    Files { chain: PathBuf, key: PathBuf },
}

/// Whether clients have to show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// One that shows none, or one that is not trusted, gets no connection.
    Required,
    /// One that shows none comes in all the same; an interceptor can see that ([`RequestHead::certificate`](crate::RequestHead::certificate)).
    Optional,
}

impl ServerTls {
    /// Reads the certificate, with those between it and its root behind it, and its private key from PEM files.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or does not hold what it should, or the key is not that of the certificate.
    pub fn from_pem_files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, TlsError> {
        let (chain, key) = (chain.as_ref(), key.as_ref());
        let config = read(chain, key, None)?;
        Ok(Self::with(Source::Files { chain: chain.to_owned(), key: key.to_owned() }, config))
    }

    /// As [`from_pem_files`](Self::from_pem_files), from memory.
    ///
    /// # Errors
    ///
    /// If the text does not hold what it should, or the key is not that of the certificate.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Ok(Self::with(Source::Memory, configure(Pair::in_memory(chain, key), None)?))
    }

    fn with(source: Source, config: ServerConfig) -> Self {
        Self { source, clients: None, config: Arc::new(RwLock::new(Arc::new(config))) }
    }

    /// Asks clients for a certificate that one of these roots (PEM) has signed. Do this before a listener gets it: clones made before go on without.
    ///
    /// # Errors
    ///
    /// If the text holds no certificate, or the server's own files cannot be read any more.
    pub fn client_certificates(self, roots: &[u8], wanted: ClientCertificates) -> Result<Self, TlsError> {
        let roots = Arc::new(pem::roots("the clients' roots", roots)?);
        let clients = Some((roots, wanted));
        let own = Arc::clone(&self.current().cert_resolver);
        let config = begin(clients.as_ref())?.with_cert_resolver(own);
        let Self { source, .. } = self;
        Ok(Self { clients, ..Self::with(source, finish(config)) })
    }

    /// Reads the files again. If that fails, what was there before stays in use.
    ///
    /// # Errors
    ///
    /// As for [`from_pem_files`](Self::from_pem_files), or if it came from memory.
    pub fn reload(&self) -> Result<(), TlsError> {
        match &self.source {
            Source::Files { chain, key } => self.put(read(chain, key, self.clients.as_ref())),
            Source::Memory => Err(TlsError::new("the certificate was given in memory: there is no file to read again; replace it")),
        }
    }

    /// Puts these in place of what it has. If that fails, what was there before stays in use.
    ///
    /// # Errors
    ///
    /// As for [`from_pem`](Self::from_pem).
    pub fn replace(&self, chain: &[u8], key: &[u8]) -> Result<(), TlsError> {
        self.put(configure(Pair::in_memory(chain, key), self.clients.as_ref()))
    }

    fn put(&self, config: Result<ServerConfig, TlsError>) -> Result<(), TlsError> {
        let config = config.map_err(|error| TlsError::new(format!("{error} (the certificate of before stays in use)")))?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        Ok(())
    }

    fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The server's side of the TLS handshake. Returns what is inside, and the certificate that the client has shown.
    pub(crate) async fn accept(&self, stream: BoxStream) -> io::Result<(BoxStream, Option<Arc<[u8]>>)> {
        let stream = TlsAcceptor::from(self.current()).accept(stream).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let certificate = shown.map(|certificate| Arc::from(certificate.as_ref()));
        Ok((Box::new(stream), certificate))
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("ServerTls");
        if let Source::Files { chain, key } = &self.source {
            f.field("chain", chain).field("key", key);
        }
        f.field("clients", &self.clients.as_ref().map(|(_, wanted)| wanted)).finish_non_exhaustive()
    }
}

/// A certificate chain and its key, and what they are called.
struct Pair<'a> {
    chain: (&'a str, &'a [u8]),
    key: (&'a str, &'a [u8]),
}

impl<'a> Pair<'a> {
    fn in_memory(chain: &'a [u8], key: &'a [u8]) -> Self {
        Self { chain: ("the certificate", chain), key: ("the key", key) }
    }
}

type Clients = (Arc<RootCertStore>, ClientCertificates);

fn read(chain: &Path, key: &Path, clients: Option<&Clients>) -> Result<ServerConfig, TlsError> {
    let named = |path: &Path| format!("`{}`", path.display());
    let (chain_text, key_text) = (pem::read(chain)?, pem::read(key)?);
    let pair = Pair { chain: (&named(chain), &chain_text), key: (&named(key), &key_text) };
    configure(pair, clients)
}

fn configure(pair: Pair<'_>, clients: Option<&Clients>) -> Result<ServerConfig, TlsError> {
    let chain = pem::certificates(pair.chain.0, pair.chain.1)?;
    let key = pem::key(pair.key.0, pair.key.1)?;
    let config = begin(clients)?.with_single_cert(chain, key).map_err(|error| {
        if error == rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) {
            return TlsError::new(format!("{} is not the key of the first certificate in {}", pair.key.0, pair.chain.0));
        }
        TlsError::new(format!("{} and {} cannot be used: {error}", pair.chain.0, pair.key.0))
    })?;
    Ok(finish(config))
}

type Begun = rustls::ConfigBuilder<ServerConfig, rustls::server::WantsServerCert>;

fn begin(clients: Option<&Clients>) -> Result<Begun, TlsError> {
    let unusable = |error: &dyn fmt::Display| TlsError::new(error.to_string());
    let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().map_err(|error| unusable(&error))?;
    let Some((roots, wanted)) = clients else { return Ok(config.with_no_client_auth()) };
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider());
    let verifier = match wanted {
        ClientCertificates::Required => verifier,
        ClientCertificates::Optional => verifier.allow_unauthenticated(),
    };
    Ok(config.with_client_cert_verifier(verifier.build().map_err(|error| unusable(&error))?))
}

fn finish(mut config: ServerConfig) -> ServerConfig {
    config.alpn_protocols = vec![ALPN.to_vec()];
    config
}
