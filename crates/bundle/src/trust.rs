//! Certificate authorities that the user names, out of PEM. Owns no verification: that is the TLS
//! library's.

use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

/// Certificates that a TLS server's chain must end in.
#[derive(Clone, Debug)]
pub struct Authorities(RootCerts);

impl Authorities {
    /// Reads PEM text with one or more certificates; anything else in it is passed over.
    ///
    /// # Errors
    /// A sentence: damaged PEM, or none with a certificate.
    pub fn from_pem(pem: &[u8]) -> Result<Self, String> {
        let mut found: Vec<Certificate<'static>> = Vec::new();
        for item in parse_pem(pem) {
            match item {
                Ok(PemItem::Certificate(c)) => found.push(c),
                Ok(_) => {}
                Err(e) => return Err(format!("damaged PEM: {e}")),
            }
        }
        if found.is_empty() {
            return Err("expected a certificate in PEM form (-----BEGIN CERTIFICATE-----), found none".to_owned());
        }
        Ok(Self(found.into()))
    }

    /// For a TLS client.
    #[must_use]
    pub fn roots(&self) -> RootCerts {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_certificates_count() {
        let block = |what: &str| format!("text before\n-----BEGIN {what}-----\nAAAA\n-----END {what}-----\n");
        assert!(Authorities::from_pem(block("CERTIFICATE").repeat(2).as_bytes()).is_ok());
        for bad in [String::new(), "no PEM".to_owned(), block("PRIVATE KEY")] {
            assert!(Authorities::from_pem(bad.as_bytes()).unwrap_err().contains("CERTIFICATE"), "{bad}");
        }
        assert!(Authorities::from_pem(b"-----BEGIN CERTIFICATE-----\nAAAA").is_err());
    }

    proptest! {
        #[test]
        fn any_text_ends(text in "(-----(BEGIN|END) CERTIFICATE-----\n|[A-Za-z0-9+/=]{0,20}\n|\\PC){0,12}") {
            let _ = Authorities::from_pem(text.as_bytes());
        }
    }
}
