//! Certificates that are made for a test.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    SanType, date_time_ymd,
};

/// A certificate and its key, PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

/// A certificate authority.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Ca {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Its certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The daemon's certificate, for the address that tests listen on.
    pub fn daemon(&self) -> Pair {
        self.sign(&server(vec![SanType::IpAddress([127, 0, 0, 1].into())]))
    }

    /// The certificate of a daemon at another address.
    pub fn elsewhere(&self) -> Pair {
        self.sign(&server(vec![SanType::IpAddress([10, 0, 0, 1].into())]))
    }

    /// An expired certificate of the daemon.
    pub fn expired_daemon(&self) -> Pair {
        let mut params = server(vec![SanType::IpAddress([127, 0, 0, 1].into())]);
        expire(&mut params);
        self.sign(&params)
    }

    /// A client's certificate with this name among others.
    pub fn client(&self, name: &str) -> Pair {
        self.sign(&client(name))
    }

    /// An expired certificate of a client.
    pub fn expired_client(&self, name: &str) -> Pair {
        let mut params = client(name);
        expire(&mut params);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer);
        Pair {
            certificate: certificate.expect("a certificate").pem(),
            key: key.serialize_pem(),
        }
    }
}

fn expire(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 1, 1);
}

fn server(names: Vec<SanType>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.subject_alt_names = names;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn client(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "a client");
    params.subject_alt_names = vec![SanType::DnsName(name.try_into().expect("ASCII"))];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}
