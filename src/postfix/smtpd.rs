//! smtpd(8): the SMTP server.
//!
//! Listens on the `inet` service `smtp` of master.cf, talks to clients, asks [`check`] whether
//! they may, and gives messages to cleanup. [`sync`] looks to clients that do not wait their turn.
//!
//! With `-S` ([`sendmail -bs`](super::sendmail)) it serves whoever is at its standard input, with that
//! user's rights: there are no restrictions, no TLS and no AUTH, and messages go through postdrop(1).
//!
//! Standards: RFC 5321 (SMTP), RFC 1870 (SIZE), RFC 1985 (ETRN), RFC 2034 (ENHANCEDSTATUSCODES),
//! RFC 2920 (PIPELINING), RFC 3030 (CHUNKING), RFC 3461 (DSN), RFC 6152 (8BITMIME),
//! RFC 6531 (SMTPUTF8).
//!
//! # Simplifications
//! No Milters, no `smtpd_proxy_filter`, no VERP. Restrictions: see [`check`]; TLS: see [`tls`].
//!
//! Diagnostics: letters to the postmaster ([`transcript`]); a line for each connection, rejected command
//! and queued message in the log; the counts of commands when the client leaves.

mod check;
mod commands;
mod counts;
mod data;
mod limits;
mod peer;
mod postdrop;
mod reply;
mod sasl;
mod session;
mod settings;
mod sync;
mod tls;
mod transcript;
mod wire;
mod xclient;

use super::server::Daemon;
use crate::world::process::Process;
use check::Checks;
use session::Session;
pub(super) use settings::Discard;
use settings::Settings;
use wire::Wire;

/// The daemon.
pub async fn main(p: Process) -> i32 {
    let alone = p.args().iter().any(|arg| &**arg == "-S");
    let daemon = match if alone { Daemon::alone(p) } else { Daemon::start(p) } {
        Ok(daemon) => daemon,
        Err(status) => return status,
    };
    let ready = Settings::read(&daemon).and_then(|settings| Ok((Checks::new(&daemon)?, settings)));
    let (checks, mut settings) = match ready.and_then(|r| r.0.check_relay_control().map(|()| r)) {
        Ok(ready) => ready,
        Err(text) => {
            daemon.msg.log(&format!("fatal: {text}"));
            return 1;
        }
    };
    let rewriter = super::rewrite::Rewriter::default();
    let anvil = std::cell::RefCell::default();
    if alone {
        settings.stand_alone();
        let wire = Wire::Standard(daemon.p.clone());
        let session = Session::new(&daemon, &settings, &checks, &rewriter, &anvil, wire).await;
        return i32::from(session.run().await.is_err());
    }
    while let Some(stream) = daemon.accept().await {
        let stream = Wire::Socket(stream);
        let session = Session::new(&daemon, &settings, &checks, &rewriter, &anvil, stream).await;
        if session.run().await.is_err() {
            return 1;
        }
    }
    0
}
