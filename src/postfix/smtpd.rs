//! smtpd(8): the SMTP server.
//!
//! Listens on the `inet` service `smtp` of master.cf, talks to clients, asks [`check`] whether
//! they may, and gives messages to cleanup.
//!
//! Standards: RFC 5321 (SMTP), RFC 1870 (SIZE), RFC 1985 (ETRN), RFC 2034 (ENHANCEDSTATUSCODES),
//! RFC 2920 (PIPELINING), RFC 3030 (CHUNKING), RFC 3461 (DSN), RFC 6152 (8BITMIME),
//! RFC 6531 (SMTPUTF8).
//!
//! # Simplifications
//! No STARTTLS, AUTH, XCLIENT and XFORWARD; no content inspection. Restrictions: see [`check`].
//!
//! Diagnostics: a line for each connection, rejected command and queued message in the log; the
//! counts of commands when the client leaves.

mod check;
mod commands;
mod counts;
mod data;
mod peer;
mod session;

use super::server::Daemon;
use crate::world::process::Process;
use check::Checks;
use session::Session;

/// The daemon.
pub async fn main(p: Process) -> i32 {
    let daemon = match Daemon::start(p) {
        Ok(daemon) => daemon,
        Err(status) => return status,
    };
    let ready = Checks::new(&daemon).and_then(|checks| session::Settings::read(&daemon).map(|s| (checks, s)));
    let (checks, settings) = match ready {
        Ok(ready) => ready,
        Err(text) => {
            daemon.msg.log(&format!("fatal: {text}"));
            return 1;
        }
    };
    let rewriter = super::rewrite::Rewriter::default();
    while let Some(stream) = daemon.accept().await {
        Session::new(&daemon, &settings, &checks, &rewriter, stream).await.run().await;
    }
    0
}
