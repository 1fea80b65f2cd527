//! An authority of a test's own.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};

use super::TlsOptions;
use crate::config::Secret;

/// Until when certificates are good unless a test says otherwise: January of this year.
const YEAR_MAX: i32 = 4_000;

/// Signs the certificates of a test. Those of different authorities have nothing in common.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// A certificate and its key, both PEM.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Authority {
    /// One with a name, by which certificates say who signed them.
    ///
    /// # Panics
    /// If no key can be made.
    pub fn named(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().expect("a key is made");
        let certificate = params.self_signed(&key).expect("an authority signs itself").pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// Its own certificate, PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A certificate for host names and addresses.
    ///
    /// # Panics
    /// If one of them is neither.
    pub fn sign(&self, names: &[&str]) -> Signed {
        self.sign_until(YEAR_MAX, names)
    }

    /// As [`Self::sign`], good until January of that year.
    ///
    /// # Panics
    /// As [`Self::sign`].
    pub fn sign_until(&self, year: i32, names: &[&str]) -> Signed {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("host names or addresses");
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key is made");
        let certificate = params.signed_by(&key, &self.issuer).expect("the authority signs").pem();
        Signed { certificate, key: key.serialize_pem() }
    }
}

impl Signed {
    /// Options of who shows it, and takes what these authorities signed.
    pub fn options(&self, authorities: &str) -> TlsOptions {
        TlsOptions {
            certificate: self.certificate.clone(),
            key: Secret::new(self.key.as_str()),
            authorities: authorities.to_owned(),
        }
    }
}
