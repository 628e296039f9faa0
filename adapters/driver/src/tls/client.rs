use super::error::TlsError;
use super::insecure::AnyCertificate;
use super::{ALPN, pem, provider};
use crate::connection::ConnectError;
use crate::runtime::BoxStream;
use futures_rustls::TlsConnector;
use futures_rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use futures_rustls::rustls::{AlertDescription, CertificateError, ClientConfig, Error, RootCertStore};
use std::fmt;
use std::io;
use std::sync::Arc;

/// How a client does TLS, for [`ClientBuilder::tls`](crate::ClientBuilder::tls): whom it trusts, and who it is.
///
/// By default it trusts whom the system trusts, and shows no certificate.
#[derive(Debug, Default)]
#[must_use]
pub struct ClientTls {
    own_roots: Vec<CertificateDer<'static>>,
    trust: Trust,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Trust {
    #[default]
    System,
    OwnOnly,
    Anybody,
}

impl ClientTls {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts these roots (PEM) beside the system's.
    ///
    /// # Errors
    ///
    /// If the text holds no certificate.
    pub fn trust(mut self, roots: &[u8]) -> Result<Self, TlsError> {
        self.own_roots.extend(pem::certificates("the text with the roots", roots)?);
        Ok(self)
    }

    /// Trusts these roots (PEM) and not the system's: for servers of one's own, whose self-signed certificate may itself be the root.
    ///
    /// # Errors
    ///
    /// If the text holds no certificate.
    pub fn trust_only(self, roots: &[u8]) -> Result<Self, TlsError> {
        let mut this = self.trust(roots)?;
        this.trust = Trust::OwnOnly;
        Ok(this)
    }

    /// Shows this certificate (PEM, with those between it and its root behind it), whose private key this is, to servers that ask.
    ///
    /// # Errors
    ///
    /// If the text does not hold what it should.
    pub fn certificate(mut self, chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        self.identity = Some((pem::certificates("the client's certificate", chain)?, pem::key("the client's key", key)?));
        Ok(self)
    }

    /// Takes any certificate of the server's, of whomever and for whatever name: everybody on the way can read and change everything. For trying things out with
    /// self-signed certificates; [`trust_only`](Self::trust_only) does that without the danger. Each client built with it says so in the log, as a warning.
    /// Kurento: `setValidateCerts(false)`.
    pub fn danger_accept_invalid_certs(mut self) -> Self {
        self.trust = Trust::Anybody;
        self
    }

    /// What opens the connections to `host`.
    pub(crate) fn connector(self, host: &str) -> Result<Connector, ConnectError> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| ConnectError::Tls(format!("`{host}` is no name that a certificate could be for")))?;
        let Self { own_roots, trust, identity } = self;
        let unusable = |error: Error| ConnectError::Tls(error.to_string());
        let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().map_err(unusable)?;
        let config = if trust == Trust::Anybody {
            tracing::warn!(host, "the server's certificate is not checked: whoever is on the way can read and change everything");
            config.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider())))
        } else {
            config.with_root_certificates(roots(own_roots, trust)?)
        };
        let mut config = match identity {
            None => config.with_no_client_auth(),
            Some((chain, key)) => config
                .with_client_auth_cert(chain, key)
                .map_err(|error| ConnectError::Tls(format!("the client's certificate and key cannot be used: {error}")))?,
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Connector { connector: Arc::new(config).into(), name })
    }
}

fn roots(own: Vec<CertificateDer<'static>>, trust: Trust) -> Result<RootCertStore, ConnectError> {
    let mut store = RootCertStore::empty();
    for root in own {
        store.add(root).map_err(|error| ConnectError::Tls(format!("a certificate cannot be a root: {error}")))?;
    }
    if trust == Trust::System {
        let system = rustls_native_certs::load_native_certs();
        // Among those of a system there are always some that are too old to be read.
        store.add_parsable_certificates(system.certs);
        if store.is_empty() {
            let why = system.errors.first().map_or_else(|| "none was found".to_owned(), ToString::to_string);
            return Err(ConnectError::Tls(format!(
                "this system has no root certificates ({why}); install them (often the package `ca-certificates`), or name those to trust \
                 (`ClientTls::trust_only`)"
            )));
        }
    }
    Ok(store)
}

/// Opens TLS connections to one server.
pub(crate) struct Connector {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Connector {
    pub(crate) async fn connect(&self, stream: BoxStream) -> Result<BoxStream, ConnectError> {
        match self.connector.connect(self.name.clone(), stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(ConnectError::Tls("the server hung up in the handshake; perhaps it does not speak TLS there".into()))
            }
            Err(error) => Err(blame(ConnectError::unreachable(error))),
        }
    }
}

/// Says of an error of the connection that it is one of TLS, if it is.
pub(crate) fn blame(error: ConnectError) -> ConnectError {
    if let ConnectError::Unreachable(io) = &error
        && let Some(tls) = io.get_ref().and_then(|inner| inner.downcast_ref::<Error>())
    {
        return ConnectError::Tls(explain(tls));
    }
    error
}

/// What is wrong, and what helps.
#[expect(clippy::wildcard_enum_match_arm, reason = "rustls knows many errors, and says itself what most of them are")]
fn explain(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => explain_certificate(error),
        Error::InvalidMessage(_) => "the server does not speak TLS there; if it is meant to be so, the address begins with ws://".into(),
        Error::NoApplicationProtocol => "the server does not speak HTTP/1.1 there".into(),
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the server wants a certificate of the client's, and none was given (`ClientTls::certificate`)".into()
        }
        Error::AlertReceived(
            alert @ (AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied),
        ) => format!("the server does not take the client's certificate: {alert:?}"),
        other => other.to_string(),
    }
}

const DAY: u64 = 24 * 3600;

#[expect(clippy::wildcard_enum_match_arm, reason = "as above")]
fn explain_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the server's certificate comes from nobody who is trusted; if it is a certificate of your own, \
             name its root, or itself if it is self-signed, as one to trust (`ClientTls::trust_only`)"
                .into()
        }
        CertificateError::ExpiredContext { time, not_after } => {
            let days = time.as_secs().saturating_sub(not_after.as_secs()) / DAY;
            format!("the server's certificate has expired {days} days ago; it has to be renewed there, unless the clock here is wrong")
        }
        CertificateError::Expired => {
            "the server's certificate has expired; it has to be renewed there, unless the clock here is wrong".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet; is the clock here right?".into()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let asked = expected.to_str();
            let for_whom = if presented.is_empty() { "no name at all".to_owned() } else { Names(presented).to_string() };
            format!("the server's certificate is not for `{asked}` but for {for_whom}; connect to a name that it has")
        }
        // webpki's word for it.
        CertificateError::Other(inner) if inner.to_string().contains("CaUsedAsEndEntity") => {
            "the server's certificate is one for signing others (`CA:TRUE`, as `openssl req -x509` makes them by default), which no server may show; \
             make one with `-addext basicConstraints=critical,CA:FALSE`"
                .into()
        }
        other => format!("the server's certificate cannot be accepted: {other}"),
    }
}

/// Names that a certificate has. rustls gives them with their kind.
struct Names<'a>(&'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|name| without_kind(name)).collect();
        f.write_str(&names.join(", "))
    }
}

/// `foo.example` of `DnsName("foo.example")`, `::1` of `IpAddress(::1)`. What is neither, nobody can connect to, and its kind tells why.
fn without_kind(name: &str) -> &str {
    let inside = |before, behind| name.strip_prefix(before)?.strip_suffix(behind);
    inside("DnsName(\"", "\")").or_else(|| inside("IpAddress(", ")")).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_certificate_is_told_without_its_kind() {
        let names = ["DnsName(\"*.foo.example\")", "IpAddress(::1)", "UniformResourceIdentifier(\"a:b\")", "plain"].map(str::to_owned);
        assert_eq!(Names(&names).to_string(), "*.foo.example, ::1, UniformResourceIdentifier(\"a:b\"), plain");
    }
}
