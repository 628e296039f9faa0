//! What stands in PEM files (RFC 7468).

use super::error::TlsError;
use futures_rustls::pki_types::pem::{self, PemObject};
use futures_rustls::pki_types::{CertificateDer, PrivateKeyDer};
use futures_rustls::rustls::RootCertStore;
use std::path::Path;

/// The certificates in `text`, which is called `name`.
pub(super) fn certificates(name: &str, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let found = found.map_err(|error| TlsError::new(format!("{name} is no PEM: {error}")))?;
    if found.is_empty() {
        return Err(TlsError::new(format!("{name} holds no certificate: there is no `-----BEGIN CERTIFICATE-----` in it")));
    }
    Ok(found)
}

/// The private key in `text`, which is called `name`.
pub(super) fn key(name: &str, text: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(text).map_err(|error| {
        if matches!(error, pem::Error::NoItemsFound) {
            return TlsError::new(format!(
                "{name} holds no private key that can be used: there is no `-----BEGIN PRIVATE KEY-----` in it (nor RSA or EC); a key with a \
                 passphrase has to be decrypted first"
            ));
        }
        TlsError::new(format!("{name} is no PEM: {error}"))
    })
}

/// The certificates in `text` as those to trust.
pub(super) fn roots(name: &str, text: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(name, text)? {
        store.add(certificate).map_err(|error| TlsError::new(format!("{name}: a certificate cannot be a root: {error}")))?;
    }
    Ok(store)
}

/// What is in a file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::new(format!("cannot read `{}`: {error}", path.display())))
}
