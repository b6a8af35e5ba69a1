//! STARTTLS (RFC 3207) and the `smtpd_tls_*` settings.
//!
//! # Simplifications
//! No octet is encrypted: TLS is a state of the connection ([`crate::world::tls`]) with a version, a
//! cipher and a certificate. Client certificates are not asked for. Protocol and cipher settings have
//! no effect: both ends always agree on the same ones.

use super::session::{Next, Session};
use crate::postfix::anvil::Act;
use crate::postfix::server::Daemon;
use crate::proto::smtp::command::Words;
pub use crate::world::tls::Tls;

/// What of the configuration concerns TLS.
pub struct Settings {
    /// STARTTLS is offered.
    pub offered: bool,
    /// Nothing but STARTTLS may come before mail.
    pub enforce: bool,
    /// AUTH only within TLS.
    pub auth_only: bool,
    /// TLS from the first octet (`smtps`).
    pub wrapper: bool,
    pub received_header: bool,
    pub log_level: i64,
    /// Why there is no TLS although it is offered.
    broken: bool,
}

impl Settings {
    /// Reads the settings, and says what is wrong with the certificate.
    ///
    /// # Errors
    /// Which setting cannot be, for the log.
    pub fn read(daemon: &Daemon) -> Result<Settings, String> {
        let level = daemon.string("smtpd_tls_security_level");
        let wrapper = daemon.yes("smtpd_tls_wrappermode");
        let (offered, enforce) = match &*level {
            "" => {
                let enforce = daemon.yes("smtpd_enforce_tls");
                (enforce || daemon.yes("smtpd_use_tls"), enforce)
            }
            "none" => (false, false),
            "may" => (true, false),
            "encrypt" => (true, true),
            // Those are for the other side of a connection.
            other => {
                daemon.msg.log_warn(format!("{other}: unsupported TLS level, using \"encrypt\""));
                (true, true)
            }
        };
        let offered = offered || wrapper;
        let broken = offered && !Self::has_certificate(daemon);
        Ok(Settings {
            offered,
            enforce: enforce || wrapper,
            auth_only: daemon.yes("smtpd_tls_auth_only") || enforce,
            wrapper,
            received_header: daemon.yes("smtpd_tls_received_header"),
            log_level: daemon.int("smtpd_tls_loglevel"),
            broken,
        })
    }

    /// Can the certificate and its key be read?
    fn has_certificate(daemon: &Daemon) -> bool {
        let chain = daemon.config.list("smtpd_tls_chain_files");
        if !chain.is_empty() {
            return chain.iter().all(|path| daemon.root_can_read(path));
        }
        let certificate = daemon.string("smtpd_tls_cert_file");
        if certificate.is_empty() || &*certificate == "none" {
            return &*certificate == "none";
        }
        let key = daemon.string("smtpd_tls_key_file");
        if key == certificate && !daemon.root_can_read(&key) {
            let why = "No such file or directory";
            daemon.msg.log_warn(format!("error opening chain file: {key}: {why}"));
            return false;
        }
        for (what, path) in [("certificate", &certificate), ("private key", &key)] {
            if !daemon.root_can_read(path) {
                daemon
                    .msg
                    .log_warn(format!("cannot get RSA {what} from file \"{path}\": disabling TLS support"));
                return false;
            }
        }
        true
    }
}

impl Session<'_> {
    /// RFC 3207, section 4
    pub async fn starttls(&mut self, words: &Words<'_>) -> Next {
        if words.len() != 1 {
            return self.fault("501 5.5.4 Syntax: STARTTLS");
        }
        if self.tls.is_some() {
            return self.fault("554 5.5.1 Error: TLS already active");
        }
        if !self.settings.tls.offered || self.discard.has("STARTTLS") {
            return self.fault("502 5.5.1 Error: command not implemented");
        }
        if self.settings.tls.broken {
            return self.fault("454 4.7.0 TLS not available due to local problem");
        }
        let limit = self.settings.client_limits.new_tls_rate;
        if self.exceeds(Act::NewTls, limit, "New TLS session rate").await {
            let address = self.client.shown_address.clone();
            return self.fault(&format!("454 4.7.0 Error: too many new TLS sessions from {address}"));
        }
        self.reply("220 2.0.0 Ready to start TLS");
        // What was said before TLS is nobody's word (RFC 3207, section 4.2).
        self.drop_input();
        if self.flush().await.is_err() || !self.start_tls().await {
            return Next::Gone(super::session::Gone::Lost);
        }
        self.reset();
        self.helo = "".into();
        self.esmtp = false;
        self.login = None;
        match self.sasl_mechanisms().await {
            Ok(mechanisms) => self.mechanisms = mechanisms,
            Err(()) => return Next::Dismissed,
        }
        Next::Done
    }

    /// Shakes hands; false where the client does not.
    pub async fn start_tls(&mut self) -> bool {
        let certificate = self.settings.myhostname.clone();
        let Ok(stream) = self.wire.socket() else { return false };
        let accepted = crate::world::tls::accept(stream, certificate);
        match self.daemon.p.timeout(self.settings.timeout, accepted).await {
            Some(Ok(tls)) => {
                if self.settings.tls.log_level > 0 {
                    let text = format!(
                        "Anonymous TLS connection established from {}: {}",
                        self.shown,
                        tls.summary()
                    );
                    self.log(&text);
                }
                self.tls = Some(tls);
                true
            }
            _ => {
                self.log(&format!("SSL_accept error from {}: lost connection", self.shown));
                false
            }
        }
    }
}
