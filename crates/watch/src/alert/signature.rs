//! Signatures of webhook bodies: HMAC-SHA256 (RFC 2104) over the time of sending and the body, so that a
//! receiver can tell who sent it and refuse what is replayed.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt::Write;

/// Name of the header.
pub const SIGNATURE_HEADER: &str = "X-Oomph-Signature";

/// `t=SECONDS,v1=HEX`, where HEX is the HMAC-SHA256 of `SECONDS.BODY` in lower case; SECONDS since 1970.
pub(crate) fn sign(key: &[u8], unix_seconds: i64, body: &[u8]) -> String {
    let mut out = format!("t={unix_seconds},v1=");
    // A key of any length is a key.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return out };
    mac.update(format!("{unix_seconds}.").as_bytes());
    mac.update(body);
    for byte in mac.finalize().into_bytes() {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key`.
    #[test]
    fn is_what_openssl_computes() {
        let want = "a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03";
        assert_eq!(sign(b"key", 1_700_000_000, b"{\"a\":1}"), format!("t=1700000000,v1={want}"));
    }
}
