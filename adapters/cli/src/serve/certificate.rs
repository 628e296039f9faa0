//! The server's certificate: from files, or made up.

use super::options::Serve;
use crate::failure::Failure;
use crate::remote::read_file;
use bowline_tokio::{ClientCertificates, ServerTls, TlsError};
use rcgen::{CertificateParams, DnType, KeyPair};

/// A certificate with its key.
pub(super) struct Certificate {
    tls: ServerTls,
    /// Of one that was made up, so that who trusts it can see that it is this one.
    fingerprint: Option<String>,
}

impl Certificate {
    pub(super) fn tls(&self) -> &ServerTls {
        &self.tls
    }

    pub(super) fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// Reads the files again.
    pub(super) fn reload(&self) -> Result<(), TlsError> {
        self.tls.reload()
    }
}

impl Serve {
    /// What the flags ask for, if it is TLS.
    pub(super) fn certificate(&self) -> Result<Option<Certificate>, Failure> {
        let usage = |what: &str| Err(Failure::Usage(what.into()));
        let certificate = match (&self.tls_cert, &self.tls_key) {
            (None, Some(_)) => return usage("--tls-key needs the certificate that it belongs to: --tls-cert"),
            (Some(_), None) => return usage("--tls-cert needs its private key: --tls-key"),
            (Some(_), Some(_)) if self.tls_self_signed => return usage("--tls-self-signed and --tls-cert are two certificates: give one"),
            (Some(chain), Some(key)) => {
                let tls = ServerTls::from_pem_files(chain, key).map_err(|error| Failure::Usage(format!("--tls-cert: {error}")))?;
                Certificate { tls, fingerprint: None }
            }
            (None, None) if self.tls_self_signed => self.make_up()?,
            (None, None) if self.tls_client_ca.is_some() => {
                return usage("--tls-client-ca needs a certificate for the server: --tls-cert and --tls-key, or --tls-self-signed");
            }
            (None, None) => return Ok(None),
        };
        let Certificate { tls, fingerprint } = certificate;
        let tls = match &self.tls_client_ca {
            Some(path) => {
                let roots = read_file("--tls-client-ca", path)?;
                let asking = tls.client_certificates(&roots, ClientCertificates::Required);
                asking.map_err(|error| Failure::Usage(format!("--tls-client-ca: {error}")))?
            }
            None => tls,
        };
        Ok(Some(Certificate { tls, fingerprint }))
    }

    /// A certificate for this machine and the addresses that are listened on.
    fn make_up(&self) -> Result<Certificate, Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::Other(format!("cannot make a certificate: {error}"));
        let mut names: Vec<_> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
        names.extend(self.listen.iter().filter_map(|place| place.host()).map(str::to_owned));
        names.sort();
        names.dedup();
        let mut params = CertificateParams::new(names).map_err(|error| failed(&error))?;
        params.distinguished_name.push(DnType::CommonName, "bowline serve --tls-self-signed");
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        let certificate = params.self_signed(&key).map_err(|error| failed(&error))?;
        let tls = ServerTls::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).map_err(|error| failed(&error))?;
        let digest = ring::digest::digest(&ring::digest::SHA256, certificate.der());
        let bytes: Vec<_> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        Ok(Certificate { tls, fingerprint: Some(bytes.join(":")) })
    }
}
