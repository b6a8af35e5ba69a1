//! Handing recipients to another delivery agent as they are (`deliver_pass(3)`): `mailbox_transport`,
//! `fallback_transport` and their tables, `best_mx_transport`.

use super::deliver::{Delivery, Dsn, Progress};
use super::ipc::DeliveryReport;
use super::queue::{Recipient, SPOOL};
use super::trivial_rewrite::split_transport;
use crate::world::clock::Duration;
use crate::world::stream::Stream;

/// How often a service that is not there is called again.
const RETRIES: u32 = 10;
/// How long to wait in between.
const PAUSE: Duration = Duration::from_secs(10);

impl Delivery<'_> {
    /// Has another agent deliver to one recipient; `setting` is `transport:nexthop`. `true` if he
    /// must wait, `None` if the agent cannot be reached.
    pub async fn pass(&self, setting: &str, rcpt: Recipient) -> Option<bool> {
        let daemon = self.daemon;
        let (transport, nexthop) = split_transport(setting);
        let mut request = self.request.clone();
        let (id, address) = (request.id.clone(), rcpt.address.clone());
        daemon.msg.log(&format!("{id}: passing <{address}> to transport={transport}"));
        if let Some(nexthop) = nexthop {
            request.nexthop = nexthop.into();
        }
        request.recipients = vec![rcpt];
        let report = match self.call(transport).await {
            Some(stream) if stream.send(|_| format!("{id} for {address}"), request).is_ok() => {
                stream.receive::<DeliveryReport>().await
            }
            _ => None,
        };
        let deferred = report?.deferred;
        self.passed(deferred);
        Some(deferred)
    }

    /// The same for several, who wait where the agent cannot be reached.
    pub async fn pass_all(&self, setting: &str, recipients: Vec<Recipient>) {
        for rcpt in recipients {
            if self.pass(setting, rcpt.clone()).await.is_none() {
                let dsn = Dsn::new("4.3.0", "mail transport unavailable");
                self.deferred(&rcpt, "none", Progress::default(), &dsn).await;
            }
        }
    }

    /// Calls a service until it answers; in the end the real agent dies, here the recipient waits.
    async fn call(&self, transport: &str) -> Option<Stream> {
        let daemon = self.daemon;
        let path = format!("{SPOOL}/private/{transport}");
        for n in 1..=RETRIES + 1 {
            match daemon.p.connect_unix(&path).await {
                Ok(stream) => return Some(stream),
                Err(e) => {
                    let level = if n > RETRIES { "fatal" } else { "warning" };
                    let text = format!("{level}: connect #{n} to subsystem private/{transport}: {e}");
                    daemon.msg.log(&text);
                }
            }
            if n <= RETRIES {
                daemon.p.idle(PAUSE).await;
            }
        }
        None
    }
}
