//! Handing a recipient to another delivery agent as it is (`deliver_pass(3)`):
//! `mailbox_transport`, `fallback_transport` and their tables.

use super::{State, Status, Work};
use crate::postfix::deliver::Dsn;
use crate::postfix::ipc::DeliveryReport;
use crate::postfix::queue::{Recipient, SPOOL};
use crate::postfix::trivial_rewrite::split_transport;
use crate::world::clock::Duration;
use crate::world::stream::Stream;

/// How often a service that is not there is called again.
const RETRIES: u32 = 10;
/// How long to wait in between.
const PAUSE: Duration = Duration::from_secs(10);

impl<'a> Work<'a> {
    /// Has another agent deliver; `setting` is `transport:nexthop`.
    pub(super) async fn pass_on(&self, state: &State, setting: &str) -> Status {
        let daemon = self.daemon();
        let (transport, nexthop) = split_transport(setting);
        let mut request = self.delivery.request.clone();
        let id = request.id.clone();
        let address = state.rcpt.address.clone();
        daemon.msg.log(&format!("{id}: passing <{address}> to transport={transport}"));
        if let Some(nexthop) = nexthop {
            request.nexthop = nexthop.into();
        }
        // The recipient is struck here, when all is done.
        request.recipients = vec![Recipient { offset: 0, ..state.rcpt.clone() }];
        let report = match self.connect(transport).await {
            Some(stream) if stream.send(|_| format!("{id} for {address}"), request).is_ok() => {
                stream.receive::<DeliveryReport>().await
            }
            _ => None,
        };
        match report {
            Some(report) => {
                self.delivery.passed(report.deferred);
                if report.deferred { Status::Later } else { Status::Done }
            }
            None => self.deferred(state, Dsn::new("4.3.0", "mail transport unavailable")).await,
        }
    }

    /// Calls a service until it answers; in the end the real agent dies, here the recipient waits.
    async fn connect(&self, transport: &str) -> Option<Stream> {
        let daemon = self.daemon();
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
