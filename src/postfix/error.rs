//! error(8), for the services `error` and `retry`, and discard(8): agents that deliver nothing.
//!
//! `error` returns every recipient with the reason that stands in the next hop (`5.1.1 text`),
//! `retry` lets it wait for that reason, `discard` says that it was delivered.

use super::deliver::{Delivery, Dsn, Progress};
use super::server::Daemon;
use super::sysexits;
use crate::world::process::Process;

/// The error daemon.
pub async fn main(p: Process) -> i32 {
    let daemon = match Daemon::start(p) {
        Ok(daemon) => daemon,
        Err(status) => return status,
    };
    while let Some(stream) = daemon.accept().await {
        let Some(delivery) = Delivery::receive(&daemon, &stream).await else { continue };
        let later = daemon.service.name() == "retry";
        let mut dsn = reason(&delivery.request.nexthop, if later { "4.0.0" } else { "5.0.0" });
        // The service says whether it is for good, whatever the code says.
        let (class, call) = if later { ("4", "defer_append") } else { ("5", "bounce_append") };
        for rcpt in &delivery.request.recipients {
            if !dsn.status.starts_with(class) {
                daemon.msg.log_warn(format!("{call}: ignoring dsn code \"{}\"", dsn.status));
                dsn.status = format!("{class}.0.0").into();
            }
            delivery.failed(rcpt, "none", Progress::default(), &dsn).await;
        }
        delivery.finish(&stream, None);
    }
    0
}

/// The discard daemon.
pub async fn discard(p: Process) -> i32 {
    let daemon = match Daemon::start(p) {
        Ok(daemon) => daemon,
        Err(status) => return status,
    };
    while let Some(stream) = daemon.accept().await {
        let Some(delivery) = Delivery::receive(&daemon, &stream).await else { continue };
        let dsn = Dsn::new("2.0.0", reason(&delivery.request.nexthop, "2.0.0").reason);
        for rcpt in &delivery.request.recipients {
            delivery.sent(rcpt, "none", Progress::default(), &dsn).await;
        }
        delivery.finish(&stream, None);
    }
    0
}

/// A reason with or without a status code of its own in front.
fn reason(nexthop: &str, default: &str) -> Dsn {
    match sysexits::own_code(nexthop) {
        Some((code, text)) => Dsn::new(code, text),
        None if nexthop.is_empty() => Dsn::new(default, "Address is undeliverable"),
        None => Dsn::new(default, nexthop),
    }
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn a_reason_may_bring_its_own_code() {
        assert_eq!(&*reason("5.1.1 User unknown", "5.0.0").status, "5.1.1");
        assert_eq!(&*reason("5.1.1 User unknown", "5.0.0").reason, "User unknown");
        assert_eq!(&*reason("no such thing", "5.0.0").status, "5.0.0");
        assert_eq!(&*reason("no such thing", "5.0.0").reason, "no such thing");
        assert_eq!((&*reason("5.9.9", "5.0.0").status, &*reason("5.9.9", "5.0.0").reason), ("5.9.9", ""));
    }
}
