//! TLS as a state of a connection: both ends agree, and what follows is said to be sealed.
//!
//! # Simplifications
//! Nothing is encrypted, and no certificate is checked by its signature. The two ends always agree
//! on TLS 1.3 and the strongest cipher.

use super::errno::{Errno, Sys};
use super::stream::Stream;
use std::rc::Rc;

/// What a client begins with.
struct Hello;

/// What was agreed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tls {
    /// The version of the protocol.
    pub protocol: &'static str,
    /// The cipher.
    pub cipher: &'static str,
    /// The host name in the server's certificate.
    pub certificate: Rc<str>,
}

impl Tls {
    /// Protocol, cipher and keys on one line, as Postfix logs them.
    pub fn summary(&self) -> String {
        format!("{} with cipher {} (256/256 bits) {KEYS}", self.protocol, self.cipher)
    }

    /// The same as lines of a `Received:` header.
    pub fn received(&self) -> String {
        format!(
            "\t(using {} with cipher {} (256/256 bits)\n\t {KEYS})\n\t(No client certificate requested)\n",
            self.protocol, self.cipher
        )
    }
}

/// How keys are exchanged and what they are signed with.
const KEYS: &str = "key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256";

/// The server's side of the handshake.
///
/// # Errors
/// `EPROTO` where the other end says something else, `ECONNRESET` where it is gone.
pub async fn accept(stream: &Stream, certificate: Rc<str>) -> Sys<Tls> {
    stream.receive::<Hello>().await.ok_or(Errno::ECONNRESET)?;
    let tls = Tls { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", certificate };
    stream.seal(&tls)?;
    Ok(tls)
}

/// The client's side of the handshake.
///
/// # Errors
/// `ECONNRESET` where the server does not answer as one that knows TLS.
pub async fn connect(stream: &Stream) -> Sys<Tls> {
    stream.send_untold(Hello)?;
    stream.receive::<Tls>().await.ok_or(Errno::ECONNRESET)
}
