//! What the mechanisms of SASL (RFC 4422) compute.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use std::fmt::Write;

/// The digest of CRAM-MD5 (RFC 2195): of the challenge, keyed with the password, in hexadecimal digits.
pub fn cram_md5(password: &[u8], challenge: &[u8]) -> String {
    let mut mac = Hmac::<Md5>::new_from_slice(password).expect("a key of any length is good");
    mac.update(challenge);
    mac.finalize().into_bytes().iter().fold(String::with_capacity(32), |mut out, octet| {
        let _ = write!(out, "{octet:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_of_rfc_2195() {
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
        assert_eq!(super::cram_md5(b"tanstaaftanstaaf", challenge), "b913a602c7eda7a495b4e6e7334d3890");
    }
}
