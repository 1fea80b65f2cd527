//! What PEM holds. Each error says what is allowed.

use tokio_rustls::rustls::{
    CertificateError, Error, RootCertStore,
    client::verify_server_cert_signed_by_trust_anchor,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject as _},
    server::ParsedCertificate,
    sign::CertifiedKey,
};

const CERTIFICATES: &str = "certificates in PEM, or file:PATH";
const KEY: &str = "the certificate's private key in PEM, not encrypted, or file:PATH";

/// What can be told of a value. Not the value: it is long, and what is no PEM may be a secret in the wrong place.
pub(super) fn told(pem: &str) -> &'static str {
    match pem {
        "" => "",
        pem if pem.contains("-----BEGIN ") => "PEM",
        _ => "not PEM",
    }
}

/// A certificate and those between it and its authority, all good now.
pub(super) fn chain(pem: &str, now: UnixTime) -> Result<Vec<CertificateDer<'static>>, String> {
    // Certificates are shown with the configuration.
    if PrivateKeyDer::from_pem_slice(pem.as_bytes()).is_ok() {
        return Err("certificates alone, without the private key".into());
    }
    let chain = certificates(pem)?;
    for certificate in &chain {
        let parsed = ParsedCertificate::try_from(certificate).map_err(|error| format!("{CERTIFICATES}: {error}"))?;
        in_its_time(&parsed, now)?;
    }
    Ok(chain)
}

/// A private key.
pub(super) fn private_key(pem: &str) -> Result<PrivateKeyDer<'static>, String> {
    // What the parser says of a key that it does not understand could hold a part of it.
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KEY.to_owned())
}

/// A chain with its key.
pub(super) fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, String> {
    CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| match error {
        Error::InconsistentKeys(_) => "the private key of this certificate, not of another".to_owned(),
        error => format!("{KEY}: {error}"),
    })
}

/// Authorities; none are given by nothing.
pub(super) fn authorities(pem: &str) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    if !pem.is_empty() {
        for certificate in certificates(pem)? {
            store.add(certificate).map_err(|error| format!("{CERTIFICATES}: {error}"))?;
        }
    }
    Ok(store)
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    match CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>() {
        Ok(found) if found.is_empty() => Err(CERTIFICATES.to_owned()),
        Ok(found) => Ok(found),
        Err(error) => Err(format!("{CERTIFICATES}: {error}")),
    }
}

/// Verification looks at the time first. Without an authority it gets no further, and is not meant to.
fn in_its_time(certificate: &ParsedCertificate<'_>, now: UnixTime) -> Result<(), String> {
    let algorithms = default_provider().signature_verification_algorithms.all;
    match verify_server_cert_signed_by_trust_anchor(certificate, &RootCertStore::empty(), &[], now, algorithms) {
        Err(Error::InvalidCertificate(
            error @ (CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }),
        )) => Err(format!("certificates that are good now: {error}")),
        _ => Ok(()),
    }
}
