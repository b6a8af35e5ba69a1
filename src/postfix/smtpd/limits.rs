//! What one client may do, as anvil counts it (`smtpd_client_*_limit`).

use super::session::Session;
use crate::postfix::anvil::{self, Act};

impl Session<'_> {
    /// Does the client have more connections than it may, or too often new ones?
    pub async fn too_many_connections(&self) -> bool {
        let limits = &self.settings.client_limits;
        let Some(reply) = self.event(Act::Connect).await else { return false };
        let over = |limit: u32, n: u32| limit > 0 && n > limit;
        let (what, n) = if over(limits.connections, reply.connections) {
            ("Connection concurrency", reply.connections)
        } else if over(limits.connection_rate, reply.rate) {
            ("Connection rate", reply.rate)
        } else {
            return false;
        };
        let (host, address) = (&self.settings.myhostname, &self.client.shown_address);
        self.reply(&format!("421 4.7.0 {host} Error: too many connections from {address}"));
        self.log_limit(what, n);
        true
    }

    /// Does the client do this more often than it may? Then the log has said so.
    pub async fn exceeds(&self, act: Act, limit: u32, what: &str) -> bool {
        if limit == 0 {
            return false;
        }
        match self.event(act).await {
            Some(reply) if reply.rate > limit => {
                self.log_limit(what, reply.rate);
                true
            }
            _ => false,
        }
    }

    fn log_limit(&self, what: &str, n: u32) {
        let service = self.daemon.service.name();
        let text = format!("{what} limit exceeded: {n} from {} for service {service}", self.shown);
        self.daemon.msg.log_warn(text);
    }

    /// Tells anvil what the client does, if anybody wants to know.
    async fn event(&self, act: Act) -> Option<anvil::Reply> {
        let s = self.settings;
        if s.client_limits.none() || self.client.address.is_none() || self.is_in(&s.limit_exceptions) {
            return None;
        }
        let client = format!("{}:{}", self.daemon.service.name(), self.client.shown_address);
        anvil::ask(&self.daemon.p, &self.anvil, client.into(), act).await
    }
}
